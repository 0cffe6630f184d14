"""Whole scenarios on both engines: every table and view equal, row by row."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cartlake.generate import FAULTS, ShopPlan, generate
from cartlake.lake import Lake
from cartlake.queries import published_names
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
        "measured_at",
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
