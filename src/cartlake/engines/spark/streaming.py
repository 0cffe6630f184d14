"""Structured Streaming over a folder: what lands makes micro-batches, and a checkpoint remembers which are done."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.errors.exceptions.connect import SparkConnectException

from cartlake.engines.spark.errors import condition, mapped
from cartlake.engines.spark.session import ON_DATABRICKS
from cartlake.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming import DataStreamWriter, StreamingQuery

_POLL_SECONDS = 0.2
_ATTEMPTS = 3
_WATCH = "cartlake ends with its server"


def arriving(session: SparkSession, folder: Path, environment: Mapping[str, str] = os.environ) -> DataFrame:
    """The files of `folder`, as a stream: by Auto Loader on Databricks, else by Spark's file source. Nobody reads their
    content, so a file may be gone by the time its micro-batch runs, or runs again."""
    reader = session.readStream.schema("value STRING").option("wholetext", "true")
    if ON_DATABRICKS in environment:
        reader = reader.format("cloudFiles").option("cloudFiles.format", "text")
    else:
        reader = reader.format("text").option("ignoreMissingFiles", "true")
    return reader.option("pathGlobFilter", "*.json").load(folder.as_posix())


def micro_batches(
    files: DataFrame, checkpoint: Path, act: Callable[[object], None], every: float | None
) -> Generator[int | None]:
    """`act` has been called for each micro-batch, with the session that it belongs to, in a process of Spark's choice;
    again for one that died. Yields the number of each that ended, and None while nothing ends. With `every` seconds
    there is a look until the caller closes the iterator; without, what is there now is handled, and that is all."""
    trigger = {"availableNow": True} if every is None else {"processingTime": f"{every:g} seconds"}
    writer = files.writeStream.foreachBatch(partial(_act, act, os.getpid()))
    with mapped("start the stream"):
        query = _started(writer.option("checkpointLocation", checkpoint.as_posix()).trigger(**trigger))
    try:
        yield from _progress(query)
    finally:
        _end(query)


def _act(act: Callable[[object], None], client: int, frame: DataFrame, _number: int) -> None:
    if os.getpid() != client and all(thread.name != _WATCH for thread in threading.enumerate()):
        threading.Thread(target=_end_with, args=(os.getppid(),), name=_WATCH, daemon=True).start()
    act(frame.sparkSession)


def _end_with(server: int) -> None:
    """This process, which the server started, is over when the server is: Spark's client would try to reach it again
    for many minutes, and hold the lake's lock for as long."""
    while os.getppid() == server:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def _started(writer: DataStreamWriter) -> StreamingQuery:
    """The process that takes the micro-batches has ten seconds to come up; on a busy machine not every one does."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(SparkConnectException):
            return writer.start()
    return writer.start()


def _progress(query: StreamingQuery) -> Iterator[int | None]:
    told: int | None = None
    while True:
        with mapped("look at the stream"):
            is_active, last, error = query.isActive, query.lastProgress, query.exception()
        if error is not None:
            raise EngineError(
                "stream_failed",
                f"a micro-batch failed: {condition(error)}",
                hint="`cartlake run` shows the error whole; the stream goes on where it stopped.",
            )
        if last is not None and "addBatch" in last["durationMs"] and last["batchId"] != told:
            told = last["batchId"]
            yield told
        elif is_active:
            yield None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _end(query: StreamingQuery) -> None:
    """The micro-batch under way comes to its end, and no other begins."""
    with mapped("end the stream"):
        while query.isActive and query.status["isTriggerActive"]:
            time.sleep(_POLL_SECONDS)
        query.stop()
