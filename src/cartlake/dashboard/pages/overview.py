"""The overview: what needs somebody, how fresh and good the data are, what sold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cartlake import health, queries
from cartlake.core.batch import BatchStatus
from cartlake.core.entries import Publication
from cartlake.dashboard.reader import View
from cartlake.engines.base import Row
from cartlake.health import FeedHealth
from cartlake.queries import BatchReport

LAST_BATCHES, LAST_DAYS = 8, 60
NEEDS_SOMEBODY = (BatchStatus.HELD, BatchStatus.FAILED, BatchStatus.WAITING)

SUMMARY = """
SELECT total_orders, total_revenue, avg_order_value, unique_customers, total_profit,
    revenue_per_customer, other_currency_lines
FROM analytics_summary
"""
SALES = "SELECT order_date, total_orders, total_revenue, unique_customers FROM daily_sales ORDER BY order_date"
LAST_SCORE = """
SELECT value AS score FROM dq_metrics WHERE metric = 'score' AND feed IS NULL
    AND batch_id IN (SELECT batch_id FROM batches WHERE status = 'published')
ORDER BY batch_date DESC, measured_at DESC LIMIT 1
"""
OPEN_QUARANTINE = """
SELECT feed, count(*) AS records FROM quarantine WHERE is_open GROUP BY feed ORDER BY feed
"""


@dataclass(frozen=True)
class FeedState:
    """A feed's newest published batch, and how many of its records are open in quarantine."""

    health: FeedHealth
    open_records: int


@dataclass(frozen=True)
class Overview:
    publication: Publication
    currency: str
    summary: Row | None
    sales: Sequence[Row]
    attention: Sequence[BatchReport]
    last_batches: Sequence[BatchReport]
    feeds: Sequence[FeedState]
    score: object

    @property
    def has_deadlines(self) -> bool:
        return any(feed.health.due_at for feed in self.feeds)

    @property
    def open_records(self) -> int:
        return sum(feed.open_records for feed in self.feeds)


def overview(view: View) -> Overview:
    reports = view.once("batches", queries.batch_reports)
    summary, last_score = view.published(SUMMARY), view.recorded(LAST_SCORE)
    return Overview(
        publication=view.publication,
        currency=view.context.settings.business.reporting_currency,
        summary=summary[0] if summary else None,
        sales=view.published(SALES)[-LAST_DAYS:],
        attention=[report for report in reports if report.batch.status in NEEDS_SOMEBODY],
        last_batches=list(reversed(reports[-LAST_BATCHES:])),
        feeds=feeds(view),
        score=last_score[0]["score"] if last_score else None,
    )


def feeds(view: View) -> list[FeedState]:
    """Every feed; whether it is late is told as of now."""
    refused = {row["feed"]: int(str(row["records"])) for row in view.recorded(OPEN_QUARANTINE)}
    known, now = view.once("health", health.feeds), view.context.ledger.now()
    return [
        FeedState(replace(feed, is_late=feed.due_at is not None and now > feed.due_at), refused.get(feed.feed, 0))
        for feed in known
    ]
