"""From what rules found to a verdict, and to whether the batch is held."""

from __future__ import annotations

import pytest

from cartlake.core.model import Action, Severity
from cartlake.core.verdict import RuleResult, holding_rules, verdict_of


def found(rule: str, severity: Severity, failed: int, action: Action = "report") -> RuleResult:
    return RuleResult(rule, "", severity, action, 10, failed, "")


PRICE, SHIPPING = found("order_amount_out_of_range", "high", 1), found("order_without_shipping", "medium", 2)
LOW, CUT_OFF = found("low_value_premium_order", "low", 3), found("quarantine_share", "medium", 1, "hold")
FINE = found("order_without_customer", "high", 0, "hold")


@pytest.mark.parametrize(
    ("results", "verdict", "holds", "holds_on_high"),
    [
        ([], "PASS", (), ()),
        ([LOW, FINE], "PASS", (), ()),
        ([LOW, SHIPPING, FINE], "WARN", (), ()),
        ([PRICE, SHIPPING, LOW], "FAIL", (), (PRICE.rule,)),
        ([CUT_OFF, PRICE], "FAIL", (CUT_OFF.rule,), (CUT_OFF.rule, PRICE.rule)),
    ],
)
def test_the_worst_failed_rule_gives_the_verdict_and_only_failed_rules_hold(
    results: list[RuleResult], verdict: str, holds: tuple[str, ...], holds_on_high: tuple[str, ...]
) -> None:
    assert verdict_of(results) == verdict
    assert holding_rules(results, "rule") == holds
    assert holding_rules(results, "high") == holds_on_high


def test_a_rule_over_two_tables_counts_in_both() -> None:
    merged = found("recycled_id", "medium", 2).merged(found("recycled_id", "medium", 3))
    assert (merged.rows_checked, merged.rows_failed) == (20, 5)
