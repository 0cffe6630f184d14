"""Tables in a schema of a catalog, and the views of their readers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cartlake.core.table import Column, Table
from cartlake.engines.base import Compaction, Engine, Removal
from cartlake.engines.registry import open_engine
from cartlake.errors import TableForeign, TableMissing
from cartlake.settings import load_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

PRICES = Table("prices", (Column("product_id", "string"), Column("price", "bigint")), key=("product_id",))
RUNS = Table("ledger_runs", (Column("run_id", "string"),))
NAMES = ["prices", "dear", "publications"]


def opened(project: Path, session: SparkSession) -> Engine:
    settings = load_settings(project, {}, {"engine": {"name": "spark", "schema": "corner_shop"}})
    return open_engine(settings, session=session)


@pytest.fixture
def catalog(tmp_path: Path, spark_session: SparkSession) -> Iterator[Engine]:
    engine = opened(tmp_path, spark_session)
    yield engine
    engine.close()
    for schema in ("corner_shop", "corner_shop_store"):
        spark_session.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def put(engine: Engine, table: Table, *row: object) -> int:
    engine.values("row", table.columns, [row])
    return engine.append(table, "row")


def show(engine: Engine, stamp: str, version: int) -> None:
    with engine.scope():
        engine.read("prices", PRICES, version)
        engine.define("dear", "SELECT product_id FROM prices WHERE price > :least", {"least": 10})
        engine.read("publications", RUNS)
        engine.expose(NAMES, stamp)


def seen(session: SparkSession, view: str) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in session.sql(f"SELECT * FROM corner_shop.{view}").collect())


def test_readers_see_what_is_published_and_the_ledger_as_it_is(
    catalog: Engine, tmp_path: Path, spark_session: SparkSession
) -> None:
    for table in (PRICES, RUNS):
        catalog.create(table)
    first = put(catalog, PRICES, "P-1", 20)
    assert not catalog.shows("1")
    show(catalog, "1", first)
    second = put(catalog, PRICES, "P-2", 30)
    put(catalog, RUNS, "R-1")
    assert seen(spark_session, "prices") == [("P-1", 20)], "a merge under way is not seen"
    assert seen(spark_session, "dear") == [("P-1",)]
    assert seen(spark_session, "publications") == [("R-1",)]
    again = opened(tmp_path, spark_session)
    assert again.shows("1"), "another process knows what the views show"
    assert not again.shows("2")
    show(again, "2", second)
    again.close()
    assert seen(spark_session, "dear") == [("P-1",), ("P-2",)]


@pytest.mark.parametrize(
    "theirs", ["TABLE corner_shop.dear (n bigint) USING delta", "VIEW corner_shop.dear AS SELECT 1 AS n"]
)
def test_what_is_not_ours_is_never_replaced(catalog: Engine, spark_session: SparkSession, theirs: str) -> None:
    for table in (PRICES, RUNS):
        catalog.create(table)
    spark_session.sql(f"CREATE {theirs}")
    with pytest.raises(TableForeign, match=r"corner_shop\.dear was not made by cartlake") as refused:
        show(catalog, "1", 0)
    assert refused.value.hint
    assert spark_session.sql("SELECT * FROM corner_shop.dear").columns == ["n"]
    there = spark_session.sql("SHOW TABLES IN corner_shop").where("NOT isTemporary").collect()
    assert [row["tableName"] for row in there] == ["dear"]


def test_a_table_that_is_not_ours_is_left_alone(catalog: Engine, spark_session: SparkSession) -> None:
    spark_session.sql("CREATE SCHEMA corner_shop_store")
    spark_session.sql("CREATE TABLE corner_shop_store.prices (n bigint) USING delta")
    with pytest.raises(TableForeign):
        catalog.create(PRICES)
    with pytest.raises(TableMissing):
        catalog.version("customers")


@pytest.mark.slow
def test_tables_of_a_catalog_are_kept_up(catalog: Engine) -> None:
    catalog.create(PRICES)
    for number in range(8):
        version = put(catalog, PRICES, f"P-{number}", number)
    made = catalog.optimize(PRICES)
    assert made == Compaction(version + 1, 8, 1)
    assert catalog.vacuum("prices", version) == Removal(0, 0), "what is not an hour old stays"
    catalog.read("prices", PRICES, version)
    assert catalog.rows("SELECT count(*) AS n FROM prices") == [{"n": 8}]
    assert catalog.version("prices") == made.version, "cleaning up is no commit"
    assert catalog.version_at("prices", datetime.now(UTC)) == made.version
    assert catalog.version_at("prices", datetime.now(UTC) - timedelta(days=1)) == 0


@pytest.mark.parametrize(("minutes", "hours"), [(0, 0), (1, 1), (24, 1), (60, 1), (61, 2), (24 * 60 + 1, 25)])
def test_hours_reach_back_at_least_to_the_version(minutes: int, hours: int) -> None:
    """VACUUM rounds a fraction to the nearest hour: it would remove files that the version needs."""
    pytest.importorskip("pyspark", reason="pyspark is not installed (make spark-setup)")
    from cartlake.engines.spark.upkeep import hours_since

    now = datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert hours_since(now - timedelta(minutes=minutes), now) == hours
