"""What only Spark can be asked."""

from __future__ import annotations

import io
import logging
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cartlake.core.table import Column, Table
from cartlake.engines.base import Engine
from cartlake.engines.registry import open_engine
from cartlake.engines.selects import check_select
from cartlake.engines.spark import setup
from cartlake.errors import ConfigError, EngineError, UsageError
from cartlake.settings import load_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PRICES = Table("prices", (Column("product_id", "string"), Column("price", "bigint")), key=("product_id",))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM parquet.`/etc`",
        "SELECT reflect('java.lang.System', 'exit', 0) FROM orders",
        "SELECT java_method('java.lang.System', 'getenv', 'HOME') FROM orders",
        "SELECT '${env:HOME}' FROM orders",
        "SELECT TRANSFORM (n) USING 'cat' AS (n) FROM orders",
        "SELECT * FROM IDENTIFIER('other.orders')",
        "SELECT * FROM read_files('/Volumes/x')",
    ],
)
def test_a_query_calls_no_java_opens_no_file_and_reads_no_setting(sql: str) -> None:
    with pytest.raises(UsageError):
        check_select(sql, ["orders"], "spark")


@pytest.mark.spark
def test_a_server_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    remote = f"sc://localhost:{port}/;token=dapi-secret"
    started = time.monotonic()
    with pytest.raises(EngineError) as refused:
        open_engine(load_settings(tmp_path, {}, {"engine": {"name": "spark", "remote": remote}}))
    assert (refused.value.code, time.monotonic() - started < 30) == ("spark_unreachable", True)
    assert f"localhost:{port}" in refused.value.message
    assert "secret" not in str(refused.value)


@pytest.mark.spark
@pytest.mark.parametrize("remote", ["sc://localhost:harbour/;token=dapi-secret", "sc://localhost:70000/"])
def test_a_port_that_is_none_is_such_an_error_too(tmp_path: Path, remote: str) -> None:
    with pytest.raises(EngineError) as refused:
        open_engine(load_settings(tmp_path, {}, {"engine": {"name": "spark", "remote": remote}}))
    assert refused.value.code == "spark_unreachable"
    assert "secret" not in str(refused.value)


@pytest.mark.spark
def test_what_errors_quote_is_not_printed_by_spark_either(tmp_path: Path, spark_session: SparkSession) -> None:
    from pyspark.logger import PySparkLogger

    engine = open_engine(load_settings(tmp_path, {}, {"engine": {"name": "spark"}}), session=spark_session)
    printed, logger = io.StringIO(), PySparkLogger.getLogger("SQLQueryContextLogger")
    handler = logging.StreamHandler(printed)
    logger.addHandler(handler)
    try:
        with pytest.raises(EngineError) as failed:
            engine.rows("SELECT CAST('jane@shop.example' AS bigint) AS n")
    finally:
        logger.removeHandler(handler)
    assert "jane" not in f"{printed.getvalue()}{failed.value}"


def test_a_spark_without_a_known_delta_is_named_with_those_that_work(monkeypatch: pytest.MonkeyPatch) -> None:
    pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed (make spark-setup)")
    monkeypatch.setattr(pyspark, "__version__", "4.1.2")
    with pytest.raises(ConfigError, match=r"4\.1\.2 is installed; local Spark works with those of 4\.0 and 4\.2"):
        setup.jars()


_TWO_LAKES = """
import os
from pathlib import Path
from cartlake.core.table import Column
from cartlake.engines.registry import open_engine
from cartlake.settings import load_settings

os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
first, second = (open_engine(load_settings(Path(name), {}, {"engine": {"name": "spark"}})) for name in "ab")
first.close()
second.values("given", [Column("n", "bigint")], [[41]])
print(second.rows("SELECT n + 1 AS n FROM given"))
second.close()
"""
_FAILING = """
from pathlib import Path
from cartlake.core.table import Column
from cartlake.engines.registry import open_engine
from cartlake.errors import EngineError
from cartlake.settings import load_settings

engine = open_engine(load_settings(Path("a"), {}, {"engine": {"name": "spark"}}))
engine.values("given", [Column("email", "string")], [["jane@shop.example"]] * 5_000)
engine.materialise("kept", "SELECT email FROM given")
try:
    engine.materialise("numbers", "SELECT CAST(email AS bigint) AS n FROM kept")
except EngineError as error:
    print(error.message)
engine.close()
"""
_CLASSIC = """
from pathlib import Path
from pyspark.sql import SparkSession
from cartlake.engines.registry import open_engine
from cartlake.errors import EngineError
from cartlake.settings import load_settings

session = SparkSession.builder.master("local[1]").getOrCreate()
try:
    open_engine(load_settings(Path("a"), {}, {"engine": {"name": "spark"}}))
except EngineError as error:
    print(error.code, error.hint)
session.stop()
"""


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize(
    ("program", "printed"),
    [
        pytest.param(_TWO_LAKES, "[{'n': 42}]", id="two lakes at once, in a child of a Connect client"),
        pytest.param(_FAILING, "compute numbers: CAST_INVALID_INPUT", id="tasks of Spark fail over a cell"),
        pytest.param(
            _CLASSIC,
            "spark_in_use Give it to cartlake: `Lake(project, spark=session)`.",
            id="a session without Connect",
        ),
    ],
)
def test_local_spark_starts_fails_and_ends_beside_others_and_prints_no_cell(
    tmp_path: Path, program: str, printed: str
) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed (make spark-setup)")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=inherited, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == printed, done.stderr[-2_000:]
    assert "jane" not in done.stderr


@pytest.mark.spark
@pytest.mark.parametrize("kind", ["INT96", "TIMESTAMP_MICROS"])
def test_a_time_is_what_was_computed_however_the_session_writes_times(
    tmp_path: Path, spark_session: SparkSession, kind: str
) -> None:
    setting, at = "spark.sql.parquet.outputTimestampType", datetime(1900, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    engine = open_engine(load_settings(tmp_path, {}, {"engine": {"name": "spark"}}), session=spark_session)
    before = spark_session.conf.get(setting)
    spark_session.conf.set(setting, kind)
    try:
        engine.values("given", [Column("at", "timestamp")], [[at], [None]])
        assert engine.materialise("kept", "SELECT at FROM given") == 2
        assert engine.rows("SELECT at FROM kept ORDER BY at") == [{"at": None}, {"at": at}]
    finally:
        spark_session.conf.set(setting, before)
        engine.close()


def change(engine: Engine, kind: str, product_id: str, price: int) -> None:
    columns = (*PRICES.columns, Column("_change", "string"))
    engine.values("changes", columns, [[product_id, price, kind]])
    engine.merge(PRICES, "changes")


def found(engine: Engine) -> list[dict[str, object]]:
    engine.read("prices", PRICES)
    return engine.rows("SELECT * FROM prices ORDER BY product_id")


@pytest.mark.spark
def test_what_one_engine_rewrote_the_other_reads_and_rewrites(tmp_path: Path, spark_session: SparkSession) -> None:
    """Spark leaves columns of its own in files that it rewrites, here beside files that have none."""
    spark = open_engine(load_settings(tmp_path, {}, {"engine": {"name": "spark"}}), session=spark_session)
    embedded = open_engine(load_settings(tmp_path, {}, {}))
    embedded.create(PRICES)
    change(embedded, "insert", "P-1", 1)
    change(embedded, "insert", "P-2", 2)
    spark.values("again", PRICES.columns, [["P-2", 20]])
    spark.replace(PRICES, {"product_id": ["P-2"]}, "again")
    change(spark, "update", "P-1", 10)
    change(spark, "insert", "P-3", 3)
    expected = [{"product_id": f"P-{n}", "price": price} for n, price in ((1, 10), (2, 20), (3, 3))]
    assert found(embedded) == found(spark) == expected
    change(embedded, "update", "P-2", 21)
    change(embedded, "delete", "P-3", 3)
    assert found(embedded) == found(spark) == [expected[0], {"product_id": "P-2", "price": 21}]
    spark.close()
    embedded.close()
