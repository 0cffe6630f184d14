"""Data quality: which rules failed, where, and since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from cartlake import health, queries
from cartlake.dashboard.reader import View
from cartlake.engines.base import Row
from cartlake.health import FeedHealth

LAST_BATCHES = 14
JUDGED = "SELECT DISTINCT batch_id FROM validation_results"
RESULTS = """
SELECT batch_id, rule, description, severity, action, rows_checked, rows_failed FROM validation_results
WHERE batch_id IN :shown
"""
DAILY_SCORES = """
SELECT batch_date, min(value) AS score, count(*) AS batches FROM dq_metrics WHERE metric = 'score' AND feed IS NULL
GROUP BY batch_date ORDER BY batch_date
"""
FLAWS = """
SELECT feed, column_name, metric, part, whole, batch_id FROM dq_metrics
WHERE metric IN ('completeness', 'validity') AND value < 1 AND batch_id IN :newest ORDER BY value, feed, column_name
"""
REASONS = """
SELECT feed, reasons, count(*) AS records FROM quarantine WHERE is_open GROUP BY feed, reasons
"""
_SEVERITY = {"high": 0, "medium": 1, "low": 2}


@dataclass(frozen=True)
class Cell:
    """How a rule went in a batch; `level` is 0 (passed) to 4 (most of the rows), None where it did not apply."""

    failed: int
    checked: int
    level: int | None


@dataclass(frozen=True)
class RuleRow:
    """A cross-table rule over the batches shown, the oldest first."""

    rule: str
    description: str
    severity: str
    action: str
    cells: Sequence[Cell]

    @property
    def failed(self) -> int:
        return sum(cell.failed for cell in self.cells)

    @property
    def batches_failed(self) -> int:
        return sum(cell.failed > 0 for cell in self.cells)


@dataclass(frozen=True)
class Reason:
    """A row rule that put records into quarantine; a record counts once for each of its reasons."""

    feed: str
    code: str
    description: str
    records: int


@dataclass(frozen=True)
class Quality:
    batches: Sequence[tuple[str, date | None, str | None]]
    rules: Sequence[RuleRow]
    reasons: Sequence[Reason]
    scores: Sequence[Row]
    feeds: Sequence[FeedHealth]
    flaws: Sequence[Row]

    @property
    def failing(self) -> list[RuleRow]:
        return [row for row in self.rules if row.failed]


def quality(view: View) -> Quality:
    judged = {row["batch_id"] for row in view.recorded(JUDGED)}
    reports = [one for one in view.once("batches", queries.batch_reports) if one.batch.batch_id in judged]
    shown = [report.batch for report in reports[-LAST_BATCHES:]]
    names = tuple(batch.batch_id for batch in shown)
    results = view.recorded(RESULTS, shown=names) if names else []
    feeds = [feed for feed in view.once("health", health.feeds) if feed.score is not None]
    return Quality(
        [(batch.batch_id, batch.batch_date, batch.verdict) for batch in shown],
        _rules(results, names),
        _reasons(view),
        view.recorded(DAILY_SCORES),
        feeds,
        _flaws(view, {feed.feed: feed.batch_id for feed in feeds}),
    )


def _flaws(view: View, newest: Mapping[str, str | None]) -> list[Row]:
    """What columns lack in the newest published batch of each feed, the worst first."""
    found = view.recorded(FLAWS, newest=tuple(sorted({str(each) for each in newest.values()}))) if newest else []
    return [row for row in found if newest.get(str(row["feed"])) == row["batch_id"]]


def _rules(results: Sequence[Row], batches: Sequence[str]) -> list[RuleRow]:
    by_rule: dict[str, dict[str, Row]] = {}
    for row in results:
        by_rule.setdefault(str(row["rule"]), {})[str(row["batch_id"])] = row
    rows = []
    for rule, found in by_rule.items():
        newest = next((found[batch] for batch in reversed(batches) if batch in found), None)
        if newest is not None:
            description, severity, action = (str(newest[name]) for name in ("description", "severity", "action"))
            cells = [_cell(found.get(batch)) for batch in batches]
            rows.append(RuleRow(rule, description, severity, action, cells))
    return sorted(rows, key=lambda row: (-row.batches_failed, _SEVERITY.get(row.severity, 3), row.rule))


def _cell(row: Row | None) -> Cell:
    if row is None:
        return Cell(0, 0, None)
    failed, checked = int(str(row["rows_failed"] or 0)), int(str(row["rows_checked"] or 0))
    return Cell(failed, checked, level(failed, checked) if checked else None)


def level(failed: int, checked: int) -> int:
    """0 for none, then 1 to 4 for up to 1 %, 10 %, 50 % and more of the rows checked."""
    if not failed:
        return 0
    share = failed / checked
    return 1 + sum(share > border for border in (0.01, 0.1, 0.5))


def _reasons(view: View) -> list[Reason]:
    counts: dict[tuple[str, str], int] = {}
    for row in view.recorded(REASONS):
        for code in str(row["reasons"]).split(","):
            key = str(row["feed"]), code
            counts[key] = counts.get(key, 0) + int(str(row["records"]))
    said = {(c.feed, rule.code): rule.description for c in view.context.contracts for rule in c.rules}
    found = [Reason(feed, code, said.get((feed, code), ""), records) for (feed, code), records in counts.items()]
    return sorted(found, key=lambda reason: (-reason.records, reason.feed, reason.code))
