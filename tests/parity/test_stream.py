"""`cartlake stream`: manifests make micro-batches, a micro-batch is a run, and the ledger decides what is done."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cartlake.errors import UsageError
from cartlake.lake import RunReport
from tests.cli.conftest import start
from tests.parity.test_parity import both_equal, on_embedded, on_spark
from tests.pipeline.shop import Shop, a_day, customer

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Reader:
    """Takes down how a stream is read."""

    def __init__(self) -> None:
        self.readStream = self
        self.told: dict[str, str] = {}

    def schema(self, text: str) -> Reader:
        return self.option("schema", text)

    def format(self, text: str) -> Reader:
        return self.option("format", text)

    def option(self, name: str, value: str) -> Reader:
        self.told[name] = value
        return self

    def load(self, path: str) -> dict[str, str]:
        return self.told | {"path": path}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {"format": "text", "ignoreMissingFiles": "true"}),
        ({"DATABRICKS_RUNTIME_VERSION": "17.3"}, {"format": "cloudFiles", "cloudFiles.format": "text"}),
    ],
)
def test_manifests_are_found_by_auto_loader_on_databricks_and_by_the_file_source_elsewhere(
    environment: dict[str, str], expected: dict[str, str]
) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed (make spark-setup)")
    from cartlake.engines.spark.streaming import arriving

    told: object = arriving(Reader(), Path("/shop/landing/trigger_file"), environment)
    common = {"schema": "value STRING", "wholetext": "true", "pathGlobFilter": "*.json"}
    assert told == {**common, **expected, "path": "/shop/landing/trigger_file"}


def test_an_engine_without_streams_names_watch(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    with pytest.raises(UsageError, match="no streams") as caught:
        shop.lake.stream(lambda: False, lambda _: None)
    assert "cartlake watch" in str(caught.value.hint)
    shop.lake.close()


def second_day(shop: Shop) -> None:
    shop.deliver("b2", "2025-03-02", customers=[customer(city="Peoria", created_timestamp="2025-03-02 09:00:00")])


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_there_is_streamed_once_and_gives_what_runs_give(tmp_path: Path, spark_session: SparkSession) -> None:
    streamed, run = Shop(tmp_path / "streamed"), Shop(tmp_path / "run")
    reports: list[RunReport] = []
    on_spark(streamed, spark_session)
    for deliver in (lambda shop: shop.deliver("b1", **a_day()), second_day):
        deliver(streamed)
        streamed.lake.stream(lambda: False, reports.append)
        deliver(run)
        run.run()
    assert [[(one.batch.batch_id, one.batch.status) for one in report.batches] for report in reports] == [
        [("b1", "published")],
        [],
        [("b2", "published")],
        [],
    ]
    assert [path.name for path in sorted((streamed.project / ".cartlake/stream/commits").glob("[0-9]"))] == ["0", "1"]
    both_equal(streamed, run)


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.posix
@pytest.mark.timeout(900)
def test_after_a_kill_checkpoint_and_ledger_agree(tmp_path: Path) -> None:
    """Killed as soon as the first task is in the ledger; the next stream takes the micro-batch up again."""
    pytest.importorskip("pyspark", reason="pyspark is not installed (make spark-setup)")
    shop, run = Shop(tmp_path / "streamed"), Shop(tmp_path / "run")
    for one in (shop, run):
        one.deliver("b1", **a_day())
        second_day(one)
    arguments = ("stream", "--engine", "spark", "--available-now", "--json", "--project", shop.project)
    first = start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    while not list((shop.project / "lake/orders_stage/_delta_log").glob("*1.json")):
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    again = start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out, _ = again.communicate()
    assert again.returncode == 0, out
    run.run()
    assert shop.statuses() == {"b1": "published", "b2": "published"}
    checkpoint = shop.project / ".cartlake" / "stream"
    names = [[path.name for path in (checkpoint / part).glob("[0-9]")] for part in ("offsets", "commits")]
    assert names == [["0"], ["0"]], "what was begun is done"
    on_embedded(shop)
    assert shop.production() == run.production()
    assert [row[0] for row in shop.rows("SELECT batch_id FROM publications ORDER BY publication_id")] == ["b1", "b2"]
    shop.lake.close()
    run.lake.close()
