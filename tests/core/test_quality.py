"""Metrics from counts: shares, scores, and the distance from the past."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.conftest import ROOT

from cartlake.core.contract import Contract
from cartlake.core.entries import Counts
from cartlake.core.model import Severity
from cartlake.core.quality import FeedFacts, Metric, emptied, metrics_of, robust_zscore
from cartlake.core.verdict import RuleResult
from cartlake.project import load_contracts

CONTRACTS = {contract.feed: contract for contract in load_contracts(ROOT)}
ORDERS = CONTRACTS["orders"]
COLUMNS = [field.name for field in ORDERS.fields]


def codes(*names: str) -> frozenset[str]:
    return frozenset(names)


def facts(
    counts: Counts,
    flagged: dict[frozenset[str], int] | None = None,
    quarantined: dict[frozenset[str], int] | None = None,
    contract: Contract = ORDERS,
    **absent: int,
) -> FeedFacts:
    """A feed without deletes; `absent` says how many staged records have no value in a column."""
    staged = counts.rows_staged
    present = {field.name: staged - absent.get(field.name, 0) for field in contract.fields}
    findings = (tuple((flagged or {}).items()), tuple((quarantined or {}).items()))
    return FeedFacts(contract, counts, staged, present, *findings, past={}, delay_hours=Decimal("6.5"))


def result(severity: Severity, checked: int, failed: int, rule: str = "some_rule") -> RuleResult:
    return RuleResult(rule, "", severity, "report", checked, failed, "")


def measured(found: list[Metric], name: str, feed: str | None = "orders", **of: str) -> Metric:
    [metric] = [
        each
        for each in found
        if (each.metric, each.feed) == (name, feed) and all(getattr(each, key) == value for key, value in of.items())
    ]
    return metric


def test_a_flagged_record_counts_as_half_in_the_score_a_quarantined_one_not_at_all_and_a_repeated_one_never() -> None:
    feed = facts(Counts(12, 9, 1, 2), {codes("order_status_unknown"): 2}, {codes("currency_unknown"): 1})
    assert measured(metrics_of([feed], []), "score").value == 80
    assert measured(metrics_of([feed], []), "score", None).value == 80


def test_failed_cross_table_rules_take_their_share_of_the_batchs_score_by_severity() -> None:
    feed = facts(Counts(10, 10, 0, 0))
    results = [result("high", 10, 2), result("medium", 10, 2), result("low", 10, 2), result("high", 10, 0)]
    late = result("low", 10, 10, "late_event")
    found = metrics_of([feed], [*results, late])
    assert measured(found, "score", None).value == 100 * Decimal("0.8") * Decimal("0.9") * Decimal("0.98")
    assert measured(found, "score").value == 100, "of a feed only its own records count"


def test_completeness_counts_the_values_that_quarantined_records_are_known_to_lack() -> None:
    feed = facts(
        Counts(10, 8, 2, 0), None, {codes("customer_id_missing"): 1, codes("currency_unknown"): 1}, product_id=2
    )
    found = metrics_of([feed], [])
    assert vars(measured(found, "completeness", column_name="customer_id")) == vars(
        Metric("orders", "completeness", Decimal("0.888889"), "customer_id", part=8, whole=9)
    )
    assert measured(found, "completeness", column_name="product_id").value == Decimal("0.75")


def test_validity_counts_a_value_once_however_many_rules_about_it_are_broken() -> None:
    broken = {codes("order_amount_not_positive", "order_amount_not_a_number", "currency_unknown"): 2}
    no_integer = {codes("quantity_not_an_integer"): 2}
    feed = facts(Counts(12, 8, 4, 0), {codes("payment_method_unknown"): 4}, broken | no_integer)
    found = metrics_of([feed], [])
    assert measured(found, "validity", column_name="order_amount").value == Decimal("0.8")
    assert measured(found, "validity", column_name="quantity").value == Decimal("0.8")
    assert measured(found, "validity", column_name="payment_method").value == Decimal("0.5")
    assert measured(found, "validity", column_name="order_id").value == 1


def test_every_row_rule_is_there_with_its_failures_also_those_that_no_contract_knows() -> None:
    feed = facts(
        Counts(5, 2, 3, 0), None, {codes("currency_unknown", "quantity_not_positive"): 2, codes("quote_open"): 1}
    )
    found = [each for each in metrics_of([feed], []) if each.metric == "rule_failures"]
    failed = {each.rule: (each.column_name, each.part, each.whole) for each in found if each.value}
    assert failed == {
        "currency_unknown": ("currency", 2, 5),
        "quantity_not_positive": ("quantity", 2, 5),
        "quote_open": (None, 1, 5),
    }
    assert measured(found, "rule_failures", rule="order_status_unknown").value == 0


@pytest.mark.parametrize(
    ("upserts", "there", "before", "is_told"),
    [
        (10, 0, [(7, 7)], True),
        (9, 0, [(700, 700)], False),
        (1000, 0, [(1, 60), (0, 9), (0, 9), (0, 9), (0, 9), (0, 4)], True),
        (999, 0, [(1, 60), (0, 9), (0, 9), (0, 9), (0, 9), (0, 4)], False),
        (10, 1, [(7, 7)], False),
        (10, 0, [(0, 500)], False),
        (90, 0, [(0, 10), *[(10, 10)] * 9], True),
        (90, 0, [(0, 10), *[(10, 10)] * 8], False),
    ],
)
def test_a_column_is_emptied_when_ten_values_were_to_be_expected_and_none_came(
    upserts: int, there: int, before: list[tuple[int, int]], is_told: bool
) -> None:
    expected = ["city"] if is_told else []
    assert emptied(upserts, {"city": there, "phone": 0}, {"city": before, "dropped": [(500, 500)]}) == expected


def test_a_feed_of_repetitions_only_has_counts_and_nothing_to_judge() -> None:
    found = metrics_of([facts(Counts(5, 0, 0, 5))], [])
    assert {each.metric for each in found} == {
        "rows_in", "rows_staged", "rows_quarantined", "rows_duplicate", "delay_hours",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "past", "expected"),
    [
        (100, [100] * 6, None),
        (152, [100, 90, 111, 80, 120, 95, 105], "3.507400"),
        (48, [100, 90, 111, 80, 120, 95, 105], "-3.507400"),
        (25, [20] * 7, "3.372500"),
        (10519, [10000] * 7, "3.500655"),
        (260, [*[500] * 15, *[20] * 16], "0.000000"),
    ],
)
def test_volume_is_measured_as_the_rule_of_file_mass_judges_it(
    rows: int, past: list[int], expected: str | None
) -> None:
    """The rows are those of the cases of check_batch: beyond 3.5 the rule fails."""
    assert robust_zscore(rows, past) == (None if expected is None else Decimal(expected))
