"""Totals that grow by what a batch brings are those that a rebuild sums from everything."""

from __future__ import annotations

from tests.pipeline.shop import Shop, order, product

PRODUCT = "SELECT total_orders, order_lines, other_currency_lines, total_revenue, unique_customers, first_order_date"
CUSTOMER = "SELECT total_orders, order_lines, total_spent, unique_products, unique_categories, last_order_date"


def line(order_id: str, **changes: object) -> dict[str, object]:
    return order(order_id, order_line="1") | changes


def totals(shop: Shop, select: str, table: str, key: str) -> list[str]:
    [row] = shop.rows(f"{select} FROM {table} WHERE {table.removesuffix('_totals')}_id = '{key}'")
    return [str(value) for value in row]


def require_as_rebuilt(shop: Shop) -> None:
    grown = shop.production()
    shop.lake.rebuild()
    assert shop.production() == grown


def test_what_was_counted_before_is_not_counted_again(shop: Shop) -> None:
    """b1 has O-1 of C-1. Then C-1 buys the lamp again, earlier; a second line of O-1 is one more lamp; C-9 is new.
    What C-9 first has in euros, or cancels, was not counted when it comes again on the third day."""
    shop.trade_a_day()
    assert totals(shop, PRODUCT, "product_totals", "P-1") == ["1", "1", "0", "20.00", "1", "2025-03-01"]
    shop.deliver(
        "b2",
        "2025-03-02",
        products=[product("P-2")],
        orders=[
            line("O-2", order_date="2025-02-01"),
            line("O-1", order_line="2"),
            line("O-3", customer_id="C-9", order_date="2025-03-02"),
            line("O-3", order_line="2", customer_id="C-9", order_date="2025-03-02"),
            line("O-4", currency="EUR"),
            line("O-5", order_status="cancelled"),
            line("O-6", customer_id="C-9", product_id="P-2", currency="EUR"),
            line("O-7", customer_id="C-9", product_id="P-3", order_status="cancelled"),
        ],
    )
    shop.run()
    assert totals(shop, PRODUCT, "product_totals", "P-1") == ["3", "5", "1", "100.00", "2", "2025-02-01"]
    assert totals(shop, CUSTOMER, "customer_totals", "C-1") == ["2", "3", "60.00", "1", "1", "2025-03-01"]
    require_as_rebuilt(shop)
    later = "2025-03-03 09:00:00"
    shop.deliver(
        "b3",
        "2025-03-03",
        orders=[
            line("O-2", product_id="P-2", created_timestamp=later),
            line("O-1", order_line="2", _op="D", created_timestamp=later),
            *(
                line(order_id, order_line=number, product_id=product_id, customer_id="C-9", order_date="2025-03-03")
                | {"created_timestamp": later}
                for order_id, number, product_id in (("O-3", "3", "P-2"), ("O-8", "1", "P-2"), ("O-9", "1", "P-3"))
            ),
            line("O-10", customer_id="C-9", currency="EUR", created_timestamp=later),
        ],
    )
    shop.run()
    assert totals(shop, PRODUCT, "product_totals", "P-1") == ["2", "3", "2", "60.00", "2", "2025-03-01"]
    assert totals(shop, PRODUCT, "product_totals", "P-2") == ["3", "3", "1", "60.00", "2", "2025-03-01"]
    assert totals(shop, CUSTOMER, "customer_totals", "C-9") == ["3", "5", "100.00", "3", "1", "2025-03-03"]
    require_as_rebuilt(shop)
