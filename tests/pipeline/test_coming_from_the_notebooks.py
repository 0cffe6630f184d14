"""Each defect of the classic notebooks, as a case that would fail there."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.pipeline.shop import TASKS, Shop, a_day, customer, order, product, shipment, stock


def test_an_amount_that_does_not_parse_is_quarantined_and_not_lost(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[order("O-1"), order("O-2", order_amount="twenty")]))
    [report] = shop.run().batches
    assert vars(report.counts) == {"rows_in": 6, "rows_staged": 5, "rows_quarantined": 1, "rows_duplicate": 0}
    [record] = shop.lake.quarantine()
    assert (record["reasons"], record["line"]) == (["order_amount_not_a_number"], 3)
    assert "twenty" in str(record["raw"])


def test_two_warehouses_do_not_double_orders_or_revenue(shop: Shop) -> None:
    positions = [stock("P-1", "W-1"), stock("P-1", "W-2", stock_quantity="7", available_quantity="5")]
    shop.deliver("b1", **a_day(inventory=positions, products=[product(stock_quantity="17")]))
    shop.run()
    assert shop.rows("SELECT count(*), sum(order_amount) FROM enriched_orders") == [(1, Decimal("20.00"))]
    assert shop.one("SELECT inventory_stock_quantity FROM enriched_orders") == 17
    assert shop.one("SELECT total_revenue FROM analytics_summary") == Decimal("20.00")


def test_two_days_waiting_at_once_are_both_loaded_in_date_order(shop: Shop) -> None:
    later = order("O-2", created_timestamp="2025-03-02 12:00:00", order_date="2025-03-02")
    shop.deliver("b2", "2025-03-02", orders=[later], shipping=[shipment("S-2", "O-2")])
    shop.deliver("b1", "2025-03-01", **a_day())
    assert [report.batch.batch_id for report in shop.run().batches] == ["b1", "b2"]
    assert shop.one("SELECT count(*) FROM orders_stage") == 2
    assert shop.one("SELECT count(*) FROM enriched_orders") == 2


def test_a_replayed_day_is_counted_as_repeated_and_changes_no_table(shop: Shop) -> None:
    shop.trade_a_day()
    before = shop.production()
    shop.deliver("again", **a_day())
    [report] = shop.run().batches
    assert report.batch.status == "published"
    assert vars(report.counts) == {"rows_in": 5, "rows_staged": 0, "rows_quarantined": 0, "rows_duplicate": 5}
    assert shop.production() == before
    assert shop.one("SELECT count(*) FROM orders_stage") == 1


def test_history_has_the_dates_of_the_data_also_when_a_day_comes_late(shop: Shop) -> None:
    shop.deliver("b3", "2025-03-03", customers=[customer(city="Peoria", created_timestamp="2025-03-03 08:00:00")])
    shop.run()
    shop.deliver("b1", "2025-03-01", customers=[customer(city="Springfield")])
    shop.run()
    shop.deliver("b2", "2025-03-02", customers=[customer(city="Joliet", created_timestamp="2025-03-02 08:00:00")])
    shop.run()
    life = shop.rows("SELECT city, CAST(valid_from AS DATE)::VARCHAR, is_current FROM customers ORDER BY valid_from")
    assert life == [
        ("Springfield", "2025-03-01", False),
        ("Joliet", "2025-03-02", False),
        ("Peoria", "2025-03-03", True),
    ]


def test_keys_without_an_order_that_day_reach_history_too(shop: Shop) -> None:
    shop.deliver("b1", customers=[customer("C-7")], products=[product("P-7")], inventory=[stock("P-7")])
    shop.run()
    assert [shop.one(f"SELECT count(*) FROM {t}") for t in ("customers", "products", "inventory")] == [1, 1, 1]


def test_inventory_and_shipping_have_a_history(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    moved = stock(stock_quantity="9", available_quantity="7", created_timestamp="2025-03-02 08:00:00")
    sent = shipment(shipping_status="delivered", actual_delivery="2025-03-02", created_timestamp="2025-03-02 09:00:00")
    shop.deliver("b2", "2025-03-02", inventory=[moved], shipping=[sent])
    shop.run()
    assert shop.rows("SELECT stock_quantity, is_current FROM inventory ORDER BY 1") == [(9, True), (10, False)]
    assert shop.rows("SELECT shipping_status FROM shipping WHERE is_current") == [("delivered",)]


def test_a_failing_rule_that_holds_keeps_the_next_tasks_from_publishing(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "strict", gate={"hold_on": "high"})
    shop.deliver("b1", **a_day(orders=[order(customer_id="C-404")]))
    [report] = shop.run().batches
    assert (report.batch.status, report.batch.verdict, report.batch.gate) == ("held", "FAIL", "hold")
    assert shop.one("SELECT count(*) FROM orders") == 0
    assert {task.task for task in shop.lake.batch("b1").tasks} == set(TASKS[:6])
    shop.lake.close()


def test_each_task_is_logged_under_its_own_name(shop: Shop) -> None:
    shop.trade_a_day()
    assert shop.rows("SELECT task FROM processing_log ORDER BY started_at") == [(task,) for task in TASKS]


def test_only_files_that_the_trigger_names_are_loaded(shop: Shop) -> None:
    shop.drop("orders", "unannounced.csv", [order("O-9")])
    shop.deliver("b1", **a_day())
    shop.run()
    assert shop.one("SELECT count(*) FROM orders") == 1
    assert [file.name for file in shop.lake.status().unannounced] == ["unannounced.csv"]
