"""Whole scenarios on both engines: every table and view equal, row by row."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cartlake.errors import Locked
from cartlake.generate import FAULTS, ShopPlan, generate
from cartlake.lake import Lake
from cartlake.published import published_names
from cartlake.settings import load_settings
from tests.conftest import ROOT
from tests.pipeline.shop import Shop, a_day, csv_text, customer, order, product, shipment

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]

# What tells who did it, when and how often, and not what came out.
OF_THE_RUN = {
    *(
        "_ingested_at",
        "quarantined_at",
        "measured_at",
        "validated_at",
        "recorded_at",
        "published_at",
        "report_timestamp",
        "started_at",
    ),
    *(
        "ended_at",
        "run_id",
        "engine",
        "host",
        "process",
        "tables",
        "duration_seconds",
        "attempt",
        "processing_timestamp",
    ),
}
UNLIKE = {"runs", "tasks", "processing_log", "maintenance"}  # nothing but that

SNAPSHOTS = [
    (
        "  - {property: sequenceBy, value: [updated_timestamp, created_timestamp]}\n",
        "  - {property: delivery, value: snapshot}\n",
    )
]

Tables = Mapping[str, list[tuple[object, ...]]]


def on_spark(shop: Shop, session: SparkSession) -> None:
    """The shop's lake is opened by Spark from now on."""
    shop.lake.close()
    shop.lake = Lake(settings=load_settings(shop.project, {}, {"engine": {"name": "spark"}}), spark=session)


def on_embedded(shop: Shop) -> None:
    shop.lake.close()
    shop.lake = Lake(settings=load_settings(shop.project, {}, {}))


def tables(shop: Shop) -> Tables:
    """Everything that can be queried, as the embedded engine reads it."""
    on_embedded(shop)
    names = set(published_names(shop.lake._door.context())) - UNLIKE
    return {name: rows(shop, name) for name in sorted(names)}


def rows(shop: Shop, name: str) -> list[tuple[object, ...]]:
    clock = " WHERE metric <> 'delay_hours'" if name == "dq_metrics" else ""
    columns, found = shop.lake.query(f"SELECT * FROM {name}{clock}")
    shown = sorted(set(columns) - OF_THE_RUN)
    return sorted((tuple(row[column] for column in shown) for row in found), key=repr)


def changed(shop: Shop, table: str) -> list[tuple[object, ...]]:
    """What the second publication changed."""
    found = shop.lake.changes(table, since=1).rows
    shown = sorted({name for row in found for name in row} - {"_commit_timestamp"})
    return [tuple(row[name] for name in shown) for row in found]


@pytest.fixture
def shops(tmp_path: Path) -> tuple[Shop, Shop]:
    return Shop(tmp_path / "spark"), Shop(tmp_path / "embedded")


def both_equal(one: Shop, other: Shop) -> None:
    left, right = tables(one), tables(other)
    for name, found in left.items():
        assert found == right[name], name
    one.lake.close()
    other.lake.close()


def test_a_lake_of_the_embedded_engine_is_continued_by_spark_and_back(
    shops: tuple[Shop, Shop], sample_data: Path, spark_session: SparkSession
) -> None:
    """The second sample batch changes customers, recycles ids and touches every table."""
    for shop in shops:
        shutil.copytree(sample_data / "2025_01_15", shop.landing, dirs_exist_ok=True)
        shop.run()
        shutil.copytree(sample_data / "2025_01_16", shop.landing, dirs_exist_ok=True)
    on_spark(shops[0], spark_session)
    for shop in shops:
        assert [report.batch.status for report in shop.run().batches] == ["published"]
    assert changed(shops[0], "customers") == changed(shops[1], "customers") != []
    on_embedded(shops[0])
    for shop in shops:
        shop.deliver("b3", "2025-03-02", **a_day(customers=[customer("1001", city="Peoria")]))
        shop.run()
    both_equal(*shops)


@pytest.mark.slow
def test_both_sample_batches_on_spark_alone(
    shops: tuple[Shop, Shop], sample_data: Path, spark_session: SparkSession
) -> None:
    on_spark(shops[0], spark_session)
    for shop in shops:
        for day in ("2025_01_15", "2025_01_16"):
            shutil.copytree(sample_data / day, shop.landing, dirs_exist_ok=True)
        shop.run()
    both_equal(*shops)


@pytest.mark.slow
def test_a_generated_shop_of_two_days_with_every_fault(shops: tuple[Shop, Shop], spark_session: SparkSession) -> None:
    faults = frozenset(FAULTS)
    plan = ShopPlan(days=2, orders_per_day=40, customers=60, products=40, seed=5, start=date(2025, 3, 1), faults=faults)
    on_spark(shops[0], spark_session)
    for shop in shops:
        generate(shop.project, plan)
        shop.run()
    both_equal(*shops)


@pytest.mark.slow
def test_a_held_batch_is_released_on_spark(shops: tuple[Shop, Shop], spark_session: SparkSession) -> None:
    broken = [order(f"O-{n}", order_amount="?") for n in range(25)]
    on_spark(shops[0], spark_session)
    for shop in shops:
        shop.deliver("b1", **a_day(orders=[*broken, order("O-77")], shipping=[shipment("S-1", "O-77")]))
        assert [report.batch.status for report in shop.run().batches] == ["held"]
        shop.lake.release("b1", "known problem at the till", actor="kim")
        assert [report.batch.status for report in shop.run().batches] == ["published"]
    both_equal(*shops)


@pytest.mark.slow
def test_changes_of_a_database_are_read_alike(shops: tuple[Shop, Shop], spark_session: SparkSession) -> None:
    example = ROOT / "examples" / "payments_changes"
    on_spark(shops[0], spark_session)
    for shop in shops:
        shutil.copytree(example, shop.project, dirs_exist_ok=True)
        file = shop.landing / "payments_data" / "source" / "payments_2025-03-03.json"
        odd = ['{"op": "c", "op": "c"}', "[" * 200, '{"op":"u","after":{"a\\"b":{"x":[1.50]},"payment_id":9,"n":1e3},'
               '"source":{"ts_ms":1741003200123,"lsn":7}}']  # fmt: skip
        file.write_text(file.read_text("utf-8") + "\n".join(odd), "utf-8")
        assert [report.batch.status for report in shop.run().batches] == ["published"]
    both_equal(*shops)


@pytest.mark.slow
def test_records_are_repaired_replayed_and_discarded_alike(
    shops: tuple[Shop, Shop], spark_session: SparkSession, tmp_path: Path
) -> None:
    """A record that gets cells, one that could not be split, one whose column the file lacks, one that is left out."""
    broken = [order(f"O-{n}", order_amount="?") for n in (2, 3, 4)]
    ragged = csv_text([order(), *broken, order("O-5")]).replace("O-5,", "O-5,,,", 1)
    on_spark(shops[0], spark_session)
    for number, shop in enumerate(shops):
        shop.deliver("b1", **a_day(orders=ragged, customers=[customer(), customer("C-2", email="?")]))
        shop.run()
        second, third, fourth, fifth = (str(row["id"]) for row in shop.lake.quarantine(feed="orders"))
        sheet = tmp_path / f"{number}.csv"
        assert shop.lake.export_quarantine(sheet, feed="orders") == 4
        sheet.write_text(sheet.read_text("utf-8-sig").replace(",'?,", ",'1.50,", 1))
        assert [one.passes for one in shop.lake.fix(sheet, actor="kim").records] == [True]
        given = shop.lake.fix_record(
            third, {"order_amount": "2", "quantity": "2", "shipping_address": "=1\n"}, actor="kim"
        )
        wrong = shop.lake.fix_record(fourth, {"order_amount": "-4"}, actor="kim")
        whole = shop.lake.fix_record(fifth, {name: str(value) for name, value in order("O-5").items()}, actor="kim")
        assert [report.records[0].passes for report in (given, wrong, whole)] == [True, False, True]
        shop.lake.discard([str(row["id"]) for row in shop.lake.quarantine(feed="customers")], actor="kim")
        assert [report.batch.status for report in shop.run().batches] == ["published"]
        assert second in {row["id"] for row in shop.lake.quarantine(every=True)}
    both_equal(*shops)


@pytest.mark.slow
def test_snapshots_delete_alike(shops: tuple[Shop, Shop], spark_session: SparkSession) -> None:
    """In order, with records in quarantine, late, held, and one of them taken out again."""
    for shop in shops:
        shop.change_contract("products", *SNAPSHOTS)
    on_spark(shops[0], spark_session)
    keys = [f"P-{n}" for n in range(10)]
    for shop in shops:
        for day, found in ((1, keys), (3, keys[2:]), (2, keys[1:]), (4, keys[:3])):
            rows = [product(key, price="?" if (key, day) == ("P-9", 3) else "20.00") for key in found]
            shop.deliver(f"b{day}", f"2025-03-0{day}", products=rows)
            shop.run()
        assert shop.statuses()["b4"] == "held"
        shop.lake.reject("b2", "a test system's")
    both_equal(*shops)


@pytest.mark.slow
def test_columns_are_added_alike(shops: tuple[Shop, Shop], spark_session: SparkSession) -> None:
    """One after the other, a late one that changes the past, and the batch of one of them taken out again."""
    brought: list[dict[str, object]] = [{}, {"gift": "yes"}, {"Shelf Mark": "A'1", "gift": ""}, {"shelf-mark": "B"}]
    for shop in shops:
        shop.change_contract(
            "products", ("sequenceBy, value:", "evolve, value: add}\n  - {property: sequenceBy, value:")
        )
    on_spark(shops[0], spark_session)
    for shop in shops:
        for day in (0, 1, 3, 2):
            rows = [product("P-1", created_timestamp=f"2025-03-0{day + 1} 08:00:00", **brought[day])]
            shop.deliver(f"b{day}", f"2025-03-0{day + 1}", products=rows)
            shop.run()
        shop.lake.reject("b1", "a test system's")
        assert "gift" in shop.lake.query("SELECT * FROM products")[0], "b2 has it too"
        assert shop.rows("SELECT shelf_mark FROM products ORDER BY valid_from") == [(None,), ("A'1",), ("B",)]
        shop.lake.rebuild()
    both_equal(*shops)


@pytest.mark.slow
def test_odd_files_are_read_alike(shops: tuple[Shop, Shop], spark_session: SparkSession) -> None:
    head = b"product_id,product_name,price,currency,created_timestamp,shelf ${x}\r\n"
    line = b'P-1,"La""mp, red",20.00,USD,2025-03-01 08:00:00,A\'1\\\r\n'
    odd = {
        "quotes": head + line + b'P-2,"open,1.00,USD,2025-03-01 08:00:00,x\r\nP-3,ok,1.00,USD,2025-03-01 08:00:00,\r\n',
        "bytes": head
        + b"P-4,\xff,1.00,USD,2025-03-01 08:00:00,x\nP-5,\0,1.00,USD,2025-03-01 08:00:00,x\rP-6,a\r\n\r\n",
        "lines": head + b'P-7,"two\r\nlines",1.00,USD,2025-03-01 08:00:00,"x"\r\n' + head + line + line,
        "wide": (head + line).decode().encode("utf-16"),
        "empty": head,
    }
    on_spark(shops[0], spark_session)
    for shop in shops:
        for number, (name, content) in enumerate(odd.items()):
            shop.drop("products", f"{name}.csv", content)
            shop.announce(name, f"2025-03-{number + 1:02}", [f"{name}.csv"])
        shop.deliver("good", "2025-03-09", products=[product("P-1", price="19.99")])
        shop.run()
    both_equal(*shops)


@pytest.mark.slow
def test_what_people_decide_about_published_batches_has_the_same_effect(
    shops: tuple[Shop, Shop], spark_session: SparkSession
) -> None:
    """A batch is rejected, others are rolled back, one of them comes again, a file is corrected, all is rebuilt."""
    for shop in shops:
        shop.trade_a_day()
        shop.deliver("b2", "2025-03-02", customers=[customer(city="Bonn")], orders=[order("O-2", order_amount="9.00")])
        shop.deliver("b3", "2025-03-03", products=[product(price="21.00", created_timestamp="2025-03-03 08:00:00")])
        shop.deliver("b4", "2025-03-04", customers=[customer("C-4"), customer(city="Ulm")])
        shop.run()
    on_spark(shops[0], spark_session)
    for shop in shops:
        shop.lake.reject("b2", "the till was wrong")
        assert [report.batch.batch_id for report in shop.lake.rollback("b3")] == ["b4"]
        shop.lake.release("b4", "it was right", actor="kim")
        shop.drop("customers", "customers_b4.csv", [customer("C-4", city="Kiel")])
        shop.announce("b5", "2025-03-05", ["customers_b4.csv"])
        assert {report.batch.status for report in shop.run().batches} == {"published"}
        before = shop.production()
        assert len(shop.lake.rebuild().tables) == len(before)
        assert shop.production() == before
    both_equal(*shops)


@pytest.mark.slow
def test_a_lake_is_maintained_alike(shops: tuple[Shop, Shop], spark_session: SparkSession) -> None:
    """Nine small days, half a year ago: files are joined, old versions and quarantined records removed."""
    done = []
    for shop in shops:
        for day in range(1, 10):
            lamp = product(price=f"{day}.00", created_timestamp=f"2025-03-{day:02} 08:00:00")
            bad = customer(f"C-{day}", email="no address" if day == 1 else "ada@example.com")
            shop.deliver(f"b{day}", f"2025-03-{day:02}", customers=[bad], products=[lamp])
        shop.run()
        before = shop.production()
        shop.lake.close()
        engine = {"name": "spark" if shop is shops[0] else "embedded"}
        settings = load_settings(shop.project, {}, {"engine": engine, "maintain": {"quarantine_days": 100}})
        given = spark_session if shop is shops[0] else None
        shop.lake = Lake(settings=settings, clock=lambda: datetime.now(UTC) + timedelta(days=180), spark=given)
        planned = [(step.name, step.action) for step in shop.lake.maintain(dry_run=True)]
        steps = shop.lake.maintain()
        assert [(step.name, step.action) for step in steps] == planned
        done.append([(step.name, step.action, step.files_added, step.rows_removed) for step in steps])
        assert shop.lake.status().publication.kind == "maintenance"
        on_embedded(shop)
        assert shop.production() == before
    assert done[0] == done[1]
    assert {action for _, action, *_ in done[0]} == {"compact", "remove_files", "remove_rows"}
    for shop in shops:
        shop.deliver("b10", "2025-03-10", products=[product(price="10.00", created_timestamp="2025-03-10 08:00:00")])
        assert [report.batch.status for report in shop.run().batches] == ["published"]
    both_equal(*shops)


@pytest.mark.slow
def test_in_a_catalog_readers_have_a_view_of_every_name(tmp_path: Path, spark_session: SparkSession) -> None:
    engine = {"name": "spark", "schema": "shop_views"}
    shop = Shop(tmp_path / "shop", engine=engine)
    shop.lake.close()
    shop.lake = Lake(settings=load_settings(shop.project, {}, {"engine": engine}), spark=spark_session)

    def seen(name: str) -> list[tuple[object, ...]]:
        from cartlake.engines.spark.arrow import from_arrow

        found = from_arrow(spark_session.sql(f"SELECT * FROM shop_views.{name}").toArrow())
        return sorted((tuple(row[column] for column in sorted(row)) for row in found), key=repr)

    try:
        shop.deliver("b1", **a_day())
        shop.run()
        names = published_names(shop.lake._door.context())
        shown = {row["viewName"] for row in spark_session.sql("SHOW VIEWS IN shop_views").collect()}
        assert shown >= set(names)
        for name in names:
            columns, found = shop.lake.query(f"SELECT * FROM {name}")
            assert seen(name) == sorted((tuple(row[c] for c in sorted(columns)) for row in found), key=repr), name
        shop.deliver("b2", "2025-03-02", customers=[customer("C-2")])
        shop.lake.task("customer_stage_load", run_id="r2")
        assert len(seen("customer_stage")) == 1, "what is staged is not published"
        assert len(seen("runs")) == 2, "what happens is seen at once"
        with pytest.raises(Locked):
            shop.lake.reject("b1", "a test of the till")
    finally:
        shop.lake.close()
        for schema in ("shop_views", "shop_views_store"):
            spark_session.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_command_line_runs_both_sample_batches_into_a_catalog(
    shops: tuple[Shop, Shop], sample_data: Path, spark_session: SparkSession
) -> None:
    """Each run is a process of its own; the second one finds nothing to do."""
    remote = f"sc://localhost:{spark_session.conf.get('spark.connect.grpc.binding.port')}"
    engine = {"name": "spark", "catalog": "spark_catalog", "schema": "sample_shop", "remote": remote}
    given = [f"--set=engine.{name}={value}" for name, value in engine.items() if name != "name"]
    in_catalog, embedded = shops
    in_catalog.lake.close()
    for shop in shops:
        for day in ("2025_01_15", "2025_01_16"):
            shutil.copytree(sample_data / day, shop.landing, dirs_exist_ok=True)
    run = [sys.executable, "-m", "cartlake", "run", "--engine=spark", "--json"]
    try:
        for statuses in (["published", "published"], []):
            done = subprocess.run(
                [*run, "--project", str(in_catalog.project), *given], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert [batch["status"] for batch in json.loads(done.stdout)] == statuses
        embedded.run()
        in_catalog.lake = Lake(settings=load_settings(in_catalog.project, {}, {"engine": engine}))
        for name in sorted(set(published_names(embedded.lake._door.context())) - UNLIKE):
            assert rows(in_catalog, name) == rows(embedded, name), name
        assert not in_catalog.lake.settings.lake_folder.exists(), "every table stands in the catalog"
    finally:
        in_catalog.lake.close()
        embedded.lake.close()
        for schema in ("sample_shop", "sample_shop_store"):
            spark_session.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
