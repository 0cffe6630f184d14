"""How long the pages of the dashboard take on a large lake: the first time, and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import quote

from starlette.testclient import TestClient

from bench.measure import in_child
from cartlake.dashboard.access import Access
from cartlake.dashboard.app import application
from cartlake.dashboard.following import Following
from cartlake.generate import ShopPlan, generate
from cartlake.generate.plan import faults_named
from cartlake.lake import Lake
from cartlake.scaffold import create_project
from cartlake.settings import load_settings

STEPS = ("first", "again", "first after a publication", "again after it")
_HERE = "http://127.0.0.1:8765"
_HOSTILE = quote("'; DROP TABLE orders; --")


def page_times(folder: Path, orders: int, say: Callable[[str], None]) -> tuple[dict[str, list[float]], float]:
    """Milliseconds of every page at each of the `STEPS`, and the peak memory of the dashboard in megabytes. The lake
    has a day of so many orders and a small one with defects."""
    project = folder / "pages"
    create_project(project)
    say(f"Generating and loading a day of {orders:,} orders ...")
    generate(project, ShopPlan(days=1, orders_per_day=orders, customers=orders // 5, products=5_000, seed=1))
    _small_day(project, 2)
    in_child(_load, project)
    measured = in_child(_look, project)
    times: dict[str, list[float]] = {}
    for page, seconds in measured.parts:
        times.setdefault(page, []).append(seconds * 1000)
    return times, measured.peak_mb


def _small_day(project: Path, day: int) -> None:
    plan = ShopPlan(1, 500, 200, 100, seed=day, start=date(2025, 1, day), faults=faults_named("bad_rows"))
    generate(project, plan)


def _load(project: Path) -> list[tuple[str, float]]:
    with Lake(project) as lake:
        lake.run()
    return []


def _look(project: Path) -> list[tuple[str, float]]:
    addresses = dict(_addresses(project))
    following, access = Following(load_settings(project, {}, {})), Access("127.0.0.1")
    parts = []
    with TestClient(application(following, access), base_url=_HERE) as client:
        following.catch_up()
        client.get(f"/tables?token={access.token}")
        for moment in range(2):
            if moment:
                _small_day(project, 3)
                _load(project)
                following.catch_up()
            for page, path in addresses.items():
                for _ in range(2):
                    started = time.perf_counter()
                    answer = client.get(path)
                    parts.append((page, time.perf_counter() - started))
                    assert answer.status_code in (200, 404), answer.text
    following.close()
    return parts


def _addresses(project: Path) -> Iterator[tuple[str, str]]:
    """Every page, with keys that are there, that are not, and that somebody made up to do harm."""
    with Lake(project) as lake:

        def one(sql: str) -> str:
            return quote("/".join(str(value) for value in lake.query(sql)[1][0].values()), safe="/")

        order, line = one("SELECT max(order_id) AS k FROM orders"), "1"
        yield from (
            (path or "/", path or "/") for path in ("", "/runs", "/quality", "/quarantine", "/tables", "/lineage")
        )
        yield "/business", "/business"
        yield "a run", "/runs/" + one("SELECT max(run_id) AS k FROM runs")
        yield "a batch", "/batches/" + one("SELECT max(batch_id) AS k FROM batches")
        yield "quarantine, filtered", "/quarantine?state=all&feed=orders&page=2"
        yield "a quarantined record", "/quarantine/" + one("SELECT max(id) AS k FROM quarantine")
        for table in ("orders", "orders_stage", "enriched_orders", "customer_totals", "analytics_summary"):
            yield f"table {table}", f"/tables/{table}"
        yield "lineage of a column", "/lineage?table=customer_totals&column=total_spent"
        for said, key in (("a key", order), ("no such key", "nobody"), ("a hostile key", _HOSTILE)):
            yield f"life of {said}", f"/tables/orders/life?key={key}"
            yield f"origins of {said}", f"/tables/enriched_orders/origins?key={key}&key={line}"
