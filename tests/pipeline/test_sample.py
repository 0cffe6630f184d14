"""The two sample batches, to the cent, in any order, however often."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.pipeline.shop import Shop

FIRST, SECOND = "batch_2025_01_15_001", "TRG_20250116_001"
EVERY_DAY = {"low_value_premium_order": 1, "order_outside_business_hours": 9}


def deliver(shop: Shop, sample: Path, *days: str) -> None:
    for day in days:
        shutil.copytree(sample / day, shop.landing, dirs_exist_ok=True)


def test_the_first_batch_alone_gives_its_known_numbers(shop: Shop, sample_data: Path) -> None:
    deliver(shop, sample_data, "2025_01_15")
    [report] = shop.run().batches
    assert (report.batch.status, report.batch.verdict) == ("published", "PASS")
    [summary] = shop.lake.query("SELECT * FROM analytics_summary")[1]
    assert summary["total_orders"] == 20
    assert summary["total_revenue"] == Decimal("3169.31")
    assert round(Decimal(str(summary["avg_order_value"])), 2) == Decimal("158.47")
    assert round(Decimal(str(summary["total_profit"])), 2) == Decimal("950.79")
    assert (summary["unique_customers"], summary["unique_products"]) == (20, 20)
    assert summary["report_date"] == date(2025, 1, 15)
    assert shop.failed_rules(FIRST) == EVERY_DAY


def assert_both_are_in(shop: Shop) -> None:
    assert shop.one("SELECT count(*) FROM orders WHERE is_current") == 40
    assert shop.rows("SELECT count(*), count(*) FILTER (WHERE is_current) FROM customers") == [(20, 20)]
    assert shop.one("SELECT count(*) FROM products") == 30
    assert shop.one("SELECT count(*) FROM inventory") == 30
    assert shop.one("SELECT count(*) FROM shipping WHERE is_current") == 40
    assert shop.one("SELECT count(*) FROM enriched_orders") == 40
    assert shop.one("SELECT total_revenue FROM analytics_summary") == Decimal("6402.30")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, sample_data: Path) -> Iterator[Shop]:
    """Both batches landed at once and are published."""
    shop = Shop(tmp_path_factory.mktemp("both") / "shop")
    deliver(shop, sample_data, "2025_01_15", "2025_01_16")
    shop.run()
    yield shop
    shop.lake.close()


def test_both_batches_in_date_order_fire_the_rules_counted_by_hand(both: Shop) -> None:
    found = {r.batch.batch_id: r.batch.verdict for r in both.lake.batches()}
    assert found == {FIRST: "PASS", SECOND: "WARN"}
    assert_both_are_in(both)
    assert both.failed_rules(FIRST) == EVERY_DAY
    assert both.failed_rules(SECOND) == EVERY_DAY | {
        "order_amount_differs_from_price": 20,
        "product_without_orders": 1,
        "recycled_id": 30,
        "untracked_change": 20,
    }
    told = "SELECT rows_checked, sample_keys, severity FROM validation_results WHERE rule = 'untracked_change'"
    assert both.rows(told) == [(20, "customers.last_login 20", "low")]


def test_the_other_order_gives_the_same_tables_and_the_first_day_recycles(
    shop: Shop, both: Shop, sample_data: Path
) -> None:
    for day in ("2025_01_16", "2025_01_15"):
        deliver(shop, sample_data, day)
        shop.run()
    assert_both_are_in(shop)
    assert shop.production() == both.production()
    assert shop.failed_rules(FIRST) == EVERY_DAY | {"recycled_id": 30, "late_event": 20}
    assert [r.batch.verdict for r in shop.lake.batches() if r.batch.batch_id == FIRST] == ["WARN"]


def test_a_day_after_the_other_gives_the_tables_of_both_at_once(shop: Shop, both: Shop, sample_data: Path) -> None:
    for day in ("2025_01_15", "2025_01_16"):
        deliver(shop, sample_data, day)
        shop.run()
    assert shop.production() == both.production()


def test_dropping_and_running_both_twice_changes_nothing(both: Shop, sample_data: Path) -> None:
    once, publications = both.production(), both.one("SELECT count(*) FROM publications")
    for _ in range(2):
        deliver(both, sample_data, "2025_01_16", "2025_01_15")
        assert both.run().batches == ()
    assert both.production() == once
    assert both.one("SELECT count(*) FROM publications") == publications
    assert not list(both.landing.rglob("*.csv")), "what was loaded before is tidied away"


def test_every_staged_row_can_be_traced_to_its_file_and_line(both: Shop) -> None:
    [version] = both.lake.history("orders", ["2003"])
    assert (version.source_file, version.line) == ("orders_2025_01_16.csv", 4)
