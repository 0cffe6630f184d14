"""`dq_metrics`, and what `status` makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cartlake.errors import UsageError
from cartlake.lake import Lake
from tests.pipeline.shop import UNKNOWN_CURRENCY_WARNS, Shop, a_day, customer, order

NOW = datetime(2025, 3, 2, 6, 30, tzinfo=UTC)
GOOD = [order(f"O-{n}") for n in range(1, 8)]
ODD = [order("O-8", order_status="sleeping"), order("O-9", product_id=""), order("O-10", currency="XYZ")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A day whose orders have a flagged, an incomplete, a quarantined and a repeated record, seen the morning after."""
    made = Shop(tmp_path_factory.mktemp("measured") / "shop")
    made.lake = Lake(made.project, settings=made.lake.settings, clock=lambda: NOW)
    made.deliver("b1", **a_day(orders=[*GOOD, *ODD, order("O-1")]))
    made.run()
    yield made
    made.lake.close()


def value(shop: Shop, metric: str, of: str = "TRUE") -> object:
    """Of the orders."""
    rows = f"SELECT value FROM dq_metrics WHERE batch_id = 'b1' AND feed = 'orders' AND metric = '{metric}'"
    return shop.one(f"{rows} AND {of}")


def test_a_batch_is_measured_feed_by_feed_column_by_column_and_rule_by_rule(shop: Shop) -> None:
    assert value(shop, "rows_in") == 11
    assert value(shop, "rows_duplicate") == 1
    assert value(shop, "score") == Decimal("85")
    assert value(shop, "completeness", "column_name = 'product_id'") == Decimal("0.888889")
    assert value(shop, "validity", "column_name = 'currency'") == Decimal("0.9")
    assert value(shop, "validity", "column_name = 'order_status'") == Decimal("0.888889")
    assert value(shop, "rule_failures", "rule = 'currency_unknown'") == 1
    assert value(shop, "delay_hours") == Decimal("6.5"), "from midnight to half past six"
    of_the_batch = "SELECT value FROM dq_metrics WHERE metric = 'score' AND feed IS NULL"
    assert 0 < Decimal(str(shop.one(of_the_batch))) < 85, "orders without a shipment weigh on the batch"


def test_the_metrics_of_the_api_are_the_rows_of_the_table(shop: Shop) -> None:
    rows = shop.lake.metrics("b1", "customers")
    assert {row["feed"] for row in rows} == {"customers"}
    assert len(rows) == shop.one("SELECT count(*) FROM dq_metrics WHERE feed = 'customers'")
    assert len(shop.lake.metrics()) == shop.one("SELECT count(*) FROM dq_metrics")
    with pytest.raises(UsageError, match="b1"):
        shop.lake.metrics("b11")


def test_status_says_how_good_each_feed_is_and_when_the_next_delivery_is_due(shop: Shop) -> None:
    found = {feed.feed: feed for feed in shop.lake.status().feeds}
    orders = found["orders"]
    assert (orders.batch_id, str(orders.batch_date), orders.score) == ("b1", "2025-03-01", Decimal("85"))
    assert (orders.age_hours, orders.volume_zscore) == (Decimal("6.5"), None)
    assert orders.due_at == datetime(2025, 3, 4, tzinfo=UTC)
    assert not any(feed.is_late for feed in found.values())
    with Lake(shop.project, settings=shop.lake.settings, clock=lambda: datetime(2025, 3, 4, 0, 1, tzinfo=UTC)) as later:
        assert all(feed.is_late for feed in later.status().feeds)


def test_prometheus_reads_the_same_numbers(shop: Shop) -> None:
    families = text_string_to_metric_families(shop.lake.prometheus())
    samples = {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}
    assert samples["cartlake_feed_score", "orders"] == 85
    assert samples["cartlake_feed_rows_in", "orders"] == 11
    assert samples["cartlake_column_completeness", "orders", "product_id"] == 0.888889
    assert samples["cartlake_rule_failures", "orders", "currency_unknown"] == 1
    assert samples["cartlake_quarantine_open_rows", "orders"] == 1
    assert samples["cartlake_batches", "published"] == 1
    assert samples["cartlake_feed_late", "orders"] == 0
    assert samples["cartlake_feed_age_seconds", "orders"] == 6.5 * 3600


def test_a_batch_that_is_judged_again_is_measured_again_in_its_place(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    shop.deliver("b1", orders=[order(), order("O-2", currency="XYZ")])
    shop.run()
    first = value(shop, "delay_hours")
    rows = shop.one("SELECT count(*) FROM dq_metrics")
    assert value(shop, "score") == 50
    shop.change_contract("orders", UNKNOWN_CURRENCY_WARNS)
    shop.lake.retry("b1")
    shop.run()
    assert value(shop, "score") == 75
    assert value(shop, "delay_hours") == first, "the delivery was not later because it was read again"
    assert shop.one("SELECT count(*) FROM dq_metrics") == rows
    shop.lake.close()


def test_what_is_repeated_is_counted_and_not_judged_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    shop.deliver("b1", customers=[customer(), customer("C-2", email="none")])
    shop.run()
    shop.deliver("b2", customers=[customer(), customer("C-2", email="none")])
    shop.run()
    assert {row["metric"] for row in shop.lake.metrics("b2")} == {
        "rows_in", "rows_staged", "rows_quarantined", "rows_duplicate", "delay_hours",
    }  # fmt: skip
    [customers] = [feed for feed in shop.lake.status().feeds if feed.feed == "customers"]
    assert (customers.batch_id, customers.score) == ("b1", Decimal("50")), "the delivery that brought something"
    shop.lake.close()
