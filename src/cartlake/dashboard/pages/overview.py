"""The overview: what needs somebody, how fresh and good the data are, what sold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from cartlake import queries
from cartlake.core.batch import BatchStatus
from cartlake.core.entries import Publication
from cartlake.dashboard.reader import View
from cartlake.engines.base import Row
from cartlake.queries import BatchReport
from cartlake.tasks.context import Context

LAST_BATCHES, LAST_DAYS = 8, 60
_NEVER = (None, None)
NEEDS_SOMEBODY = (BatchStatus.HELD, BatchStatus.FAILED, BatchStatus.WAITING)

SUMMARY = "SELECT * FROM analytics_summary"
SALES = "SELECT order_date, total_orders, total_revenue, unique_customers FROM daily_sales ORDER BY order_date"
OPEN_QUARANTINE = """
SELECT feed, count(*) AS records FROM quarantine WHERE is_open GROUP BY feed ORDER BY feed
"""


@dataclass(frozen=True)
class FeedFreshness:
    """The newest published business day of a feed, and when its last file was loaded."""

    feed: str
    batch_date: date | None
    loaded_at: datetime | None
    open_records: int


@dataclass(frozen=True)
class Overview:
    publication: Publication
    currency: str
    summary: Row | None
    sales: Sequence[Row]
    attention: Sequence[BatchReport]
    last_batches: Sequence[BatchReport]
    feeds: Sequence[FeedFreshness]
    score: Decimal | None

    has_deadlines: bool = False

    @property
    def open_records(self) -> int:
        return sum(feed.open_records for feed in self.feeds)


def overview(view: View) -> Overview:
    reports = view.once("batches", queries.batch_reports)
    summary = view.published(SUMMARY)
    return Overview(
        publication=view.publication,
        currency=view.context.settings.business.reporting_currency,
        summary=summary[0] if summary else None,
        sales=view.published(SALES)[-LAST_DAYS:],
        attention=[report for report in reports if report.batch.status in NEEDS_SOMEBODY],
        last_batches=list(reversed(reports[-LAST_BATCHES:])),
        feeds=feeds(view),
        score=None,
    )


def feeds(view: View) -> list[FeedFreshness]:
    refused = {row["feed"]: int(str(row["records"])) for row in view.recorded(OPEN_QUARANTINE)}
    newest = view.once("newest", _newest)
    return [
        FeedFreshness(contract.feed, *newest.get(contract.feed, _NEVER), refused.get(contract.feed, 0))
        for contract in view.context.contracts
    ]


def _newest(context: Context) -> dict[str, tuple[date | None, datetime | None]]:
    """Per feed the greatest date of a published batch that has rows of it, and when that batch was settled."""
    batches = context.ledger.batches()
    found: dict[str, tuple[date | None, datetime | None]] = {}
    for file in sorted(context.ledger.batch_files(), key=lambda file: file.batch_date):
        batch = batches[file.batch_id]
        if batch.status is BatchStatus.PUBLISHED and file.status == "staged":
            found[file.feed] = file.batch_date, batch.recorded_at
    return found
