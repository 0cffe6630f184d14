"""From rule results to a verdict and a gate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cartlake.core.model import Action, CheckRule, Severity

Verdict = Literal["PASS", "WARN", "FAIL"]
NO_DEFECTS = frozenset(  # but worth knowing
    {"late_event", "bisected_run", "repeated_event", "untracked_change", "unknown_columns"}
)


@dataclass(frozen=True)
class RuleResult:
    """What one cross-table rule found in one batch; `sample_keys` are up to five failing keys, comma separated."""

    rule: str
    description: str
    severity: Severity
    action: Action
    rows_checked: int
    rows_failed: int
    sample_keys: str

    @classmethod
    def of(cls, rule: CheckRule, rows_checked: int, rows_failed: int, sample_keys: str = "") -> RuleResult:
        return cls(rule.code, rule.description, rule.severity, rule.action, rows_checked, rows_failed, sample_keys)

    @property
    def outcome(self) -> Literal["passed", "failed"]:
        return "failed" if self.rows_failed else "passed"

    def merged(self, other: RuleResult) -> RuleResult:
        """The same rule over another table: counts add up, samples stand behind each other."""
        return RuleResult(
            self.rule,
            self.description,
            self.severity,
            self.action,
            self.rows_checked + other.rows_checked,
            self.rows_failed + other.rows_failed,
            ", ".join(keys for keys in (self.sample_keys, other.sample_keys) if keys),
        )


def verdict_of(results: Iterable[RuleResult]) -> Verdict:
    """FAIL when a high rule failed, WARN when a medium one did, else PASS."""
    failed = {result.severity for result in results if result.rows_failed}
    return "FAIL" if "high" in failed else "WARN" if "medium" in failed else "PASS"


def holding_rules(results: Iterable[RuleResult], hold_on: Literal["rule", "high"]) -> tuple[str, ...]:
    """The failed rules that hold the batch: those that say so, and with `hold_on = "high"` every high one."""
    return tuple(
        result.rule
        for result in results
        if result.rows_failed and (result.action == "hold" or (hold_on == "high" and result.severity == "high"))
    )
