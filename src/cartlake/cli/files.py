"""Look: where a file is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from cartlake.cli.options import HERE, LOOK, AsJson, Limit, Project, opened
from cartlake.cli.output import Output, plain, word

if TYPE_CHECKING:
    from pathlib import Path

    from cartlake.whereabouts import Announcement, FileReport

_COUNTS = ("in", "staged", "quarantined", "duplicate")
_FEW = 3  # files that are told in full


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=LOOK)(files)


def files(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="Part of its name, or the beginning of its SHA-256.", show_default=False),
    ] = None,
    limit: Limit = None,
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """Where a file is: when it came, which batches it belongs to, how many rows went where, where its copy is."""
    out = Output(as_json)
    with opened(project) as lake:
        found = lake.files(file)
        root = lake.settings.project
    out.document([_document(report) for report in found])
    if file is not None and len(found) <= _FEW:
        for report in found:
            out.show(*_story(report, root), "")
        return
    shown = out.most(found, limit)
    out.show(_table(out, found[:shown]) if found else "No file has come yet.")
    out.rest(found, shown)


def _document(report: FileReport) -> dict[str, object]:
    return vars(report) | {"announced": [vars(each) for each in report.announced]}


def _table(out: Output, found: Sequence[FileReport]) -> RenderableType:
    table = out.table("file", "status", *_COUNTS, numbers=_COUNTS)
    for report in found:
        counts = _own_counts(report)
        table.add_row(plain(report.name), word(report.status), *map(plain, counts))
    return table


def _own_counts(report: FileReport) -> Sequence[int | None]:
    """As the batch counts it that has most of it as new."""
    if not report.announced or report.sha256 is None:
        return (None, None, None, None)
    own = min(report.announced, key=lambda each: each.rows_duplicate)
    return own.rows_in, own.rows_staged, own.rows_quarantined, own.rows_duplicate


def _story(report: FileReport, root: Path) -> list[RenderableType]:
    place = "".join(f"{plain(each)}, " for each in (report.feed, report.batch_date) if each is not None)
    said: list[RenderableType] = [
        Text.assemble((plain(report.name), "bold"), f"  {place}", word(report.status)),
        *([_line("why", plain(report.reason))] if report.reason else []),
    ]
    if report.came_at is not None:
        what = "lies in landing since" if report.status == "landed" else "came"
        facts = [f"{plain(report.bytes)} bytes"]
        facts += [f"{plain(report.lines)} lines", plain(report.encoding)] if report.lines is not None else []
        said.append(_line(what, f"{plain(report.came_at.replace(microsecond=0))}  {', '.join(facts)}"))
    said += [_line("batch", _batch(each, has_counts=report.sha256 is not None)) for each in report.announced]
    if not report.announced:
        said.append(_line("batch", "none names it" if report.status == "landed" else "none stands by it any more"))
    if report.path is not None:
        said.append(_line("copy" if report.sha256 else "file", plain(os.path.relpath(report.path, root))))
    elif report.sha256:
        said.append(_line("copy", "no longer in the archive"))
    said += [_line("sha256", report.sha256)] if report.sha256 else []
    return said


def _batch(announced: Announcement, *, has_counts: bool) -> Text:
    said = Text.assemble(plain(announced.batch_id), "  ", word(announced.batch_status))
    if has_counts:
        parts = zip(
            _COUNTS[1:], (announced.rows_staged, announced.rows_quarantined, announced.rows_duplicate), strict=True
        )
        counts = ", ".join(f"{plain(count)} {name}" for name, count in parts if count) or "no rows"
        said.append(f"  {plain(announced.rows_in)} in: {counts}")
    return said


def _line(name: str, value: str | Text) -> Text:
    return Text.assemble((f"  {name:22}" if len(name) > 8 else f"  {name:8}", "dim"), value)
