"""How good the data of a batch are: from counts to metrics. What a metric means stands in docs/quality.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from cartlake.core.contract import Contract
from cartlake.core.entries import Counts
from cartlake.core.rules import cast_code, is_present, missing_code
from cartlake.core.staging import checks
from cartlake.core.table import BIGINT, DATE, STRING, TIMESTAMP, Column, Table
from cartlake.core.verdict import NO_DEFECTS, RuleResult

DQ_METRICS = Table(
    "dq_metrics",
    (
        Column("batch_id", STRING),
        Column("batch_date", DATE),
        Column("feed", STRING),
        Column("metric", STRING),
        Column("column_name", STRING),
        Column("rule", STRING),
        Column("value", "decimal(18,6)"),
        Column("part", BIGINT),
        Column("whole", BIGINT),
        Column("measured_at", TIMESTAMP),
        Column("run_id", STRING),
    ),
)

FLAG_WEIGHT = Decimal("0.5")
"""What a flagged record loses; a quarantined one loses all."""
SEVERITY_WEIGHTS = {"high": Decimal(1), "medium": Decimal("0.5"), "low": Decimal("0.1")}
RECENT, LEAST_PAST = 30, 7
LEAST_EXPECTED = 10
"""Values that are missed when none comes: as many as that fail to come by chance once in 20,000 times (e^-10)."""
_STEP = Decimal("0.000001")

Findings = Sequence[tuple[frozenset[str], int]]


@dataclass(frozen=True)
class Metric:
    """One number. A share is `part / whole`; `feed` None is the batch, `column_name` and `rule` None say that the
    metric has none."""

    feed: str | None
    metric: str
    value: Decimal
    column_name: str | None = None
    rule: str | None = None
    part: int | None = None
    whole: int | None = None


@dataclass(frozen=True)
class FeedFacts:
    """What was counted of a feed in a batch, without repetitions. `flagged` and `quarantined` are the codes that
    records of one kind have in common, and how many they are; `present` counts values of staged upserts, which are
    `upserts` in number; `past` are the rows of earlier batches by their id, the latest first."""

    contract: Contract
    counts: Counts
    upserts: int
    present: Mapping[str, int]
    flagged: Findings
    quarantined: Findings
    past: Mapping[str, int]
    delay_hours: Decimal

    @property
    def records(self) -> int:
        return self.counts.rows_in - self.counts.rows_duplicate

    @property
    def credit(self) -> Decimal:
        """The records, a flagged one counted as half, a quarantined one not at all."""
        return self.counts.rows_staged - FLAG_WEIGHT * sum(count for _, count in self.flagged)


def metrics_of(feeds: Sequence[FeedFacts], results: Iterable[RuleResult]) -> list[Metric]:
    """Everything that is measured of a batch: of each feed that it delivers, and the batch's score."""
    found = [metric for feed in feeds for metric in _feed_metrics(feed)]
    records = sum(feed.records for feed in feeds)
    if records:
        score = 100 * sum((feed.credit for feed in feeds), Decimal()) / records * _kept(results)
        found.append(Metric(None, "score", _rounded(score)))
    return found


def emptied(upserts: int, present: Mapping[str, int], before: Mapping[str, Sequence[tuple[int, int]]]) -> list[str]:
    """The columns of a feed without a value in these upserts, in which at least 10 would have one by the share in the
    batches before: how many values each brought, of how many. Not one that is empty now and then: where more than one
    in ten batches of ten records or more had none."""
    found = []
    for column, batches in before.items():
        there, records = sum(part for part, _ in batches), sum(whole for _, whole in batches)
        large = [part for part, whole in batches if whole >= LEAST_EXPECTED]
        is_expected = upserts * there >= LEAST_EXPECTED * records and 10 * large.count(0) <= len(large)
        if present.get(column) == 0 and is_expected:
            found.append(column)
    return found


def _kept(results: Iterable[RuleResult]) -> Decimal:
    """What the failed cross-table rules leave of a score. Data that are late or say nothing new may be good."""
    left = Decimal(1)
    for result in results:
        if result.rows_failed and result.rule not in NO_DEFECTS:
            left *= 1 - SEVERITY_WEIGHTS[result.severity] * Decimal(result.rows_failed) / result.rows_checked
    return left


def _feed_metrics(facts: FeedFacts) -> Iterator[Metric]:
    feed = facts.contract.feed
    for name, count in vars(facts.counts).items():
        yield Metric(feed, name, Decimal(count))
    yield Metric(feed, "delay_hours", _rounded(facts.delay_hours))
    zscore = robust_zscore(facts.counts.rows_in, [*facts.past.values()])
    if zscore is not None:
        yield Metric(feed, "volume_zscore", zscore)
    if facts.records:
        yield Metric(feed, "score", _rounded(100 * facts.credit / facts.records))
        yield from _column_metrics(facts)
        yield from _rule_metrics(facts)


def _column_metrics(facts: FeedFacts) -> Iterator[Metric]:
    """Completeness: the values there are, of those that there could be. Validity: the values that break no rule about
    their column, of those there are. Of a quarantined record only what its reasons say is known."""
    absent, wrong = _codes_of_columns(facts.contract)
    for name, there in facts.present.items():
        refused, flagged = _count(facts.quarantined, wrong[name]), _count(facts.flagged, wrong[name])
        yield from _share(facts, "completeness", name, there, facts.upserts + _count(facts.quarantined, absent[name]))
        yield from _share(facts, "validity", name, there - flagged, there + refused)


def _share(facts: FeedFacts, metric: str, column: str, part: int, whole: int) -> Iterator[Metric]:
    if whole:
        value = _rounded(Decimal(part) / whole)
        yield Metric(facts.contract.feed, metric, value, column_name=column, part=part, whole=whole)


def _rule_metrics(facts: FeedFacts) -> Iterator[Metric]:
    """Every row rule, also where nothing broke it."""
    failed: Counter[str] = Counter()
    for codes, count in (*facts.flagged, *facts.quarantined):
        failed.update(dict.fromkeys(codes, count))
    column_of = {
        code: column
        for codes_of in _codes_of_columns(facts.contract)
        for column, codes in codes_of.items()
        for code in codes
    }
    for code in sorted({check.code for check in checks(facts.contract)} | failed.keys()):
        count = failed[code]
        yield Metric(
            facts.contract.feed, "rule_failures", Decimal(count), column_of.get(code), code, count, facts.records
        )


def _codes_of_columns(contract: Contract) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Per column the codes that say that it has no value, and those that say that its value is wrong."""
    absent = {field.name: {missing_code(field)} for field in contract.fields}
    wrong = {field.name: {code for code in (cast_code(field),) if code} for field in contract.fields}
    for rule in contract.rules:
        codes = absent if rule.function == is_present.__name__ else wrong
        codes[str(dict(rule.arguments)["column"])].add(rule.code)
    return absent, wrong


def _count(findings: Findings, wanted: set[str]) -> int:
    return sum(count for codes, count in findings if codes & wanted)


def robust_zscore(rows: int, past: Sequence[int]) -> Decimal | None:
    """How far `rows` is from the median of the latest 30 of `past`, in robust standard deviations (median absolute
    deviation / 0.6745, at least one row and 1 % of the median); None with fewer than 7. Beyond 3.5 the rule
    `file_mass_anomaly` fails."""
    recent = [Decimal(count) for count in past[:RECENT]]
    if len(recent) < LEAST_PAST:
        return None
    middle = median(recent)
    spread = max(median(abs(count - middle) for count in recent), middle / 100, Decimal(1))
    return _rounded(Decimal("0.6745") * (rows - middle) / spread)


def score_text(score: Decimal) -> str:
    """A score as people read it; only 100 is shown as 100.0."""
    return "> 99.9" if Decimal("99.95") <= score < 100 else f"{score:.1f}"


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_STEP)
