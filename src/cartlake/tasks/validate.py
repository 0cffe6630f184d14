"""Task 6: the cross-table rules over one batch, its verdict, and the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.contract import Contract
from cartlake.core.entries import BatchFile, Counts, Publication
from cartlake.core.model import CheckRule, Model
from cartlake.core.sqltext import names
from cartlake.core.table import BIGINT, DATE, STRING, TIMESTAMP, Column
from cartlake.core.tables import VALIDATION_RESULTS, history_table, stage_table
from cartlake.core.verdict import RuleResult, holding_rules, verdict_of
from cartlake.tasks.context import Context, TaskResult

_COUNTS = (
    Column("batch_id", STRING),
    Column("batch_date", DATE),
    Column("feed", STRING),
    Column("rows_in", BIGINT),
    Column("rows_staged", BIGINT),
    Column("rows_quarantined", BIGINT),
    Column("rows_duplicate", BIGINT),
)
_SAMPLES = 5
# What `known_<feed>` and `previous_<feed>` tell of a version or event besides the contract's columns.
KNOWN_COLUMNS = (
    Column("_sequence", TIMESTAMP),
    Column("_file_sha256", STRING),
    Column("_record", BIGINT),
    Column("valid_from", TIMESTAMP),
)


def validate(context: Context, batch: Batch, earlier: Sequence[str], run_id: str) -> tuple[Batch, TaskResult]:
    """The batch with its verdict and gate, `held` if the gate holds it; its results stand in `validation_results`.
    `earlier` are the batches before it in the run that the gate let through."""
    with context.engine.scope():
        _define_inputs(context, batch, earlier)
        results = _evaluate(context)
        _record(context, batch, results, run_id)
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


def _define_inputs(context: Context, batch: Batch, earlier: Sequence[str]) -> None:
    """The relations that check models read; `docs/models.md` lists them."""
    published = context.ledger.latest_publication()
    files = context.ledger.batch_files()
    for contract in context.contracts:
        _define_feed(context, contract, batch, earlier, files, published)
    _define_counts(context, batch, files)


def _define_feed(
    context: Context,
    contract: Contract,
    batch: Batch,
    earlier: Sequence[str],
    files: Sequence[BatchFile],
    published: Publication,
) -> None:
    engine, feed = context.engine, contract.feed
    stage, history = stage_table(contract), history_table(contract)
    for name, batches in ((f"staged_{feed}", [batch.batch_id]), (f"earlier_{feed}", list(earlier))):
        announced = [file for file in files if file.feed == feed and file.batch_id in batches]
        engine.read(name, stage, where=_slices(announced))
    engine.define(f"batch_{feed}_events", f"SELECT * FROM staged_{feed} WHERE _op = 'upsert'")
    engine.materialise(f"batch_{feed}", _one_event_per_time(contract, f"batch_{feed}_events"))
    engine.read(f"published_{feed}", history, published.tables.get(history.name, 0))
    shown = names([*(f.name for f in contract.fields), *(column.name for column in KNOWN_COLUMNS[:-1])])
    event = f"SELECT {shown}, _sequence AS valid_from FROM"
    engine.define(
        f"previous_{feed}",
        f"SELECT {shown}, valid_from FROM published_{feed} UNION ALL {event} earlier_{feed} WHERE _op = 'upsert'",
    )
    engine.define(f"known_{feed}", f"SELECT {shown}, valid_from FROM previous_{feed} UNION ALL {event} batch_{feed}")


def _slices(files: Sequence[BatchFile]) -> dict[str, list[str]]:
    staged = [file for file in files if file.status == "staged"]
    return {
        "_file_sha256": [file.file_sha256 for file in staged],
        "_batch_date": [file.batch_date.isoformat() for file in staged],
    }


def _one_event_per_time(contract: Contract, relation: str) -> str:
    columns = names(stage_table(contract).column_names)
    return (
        f"SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY {names(contract.key)}, _sequence"
        f" ORDER BY _revision DESC, _row_hash DESC, _file_sha256, _record) AS _rank FROM {relation}) AS ranked"
        " WHERE _rank = 1"
    )


def _define_counts(context: Context, batch: Batch, files: Sequence[BatchFile]) -> None:
    engine = context.engine
    published = {b.batch_id for b in context.ledger.batches().values() if b.status is BatchStatus.PUBLISHED}
    rows = [
        (f.batch_id, f.batch_date, f.feed, f.rows_in, f.rows_staged, f.rows_quarantined, f.rows_duplicate)
        for f in files
        if f.batch_id in published | {batch.batch_id}
    ]
    engine.values("announced_counts", _COUNTS, rows)
    summed = (
        "SELECT batch_id, batch_date, feed, CAST(sum(rows_in) AS bigint) AS rows_in,"
        " CAST(sum(rows_staged) AS bigint) AS rows_staged, CAST(sum(rows_quarantined) AS bigint) AS rows_quarantined,"
        " CAST(sum(rows_duplicate) AS bigint) AS rows_duplicate FROM announced_counts"
    )
    grouped = "GROUP BY batch_id, batch_date, feed"
    engine.define("batch_counts", f"{summed} WHERE batch_id = :id {grouped}", {"id": batch.batch_id})
    engine.define("earlier_counts", f"{summed} WHERE batch_id <> :id {grouped}", {"id": batch.batch_id})


def _evaluate(context: Context) -> list[RuleResult]:
    """One result per rule code, over all check models."""
    results: dict[str, RuleResult] = {}
    for model in context.models:
        if model.kind == "check":
            context.engine.materialise(model.name, model.sql, context.parameters)
            for result in _model_results(context, model):
                known = results.get(result.rule)
                results[result.rule] = known.merged(result) if known else result
    return list(results.values())


def _model_results(context: Context, model: Model) -> list[RuleResult]:
    codes = [rule.code for rule in model.rules]
    counts = ", ".join(f"count({code}) AS checked_{code}, count_if({code}) AS failed_{code}" for code in codes)
    found = context.engine.rows(f"SELECT {counts} FROM {model.name}")[0]
    return [
        _result(context, model, rule, int(str(found[f"checked_{rule.code}"])), int(str(found[f"failed_{rule.code}"])))
        for rule in model.rules
    ]


def _result(context: Context, model: Model, rule: CheckRule, checked: int, failed: int) -> RuleResult:
    severity, action = rule.severity, rule.action
    for contract in context.contracts:
        for override in contract.cross_rules:
            if override.code == rule.code:
                severity, action = override.severity or severity, override.action or action
    samples = ""
    if failed:
        key = ", ".join(f"text({column})" for column in rule.key)
        rows = context.engine.rows(
            f"SELECT DISTINCT concat_ws('/', {key}) AS sample FROM {model.name} WHERE {rule.code}"
            f" ORDER BY sample LIMIT {_SAMPLES}"
        )
        samples = ", ".join(str(row["sample"]) for row in rows)
    return RuleResult(rule.code, rule.description, severity, action, checked, failed, samples)


def _record(context: Context, batch: Batch, results: Sequence[RuleResult], run_id: str) -> None:
    at = context.ledger.now()
    rows = [
        (
            batch.batch_id,
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
    context.engine.replace(VALIDATION_RESULTS, {"batch_id": [batch.batch_id]}, "results")
