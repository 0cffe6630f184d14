"""What rules found in a batch, as rows of `validation_results`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.contract import CrossRule
from cartlake.core.tables import VALIDATION_RESULTS
from cartlake.core.verdict import RuleResult
from cartlake.tasks.context import Context


def by_rule(context: Context, found: Sequence[RuleResult]) -> list[RuleResult]:
    """One result per rule code, over all feeds and check models, as severe as the contracts say."""
    overrides = {rule.code: rule for contract in context.contracts for rule in contract.cross_rules}
    results: dict[str, RuleResult] = {}
    for result in found:
        results[result.rule] = results[result.rule].merged(result) if result.rule in results else result
    return [_rated(result, overrides.get(result.rule)) for result in results.values()]


def _rated(result: RuleResult, override: CrossRule | None) -> RuleResult:
    if override is None:
        return result
    return replace(result, severity=override.severity or result.severity, action=override.action or result.action)


def record_results(context: Context, batch: Batch, results: Sequence[RuleResult], run_id: str) -> None:
    """They are all that is known of the batch; of one that is published, what was known of other rules stays: some look
    at a batch before it is published, and never again."""
    rules = [result.rule for result in results] if batch.status is BatchStatus.PUBLISHED else None
    _replace(context, batch.batch_id, results, run_id, rules)


def add_results(context: Context, batch_id: str, found: Sequence[RuleResult], run_id: str) -> None:
    """Those that found something stand beside what is known of the batch."""
    results = [result for result in by_rule(context, found) if result.rows_failed]
    if results and context.ledger.batches()[batch_id].status is not BatchStatus.PUBLISHED:
        _replace(context, batch_id, results, run_id, [result.rule for result in results])


def _replace(
    context: Context, batch_id: str, results: Sequence[RuleResult], run_id: str, rules: list[str] | None
) -> None:
    at = context.ledger.now()
    rows = [
        (
            batch_id,
            result.rule,
            result.description,
            result.severity,
            result.action,
            result.rows_checked,
            result.rows_failed,
            result.sample_keys,
            result.outcome,
            at,
            run_id,
        )
        for result in results
    ]
    context.engine.values("results", VALIDATION_RESULTS.columns, rows)
    replaced = {"batch_id": [batch_id]} | ({"rule": rules} if rules is not None else {})
    context.engine.replace(VALIDATION_RESULTS, replaced, "results")
