"""Part of task 6: what a batch's data are like goes to `dq_metrics`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from cartlake.core.batch import Batch
from cartlake.core.contract import Contract, end_of_day
from cartlake.core.entries import BatchFile, Counts
from cartlake.core.known import EMPTIED_COLUMNS
from cartlake.core.quality import DQ_METRICS, LEAST_EXPECTED, RECENT, FeedFacts, Findings, Metric, emptied
from cartlake.core.sqltext import name
from cartlake.core.tables import QUARANTINE, stage_table
from cartlake.core.verdict import RuleResult
from cartlake.engines.base import Row
from cartlake.tasks.context import Context
from cartlake.tasks.delivered import SAMPLES
from cartlake.tasks.delivery import day_of


def measure(context: Context, batch: Batch, counted: Sequence[BatchFile]) -> list[FeedFacts]:
    """What the batch brings of each feed. `counted` are its files and those of the batches before it."""
    own = [file for file in counted if file.batch_id == batch.batch_id]
    quarantined = _quarantined(context, own)
    delay = _delay_hours(context, batch)
    feeds = []
    for contract in context.contracts:
        files = [file for file in own if file.feed == contract.feed]
        if files:
            upserts, present, flagged = _staged(context, contract, files)
            counts = sum((file.counts for file in files), Counts())
            past = _past(counted, contract.feed, batch.batch_id)
            refused = quarantined[contract.feed]
            feeds.append(FeedFacts(contract, counts, upserts, present, flagged, refused, past, delay))
    return feeds


def emptied_columns(context: Context, feeds: Sequence[FeedFacts]) -> list[RuleResult]:
    """Per feed, how many columns are suddenly without values. What was measured before is read if one is."""
    empty = [facts for facts in feeds if facts.past and facts.upserts >= LEAST_EXPECTED and 0 in facts.present.values()]
    before = _measured_before(context, empty) if empty else {}
    results = []
    for facts in feeds:
        feed = facts.contract.feed
        columns = emptied(facts.upserts, facts.present, before.get(feed, {}))
        sample = ", ".join(f"{feed}.{column}" for column in sorted(columns)[:SAMPLES])
        checked = len(facts.present) if facts.upserts else 0
        results.append(RuleResult.of(EMPTIED_COLUMNS, checked, len(columns), sample))
    return results


def _measured_before(context: Context, feeds: Sequence[FeedFacts]) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """Per feed and column: how many values each of its latest batches before this one brought, of how many."""
    latest = {facts.contract.feed: [*facts.past][:RECENT] for facts in feeds}
    before: dict[str, dict[str, list[tuple[int, int]]]] = {feed: {} for feed in latest}
    ids = sorted({batch_id for ids in latest.values() for batch_id in ids})
    context.engine.read("before", DQ_METRICS, where={"metric": ["completeness"], "batch_id": ids})
    for row in context.engine.rows("SELECT batch_id, feed, column_name, part, whole FROM before"):
        feed, column = str(row["feed"]), str(row["column_name"])
        if row["batch_id"] in latest.get(feed, ()):
            before[feed].setdefault(column, []).append((_number(row["part"]), _number(row["whole"])))
    return before


def _quarantined(context: Context, files: Sequence[BatchFile]) -> Mapping[str, Findings]:
    found: dict[str, list[tuple[frozenset[str], int]]] = defaultdict(list)
    files = [file for file in files if file.rows_quarantined]
    if files:
        context.engine.read(
            "refused",
            QUARANTINE,
            where={
                "feed": [file.feed for file in files],
                "file_sha256": [file.file_sha256 for file in files],
                "batch_date": [file.batch_date.isoformat() for file in files],
            },
        )
        for row in context.engine.rows("SELECT feed, reasons, count(*) AS n FROM refused GROUP BY feed, reasons"):
            found[str(row["feed"])].append((_codes(row["reasons"]), _number(row["n"])))
    return found


def _staged(context: Context, contract: Contract, files: Sequence[BatchFile]) -> tuple[int, dict[str, int], Findings]:
    """Of the upserts that this batch staged: how many, how many values of each column, and what was flagged."""
    staged = [file for file in files if file.rows_staged]
    columns = [field.name for field in contract.fields]
    if not staged:
        return 0, dict.fromkeys(columns, 0), ()
    relation = f"measured_{contract.feed}"
    context.engine.read(
        relation,
        stage_table(contract),
        where={
            "_file_sha256": [file.file_sha256 for file in staged],
            "_batch_date": [file.batch_date.isoformat() for file in staged],
        },
    )
    counts = ", ".join(f"count({name(column)}) AS c{number}" for number, column in enumerate(columns))
    rows = context.engine.rows(
        f"SELECT _warnings, count(*) AS n, {counts} FROM {relation} WHERE _op = 'upsert' GROUP BY _warnings"
    )
    present = {column: _sum(rows, f"c{number}") for number, column in enumerate(columns)}
    flagged = [(_codes(row["_warnings"]), _number(row["n"])) for row in rows if row["_warnings"] is not None]
    return _sum(rows, "n"), present, flagged


def _past(counted: Sequence[BatchFile], feed: str, batch_id: str) -> dict[str, int]:
    """The rows of the feed in other batches, the latest first."""
    rows: dict[tuple[str, str], int] = defaultdict(int)
    for file in counted:
        if file.feed == feed and file.batch_id != batch_id:
            rows[file.batch_date.isoformat(), file.batch_id] += file.rows_in
    return {key[1]: rows[key] for key in sorted(rows, reverse=True)}


def _delay_hours(context: Context, batch: Batch) -> Decimal:
    """From the end of the batch's day to the first time that its files were loaded: it does not grow when they are
    loaded again."""
    first = context.ledger.tasks(batch_id=batch.batch_id)[0].started_at
    passed = first - end_of_day(day_of(batch), context.settings.business.timezone)
    return Decimal(round(passed.total_seconds())) / 3600


def record_metrics(context: Context, batch: Batch, found: Sequence[Metric], run_id: str) -> None:
    """`dq_metrics` holds exactly these of the batch."""
    at = context.ledger.now()
    rows = [
        (
            batch.batch_id,
            batch.batch_date,
            metric.feed,
            metric.metric,
            metric.column_name,
            metric.rule,
            metric.value,
            metric.part,
            metric.whole,
            at,
            run_id,
        )
        for metric in found
    ]
    context.engine.values("metrics", DQ_METRICS.columns, rows)
    context.engine.replace(DQ_METRICS, {"batch_id": [batch.batch_id]}, "metrics" if rows else None)


def _codes(text: object) -> frozenset[str]:
    return frozenset(str(text).split(","))


def _sum(rows: Sequence[Row], column: str) -> int:
    return sum(_number(row[column]) for row in rows)


def _number(value: object) -> int:
    return int(str(value))
