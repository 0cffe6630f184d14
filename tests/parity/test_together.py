"""Several client processes of one Connect server, each with a task of its own, as a job runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cartlake.lake import Lake
from cartlake.settings import load_settings
from tests.pipeline.shop import TASKS, Shop, a_day, customer, order, product, shipment, stock

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(3000)]

ROUNDS = 20
LOADS = TASKS[:5]
LOGS = ("orders_stage", "customer_stage", "products_stage", "inventory_stage", "shipping_stage")
CLIENT = """
import sys
from pathlib import Path
from cartlake.lake import Lake
from cartlake.settings import load_settings

project, remote, task = sys.argv[1:]
engine = {"name": "spark", "remote": remote}
with Lake(settings=load_settings(Path(project), {}, {"engine": engine})) as lake:
    for run_id in sys.stdin:
        lake.task(task, run_id=run_id.strip())
        print("done", flush=True)
"""


def client(shop: Shop, remote: str, task: str) -> subprocess.Popen[str]:
    """A process that does the task for each run whose id it is told."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([sys.executable, "-c", CLIENT, str(shop.project), remote, task], text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def together(clients: Sequence[subprocess.Popen[str]], run_id: str) -> None:
    for each in clients:
        assert each.stdin is not None
        each.stdin.write(f"{run_id}\n")
        each.stdin.flush()
    for each in clients:
        assert each.stdout is not None
        said = each.stdout.readline()
        assert said == "done\n", said + each.stdout.read()


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
    """The first task of a run to come fixes its list; the tables are made by whoever comes first, too. The embedded
    engine goes on where Spark's clients stop."""
    remote = f"sc://localhost:{spark_session.conf.get('spark.connect.grpc.binding.port')}"
    shop = Shop(tmp_path / "shop")
    runs = {f"r{number:02}": f"b{number:02}" for number in range(1, ROUNDS + 1)}
    with ExitStack() as stack:
        clients = [stack.enter_context(client(shop, remote, task)) for task in LOADS]
        for number, (run_id, batch_id) in enumerate(runs.items(), 1):
            shop.deliver(batch_id, f"2025-03-{number:02}", **a_days_rows(number))
            together(clients, run_id)
    assert [each.returncode for each in clients] == [0] * len(LOADS)
    shop.lake.close()
    shop.lake = Lake(settings=load_settings(shop.project, {}, {}))
    for run_id in runs:
        for task in TASKS[5:]:
            shop.lake.task(task, run_id=run_id)
    assert [shop.one(f"SELECT count(*) FROM {log}") for log in LOGS] == [7 * ROUNDS] * 5
    assert shop.one("SELECT count(*) FROM quarantine") == 2 * ROUNDS
    assert shop.one("SELECT count(*) FROM batch_files") == 5 * ROUNDS
    told = shop.rows("SELECT run_id, batches FROM runs ORDER BY run_id")
    assert told == [(run_id, f'["{batch_id}"]') for run_id, batch_id in runs.items()]
    assert shop.one("SELECT count(*) FROM tasks") == len(TASKS) * ROUNDS
    assert shop.statuses() == dict.fromkeys(runs.values(), "published")
    assert shop.one("SELECT count(*) FROM customers WHERE is_current") == 7 * ROUNDS
    shop.lake.close()
