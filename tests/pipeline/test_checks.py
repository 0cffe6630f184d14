"""Checks judge what a batch brings."""

from __future__ import annotations

from tests.pipeline.shop import Shop, customer, stock

_TWIN = """\
kind: check
description: Whether anybody came.
grain: one row
key: []
columns: {customers: bigint}
rules:
  nobody_came: {severity: low, description: The batch has a customer, key: [customers]}
cases: []
"""


def test_a_check_is_run_for_each_of_the_feeds_that_it_judges(shop: Shop) -> None:
    shop.trade_a_day()
    shop.deliver("b2", "2025-03-02", inventory=[stock(stock_quantity="4", updated_timestamp="2025-03-02 08:00:00")])
    shop.run()
    assert shop.failed_rules("b2")["stock_differs"] == 1
    found = shop.rows("SELECT rule, rows_checked FROM validation_results WHERE batch_id = 'b2'")
    checked = {str(rule): count for rule, count in found}
    assert checked["inventory_without_product"] == 1
    assert {rule: checked[rule] for rule in ("customer_without_orders", "shipping_without_order", "late_event")} == {
        "customer_without_orders": 0,
        "shipping_without_order": 0,
        "late_event": 1,
    }


def test_a_check_is_not_run_for_a_batch_without_the_feeds_that_it_judges(shop: Shop) -> None:
    models = shop.project / "models"
    models.mkdir(exist_ok=True)
    counted = "SELECT count(*) AS customers, count(*) {} AS nobody_came FROM {}\n"
    models.joinpath("check_arrivals.sql").write_text(counted.format("= 0", "batch_customers"), "utf-8")
    models.joinpath("check_known.sql").write_text(counted.format("< 2", "known_customers"), "utf-8")
    models.joinpath("check_arrivals.yml").write_text(_TWIN, "utf-8")
    models.joinpath("check_known.yml").write_text(_TWIN.replace("nobody_came", "few_are_known"), "utf-8")
    known = models / "check_known.sql"
    known.write_text(known.read_text("utf-8").replace("nobody_came", "few_are_known"), "utf-8")
    shop.deliver("b1", customers=[customer()])
    shop.deliver("b2", "2025-03-02", inventory=[stock()])
    shop.run()
    found = shop.rows(
        "SELECT batch_id, rule, rows_checked, rows_failed FROM validation_results"
        " WHERE rule IN ('nobody_came', 'few_are_known') ORDER BY batch_id, rule"
    )
    assert found == [
        ("b1", "few_are_known", 1, 1),
        ("b1", "nobody_came", 1, 0),
        ("b2", "few_are_known", 1, 1),
        ("b2", "nobody_came", 0, 0),
    ]
