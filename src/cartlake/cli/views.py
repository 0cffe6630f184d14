"""Batches as tables, and what to do about those that need somebody."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cartlake.cli.output import STYLE_OF, Output, lines, plain, word

if TYPE_CHECKING:
    from cartlake.core.batch import Batch
    from cartlake.health import FeedHealth
    from cartlake.queries import BatchReport

COUNTS = ("in", "staged", "quarantined", "duplicate")
_HASH = 64
GOOD, FAIR = 99, 90  # scores
UNUSUAL = Decimal("3.5")  # robust deviations, as in file_mass_anomaly


def short(batch_id: str) -> str:
    """The id as a table shows it: a refused manifest goes by the hash of its content."""
    return f"{batch_id[:12]}…" if len(batch_id) == _HASH and batch_id.isalnum() else plain(batch_id)


def batch_table(out: Output, reports: Sequence[BatchReport]) -> Table:
    table = out.table("batch", "date", "status", "verdict", *COUNTS, numbers=COUNTS)
    for column in table.columns[1:]:
        column.no_wrap = True  # on a narrow terminal only the id is broken, and the longest heads
    if out.is_narrow:
        for column, head in zip(
            table.columns[3:], ("ver-\ndict", *COUNTS[:2], "quaran-\ntined", "dupli-\ncate"), strict=True
        ):
            column.header = head
    for report in reports:
        batch, counts = report.batch, report.counts
        table.add_row(
            short(batch.batch_id),
            plain(batch.batch_date),
            word(batch.status.value),
            word(batch.verdict),
            plain(counts.rows_in),
            plain(counts.rows_staged),
            plain(counts.rows_quarantined),
            plain(counts.rows_duplicate),
        )
    return table


def feed_table(out: Output, feeds: Sequence[FeedHealth]) -> list[RenderableType]:
    """How good and how fresh each published feed is; nothing where nothing is published."""
    table = out.table("feed", "newest day", "score", "rows against the past", "next is due", numbers=("score",))
    for feed in feeds:
        if feed.batch_id is not None:
            due = Text("the contract does not say", "dim")
            if feed.due_at is not None:
                due = Text(f"{feed.due_at:%Y-%m-%d %H:%M}Z").append("  late" if feed.is_late else "", "yellow")
            table.add_row(plain(feed.feed), plain(feed.batch_date), _score(feed.score), _volume(feed), due)
    return [Text(), table] if table.row_count else []


def _score(score: Decimal | None) -> Text:
    if score is None:
        return Text("not measured", "dim")
    from cartlake.core.quality import score_text

    return Text(score_text(score), "green" if score >= GOOD else "yellow" if score >= FAIR else "red")


def _volume(feed: FeedHealth) -> Text:
    """In words: the number is for those who chart it."""
    zscore = feed.volume_zscore
    if zscore is None:
        return Text("no past yet", "dim")
    if abs(zscore) <= UNUSUAL:
        return Text("as usual")
    return Text("far more" if zscore > 0 else "far fewer", "yellow")


def advice(reports: Sequence[BatchReport]) -> list[Text]:
    """For each batch that is not on its way: why, and what brings it further."""
    return [text for report in reports for text in _advice(report.batch)]


def _advice(batch: Batch) -> list[Text]:
    status, batch_id = batch.status.value, plain(batch.batch_id)
    if status not in ("waiting", "held", "failed"):
        return []
    name = plain(batch.manifest_name) if batch.is_refusal else batch_id
    reason = lines(batch.reason or "no reason was recorded")
    said = reason if reason.startswith(status) else f"{status}: {reason}"
    return [Text.assemble((name, STYLE_OF[status]), f" {said}"), *(Text(f"  {step}", "dim") for step in _steps(batch))]


def _steps(batch: Batch) -> list[str]:
    batch_id = plain(batch.batch_id)
    if batch.status.value == "held":
        return [
            f"cartlake batch show {batch_id}      shows which rules failed",
            f"cartlake batch release {batch_id}   publishes it with the next run",
            f"cartlake batch reject {batch_id}    leaves it out",
        ]
    if batch.status.value == "waiting":
        return [f"It goes on when they land. If they never will: cartlake batch reject {batch_id}"]
    if not batch.files:
        return ["Correct the manifest and drop it again. If nobody needs it, delete it."]
    return [
        "Correct the file and drop it again under its name; no new manifest is needed.",
        f"If the contract was wrong: correct it, then cartlake batch retry {batch_id}",
    ]
