"""How good and how fresh the published data are. Nothing here writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from cartlake import queries
from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.contract import Contract, end_of_day
from cartlake.core.prometheus import Gauge, Labels, Number, exposition
from cartlake.core.quality import DQ_METRICS
from cartlake.engines.base import Row
from cartlake.tasks.context import Context
from cartlake.tasks.quarantined import open_records

_ORDER = "ORDER BY batch_date, batch_id, feed NULLS FIRST, metric, column_name NULLS FIRST, rule NULLS FIRST"


@dataclass(frozen=True)
class FeedHealth:
    """A feed's newest published batch with its `score` (0 to 100) and `volume_zscore`, and when the next one is due by
    the contract. None: nothing is published, nothing was measured, or the contract does not say."""

    feed: str
    batch_id: str | None
    batch_date: date | None
    score: Decimal | None
    volume_zscore: Decimal | None
    age_hours: Decimal | None
    due_at: datetime | None
    is_late: bool


def metrics(context: Context, batch_id: str | None, feed: str | None) -> list[Row]:
    """The rows of `dq_metrics` of one batch or feed, or all, by date."""
    queries.require_known(context, batch_id, feed)
    named = {"batch_id": batch_id, "feed": feed}
    with context.engine.scope():
        where = {name: [value] for name, value in named.items() if value is not None}
        context.engine.read(DQ_METRICS.name, DQ_METRICS, where=where)
        return context.engine.rows(f"SELECT * FROM {DQ_METRICS.name} {_ORDER}")


def feeds(context: Context) -> list[FeedHealth]:
    """Every feed, as its contract orders them."""
    newest = _newest_batches(context)
    measured = _measured(context, {batch.batch_id for batch in newest.values()})
    return [_health(context, contract, newest.get(contract.feed), measured) for contract in context.contracts]


def _newest_batches(context: Context) -> dict[str, Batch]:
    """Per feed the published batch of the greatest date that has a file of it; rather one with something new in it."""
    batches = context.ledger.batches()
    newest: dict[str, tuple[str, bool, str]] = {}
    for file in context.ledger.batch_files():
        if batches[file.batch_id].status is BatchStatus.PUBLISHED and file.status == "staged":
            place = (file.batch_date.isoformat(), file.rows_in > file.rows_duplicate, file.batch_id)
            newest[file.feed] = max(place, newest.get(file.feed, place))
    return {feed: batches[batch_id] for feed, (_, _, batch_id) in newest.items()}


def _measured(context: Context, batches: Iterable[str]) -> list[Row]:
    """The metrics of these batches."""
    wanted = sorted(batches)
    if not wanted:
        return []
    with context.engine.scope():
        context.engine.read(DQ_METRICS.name, DQ_METRICS, where={"batch_id": wanted})
        return context.engine.rows(f"SELECT * FROM {DQ_METRICS.name} {_ORDER}")


def _health(context: Context, contract: Contract, batch: Batch | None, measured: Sequence[Row]) -> FeedHealth:
    if batch is None or batch.batch_date is None:
        return FeedHealth(contract.feed, None, None, None, None, None, None, is_late=False)
    zone, now = context.settings.business.timezone, context.ledger.now()
    own = {row["metric"]: row for row in measured if (row["batch_id"], row["feed"]) == (batch.batch_id, contract.feed)}
    due_at = contract.service.due_at(batch.batch_date, zone)
    age = now - end_of_day(batch.batch_date, zone)
    return FeedHealth(
        contract.feed,
        batch.batch_id,
        batch.batch_date,
        _value(own.get("score")),
        _value(own.get("volume_zscore")),
        (Decimal(round(age.total_seconds())) / 3600).quantize(Decimal("0.01")),
        due_at.astimezone(UTC) if due_at else None,
        is_late=due_at is not None and now > due_at,
    )


def _value(row: Mapping[str, object] | None) -> Decimal | None:
    return None if row is None else Decimal(str(row["value"]))


def prometheus(context: Context) -> str:
    """The state of the lake as the text that Prometheus scrapes."""
    found = feeds(context)
    newest = {health.feed: health.batch_id for health in found if health.batch_id}
    measured = _measured(context, set(newest.values()))
    rows = [row for row in measured if newest.get(str(row["feed"])) == row["batch_id"]]
    return exposition([*_lake_gauges(context), *_feed_gauges(found), *_metric_gauges(rows)])


def _lake_gauges(context: Context) -> Iterator[Gauge]:
    published = context.ledger.latest_publication()
    statuses = Counter(batch.status.value for batch in context.ledger.batches().values())
    refused = open_records(context)
    open_rows = [({"feed": contract.feed}, refused.get(contract.feed, 0)) for contract in context.contracts]
    yield Gauge("cartlake_publication", "Number of the latest publication.", [({}, published.publication_id)])
    if published.publication_id:
        at = published.published_at.timestamp()
        yield Gauge("cartlake_published_timestamp_seconds", "When it was published.", [({}, at)])
    states = [({"status": status.value}, statuses[status.value]) for status in BatchStatus]
    yield Gauge("cartlake_batches", "Batches by status.", states)
    yield Gauge("cartlake_quarantine_open_rows", "Quarantined records that are open.", open_rows)


def _feed_gauges(found: Sequence[FeedHealth]) -> Iterator[Gauge]:
    def samples(values: Iterable[tuple[str, Number | None]]) -> list[tuple[Labels, Number]]:
        return [({"feed": feed}, value) for feed, value in values if value is not None]

    ages = [(each.feed, None if each.age_hours is None else each.age_hours * 3600) for each in found]
    due = [(each.feed, each.due_at.timestamp() if each.due_at else None) for each in found]
    yield Gauge("cartlake_feed_age_seconds", "Since the end of the newest published business day.", samples(ages))
    yield Gauge("cartlake_feed_due_timestamp_seconds", "When the next delivery has to be there.", samples(due))
    late = samples((each.feed, int(each.is_late)) for each in found)
    yield Gauge("cartlake_feed_late", "1 when the next delivery is overdue.", late)


_GAUGES = (
    ("score", "cartlake_feed_score", "Quality of the newest published batch of a feed, 0 to 100.", ()),
    ("rows_in", "cartlake_feed_rows_in", "Records that it delivered.", ()),
    ("rows_staged", "cartlake_feed_rows_staged", "Records of it that were staged.", ()),
    ("rows_quarantined", "cartlake_feed_rows_quarantined", "Records of it in quarantine.", ()),
    ("rows_duplicate", "cartlake_feed_rows_duplicate", "Records of it that were repetitions.", ()),
    ("volume_zscore", "cartlake_feed_volume_zscore", "Its rows against the recent past, in robust deviations.", ()),
    ("delay_hours", "cartlake_feed_delay_hours", "From the end of its business day to its loading.", ()),
    ("completeness", "cartlake_column_completeness", "Share of values that are there.", ("column",)),
    ("validity", "cartlake_column_validity", "Share of values that break no rule.", ("column",)),
    ("rule_failures", "cartlake_rule_failures", "Records that broke a row rule.", ("rule",)),
)
_COLUMNS = {"column": "column_name", "rule": "rule"}


def _metric_gauges(rows: Sequence[Row]) -> Iterator[Gauge]:
    for metric, name, said, labels in _GAUGES:
        samples = [
            (
                {"feed": str(row["feed"])} | {label: str(row[_COLUMNS[label]]) for label in labels},
                Decimal(str(row["value"])),
            )
            for row in rows
            if row["metric"] == metric
        ]
        yield Gauge(name, said, samples)
