"""The summary at the end of the demo, on a terminal and as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cartlake.cli.look import life, version_document
from cartlake.cli.output import STYLE_OF, new_table, plain, word
from cartlake.cli.views import short

if TYPE_CHECKING:
    from cartlake.demo import Summary
    from cartlake.engines.base import Row

WIDTH = 100
_COUNTS = ("rows_in", "rows_staged", "rows_quarantined", "rows_duplicate")
_COUNT_NAMES = ("in", "staged", "quarantined", "duplicate")
_FIGURES = (
    ("total_orders", "orders", 0),
    ("total_revenue", "revenue", 2),
    ("avg_order_value", "average order", 2),
    ("total_profit", "profit", 2),
    ("unique_customers", "customers who bought", 0),
    ("revenue_per_customer", "revenue per customer", 2),
    ("unique_products", "products sold", 0),
    ("profit_margin_percentage", "profit margin %", 2),
)
_MOST_VERSIONS = 4


def document(summary: Summary) -> dict[str, object]:
    """The machine form of the summary."""
    return {
        "project": summary.project,
        "lake": summary.lake,
        "is_repeated": summary.is_repeated,
        "batches": [one.to_json() for one in summary.batches],
        "feeds": list(summary.feeds),
        "rules_failed": list(summary.fired),
        "analytics_summary": summary.analytics,
        "customer": [version_document(version) for version in summary.life],
    }


def page(summary: Summary) -> list[RenderableType]:
    """The parts of the summary, to be printed below each other; about 100 columns wide."""
    as_of = plain(summary.analytics["report_date"])
    news = "nothing was new this time: a file is loaded once" if summary.is_repeated else "what to try"
    return [
        "",
        *_section(
            "Batches",
            "published whole or not at all; a verdict reports, a batch is held where a rule says so",
            _batches(summary),
        ),
        *_section("Feeds", "in = staged + quarantined + duplicate, for every file", _feeds(summary)),
        *_section("Business", f"analytics_summary, as of {as_of}", _figures(summary.analytics)),
        *_section("History", f"the life of customer {plain(summary.customer_id)}", *_life(summary)),
        *_section("Next", news, _next_steps(summary)),
    ]


def _section(title: str, subtitle: str, *parts: RenderableType) -> list[RenderableType]:
    heading = Text.assemble((title, "bold cyan"), ("  " + subtitle, "dim"))
    return [heading, *(Padding(part, (0, 0, 0, 2), expand=False) for part in parts), ""]


def _batches(summary: Summary) -> Table:
    table = new_table(("batch", "status", "verdict", "rows", "rules that fired"), numbers=("rows",))
    for report in summary.batches:
        batch = report.batch
        fired = [row for row in summary.fired if row["batch_id"] == batch.batch_id]
        status, verdict = word(batch.status.value), word(batch.verdict)
        table.add_row(short(batch.batch_id), status, verdict, plain(report.counts.rows_in), _fired(fired))
    return table


def _fired(rows: Sequence[Row]) -> Text:
    """`3 order_without_customer, 1 sequence_tie, +2 low`: those of low severity are only counted."""
    named = [row for row in rows if row["severity"] != "low"]
    parts = [Text(f"{row['rows_failed']} {plain(row['rule'])}", STYLE_OF[str(row["severity"])]) for row in named]
    low = len(rows) - len(named)
    parts += [Text(f"+{low} low", "dim")] if low else []
    return Text(", ").join(parts) if parts else Text("none", "dim")


def _feeds(summary: Summary) -> Table:
    table = new_table(("feed", "files", *_COUNT_NAMES), numbers=("files", *_COUNT_NAMES))
    for row in summary.feeds:
        table.add_row(plain(row["feed"]), plain(row["files"]), *(_count(name, row) for name in _COUNTS))
    return table


def _count(name: str, row: Row) -> Text:
    value = int(str(row[name]))
    is_noted = value and name == "rows_quarantined"
    return Text(plain(value), "yellow" if is_noted else "" if value else "dim")


def _figures(analytics: Row) -> Table:
    """Name and figure, two pairs a line."""
    grid = Table.grid(padding=(0, 3))
    for justify in ("left", "right") * 2:
        grid.add_column(justify=justify)
    pairs = [(Text(name), Text(_rounded(analytics[key], digits), "bold")) for key, name, digits in _FIGURES]
    for left, right in zip(pairs[::2], pairs[1::2], strict=True):
        grid.add_row(*left, *right)
    return grid


def _rounded(value: object, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _life(summary: Summary) -> list[RenderableType]:
    return life(summary.life[-_MOST_VERSIONS:], only_changes=True)


def _next_steps(summary: Summary) -> Table:
    where = os.path.relpath(summary.project)
    grid = Table.grid(padding=(0, 3))
    grid.add_row(
        Text(f"cd {plain(where)}", "bold"), Text(f"the tables stand in {plain(os.path.relpath(summary.lake))}")
    )
    for command, effect in (
        ("cartlake status", "what is published, what waits, what needs you"),
        ("cartlake quarantine list", "the rows that broke a rule, and which"),
        ('cartlake query "SELECT * FROM segment_analysis"', "ask the published tables"),
        (f"cartlake history customers {plain(summary.customer_id)}", "the life of a key, with file and line"),
        ("cartlake watch", "drop files into landing/ and see them published"),
    ):
        grid.add_row(Text(command, "bold"), Text(effect))
    return grid


def export_svg(summary: Summary, path: Path) -> None:
    """The summary as a picture of a terminal."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, markup=False, highlight=False)
    for part in page(summary):
        console.print(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(console.export_svg(title="cartlake demo", unique_id="cartlake"), "utf-8", newline="\n")
