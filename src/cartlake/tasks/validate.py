"""Task 6: the cross-table rules over one batch, its verdict, and the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.entries import BatchFile, Counts
from cartlake.core.evolution import kept_aside, names_in
from cartlake.core.known import UNKNOWN_COLUMNS
from cartlake.core.model import EARLIER_COUNTS, Model
from cartlake.core.quality import metrics_of
from cartlake.core.verdict import RuleResult, holding_rules, verdict_of
from cartlake.tasks.context import Context, TaskResult
from cartlake.tasks.delivered import SAMPLES, Delivered, compare_with_known, define_delivered, samples
from cartlake.tasks.measure import emptied_columns, measure, record_metrics
from cartlake.tasks.results import by_rule, record_results
from cartlake.tasks.snapshots import judge_batch_times


def validate(context: Context, batch: Batch, earlier: Sequence[str], run_id: str) -> tuple[Batch, TaskResult]:
    """The batch with its verdict and gate, `held` if the gate holds it; its results stand in `validation_results`.
    `earlier` are the batches before it in the run that the gate let through."""
    with context.engine.scope():
        delivered = define_delivered(context, batch, earlier)
        counted = _define_counts(context, batch, earlier, context.ledger.batch_files())
        found = [result for each in delivered for result in compare_with_known(context.engine, each, batch)]
        found += [result for each in context.contracts for result in judge_batch_times(context, each, batch, earlier)]
        found += _unknown_columns(context, batch)
        checks = [model for model in context.models if model.kind == "check"]
        found += [result for model in checks for result in _check(context, model, delivered)]
        brought = measure(context, batch, counted)
        results = by_rule(context, [*found, *emptied_columns(context, brought)])
        record_results(context, batch, results, run_id)
        record_metrics(context, batch, metrics_of(brought, results), run_id)
    holding = holding_rules(results, context.settings.gate.hold_on)
    judged = replace(
        batch,
        verdict=verdict_of(results),
        gate="hold" if holding else "publish",
    )
    if holding and not (batch.is_released or batch.status is BatchStatus.PUBLISHED):
        reason = f"held by {', '.join(holding)}"
        judged = replace(judged, status=BatchStatus.HELD, restage=False, run_id=None, reason=reason)
    failed = [result for result in results if result.rows_failed]
    note = ", ".join(f"{result.rule} {result.rows_failed}" for result in failed)
    counts = sum((file.counts for file in context.ledger.batch_files([batch.batch_id])), Counts())
    return judged, TaskResult(counts, has_warnings=judged.verdict != "PASS", note=f"{judged.verdict} {note}".strip())


def _define_counts(
    context: Context, batch: Batch, earlier: Sequence[str], files: Sequence[BatchFile]
) -> list[BatchFile]:
    """Those of the batch, and of the published ones of earlier dates and those before it in the run: in whatever order
    batches come, none is compared with its future. The files that were counted."""
    engine, day = context.engine, str(batch.batch_date)
    published = {b.batch_id for b in context.ledger.batches().values() if b.status is BatchStatus.PUBLISHED}
    accepted = published | {*earlier}
    counted = [f for f in files if f.batch_id == batch.batch_id or (f.batch_id in accepted and str(f.batch_date) < day)]
    rows = [
        (f.batch_id, f.batch_date, f.feed, f.rows_in, f.rows_staged, f.rows_quarantined, f.rows_duplicate)
        for f in counted
    ]
    engine.values("announced_counts", EARLIER_COUNTS, rows)
    summed = (
        "SELECT batch_id, batch_date, feed, CAST(sum(rows_in) AS bigint) AS rows_in,"
        " CAST(sum(rows_staged) AS bigint) AS rows_staged, CAST(sum(rows_quarantined) AS bigint) AS rows_quarantined,"
        " CAST(sum(rows_duplicate) AS bigint) AS rows_duplicate FROM announced_counts"
    )
    grouped = "GROUP BY batch_id, batch_date, feed"
    engine.define("batch_counts", f"{summed} WHERE batch_id = :id {grouped}", {"id": batch.batch_id})
    engine.define("earlier_counts", f"{summed} WHERE batch_id <> :id {grouped}", {"id": batch.batch_id})
    return counted


def _unknown_columns(context: Context, batch: Batch) -> list[RuleResult]:
    """Per feed, how many of the batch's files bring columns that no table has."""
    own = {(file.feed, file.file_sha256, file.batch_date) for file in context.ledger.batch_files([batch.batch_id])}
    files = [file for file in context.ledger.files() if (file.feed, file.file_sha256, file.batch_date) in own]
    results = []
    for contract in context.contracts:
        brought = [names_in(file.rescued_columns) for file in files if file.feed == contract.feed]
        aside = [kept for names in brought if (kept := kept_aside(contract, names))]
        sample = sorted({f"{contract.feed}.{name}" for kept in aside for name in kept})[:SAMPLES]
        results.append(RuleResult.of(UNKNOWN_COLUMNS, len(brought), len(aside), ", ".join(sample)))
    return results


def _check(context: Context, model: Model, delivered: Sequence[Delivered]) -> list[RuleResult]:
    """What the rules of a check model find: nothing where the batch brings nothing of the feeds that it judges."""
    judged = [each.has_files for each in delivered if f"batch_{each.contract.feed}" in model.inputs]
    if judged and not any(judged):
        return [RuleResult.of(rule, 0, 0) for rule in model.rules]
    engine, codes = context.engine, [rule.code for rule in model.rules]
    conditions = {f"checked {code}": f"{code} IS NOT NULL" for code in codes} | {code: code for code in codes}
    counts = engine.tally(model.name, model.sql, conditions, context.parameters)
    results = []
    for rule in model.rules:
        failed = counts[rule.code]
        keys = samples(engine, model.name, rule.key, rule.code) if failed else ""
        results.append(RuleResult.of(rule, counts[f"checked {rule.code}"], failed, keys))
    return results
