"""What reading costs, each part against the least that it could cost: only the ratio means anything."""

from __future__ import annotations

import csv
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cartlake.core.header import find_layout, header_text
from cartlake.core.lines import physical_lines
from cartlake.core.packed import content
from cartlake.core.profile import Profile, Profiler
from cartlake.engines.base import RecordSource
from cartlake.engines.registry import open_engine
from cartlake.hashing import Sha256
from cartlake.project import load_contracts
from cartlake.settings import load_settings

_ROUNDS = 7


@dataclass(frozen=True)
class Ratio:
    """The best of some rounds, taken in turns, in seconds."""

    what: str
    seconds: float
    against: str
    least: float

    @property
    def ratio(self) -> float:
        return self.seconds / self.least


def reading_ratios(folder: Path, records: int) -> list[Ratio]:
    """Of a file of orders without quotes, and of one with quoted addresses."""
    settings = load_settings(folder, {}, {})
    settings.archive_folder.mkdir(parents=True, exist_ok=True)
    ratios = []
    for kind, address in (("plain", "{n} Main St"), ("quoted", '"{n} Main St, Leeds"')):
        path = settings.archive_folder / f"orders_{kind}.csv"
        _write(path, records, address)
        ratios += [_profile(path, kind), _splitter(path, kind), _clean_path(folder, path, kind)]
    return ratios


def _write(path: Path, records: int, address: str) -> None:
    names = "order_id,customer_id,product_id,order_date,quantity,order_amount,currency,payment_method,shipping_address"
    line = "O-{n:09},C-{c},P-{p},2025-03-01,1,{c}.50,USD,credit_card," + address + ",pending,2025-03-01 08:00:00,\n"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"{names},order_status,created_timestamp,updated_timestamp\n")
        file.writelines(line.format(n=n, c=n % 9_973 + 1, p=n % 4_999) for n in range(records))


def _profile(path: Path, kind: str) -> Ratio:
    def hashed() -> None:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            for chunk in content(file, path.name):
                digest.update(chunk)

    return _compared(f"profile and hash, {kind}", lambda: _profiled(path), "the hash alone", hashed)


def _profiled(path: Path) -> Profile:
    profiler = Profiler(Sha256())
    with path.open("rb") as file:
        for chunk in content(file, path.name):
            profiler.update(chunk)
    return profiler.finish()


def _source(path: Path) -> RecordSource:
    head = path.read_bytes()[: 1 << 16]
    contract = next(each for each in load_contracts(path.parent) if each.feed == "orders")
    return RecordSource(path, _profiled(path), "utf-8", find_layout(header_text(head, "utf-8"), contract))


def _splitter(path: Path, kind: str) -> Ratio:
    source = _source(path)

    def split() -> int:
        with path.open("rb") as file:
            return sum(1 for _ in source.layout.items(physical_lines(file), source.codec))

    def bare() -> int:
        with path.open("rb") as file:
            return sum(1 for _ in csv.reader((str(line, "utf-8") for line in physical_lines(file)), strict=True))

    return _compared(f"splitter, {kind}", split, "csv.reader over the same lines", bare)


def _clean_path(folder: Path, path: Path, kind: str) -> Ratio:
    """Both into a table of DuckDB; the engine's is checked against the profile."""
    source = _source(path)
    engine = open_engine(load_settings(folder, {}, {}))

    def read() -> None:
        with engine.scope():
            engine.records("records", source)

    columns = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(len(source.layout.columns)))
    table = (
        f"CREATE OR REPLACE TEMP TABLE bare AS SELECT * FROM read_csv('{path.as_posix()}', columns = {{{columns}}},"
        " delim = ',', auto_detect = false, header = true, quote = '\"', escape = '\"', nullstr = '')"
    )
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false").fetchall()
        try:
            return _compared(
                f"clean path, {kind}", read, "DuckDB into a table", lambda: connection.execute(table).fetchall()
            )
        finally:
            engine.close()


def _compared(what: str, work: Callable[[], object], against: str, least: Callable[[], object]) -> Ratio:
    times = [(_seconds(work), _seconds(least)) for _ in range(_ROUNDS)]
    return Ratio(what, min(took for took, _ in times), against, min(took for _, took in times))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
