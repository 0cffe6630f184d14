"""Errors of Spark, its clients and Delta Lake become ours, without what they quote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.logger import PySparkLogger

from cartlake.errors import CommitConflict, EngineError, TableMissing

MISSING = frozenset(
    {
        "DELTA_MISSING_DELTA_TABLE",
        "DELTA_PATH_DOES_NOT_EXIST",
        "DELTA_TABLE_NOT_FOUND",
        "DELTA_TABLE_ONLY_OPERATION",
        "PATH_NOT_FOUND",
        "SCHEMA_NOT_FOUND",
        "TABLE_OR_VIEW_NOT_FOUND",
    }
)
_CONFLICT = re.compile(
    r"DELTA_CONCURRENT_|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED"
    r"|Concurrent\w+Exception|MetadataChangedException|ProtocolChangedException"
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")


def _foreign() -> tuple[type[BaseException], ...]:
    """What may come out of a session; which clients are installed depends on the platform."""
    kinds: list[type[BaseException]] = [PySparkException, pa.ArrowException, OSError]
    try:
        from py4j.protocol import Py4JError

        kinds.append(Py4JError)
    except ImportError:
        pass
    try:
        from grpc import RpcError

        kinds.append(RpcError)
    except ImportError:
        pass
    return tuple(kinds)


FOREIGN = _foreign()
# PySpark prints there what its errors say, and they quote cells.
_LOGGERS = tuple(map(PySparkLogger.getLogger, ("SQLQueryContextLogger", "DataFrameQueryContextLogger")))


@contextmanager
def unlogged() -> Iterator[None]:
    """Errors are not printed to stderr before anybody can catch them."""
    before = [logger.disabled for logger in _LOGGERS]
    for logger in _LOGGERS:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was_disabled in zip(_LOGGERS, before, strict=True):
            logger.disabled = was_disabled


@contextmanager
def mapped(doing: str, table: str | None = None) -> Iterator[None]:
    """Foreign errors become EngineError; where a `table` is named, a missing one TableMissing and a lost race
    CommitConflict. Only of errors from before any row was read the words are kept, without what they quote: others
    quote cells, also outside quotes."""
    try:
        with unlogged():
            yield
    except FOREIGN as error:
        raise _ours(error, doing, table) from None


def condition(error: BaseException) -> str:
    """Spark's name for what happened, or the kind of the exception."""
    found = error.getCondition() if isinstance(error, PySparkException) else None
    return found or type(error).__name__


def _ours(error: BaseException, doing: str, table: str | None) -> EngineError:
    what = condition(error)
    if table is not None and what in MISSING:
        return TableMissing("table_missing", f"there is no table {table}")
    if table is not None and (_CONFLICT.search(what) or _CONFLICT.search(str(error))):
        said = f"another process committed to {table} at the same time"
        return CommitConflict("commit_conflict", said, hint="Run it again.")
    return EngineError("engine_failed", f"{doing}: {what}{_said(error)}")


def _said(error: BaseException) -> str:
    if not isinstance(error, AnalysisException | ParseException):
        return ""
    words = re.sub(r"^\[[\w.]+\]\s*", "", str(error).split("SQLSTATE")[0].strip().split("\n")[0])
    return f": {_QUOTED.sub('…', words)[:300]}" if words else ""
