"""Quarantined records that somebody repairs, replays or discards; after each step every record is accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from cartlake import failpoints
from cartlake.errors import UsageError
from cartlake.generate import FAULTS, ShopPlan, generate
from tests.pipeline.shop import EMAIL_WARNS, UNKNOWN_CURRENCY_WARNS, Shop, a_day, csv_text, customer, order, shipment

TWO = [order(), order("O-2", order_amount="?")]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with a broken order, in which nothing is decided."""
    made = Shop(tmp_path_factory.mktemp("kept") / "shop")
    made.trade_a_day(orders=TWO)
    yield made
    made.lake.close()


def record_id(shop: Shop, reason: str = "") -> str:
    """The one record in quarantine, or the one with this reason."""
    [found] = [row for row in shop.lake.quarantine() if not reason or reason in str(row["reasons"])]
    return str(found["id"])


def states(shop: Shop) -> dict[int, str]:
    """How each record stands, by its number in its file."""
    return {int(str(row["record"])): str(row["state"]) for row in shop.lake.quarantine(every=True)}


def require_conserved(shop: Shop) -> None:
    """Every record of every file is staged, in quarantine or a repetition, and the tables agree with the ledger."""
    wrong = shop.rows("SELECT file_name FROM files WHERE rows_in <> rows_staged + rows_quarantined + rows_duplicate")
    assert wrong == []
    counted = shop.rows(
        "SELECT feed, CAST(sum(rows_quarantined) AS BIGINT) FROM files WHERE rows_quarantined > 0 GROUP BY 1 ORDER BY 1"
    )
    assert shop.rows("SELECT feed, count(*) FROM quarantine GROUP BY 1 ORDER BY 1") == counted
    staged = shop.one("SELECT CAST(sum(rows_staged) AS BIGINT) FROM files WHERE feed = 'orders'")
    assert shop.one("SELECT count(*) FROM orders_stage") == staged


def require_rebuilt_alike(shop: Shop) -> None:
    """The logs, and the archive with contracts and decisions, make the same tables as the runs."""
    before, logs = shop.production(), shop.rows("SELECT order_id, order_amount, _record FROM orders_stage ORDER BY ALL")
    shop.lake.rebuild()
    assert shop.production() == before
    shop.lake.rebuild(from_archive=True)
    assert shop.production() == before
    assert shop.rows("SELECT order_id, order_amount, _record FROM orders_stage ORDER BY ALL") == logs
    require_conserved(shop)


def amounts(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows("SELECT order_id, order_amount FROM orders ORDER BY 1")


def test_a_fixed_record_is_in_production_after_the_next_run_as_if_it_had_come_so(shop: Shop) -> None:
    shop.trade_a_day(orders=TWO)
    broken, cells = record_id(shop), {"order_amount": "20.00"}
    report = shop.lake.fix_record(broken, cells, why="asked the customer", actor="kim")
    assert (report.batches, report.later, report.records[0].passes) == (("b1",), (), True)
    assert not shop.lake.fix_record(broken, cells).records[0].is_new
    assert states(shop) == {2: "fixed"}
    assert amounts(shop) == [("O-1", Decimal("20.00"))], "the next run applies it"
    require_conserved(shop)
    [repaired] = shop.run().batches
    assert repaired.counts.rows_quarantined == 0
    assert amounts(shop) == [("O-1", Decimal("20.00")), ("O-2", Decimal("20.00"))]
    assert shop.one("SELECT kind FROM publications ORDER BY publication_id DESC LIMIT 1") == "repair"
    assert shop.rows("SELECT _record, _batch_date = DATE '2025-03-01' FROM orders WHERE order_id = 'O-2'") == [
        (2, True)
    ]
    assert shop.lake.quarantine() == []
    [row] = shop.lake.quarantine(every=True)
    decision = row["decision"]
    assert isinstance(decision, dict)
    assert (row["state"], row["reasons"]) == ("fixed", ["order_amount_not_a_number"])
    assert (decision["actor"], decision["why"], decision["cells"]) == (
        "kim",
        "asked the customer",
        {"order_amount": "20.00"},
    )
    require_rebuilt_alike(shop)


@pytest.mark.slow
@pytest.mark.ci
def test_a_shop_that_repairs_a_record_has_the_tables_of_one_where_it_came_right(shop: Shop, tmp_path: Path) -> None:
    other = Shop(tmp_path / "other")
    other.deliver("b1", **a_day(orders=[order(), order("O-2")]))
    other.run()
    shop.trade_a_day(orders=TWO)
    shop.lake.fix_record(record_id(shop), {"order_amount": "20.00"})
    shop.run()
    assert shop.production() == other.production()
    other.lake.close()


def test_a_repair_of_a_file_that_two_batches_announce_is_published_once_for_each(shop: Shop) -> None:
    shop.trade_a_day(orders=TWO)
    shop.drop("orders", "again.csv", TWO)
    shop.drop("orders", "more.csv", [order("O-3", currency="XXX")])
    shop.announce("b2", files=["again.csv", "more.csv"])
    shop.run()
    assert set(shop.lake.fix_record(record_id(shop, "order_amount"), {"order_amount": "?2"}).batches) == {"b1", "b2"}
    shop.run()
    assert shop.run().batches == ()
    shop.change_contract("orders", UNKNOWN_CURRENCY_WARNS)
    shop.lake.retry("b2")
    for repaired, waiting in (({"b2"}, {"b1"}), ({"b1"}, set()), (set(), set())):
        assert {report.batch.batch_id for report in shop.run().batches} == repaired, "what changed concerns both"
        assert {found.name for found in shop.lake.verify(deep=True).findings} == waiting


def test_a_repair_that_dies_leaves_no_other_batch_of_the_content_as_it_was(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(place: str) -> None:
        if place == "ledger_files: committed":
            raise KeyboardInterrupt

    content = [customer(), customer("C-2", email="nobody")]
    shop.deliver("b1", **a_day(customers=content))
    shop.drop("orders", "more.csv", [order("O-2")])
    shop.drop("customers", "again.csv", content)
    shop.announce("b2", files=["more.csv", "again.csv"])
    shop.run()
    shop.change_contract("customers", EMAIL_WARNS)
    shop.lake.retry("b2")
    with monkeypatch.context() as patched:
        patched.setattr(failpoints, "on_reach", die)
        with pytest.raises(KeyboardInterrupt):
            shop.run()
    shop.lake.close()
    assert {report.batch.batch_id for _ in range(3) for report in shop.run().batches} == {"b1", "b2"}
    assert shop.lake.verify(deep=True).findings == ()


@pytest.mark.slow
@pytest.mark.ci
def test_a_decision_that_is_taken_twice_or_run_twice_changes_nothing(shop: Shop) -> None:
    shop.trade_a_day(orders=TWO)
    broken = record_id(shop)
    for _ in range(2):
        shop.lake.fix_record(broken, {"order_amount": "20.00"})
    assert shop.one("SELECT count(*) FROM decisions") == 1
    shop.run()
    before, publications = shop.production(), shop.one("SELECT count(*) FROM publications")
    again = shop.lake.fix_record(broken, {"order_amount": "20.00"})
    assert (again.records[0].is_new, again.batches) == (False, ())
    assert shop.run().batches == ()
    assert (shop.production(), shop.one("SELECT count(*) FROM publications")) == (before, publications)


def test_a_dry_run_says_whether_a_fix_passes_and_writes_nothing(kept: Shop) -> None:
    broken = record_id(kept)
    [good] = kept.lake.fix_record(broken, {"order_amount": "20.00"}, dry_run=True).records
    [bad] = kept.lake.fix_record(broken, {"order_amount": "-1", "currency": "EURO"}, dry_run=True).records
    assert good.passes
    assert bad.reasons_then == ("order_amount_not_positive", "currency_unknown")
    assert (states(kept), kept.one("SELECT count(*) FROM decisions")) == ({2: "open"}, 0)
    assert kept.run().batches == ()


@pytest.mark.slow
@pytest.mark.ci
def test_a_fix_that_is_wrong_too_leaves_the_record_in_quarantine_with_its_new_reasons(shop: Shop) -> None:
    shop.trade_a_day(orders=TWO)
    shop.lake.fix_record(record_id(shop), {"order_amount": "-5"})
    shop.run()
    [row] = shop.lake.quarantine()
    assert (row["state"], row["reasons"]) == ("open", ["order_amount_not_positive"])
    assert "?" in str(row["raw"]), "what was delivered"
    require_conserved(shop)
    shop.lake.fix_record(str(row["id"]), {"order_amount": "5"})
    shop.run()
    assert amounts(shop) == [("O-1", Decimal("20.00")), ("O-2", Decimal("5.00"))]
    require_conserved(shop)


@pytest.mark.slow
@pytest.mark.ci
def test_a_discarded_record_stays_out_and_counted_whatever_the_contract_says_later(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[order(), order("O-2", currency="ABC"), order("O-3", currency="ABD")]))
    shop.run()
    second, third = (str(row["id"]) for row in shop.lake.quarantine())
    report = shop.lake.discard([second], why="a test order")
    assert report.batches == (), "it is in quarantine already: no run is needed"
    assert not shop.lake.discard([second]).records[0].is_new
    assert states(shop) == {2: "discarded", 3: "open"}
    require_conserved(shop)
    shop.change_contract("orders", UNKNOWN_CURRENCY_WARNS)
    report = shop.lake.replay(feed="orders")
    assert [record.id for record in report.records] == [third]
    [repaired] = shop.run().batches
    assert (repaired.counts.rows_staged, repaired.counts.rows_quarantined) == (6, 1)
    assert states(shop) == {2: "discarded", 3: "replayed"}
    assert [row["reasons"] for row in shop.lake.quarantine()] == [["discarded"]], "no rule is broken any more"
    require_rebuilt_alike(shop)
    shop.lake.replay(ids=[second], why="it was real")
    shop.run()
    assert shop.one("SELECT count(*) FROM orders") == 3
    require_conserved(shop)


def test_a_decision_about_a_file_of_one_day_says_nothing_about_the_same_file_of_another(shop: Shop) -> None:
    for day in ("2025-03-01", "2025-03-02"):
        shop.deliver(day, day, orders=TWO)
    shop.run()
    first, _ = shop.lake.quarantine()
    shop.lake.discard([str(first["id"])])
    found = [(str(row["batch_date"]), row["state"]) for row in shop.lake.quarantine(every=True)]
    assert found == [("2025-03-01", "discarded"), ("2025-03-02", "open")]


@pytest.mark.slow
@pytest.mark.ci
def test_a_repaired_record_that_is_discarded_leaves_production(shop: Shop) -> None:
    shop.trade_a_day(orders=TWO)
    broken = record_id(shop)
    shop.lake.fix_record(broken, {"order_amount": "20.00"})
    shop.run()
    report = shop.lake.discard([broken])
    assert report.batches == ("b1",)
    shop.run()
    assert amounts(shop) == [("O-1", Decimal("20.00"))]
    assert states(shop) == {2: "discarded"}
    require_rebuilt_alike(shop)


@pytest.mark.slow
@pytest.mark.ci
def test_a_replay_that_finds_what_was_found_before_decides_nothing(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[order(), order("O-2", currency="ABC"), order("O-3", order_amount="?")]))
    shop.run()
    assert [record.is_new for record in shop.lake.replay(batch_id="b1").records] == [False, False]
    shop.change_contract("orders", UNKNOWN_CURRENCY_WARNS)
    report = shop.lake.replay(batch_id="b1")
    assert [record.passes for record in report.records if record.is_new] == [True]
    assert shop.lake.replay(batch_id="b1").batches == (), "decided already"
    shop.run()
    assert states(shop) == {2: "replayed", 3: "open"}
    with pytest.raises(UsageError, match="nothing is named"):
        shop.lake.replay()


def test_records_that_cannot_be_split_are_given_all_their_cells(shop: Shop) -> None:
    ragged = csv_text([order(), order("O-3")]).replace("O-1,", "O-1,,,", 1)
    shop.deliver("b1", **a_day(orders=ragged, shipping=[shipment("S-3", "O-3")]))
    shop.run()
    assert [row["reasons"] for row in shop.lake.quarantine()] == [["too_many_cells"]]
    broken = record_id(shop)
    cells = {name: str(value) for name, value in order().items()}
    [part] = shop.lake.fix_record(broken, {"order_id": "O-1"}, dry_run=True).records
    assert {"customer_id_missing", "order_amount_missing", "sequence_missing"} <= {*part.reasons_then}
    shop.lake.fix_record(broken, cells)
    shop.run()
    assert [row[0] for row in amounts(shop)] == ["O-1", "O-3"]
    require_conserved(shop)


@pytest.mark.slow
@pytest.mark.ci
def test_the_repeats_of_a_fixed_record_stay_repeats(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[order(), order("O-2", order_amount="?"), order("O-2", order_amount="?")]))
    shop.run()
    shop.lake.fix_record(record_id(shop), {"order_amount": "7"})
    [report] = shop.run().batches
    assert (report.counts.rows_quarantined, report.counts.rows_duplicate) == (0, 1)
    assert amounts(shop) == [("O-1", Decimal("20.00")), ("O-2", Decimal("7.00"))]
    require_conserved(shop)


@pytest.mark.slow
@pytest.mark.ci
def test_a_column_that_the_file_lacks_can_be_filled_and_keeps_its_default_elsewhere(shop: Shop) -> None:
    shop.trade_a_day(orders=TWO)
    shop.lake.fix_record(record_id(shop), {"order_amount": "40.00", "quantity": "2"})
    shop.run()
    assert shop.rows("SELECT order_id, quantity FROM orders ORDER BY 1") == [("O-1", 1), ("O-2", 2)]


@pytest.mark.parametrize(
    ("ids", "cells", "said"),
    [
        ("no-such-id", {}, "no quarantined record"),
        (None, {"order_amont": "1"}, "no column 'order_amont'"),
        (None, {"order_amount": "1\0"}, "no text"),
        (None, {"order_amount": "\ud800"}, "no text"),
    ],
)
def test_a_fix_that_makes_no_sense_is_refused(kept: Shop, ids: str | None, cells: Mapping[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        kept.lake.fix_record(ids or record_id(kept), cells)
    assert states(kept) == {2: "open"}


def test_a_fixed_record_of_a_held_batch_waits_for_its_release(shop: Shop) -> None:
    broken = [order(f"O-{n}", order_amount="?") for n in range(25)]
    shop.deliver("b1", **a_day(orders=[*broken, order("O-77")], shipping=[shipment("S-1", "O-77")]))
    assert shop.run().batches[0].batch.status == "held"
    first = str(shop.lake.quarantine()[0]["id"])
    report = shop.lake.fix_record(first, {"order_amount": "20.00"})
    assert (report.batches, report.later) == ((), ("b1",))
    assert shop.run().batches == ()
    assert shop.statuses() == {"b1": "held"}
    assert shop.rows("SELECT DISTINCT state, count(*) FROM quarantine GROUP BY 1 ORDER BY 1") == [
        ("fixed", 1),
        ("open", 24),
    ]
    shop.lake.release("b1", "known problem at the till")
    shop.run()
    assert [row[0] for row in amounts(shop)] == ["O-0", "O-77"]
    require_conserved(shop)


@pytest.mark.slow
@pytest.mark.ci
def test_a_fixed_record_of_a_rejected_batch_comes_with_it_when_it_is_retried(shop: Shop) -> None:
    shop.trade_a_day(orders=TWO)
    broken = record_id(shop)
    shop.lake.reject("b1", "a test")
    report = shop.lake.fix_record(broken, {"order_amount": "20.00"})
    assert (report.batches, report.later) == ((), ("b1",))
    assert shop.run().batches == ()
    assert amounts(shop) == []
    shop.lake.retry("b1")
    shop.run()
    assert [row[0] for row in amounts(shop)] == ["O-1", "O-2"]
    require_rebuilt_alike(shop)


@pytest.mark.slow
@pytest.mark.ci
def test_a_decision_is_not_forgotten_when_its_batch_leaves_production_before_the_run(shop: Shop) -> None:
    shop.deliver("b0", "2025-02-28", customers=[customer()])
    shop.deliver("b1", **a_day(orders=TWO))
    shop.run()
    shop.lake.fix_record(record_id(shop), {"order_amount": "20.00"})
    shop.lake.rollback("b0")
    shop.lake.release("b1", "back")
    shop.run()
    assert [row[0] for row in amounts(shop)] == ["O-1", "O-2"]
    require_rebuilt_alike(shop)


@pytest.mark.slow
@pytest.mark.ci
def test_a_decision_is_not_forgotten_when_the_content_comes_again_in_another_batch(shop: Shop) -> None:
    shop.trade_a_day(orders=TWO)
    shop.lake.fix_record(record_id(shop), {"order_amount": "20.00"})
    shop.lake.reject("b1", "a test")
    shop.deliver("b2", **a_day(orders=TWO))
    shop.run()
    assert [row[0] for row in amounts(shop)] == ["O-1", "O-2"]
    require_rebuilt_alike(shop)


@pytest.mark.slow
@pytest.mark.ci
def test_a_retry_applies_a_decision_and_a_decision_holds_after_a_retry(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[*TWO, order("O-3", order_amount="!")]))
    shop.run()
    second, third = (str(row["id"]) for row in shop.lake.quarantine())
    shop.lake.fix_record(second, {"order_amount": "2"})
    shop.lake.retry("b1")
    shop.run()
    shop.lake.retry("b1")
    shop.run()
    shop.lake.fix_record(third, {"order_amount": "3"})
    shop.run()
    assert amounts(shop) == [("O-1", Decimal("20.00")), ("O-2", Decimal("2.00")), ("O-3", Decimal("3.00"))]
    require_conserved(shop)


@pytest.mark.slow
@pytest.mark.ci
def test_the_same_content_in_two_batches_is_repaired_in_both(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=TWO))
    shop.deliver("b2", **a_day(orders=TWO))
    shop.run()
    report = shop.lake.fix_record(record_id(shop), {"order_amount": "20.00"})
    assert report.batches == ("b1", "b2")
    shop.run()
    assert [row[0] for row in amounts(shop)] == ["O-1", "O-2"]
    assert shop.run().batches == ()
    require_rebuilt_alike(shop)


def test_a_corrected_file_supersedes_what_was_decided_about_the_one_it_replaces(shop: Shop) -> None:
    wrong = csv_text([customer()]).replace("email", "e_mail_address")
    shop.deliver("b1", **a_day(orders=TWO, customers=wrong))
    assert shop.run().batches[0].batch.status == "failed"
    broken, rejected = record_id(shop, "amount"), record_id(shop, "header")
    with pytest.raises(UsageError, match="whole file"):
        shop.lake.discard([rejected])
    report = shop.lake.fix_record(broken, {"order_amount": "20.00"})
    assert report.later == ("b1",)
    shop.drop("customers", "customers_b1.csv", [customer()])
    shop.run()
    assert shop.statuses() == {"b1": "published"}
    assert [row[0] for row in amounts(shop)] == ["O-1", "O-2"]
    with pytest.raises(UsageError, match="replaced in batch b1"):
        shop.lake.replay(ids=[rejected])
    require_conserved_but_for(shop, "customers")


def require_conserved_but_for(shop: Shop, feed: str) -> None:
    """A superseded file keeps its rows in quarantine and counts in no batch."""
    sums = (
        "SELECT sum(rows_in) = sum(rows_staged + rows_quarantined + rows_duplicate), sum(rows_quarantined) FROM batches"
    )
    assert shop.rows(sums) == [(True, 0)], feed


def test_a_rejected_file_is_read_again_by_a_replay_once_the_contract_takes_it(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=csv_text([order()]).replace("order_amount", "amount_total")))
    shop.run()
    rejected = record_id(shop)
    assert not shop.lake.replay(ids=[rejected]).records[0].is_new
    accepts = "order_amount, logicalType: number, customProperties: [{property: sourceNames, value: [amount_total]}]"
    shop.change_contract("orders", ("order_amount, logicalType: number", accepts))
    report = shop.lake.replay(batch_id="b1")
    assert (report.batches, report.records[0].passes) == (("b1",), True)
    shop.run()
    assert shop.statuses() == {"b1": "published"}
    assert amounts(shop) == [("O-1", Decimal("20.00"))]
    require_conserved(shop)


def decide_all(shop: Shop) -> None:
    """What this shop's people always do about what is open."""
    for row in shop.lake.quarantine():
        reasons, record = row["reasons"], str(row["id"])
        if not row["is_open"]:
            continue
        if reasons == ["order_amount_not_a_number"]:
            shop.lake.fix_record(record, {"order_amount": "10.00"})
        elif reasons == ["email_invalid"]:
            shop.lake.fix_record(record, {"email": "nobody@example.com"})
        elif reasons == ["price_not_positive"]:
            shop.lake.fix_record(record, {"price": "-1"})
        elif reasons == ["too_few_cells"]:
            shop.lake.discard([record])


@pytest.mark.slow
@pytest.mark.ci
def test_decisions_taken_every_day_or_at_the_end_of_the_week_make_the_same_tables(shop: Shop, tmp_path: Path) -> None:
    plan = ShopPlan(days=3, orders_per_day=20, customers=20, products=20, seed=11, faults=frozenset(FAULTS))
    daily = Shop(tmp_path / "daily")
    for one in (shop, daily):
        generate(one.project, plan)
    shop.run()
    decide_all(shop)
    manifests = {path: path.read_bytes() for path in sorted(daily.manifests.iterdir())}
    for path in manifests:
        path.unlink()
    for path, manifest in manifests.items():
        path.write_bytes(manifest)
        daily.run()
        decide_all(daily)
    for one in (shop, daily):
        one.run()
        require_conserved(one)
    assert shop.one("SELECT count(DISTINCT feed) FROM decisions") == 3
    assert shop.production() == daily.production()
    assert states(shop) == states(daily)
    require_rebuilt_alike(shop)
    daily.lake.close()
