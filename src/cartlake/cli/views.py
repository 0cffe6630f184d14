"""Batches as tables, and what to do about those that need somebody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cartlake.cli.output import STYLE_OF, Output, lines, plain, word

if TYPE_CHECKING:
    from cartlake.core.batch import Batch
    from cartlake.queries import BatchReport

COUNTS = ("in", "staged", "quarantined", "duplicate")
_HASH = 64


def short(batch_id: str) -> str:
    """The id as a table shows it: a refused manifest goes by the hash of its content."""
    return f"{batch_id[:12]}…" if len(batch_id) == _HASH and batch_id.isalnum() else plain(batch_id)


def batch_table(out: Output, reports: Sequence[BatchReport]) -> Table:
    table = out.table("batch", "date", "status", "verdict", *COUNTS, numbers=COUNTS)
    for column in table.columns[1:]:
        column.no_wrap = True  # on a narrow terminal only the id is broken
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


def advice(reports: Sequence[BatchReport]) -> list[Text]:
    """For each batch that is not on its way: why, and what brings it further."""
    return [text for report in reports for text in _advice(report.batch)]


def _advice(batch: Batch) -> list[Text]:
    status, batch_id = batch.status.value, plain(batch.batch_id)
    if status not in ("waiting", "held", "failed"):
        return []
    name = plain(batch.manifest_name) if batch.batch_id == batch.manifest_sha256 else batch_id
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
        return ["It goes on when they land; the next run looks again."]
    if not batch.files:
        return ["Correct the manifest and drop it again."]
    return [
        "Correct the file and drop it again under its name; no new manifest is needed.",
        f"If the contract was wrong: correct it, then cartlake batch retry {batch_id}",
    ]
