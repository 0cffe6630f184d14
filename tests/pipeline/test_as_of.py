"""What depends on today moves with the as-of date, for every key, and nothing stored moves with it."""

from __future__ import annotations

from tests.pipeline.shop import Shop, customer

STAGES = (
    "SELECT c.lifecycle_stage, c.days_since_last_order, p.product_lifecycle, i.audit_status, s.report_date"
    " FROM customer_analytics c CROSS JOIN product_analytics p CROSS JOIN inventory_status i"
    " CROSS JOIN analytics_summary s WHERE c.customer_id = 'C-1'"
)


def stages(shop: Shop) -> list[str]:
    [row] = shop.rows(STAGES)
    return [str(value) for value in row]


def test_a_customer_who_is_absent_becomes_at_risk_and_no_table_is_written_for_it(shop: Shop) -> None:
    shop.trade_a_day()
    assert stages(shop) == ["Active", "0", "Active", "Current", "2025-03-01"]
    shop.deliver("b2", "2025-05-15", customers=[customer("C-2", created_timestamp="2025-05-15 09:00:00")])
    shop.run()
    assert stages(shop) == ["At Risk", "75", "Declining", "Due Soon", "2025-05-15"]
    [(before,), (after,)] = shop.rows("SELECT tables FROM publications ORDER BY publication_id")
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    moved = {name for name, version in after.items() if version != before[name]}
    assert moved == {"customers", "customer_stage"}, "only what the batch brought"

    shop.deliver("b3", "2025-04-01", customers=[customer("C-3", created_timestamp="2025-04-01 09:00:00")])
    shop.run()
    assert stages(shop)[-1] == "2025-05-15", "a late older batch does not lower it"
    shop.lake.rollback("b1")
    assert stages(shop) == ["Active", "0", "Active", "Current", "2025-03-01"]
