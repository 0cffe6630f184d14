"""How the cost of one batch grows with the history behind it: by task, by table, and beside the floors."""

from __future__ import annotations

import csv
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.measure import in_child, whole_run
from cartlake.generate import ShopPlan, generate
from cartlake.lake import Lake
from cartlake.scaffold import create_project

BATCH, ROUNDS, HISTORY_DAYS = 10_000, 3, 2
START = date(2025, 1, 1)
_HEADER = (
    *("order_id", "customer_id", "product_id", "order_date", "order_amount", "currency", "order_status"),
    "created_timestamp",
)
CPU = "CPU"
_TIMED = ("materialise", "merge", "append", "replace")


@dataclass(frozen=True)
class Growth:
    """One size of history: the median of the rounds' wall seconds, its steps and parts of steps, the floors of the
    tables in seconds, and the peak memory in megabytes."""

    orders: int
    seconds: float
    parts: Mapping[str, float]
    floors: Mapping[str, float]
    peak_mb: float


def grown(folder: Path, orders: int, say: Callable[[str], None]) -> Growth:
    """A shop with so many orders and a fifth as many customers is loaded; then the batch, some rounds of it."""
    project = folder / f"shop-{orders}"
    create_project(project)
    say(f"{orders:,} orders: generating and loading the history ...")
    per_day = orders // HISTORY_DAYS
    plan = ShopPlan(days=HISTORY_DAYS, orders_per_day=per_day, customers=orders // 5, products=5_000, seed=1)
    generate(project, plan)
    loaded = in_child(_load, project)
    say(f"  loaded in {loaded.seconds:.0f} s, {loaded.peak_mb:,.0f} MB; {ROUNDS} batches of {BATCH:,} orders ...")
    customers, products = known_ids(project)
    rounds, floors = [], []
    for number in range(ROUNDS):
        before = _published(project)
        deliver(project, number, customers, products)
        rounds.append(in_child(_timed_run, project))
        floors.append(dict(in_child(_floors, (project, before, _published(project))).parts))
    return Growth(
        orders,
        statistics.median(one.seconds for one in rounds),
        _medians([dict(one.parts) for one in rounds]),
        _medians(floors),
        max(one.peak_mb for one in rounds),
    )


def _medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in rounds for name in one)
    return {name: statistics.median(one.get(name, 0.0) for one in rounds) for name in names}


def _load(project: Path) -> list[tuple[str, float]]:
    with Lake(project) as lake:
        report = lake.run()
    assert all(one.batch.status.value == "published" for one in report.batches), report.batches
    return []


def known_ids(project: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """The ids of the customers, and those of the products with their prices."""
    with Lake(project) as lake:
        customers = [str(row["customer_id"]) for row in lake.query("SELECT customer_id FROM customers")[1]]
        products = lake.query("SELECT product_id, price FROM products WHERE is_current")[1]
    return sorted(set(customers)), sorted((str(row["product_id"]), str(row["price"])) for row in products)


def _published(project: Path) -> dict[str, int]:
    with Lake(project) as lake:
        return dict(lake.status().publication.tables)


def deliver(
    project: Path,
    number: int,
    customers: Sequence[str],
    products: Sequence[tuple[str, str]],
    header: Sequence[str] = _HEADER,
) -> None:
    """Orders of one day after the history, each of a random customer and product."""
    chance, day = random.Random(number), START + timedelta(days=HISTORY_DAYS + number)  # noqa: S311
    name = f"orders_growth_{number}.csv"
    with (project / "landing/orders_data/source" / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, extrasaction="ignore")
        writer.writeheader()
        for order in range(BATCH):
            product, price = chance.choice(products)
            at = f"{day} {9 + chance.randrange(9):02}:{chance.randrange(60):02}:00"
            ids = {"order_id": f"NEW{number}-{order}", "customer_id": chance.choice(customers), "product_id": product}
            bought = {"order_date": day, "order_amount": price, "currency": "USD", "order_status": "pending"}
            line = {"order_line": 1, "quantity": 1, "created_timestamp": at, "updated_timestamp": at}
            writer.writerow(ids | bought | line)
    manifest = {"trigger_id": f"growth_{number}", "batch_date": day.isoformat(), "expected_files": [name]}
    path = project / "landing/trigger_file" / f"growth_{number}.json"
    path.write_text(json.dumps(manifest | {"data_files_ready": True}), "utf-8")


def _timed_run(project: Path) -> list[tuple[str, float]]:
    """The tasks of a run, and under each what the engine was asked for, table by table."""
    started = time.process_time()
    with _verbs_timed() as verbs:
        tasks = whole_run(project)
    return [*tasks, *verbs.items(), (CPU, time.process_time() - started)]


@contextmanager
def _verbs_timed() -> Iterator[dict[str, float]]:
    """Per `  verb name` the seconds that the engine took."""
    from cartlake.engines.embedded import EmbeddedEngine

    seconds: dict[str, float] = {}
    kept = {verb: getattr(EmbeddedEngine, verb) for verb in _TIMED}

    def timed(verb: str) -> Callable[..., Any]:
        def call(engine: Any, what: Any, *rest: Any) -> Any:
            started = time.perf_counter()
            try:
                return kept[verb](engine, what, *rest)
            finally:
                name = f"  {verb} {getattr(what, 'name', what)}"
                seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started

        return call

    for verb in _TIMED:
        setattr(EmbeddedEngine, verb, timed(verb))
    try:
        yield seconds
    finally:
        for verb, real in kept.items():
            setattr(EmbeddedEngine, verb, real)


def _floors(given: tuple[Path, Mapping[str, int], Mapping[str, int]]) -> list[tuple[str, float]]:
    """Per table the seconds of DuckDB for writing again the files that left it, and for reading the columns that
    totals are made of. Nothing else is done with them."""
    import duckdb
    from deltalake import DeltaTable

    project, before, after = given
    found = []
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false").fetchall()

        def files(table: str, version: int) -> set[str]:
            return set(DeltaTable(project / "lake" / table, version=version).file_uris())

        for table in ("orders", "enriched_orders", "customer_totals", "product_totals", "daily_sales"):
            left = sorted(files(table, before[table]) - files(table, after[table]))
            if left:
                target = f"{Path(folder, table).as_posix()}.parquet"
                copy = f"COPY (SELECT * FROM read_parquet({left})) TO '{target}'"
                found.append((f"rewrite {table}", _seconds(connection, f"{copy} (COMPRESSION zstd)")))
        lines = sorted(files("enriched_orders", after["enriched_orders"]))
        for name, columns in {"keys": _KEYS, "totals": _SUMMED}.items():
            each = ", ".join(f"max({column})" for column in columns)
            scan = f"SELECT {each} FROM read_parquet({lines})"
            found.append((f"scan {name} of enriched_orders", _seconds(connection, scan)))
    return found


_KEYS = ("customer_id", "product_id", "order_date")
_SUMMED = (*_KEYS, "order_id", "category", "order_amount", "order_profit_margin", "estimated_clv", "is_sale")


def _seconds(connection: Any, sql: str) -> float:
    started = time.perf_counter()
    connection.execute(sql).fetchall()
    return time.perf_counter() - started
