"""Back to a batch: what entered production after it is held, in one publication, and comes back when it is released."""

from __future__ import annotations

import pytest

from cartlake import runs
from cartlake.core.batch import BatchStatus
from cartlake.errors import UsageError
from tests.pipeline.shop import UNKNOWN_CURRENCY_WARNS, Shop, a_day, customer, order, product, shipment

Tables = dict[str, list[tuple[object, ...]]]


def second_day(shop: Shop) -> None:
    later = "2025-03-02 09:00:00"
    shop.deliver(
        "b2",
        "2025-03-02",
        orders=[order("O-2", created_timestamp=later)],
        customers=[customer(customer_tier="premium", created_timestamp=later)],
        shipping=[shipment("S-2", "O-2", created_timestamp=later)],
    )


def third_day(shop: Shop) -> None:
    shop.deliver(
        "b3", "2025-03-03", customers=[customer("C-3", city="Peoria", created_timestamp="2025-03-03 09:00:00")]
    )


def publications(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows("SELECT kind, batch_id FROM publications ORDER BY publication_id")


def test_a_rollback_holds_all_that_came_after_and_a_release_brings_it_back(shop: Shop) -> None:
    shop.trade_a_day()
    first = shop.production()
    second_day(shop)
    third_day(shop)
    shop.run()
    last = shop.production()
    left = shop.lake.rollback("b1", actor="kim")
    assert [(one.batch.batch_id, one.batch.status) for one in left] == [("b2", "held"), ("b3", "held")]
    assert {one.batch.reason for one in left} == {"rolled_back to b1"}
    assert shop.production() == first
    assert publications(shop)[-1] == ("rollback", "b1"), "one publication for both"
    assert str(shop.one("SELECT report_date FROM analytics_summary")) == "2025-03-01"
    assert shop.run().batches == (), "held batches stay out of a run"
    assert shop.lake.verify(deep=True).findings == ()
    shop.lake.rebuild()
    assert shop.production() == first, "and out of a rebuild"
    with pytest.raises(UsageError, match="b4"):
        shop.lake.release_all(["b2", "b4"])
    assert shop.lake.batch("b2").report.batch.status == "held"
    assert [one.batch.batch_id for one in shop.lake.release_all(["b3", "b2", "b3"], "it was right")] == ["b3", "b2"]
    assert {report.batch.status for report in shop.run().batches} == {BatchStatus.PUBLISHED}
    assert shop.production() == last


@pytest.mark.slow
@pytest.mark.ci
def test_what_was_decided_about_earlier_batches_since_stays_decided(shop: Shop) -> None:
    """b0 is rejected and b1 repaired after b2 was published; both stay so."""
    shop.deliver("b0", "2025-02-28", customers=[customer("C-0")])
    shop.deliver("b1", **a_day(orders=[order(), order("O-9", currency="???")]))
    shop.run()
    second_day(shop)
    shop.run()
    shop.lake.reject("b0", "a test file")
    shop.change_contract("orders", UNKNOWN_CURRENCY_WARNS)
    shop.lake.retry("b1")
    shop.run()
    third_day(shop)
    shop.run()
    assert publications(shop)[-3:] == [("reject", "b0"), ("repair", "b1"), ("batch", "b3")]
    assert [one.batch.batch_id for one in shop.lake.rollback("b1")] == ["b2", "b3"]
    assert shop.rows("SELECT order_id FROM orders ORDER BY 1") == [("O-1",), ("O-9",)], "b1 as it was repaired"
    assert shop.rows("SELECT customer_id, customer_tier FROM customers") == [("C-1", "gold")], "b0 does not come back"
    before = shop.production()
    shop.lake.rebuild()
    assert shop.production() == before


@pytest.mark.slow
@pytest.mark.ci
def test_a_released_batch_counts_from_its_release(shop: Shop) -> None:
    """b1 was rolled back and released: it entered production after b3, so going back to b3 takes it out again."""
    shop.deliver("b0", **a_day())
    shop.run()
    second_day(shop)
    shop.run()
    shop.lake.rollback("b0")
    third_day(shop)
    shop.run()
    with_third = shop.production()
    shop.lake.release("b2", "it was right")
    shop.run()
    assert [one.batch.batch_id for one in shop.lake.rollback("b3")] == ["b2"]
    assert shop.production() == with_third
    assert shop.lake.rollback("b3") == [], "nothing entered since"


def test_a_table_that_came_later_is_empty_and_what_was_rejected_since_stays_out_and_is_not_gone_back_to(
    shop: Shop,
) -> None:
    shop.deliver("b0", customers=[customer("C-0")])
    shop.deliver("b1", "2025-03-02", customers=[customer("C-1")])
    shop.deliver("b2", "2025-03-03", customers=[customer("C-2")], products=[product()])
    shop.run()
    shop.lake.rollback("b1")
    assert shop.statuses() == {"b0": "published", "b1": "published", "b2": "held"}
    assert shop.rows("SELECT customer_id FROM customers ORDER BY 1") == [("C-0",), ("C-1",)]
    assert shop.one("SELECT count(*) FROM products") == 0, "only b2 had any"
    shop.deliver("b3", "2025-03-04", customers=[customer("C-3")])
    shop.run()
    shop.lake.reject("b0", "a test")
    with pytest.raises(UsageError, match="nothing can be rolled back to it"):
        shop.lake.rollback("b0")
    shop.lake.rollback("b1")
    assert shop.rows("SELECT customer_id FROM customers") == [("C-1",)]


def test_a_rollback_that_died_before_its_rows_were_written_is_finished_by_the_next_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.trade_a_day()
    first = shop.production()
    second_day(shop)
    shop.run()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cartlake.withdraw.rolled_back", dies)
        with pytest.raises(KeyboardInterrupt):
            shop.lake.rollback("b1")
    assert shop.statuses() == {"b1": "published", "b2": "published"}
    shop.run()
    assert shop.statuses() == {"b1": "published", "b2": "held"}
    assert shop.production() == first
    assert runs.published_batches(shop.lake._door.context()) == {"b1"}
