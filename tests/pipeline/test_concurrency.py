"""Several processes on one lake: each batch has its effect once, and readers see whole batches."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest

from cartlake.errors import Locked
from cartlake.lake import Lake
from tests.pipeline.shop import Shop, a_day, customer, order, product, shipment, stock

pytestmark = pytest.mark.posix
PROCESSES: Any = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
PROCESSES.set_forkserver_preload(["cartlake.lake", "cartlake.engines.embedded", "tests.pipeline.test_concurrency"])
SAME = "SELECT (SELECT count(*) FROM orders) AS o, (SELECT count(*) FROM customers) AS c,"
SAME += " (SELECT count(*) FROM products) AS p, (SELECT count(*) FROM enriched_orders) AS e,"
SAME += " coalesce((SELECT total_orders FROM analytics_summary), 0) AS a"


def run_at_once(project: str, begin: Any, done: Any) -> None:
    begin.wait(60)
    with Lake(project, wait=None) as lake:
        done.put(len(lake.run().batches))


def try_at_once(project: str, begin: Any, done: Any) -> None:
    begin.wait(60)
    try:
        with Lake(project) as lake:
            done.put(len(lake.run().batches))
    except Locked as locked:
        done.put(str(locked))


def maintain_often(project: str, begin: Any, done: Any) -> None:
    begin.wait(60)
    with Lake(project, wait=None) as lake:
        for _ in range(3):
            lake.maintain()
    done.put("maintained")


def read_often(project: str, begin: Any, done: Any) -> None:
    begin.wait(60)
    seen, until = set(), time.monotonic() + 4
    with Lake(project) as lake:
        while time.monotonic() < until:
            [row] = lake.query(SAME)[1]
            seen.add(tuple(row.values()))
    done.put(seen)


def at_once(project: Path, *works: Any) -> list[Any]:
    """What processes that begin together say in the end."""
    begin, done = PROCESSES.Event(), PROCESSES.Queue()
    processes = [PROCESSES.Process(target=work, args=(str(project), begin, done)) for work in works]
    for process in processes:
        process.start()
    begin.set()
    answers = [done.get(timeout=200) for _ in processes]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)
    return answers


def consistent(number: int) -> dict[str, Any]:
    """One more row of everything."""
    return {
        "orders": [order(f"O-{number}", customer_id=f"C-{number}", product_id=f"P-{number}")],
        "customers": [customer(f"C-{number}")],
        "products": [product(f"P-{number}")],
        "inventory": [stock(f"P-{number}")],
        "shipping": [shipment(f"S-{number}", f"O-{number}")],
    }


def test_a_batch_that_eight_processes_run_at_once_has_its_effect_once(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    assert sorted(at_once(shop.project, *[run_at_once] * 8)) == [0] * 7 + [1]
    assert shop.one("SELECT count(*) FROM publications") == 1
    assert shop.one("SELECT count(*) FROM orders_stage") == 1
    assert shop.lake.verify().findings == ()


def test_who_does_not_wait_is_told_who_works(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    shop.lake.batches()
    answers = at_once(shop.project, *[try_at_once] * 3)
    assert sum(answer for answer in answers if isinstance(answer, int)) == 1
    assert [answer for answer in answers if isinstance(answer, str) and "another process works on" not in answer] == []
    assert shop.statuses() == {"b1": "published"}


def test_runs_maintenance_and_readers_at_once_end_as_if_they_had_come_one_after_the_other(
    shop: Shop, tmp_path: Path
) -> None:
    serial = Shop(tmp_path / "serial")
    for number in range(1, 4):
        for each in (shop, serial):
            each.deliver(f"b{number}", **consistent(number))
    serial.run()
    shop.lake.batches()
    answers = at_once(shop.project, run_at_once, run_at_once, maintain_often, read_often, read_often)
    seen = {row for answer in answers if isinstance(answer, set) for row in answer}
    assert all(len(set(row)) == 1 for row in seen), seen
    assert shop.production() == serial.production()
    assert shop.lake.verify().findings == ()
    serial.lake.close()
