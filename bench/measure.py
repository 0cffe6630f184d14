"""What is measured, each in a process of its own, so that peak memory is its own too."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measured:
    """Wall seconds, the steps they went to, and the peak resident memory of the process in megabytes."""

    seconds: float
    parts: tuple[tuple[str, float], ...]
    peak_mb: float


def in_child(work: Callable[[Any], list[tuple[str, float]]], argument: object) -> Measured:
    """`work(argument)` in a fresh process; it returns the seconds of its steps."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_measure, args=(work, argument, sending))
    child.start()
    sending.close()
    measured: Measured = receiving.recv()
    child.join()
    return measured


def _measure(work: Callable[[Any], list[tuple[str, float]]], argument: object, sending: Any) -> None:
    started = time.perf_counter()
    parts = work(argument)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    sending.send(Measured(seconds, tuple(parts), peak))


def floor(files: Sequence[Path]) -> list[tuple[str, float]]:
    """DuckDB parses every file with sniffed types and writes it to Parquet."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false").fetchall()
        for number, file in enumerate(files):
            connection.execute(
                f"COPY (SELECT * FROM read_csv('{file.as_posix()}', sample_size = 1000, all_varchar = true))"
                f" TO '{Path(folder, str(number)).as_posix()}.parquet' (FORMAT parquet)"
            ).fetchall()
    return []


def whole_run(project: Path, engine: str = "embedded") -> list[tuple[str, float]]:
    """`cartlake run` over what has landed; the seconds of its tasks, and what was between them."""
    from cartlake.lake import Lake
    from cartlake.settings import load_settings

    parts: list[tuple[str, float]] = []
    started = time.perf_counter()
    with Lake(settings=load_settings(project, {}, {"engine": {"name": engine}})) as lake:
        report = lake.run(lambda task, _: parts.append((task.task, task.seconds)))
    assert [each.batch.status.value for each in report.batches] == ["published"], report.batches
    rest = time.perf_counter() - started - sum(seconds for _, seconds in parts)
    return [*parts, ("opening, landing, ledger", rest)]


def spark_run(project: Path) -> list[tuple[str, float]]:
    """The same on local Spark."""
    return whole_run(project, "spark")
