"""Corrected files, late parents, deletes, and values as of the order's time."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest

from tests.pipeline.shop import Shop, a_day, csv_text, customer, order, product, shipment, stock


def test_a_price_corrected_under_the_same_name_and_announced_again_is_current(shop: Shop) -> None:
    shop.drop("products", "products.csv", [product(price="20.00"), product("P-2", price="5.00")])
    shop.announce("b1", files=["products.csv"])
    shop.run()
    shop.drop("products", "products.csv", [product(price="22.00"), product("P-2", price="5.00")])
    shop.announce("b1-corrected", files=["products.csv"])
    shop.run()
    prices = shop.rows("SELECT product_id, price FROM products WHERE is_current ORDER BY 1")
    assert prices == [("P-1", Decimal("22.00")), ("P-2", Decimal("5.00"))]
    assert shop.one("SELECT count(*) FROM products") == 2, "the same event, corrected: no second version"


def test_a_correction_under_the_name_in_another_case_or_form_wins_as_well(shop: Shop) -> None:
    keys = [f"P-{number}" for number in range(4)]
    for batch_id, name, price in (("b1", "Pre\u0301cios.csv", "20.00"), ("b2", "pr\u00e9cios.CSV", "22.00")):
        shop.drop("products", name, [product(key, price=price) for key in keys])
        shop.announce(batch_id, files=[name])
        shop.run()
    assert shop.rows("SELECT DISTINCT price FROM products WHERE is_current") == [(Decimal("22.00"),)]


def test_the_correction_wins_also_when_it_is_staged_first(shop: Shop) -> None:
    shop.drop("products", "products.csv", [product(price="22.00")])
    shop.announce("b2", files=["products.csv"], revision=1)
    shop.run()
    shop.drop("products", "products.csv", [product(price="20.00")])
    shop.announce("b1", files=["products.csv"], revision=0)
    shop.run()
    assert shop.one("SELECT price FROM products") == Decimal("22.00")


@pytest.mark.parametrize("order", [("b0", "b1", "b2"), ("b2", "b1", "b0")])
def test_a_correction_that_goes_back_to_an_earlier_content_wins_by_its_revision(
    shop: Shop, order: tuple[str, ...]
) -> None:
    """Whenever it comes, and only as long as its batch is in production."""
    prices = {"b0": "20.00", "b1": "22.00", "b2": "20.00"}
    for batch_id in order:
        shop.drop("products", "products.csv", [product(price=prices[batch_id])])
        shop.announce(batch_id, files=["products.csv"], revision=int(batch_id[1:]))
        shop.run()
    assert shop.one("SELECT price FROM products") == Decimal("20.00")
    shop.lake.reject("b2", "the second price was right")
    assert shop.one("SELECT price FROM products") == Decimal("22.00")
    assert shop.lake.verify(deep=True).findings == ()


def test_an_earlier_content_that_comes_again_without_a_revision_says_that_its_correction_counts(shop: Shop) -> None:
    notes: list[str] = []
    for batch_id, price in (("b0", "20.00"), ("b1", "22.00"), ("b2", "22.00"), ("b3", "20.00")):
        shop.drop("products", "products.csv", [product(price=price)])
        shop.announce(batch_id, files=["products.csv"])
        shop.lake.run(lambda _, result: notes.append(result.note))
    assert shop.one("SELECT price FROM products") == Decimal("22.00")
    [told] = [note for note in notes if "corrected" in note]
    assert told.startswith("products.csv is what a later file of its name corrected")


def test_a_batch_that_names_what_another_one_took_says_so_while_it_waits(shop: Shop) -> None:
    shop.drop("products", "products.csv", [product()])
    shop.announce("b1", files=["products.csv"])
    shop.run()
    shop.announce("b2", files=["products.csv"])
    shop.announce("b3", "2025-03-02", files=["products.csv"])
    shop.run()
    reasons = {report.batch.batch_id: report.batch.reason for report in shop.lake.batches()}
    assert reasons["b2"] == "waiting for products.csv (batch b1 took one of that name)"
    assert reasons["b3"] == "waiting for products.csv", "another day has files of the same names"


def test_a_wrong_header_is_explained_and_the_corrected_file_is_published(shop: Shop) -> None:
    wrong = csv_text([order()]).replace("order_amount", "amount_total")
    shop.deliver("b1", **a_day(orders=wrong))
    [report] = shop.run().batches
    assert report.batch.status == "failed"
    assert "order_amount" in str(report.batch.reason)
    assert vars(report.counts)["rows_quarantined"] == 1, "the rejected file is one quarantined record"
    assert shop.one("SELECT count(*) FROM customers") == 0, "nothing of the batch is published"
    shop.drop("orders", "orders_b1.csv", [order()])
    [report] = shop.run().batches
    assert (report.batch.status, report.counts.rows_quarantined) == ("published", 0)
    assert shop.one("SELECT count(*) FROM enriched_orders") == 1


@pytest.mark.parametrize("city", ["Springfield", "Peoria"])
def test_a_file_in_the_folder_of_another_feed_is_corrected_by_dropping_it_in_its_own(shop: Shop, city: str) -> None:
    shop.drop("orders", "customers.csv", [customer()])
    shop.announce("b1", files=["customers.csv"])
    shop.run()
    assert shop.statuses() == {"b1": "failed"}
    shop.drop("customers", "customers.csv", [customer(city=city)])
    [report] = shop.run().batches
    assert (report.batch.status, report.counts.rows_staged, report.counts.rows_quarantined) == ("published", 1, 0)
    assert shop.one("SELECT city FROM customers") == city
    assert shop.rows("SELECT feed, status FROM batch_files") == [("customers", "staged")]
    assert shop.rows("SELECT feed, is_open FROM quarantine") == [("orders", False)]
    assert not any(shop.landing.rglob("*.csv"))


def test_a_file_in_another_feeds_folder_is_told_of_and_counts_once_it_lies_in_its_own(shop: Shop) -> None:
    content = csv_text([stock()])
    shop.deliver("b1", **a_day())
    shop.drop("inventory", "inventory_b1.csv", content).rename(shop.landing / "orders_data/source/inventory_b1.csv")
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    names = ["orders_b1.csv", "customers_b1.csv", "products_b1.csv", "inventory_b1.csv"]
    shop.announce("b1", files=names, details=[{"name": "inventory_b1.csv", "sha256": sha256}])
    [report] = shop.run().batches
    assert report.batch.status == "failed"
    assert "drop it in inventory_data/source" in str(report.batch.reason)
    shop.drop("inventory", "inventory_b1.csv", content)
    [report] = shop.run().batches
    assert (report.batch.status, report.counts.rows_quarantined) == ("published", 0)
    assert shop.one("SELECT count(*) FROM inventory") == 1
    assert shop.rows("SELECT feed, status FROM batch_files WHERE file_name = 'inventory_b1.csv'") == [
        ("inventory", "staged")
    ]
    assert shop.rows("SELECT state FROM quarantine") == [("superseded",)]
    assert shop.lake.verify().findings == ()
    before = shop.production()
    shop.lake.retry("b1")
    assert [each.batch.status for each in shop.run().batches] == ["published"]
    assert shop.production() == before


def test_a_batch_that_fails_again_waits_for_no_file_that_was_put_right(shop: Shop) -> None:
    wrong = csv_text([customer()]).replace("email", "mail")
    shop.deliver("b1", **a_day(customers=wrong))
    content = csv_text([product()])
    shop.drop("products", "products_b1.csv", content).rename(shop.landing / "orders_data/source/products_b1.csv")
    shop.run()
    assert shop.lake.batch("b1").report.batch.waiting_for == ("products_b1.csv", "customers_b1.csv")
    shop.drop("products", "products_b1.csv", content)
    shop.drop("customers", "customers_b1.csv", wrong.replace("Ada", "Eva"))
    shop.run()
    assert shop.lake.batch("b1").report.batch.waiting_for == ("customers_b1.csv",)
    shop.drop("customers", "customers_b1.csv", [customer()])
    assert [each.batch.status for each in shop.run().batches] == ["published"]


def test_a_rejected_file_that_a_corrected_one_replaced_is_superseded_in_quarantine(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=csv_text([order()]).replace("order_amount", "amount_total")))
    shop.run()
    [rejected] = shop.lake.quarantine()
    assert (rejected["record"], rejected["is_open"]) == (0, True)
    shop.drop("orders", "orders_b1.csv", [order(), order("O-2", order_amount="?")])
    shop.run()
    open_ones = shop.lake.quarantine()
    assert [row["reasons"] for row in open_ones] == [["order_amount_not_a_number"]]
    assert {row["id"] for row in shop.lake.quarantine(every=True)} == {rejected["id"], open_ones[0]["id"]}
    assert shop.rows("SELECT id FROM quarantine WHERE NOT is_open") == [(rejected["id"],)]
    assert shop.one("SELECT sum(rows_quarantined) FROM batches") == 1, "as many as are open"


def test_a_corrected_file_that_lands_before_its_manifest_belongs_to_the_manifest_that_names_it(shop: Shop) -> None:
    name, wrong, right = "products_b1.csv", csv_text([product(price="9.00")]), csv_text([product(price="10.00")])
    shop.drop("products", name, right)
    for batch_id, content in (("b1", wrong), ("b2", right)):
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        shop.announce(batch_id, files=[name], details=[{"name": name, "sha256": sha256}])
        shop.run()
    assert shop.statuses() == {"b1": "failed", "b2": "published"}
    assert shop.rows("SELECT price, _batch_id FROM products") == [(Decimal("10.00"), "b2")]
    assert shop.rows("SELECT batch_id, rows_staged, rows_duplicate FROM batch_files ORDER BY 1") == [
        ("b1", 0, 0),
        ("b2", 1, 0),
    ]
    assert shop.lake.verify().findings == ()
    before = shop.production()
    shop.lake.rebuild(from_archive=True)
    assert shop.production() == before
    assert shop.run().batches == ()


def test_orders_whose_customer_and_product_come_later_are_enriched_again(shop: Shop) -> None:
    shop.deliver("b1", orders=[order()], shipping=[shipment()])
    shop.run()
    assert shop.rows("SELECT has_customer, has_product FROM enriched_orders") == [(False, False)]
    later = "2025-03-02 08:00:00"
    shop.deliver(
        "b2",
        "2025-03-02",
        customers=[customer(created_timestamp=later)],
        products=[product(created_timestamp=later)],
        inventory=[stock(created_timestamp=later)],
    )
    shop.run()
    found = shop.rows(
        "SELECT has_customer, has_product, customer_tier, category, inventory_stock_quantity FROM enriched_orders"
    )
    assert found == [(True, True, "gold", "Home", 10)]
    shop.lake.reject("b2", "a test system's")
    assert shop.rows("SELECT has_customer, has_product, inventory_stock_quantity FROM enriched_orders") == [
        (False, False, None)
    ]


def test_an_order_keeps_the_customer_and_price_of_its_own_time(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    after = "2025-03-05 08:00:00"
    shop.deliver(
        "b2",
        "2025-03-05",
        customers=[customer(customer_tier="premium", created_timestamp=after)],
        products=[product(price="99.00", created_timestamp=after)],
        orders=[order("O-2", created_timestamp="2025-03-05 12:00:00")],
        shipping=[shipment("S-2", "O-2")],
    )
    shop.run()
    found = shop.rows("SELECT order_id, customer_tier, price FROM enriched_orders ORDER BY 1")
    assert found == [("O-1", "gold", Decimal("20.00")), ("O-2", "premium", Decimal("99.00"))]


def test_a_late_price_changes_the_orders_from_its_time_on_and_no_others(shop: Shop) -> None:
    late = "2025-03-03 08:00:00"
    orders = [order("O-1"), order("O-2", created_timestamp=late), order("O-3", created_timestamp="2025-03-04 12:00:00")]
    shop.deliver("b1", "2025-03-04", **a_day(orders=orders))
    shop.run()
    shop.deliver("late", "2025-03-03", products=[product(price="30.00", created_timestamp=late)])
    shop.run()
    found = shop.rows("SELECT order_id, price FROM enriched_orders ORDER BY 1")
    assert found == [("O-1", Decimal("20.00")), ("O-2", Decimal("30.00")), ("O-3", Decimal("30.00"))]


def test_deletes_close_the_version_and_take_the_order_out_of_the_totals(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    gone = {"order_id": "O-1", "created_timestamp": "2025-03-02 08:00:00", "_op": "D"}
    header = csv_text([order() | {"_op": ""}]).splitlines()[0].split(",")
    shop.deliver("b2", "2025-03-02", orders=[{name: gone.get(name, "") for name in header}])
    shop.run()
    assert shop.rows("SELECT is_current, valid_to IS NULL FROM orders") == [(False, False)]
    assert shop.one("SELECT count(*) FROM enriched_orders") == 0
    assert shop.rows("SELECT total_orders, total_spent FROM customer_analytics") == [(0, Decimal("0.00"))]


def test_an_update_that_changes_nothing_makes_no_version(shop: Shop) -> None:
    shop.deliver("b1", customers=[customer()])
    shop.deliver(
        "b2",
        "2025-03-02",
        customers=[customer(last_login="2025-03-02 07:00:00", created_timestamp="2025-03-02 08:00:00")],
    )
    shop.run()
    assert shop.rows("SELECT CAST(last_login AS VARCHAR)[:10], is_current FROM customers") == [("2025-03-02", True)]


def test_cancelled_orders_stay_in_view_and_count_in_no_total(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    shop.deliver("b2", "2025-03-02", orders=[order(order_status="Cancelled", updated_timestamp="2025-03-02 08:00:00")])
    shop.run()
    assert shop.rows("SELECT order_status, is_sale FROM enriched_orders") == [("cancelled", False)]
    assert shop.rows("SELECT total_orders, total_revenue FROM analytics_summary") == [(0, Decimal("0.00"))]
    assert shop.one("SELECT count(*) FROM orders") == 2


def test_a_file_counts_under_any_name_that_a_file_can_have(shop: Shop) -> None:
    """`batch_files` finds names in what the ledger keeps of the manifest."""
    names = ['kö "ln" (1).csv', "it's, new.csv", "{}[].csv"]
    for number, name in enumerate(names):
        shop.drop("customers", name, [customer(f"C-{number}")])
    shop.announce("b1", files=names)
    assert [report.batch.status for report in shop.run().batches] == ["published"]
    assert shop.rows("SELECT file_name, rows_in FROM batch_files ORDER BY file_name") == [
        (name, 1) for name in sorted(names)
    ]
    assert shop.one("SELECT rows_in FROM batches") == 3
