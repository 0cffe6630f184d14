"""The gate holds a batch; people release, reject and retry it."""

from __future__ import annotations

import pytest

from cartlake.errors import UsageError
from tests.pipeline.shop import UNKNOWN_CURRENCY_WARNS, Shop, a_day, customer, order, product, shipment

BROKEN = [order(f"O-{n}", order_amount="?") for n in range(25)]


def held(shop: Shop) -> None:
    """`b1` has more unreadable orders than the gate lets through, and one good one."""
    shop.deliver("b1", **a_day(orders=[*BROKEN, order("O-77")], shipping=[shipment("S-1", "O-77")]))
    [report] = shop.run().batches
    assert (report.batch.status, report.batch.reason) == ("held", "held by quarantine_share")


def test_a_released_batch_is_published_by_the_next_run_and_who_and_why_are_kept(shop: Shop) -> None:
    held(shop)
    assert shop.lake.release("b1", "known problem at the till", actor="kim").batch.status == "ready"
    [report] = shop.run().batches
    assert (report.batch.status, report.batch.verdict, report.batch.gate) == ("published", "FAIL", "hold")
    assert shop.one("SELECT count(*) FROM orders") == 1
    states = shop.lake.batch("b1").states
    assert [(s.actor, s.reason) for s in states if s.actor] == [("kim", "known problem at the till")]


def test_later_batches_go_on_while_one_is_held(shop: Shop) -> None:
    held(shop)
    shop.deliver("b2", "2025-03-02", customers=[customer("C-2")])
    assert [r.batch.status for r in shop.run().batches] == ["published"]
    assert shop.statuses() == {"b1": "held", "b2": "published"}
    assert shop.rows("SELECT customer_id FROM customers") == [("C-2",)]


def test_nothing_of_a_rejected_batch_reaches_production(shop: Shop) -> None:
    held(shop)
    assert shop.lake.reject("b1", "broken export").batch.status == "rejected"
    assert shop.run().batches == ()
    assert shop.one("SELECT count(*) FROM customers") == 0


def test_rejecting_a_published_batch_takes_it_out_at_once(shop: Shop) -> None:
    shop.trade_a_day()
    before = shop.production()
    moved = customer(city="Peoria", created_timestamp="2025-03-02 08:00:00")
    late = product(price="21.00", created_timestamp="2025-03-01 09:00:00")
    shop.deliver("b2", "2025-03-02", customers=[moved, customer("C-2")], products=[late], orders=[order("O-2")])
    shop.run()
    assert shop.production() != before
    assert shop.lake.reject("b2", "test data").batch.status == "rejected"
    assert shop.production() == before
    assert shop.one("SELECT kind FROM publications ORDER BY publication_id DESC LIMIT 1") == "reject"
    assert shop.rows("SELECT count(*) FROM customers", at="b2") == [(3,)]


def test_what_was_rejected_once_and_comes_again_in_a_good_batch_is_not_lost(shop: Shop) -> None:
    shop.trade_a_day()
    shop.lake.reject("b1", "wrong day")
    assert shop.one("SELECT count(*) FROM orders") == 0
    shop.deliver("b2", **a_day())
    shop.run()
    assert shop.rows("SELECT order_id, _batch_id FROM orders") == [("O-1", "b2")]


def test_a_row_belongs_to_the_smallest_published_batch_that_announces_its_file(shop: Shop) -> None:
    shop.deliver("b2", **a_day())
    shop.run()
    shop.deliver("b1", **a_day())
    shop.run()
    assert shop.rows("SELECT _batch_id FROM orders") == [("b1",)]
    assert shop.lake.changes("orders", "b2").rows == (), "nothing that others would have to carry out"
    shop.lake.reject("b1", "came twice")
    assert shop.rows("SELECT _batch_id FROM orders") == [("b2",)]


def test_retry_reads_the_claimed_copies_again_with_todays_contract(shop: Shop) -> None:
    wrong = [{("mail" if name == "email" else name): value for name, value in customer().items()}]
    shop.deliver("b1", **a_day(customers=wrong))
    [report] = shop.run().batches
    assert report.batch.status == "failed"
    assert "email" in str(report.batch.reason)
    shop.change_contract("customers", ("{name: email, ", "{name: email, physicalName: mail, "))
    shop.lake.retry("b1")
    [report] = shop.run().batches
    assert report.batch.status == "published"
    assert shop.one("SELECT email FROM customers") == "ada@example.com"


def test_retrying_a_published_batch_applies_todays_rules_to_it(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[order("O-1"), order("O-2", currency="XYZ")]))
    shop.run()
    assert shop.one("SELECT count(*) FROM orders") == 1
    shop.change_contract("orders", UNKNOWN_CURRENCY_WARNS)
    shop.lake.retry("b1")
    [report] = shop.run().batches
    assert (report.batch.status, report.counts.rows_quarantined) == ("published", 0)
    assert shop.one("SELECT count(*) FROM orders") == 2
    assert shop.failed_rules("b1")["order_without_shipping"] == 1, "judged again"
    assert next(s.verdict for s in shop.lake.batch("b1").states if s.status == "published") == "PASS", "as before"
    assert shop.one("SELECT kind FROM publications ORDER BY publication_id DESC LIMIT 1") == "repair"


@pytest.mark.parametrize("decide", ["release", "reject", "retry"])
def test_deciding_about_an_unknown_batch_names_close_ones(shop: Shop, decide: str) -> None:
    shop.trade_a_day()
    arguments = ["b11"] if decide == "retry" else ["b11", "why"]
    with pytest.raises(UsageError, match="b1"):
        getattr(shop.lake, decide)(*arguments)


def test_only_a_held_batch_can_be_released(shop: Shop) -> None:
    shop.trade_a_day()
    with pytest.raises(UsageError, match="published"):
        shop.lake.release("b1", "why not")


def test_a_published_file_that_todays_contract_would_reject_stays_as_it_was(shop: Shop) -> None:
    shop.trade_a_day()
    before = shop.production()
    head = "customProperties:\n"
    shop.change_contract("customers", (head, f"{head}  - {{property: delimiter, value: ';'}}\n"))
    shop.lake.retry("b1")
    notes: list[str] = []
    [report] = shop.lake.run(lambda _, result: notes.append(result.note)).batches
    assert any("customers_b1.csv stays as it was published" in note for note in notes)
    assert report.batch.status == "published"
    assert shop.production() == before


def test_volume_is_compared_with_earlier_dates_published_or_in_the_same_run_and_never_with_later_ones(
    shop: Shop,
) -> None:
    few = [customer(f"C-{n}") for n in range(3)]
    many = [customer(f"C-{n}") for n in range(60)]
    for day in range(2, 9):
        shop.deliver(f"b{day}", f"2025-03-0{day}", customers=few)
    shop.deliver("b9", "2025-03-09", customers=many)
    shop.run()
    assert shop.failed_rules("b9")["file_mass_anomaly"] == 1
    shop.deliver("b1", "2025-03-01", customers=many)
    shop.run()
    assert "file_mass_anomaly" not in shop.failed_rules("b1"), "nothing is known of the days before"
