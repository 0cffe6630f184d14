"""Several client processes of one Connect server, each with a task of its own, as a job runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cartlake.lake import Lake
from cartlake.settings import load_settings
from tests.pipeline.shop import TASKS, Shop, a_day, customer, order, product, shipment, stock

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(3000)]

ROUNDS = 3
LOADS = TASKS[:5]
LOGS = ("orders_stage", "customer_stage", "products_stage", "inventory_stage", "shipping_stage")


def start(shop: Shop, remote: str, task: str, run_id: str) -> subprocess.Popen[str]:
    options = ["--project", str(shop.project), "--set", "engine.name=spark", "--set", f"engine.remote={remote}"]
    return subprocess.Popen(
        [sys.executable, "-c", "from cartlake.cli import main; main()", "task", task, "--run", run_id, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(started: dict[str, subprocess.Popen[str]]) -> None:
    said = {name: (process.communicate()[0], process.returncode) for name, process in started.items()}
    assert {name: code for name, (_, code) in said.items()} == dict.fromkeys(started, 0), said


def a_days_rows(number: int) -> dict[str, list[dict[str, object]]]:
    ids = [f"{number}-{place}" for place in range(7)]
    bad = {"order_amount": "?"}
    return a_day(
        orders=[*(order(f"O-{one}") for one in ids), order(f"O-{number}-bad", **bad)],
        customers=[*(customer(f"C-{one}") for one in ids), customer(f"C-{number}-bad", email="none")],
        products=[product(f"P-{one}") for one in ids],
        inventory=[stock(f"P-{one}") for one in ids],
        shipping=[shipment(f"S-{one}", f"O-{one}") for one in ids],
    )  # type: ignore[return-value]


def test_five_loads_in_five_processes_lose_no_row(tmp_path: Path, spark_session: SparkSession) -> None:
    """The first task of a run to come fixes its list; the tables are made by whoever comes first, too."""
    remote = f"sc://localhost:{spark_session.conf.get('spark.connect.grpc.binding.port')}"
    shop = Shop(tmp_path / "shop")
    for number in range(1, ROUNDS + 1):
        shop.deliver(f"b{number}", f"2025-03-0{number}", **a_days_rows(number))
        finish({task: start(shop, remote, task, f"r{number}") for task in LOADS})
    for number in range(1, ROUNDS + 1):
        for task in TASKS[5:]:
            finish({task: start(shop, remote, task, f"r{number}")})
    shop.lake.close()
    shop.lake = Lake(settings=load_settings(shop.project, {}, {}))
    assert [shop.one(f"SELECT count(*) FROM {log}") for log in LOGS] == [7 * ROUNDS] * 5
    assert shop.one("SELECT count(*) FROM quarantine") == 2 * ROUNDS
    assert shop.one("SELECT count(*) FROM batch_files") == 5 * ROUNDS
    assert shop.rows("SELECT run_id, batches FROM runs ORDER BY run_id") == [
        (f"r{number}", f'["b{number}"]') for number in range(1, ROUNDS + 1)
    ]
    assert shop.one("SELECT count(*) FROM tasks") == len(TASKS) * ROUNDS
    assert shop.statuses() == {f"b{number}": "published" for number in range(1, ROUNDS + 1)}
    assert shop.one("SELECT count(*) FROM customers WHERE is_current") == 7 * ROUNDS
    shop.lake.close()
