"""Repair: the records that broke a rule, and what somebody decides about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cartlake.cli.options import HERE, AsJson, Limit, Project, Why, opened, taking
from cartlake.cli.output import Output, lines, plain
from cartlake.errors import UsageError

if TYPE_CHECKING:
    from cartlake.core.deciding import DecisionReport, RecordDecision
    from cartlake.engines.base import Row

OfBatch = Annotated[str | None, typer.Option("--batch", metavar="ID", help="Of this batch only.")]
OfFeed = Annotated[str | None, typer.Option("--feed", metavar="FEED", help="Of this feed only.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be decided, and what would pass.")]
_LISTED = ("id", "file", "line", "reasons", "record")
_DECIDED = ("id", "file", "line", "decided", "then")


def quarantine_list(
    batch: OfBatch = None,
    feed: OfFeed = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that were repaired, or whose file a corrected one has replaced.")
    ] = False,
    limit: Limit = None,
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """The quarantined records with their reasons and how they stand; they hold data of people."""
    out = Output(as_json)
    with opened(project) as lake:
        rows = lake.quarantine(batch, feed, every=every)
    if as_json:
        out.document(rows)
        return
    most = out.most(rows, limit)
    cells = [_quarantined(row) for row in rows[:most]]
    if not rows:
        out.show("Nothing is in quarantine." if batch is None and feed is None else "Nothing of that is in quarantine.")
    elif out.is_terminal:
        table = out.table(*_LISTED, numbers=("line",))
        for *place, reasons, raw in cells:
            table.add_row(*place, Text(reasons, "red"), Text(raw, "dim", no_wrap=True, overflow="ellipsis"))
        out.show(table)
        if any(row["is_open"] for row in rows):
            out.show("", *_steps())
    else:
        out.grid(_LISTED, cells, numbers=("line",))
    out.rest(rows, most)


def _quarantined(row: Row) -> list[str]:
    reasons = plain(", ".join(row["reasons"]))  # type: ignore[arg-type]
    said = reasons if row["is_open"] else f"{reasons} ({row['state']})"
    line = "" if row["line"] is None else str(row["line"])  # of a file that was rejected for no line of it
    return [plain(row["id"]), plain(row["source_file"]), line, said, plain(row["raw"])]


def _steps() -> list[Text]:
    steps = (
        "cartlake quarantine export FOLDER   writes them as CSV for a spreadsheet",
        "cartlake quarantine fix FILE        takes an edited file back",
        "cartlake quarantine discard ID      leaves a record out for good",
    )
    return [Text(step, "dim") for step in steps]


def quarantine_show(
    record_id: Annotated[str, typer.Argument(metavar="ID", help="The record.", show_default=False)],
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """One quarantined record: where it stands, all its reasons, its raw text, what was decided."""
    out = Output(as_json)
    with opened(project) as lake:
        found = next((row for row in lake.quarantine(every=True) if row["id"] == record_id), None)
    if found is None:
        said = f"there is no quarantined record {record_id!r}"
        raise UsageError("record_unknown", said, hint="`cartlake quarantine list` shows them.")
    out.document(found)
    decision = found.pop("decision")
    if isinstance(decision, dict):
        found |= {"decided": decision["action"]} | {name: decision[name] for name in ("cells", "why", "actor")}
        found["decided_at"] = decision["recorded_at"]
    width = max(map(len, found))
    for name, value in found.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        said = lines(str(shown or "")) if name == "raw" else str(shown) if type(shown) is int else plain(shown)
        out.show(Text.assemble((f"{name:{width}}  ", "bold"), said))


def quarantine_export(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A file (.csv) for one feed, or a folder.", show_default=False)
    ],
    batch: OfBatch = None,
    feed: OfFeed = None,
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """Write the open records as CSV that people edit in a spreadsheet, a file for each feed."""
    out = Output(as_json)
    with opened(project) as lake:
        count = lake.export_quarantine(path, batch_id=batch, feed=feed)
    out.document({"records": count, "path": path})
    if not count:
        out.show("No open record: nothing was written.")
        return
    out.show(
        f"{count:,} record{'' if count == 1 else 's'} in {plain(path)}",
        Text("Edit the cells, then: cartlake quarantine fix FILE", "dim"),
    )


@dataclass(frozen=True)
class FixOptions:
    """The options of `quarantine fix`, by their names on the command line."""

    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="An exported file, edited.", show_default=False)
    ] = None
    record: Annotated[
        str | None, typer.Option("--record", metavar="ID", help="Instead of a file: this record.", show_default=False)
    ] = None
    cells: Annotated[
        list[str] | None,
        typer.Option(
            "--cell", metavar="COLUMN=TEXT", help="A cell of the record; may be repeated.", show_default=False
        ),
    ] = None
    why: Why = None
    dry_run: DryRun = False
    project: Project = HERE
    as_json: AsJson = False


def fix(options: FixOptions) -> None:
    """Repair records: with the rows of an exported file that were edited, or one with --record and --cell."""
    out = Output(options.as_json)
    cells = dict(map(_cell, options.cells or ()))
    if (options.file is None) == (options.record is None) or bool(cells) != (options.record is not None):
        said = "name a file, or a record and its cells"
        raise UsageError("usage", said, hint="For example: --record ID --cell order_amount=20.00")
    with opened(options.project) as lake:
        if options.file is not None:
            report = lake.fix(options.file, why=options.why, dry_run=options.dry_run)
        else:
            report = lake.fix_record(str(options.record), cells, why=options.why, dry_run=options.dry_run)
    _decided(out, report, "No row was edited: nothing changes.")


def _cell(given: str) -> tuple[str, str]:
    column, equals, text = given.partition("=")
    if not equals:
        raise UsageError("usage", "a --cell has no equals sign", hint="Write it as --cell order_amount=20.00")
    return column.strip(), text


@dataclass(frozen=True)
class ReplayOptions:
    """The options of `quarantine replay`, by their names on the command line."""

    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Records.", show_default=False)] = None
    batch: OfBatch = None
    feed: OfFeed = None
    why: Why = None
    dry_run: DryRun = False
    project: Project = HERE
    as_json: AsJson = False


def replay(options: ReplayOptions) -> None:
    """Judge records again as they are, by the contracts as they are now; a discarded one is open again."""
    out = Output(options.as_json)
    with opened(options.project) as lake:
        report = lake.replay(
            ids=options.ids or (),
            batch_id=options.batch,
            feed=options.feed,
            why=options.why,
            dry_run=options.dry_run,
        )
    _decided(out, report, "No open record: nothing changes.")


def quarantine_discard(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Records.", show_default=False)],
    why: Why = None,
    dry_run: DryRun = False,
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """Leave records out for good; they stay counted as quarantined."""
    out = Output(as_json)
    with opened(project) as lake:
        report = lake.discard(ids, why=why, dry_run=dry_run)
    _decided(out, report, "Nothing changes.")


def _decided(out: Output, report: DecisionReport, nothing: str) -> None:
    if out.as_json:
        out.document(report.to_json())
        return
    if not report.records:
        out.show(nothing)
        return
    most = out.most(report.records, None)
    rows = [_decision(record) for record in report.records[:most]]
    if out.is_terminal:
        table = out.table(*_DECIDED, numbers=("line",))
        for *place, then in rows:
            table.add_row(*place, Text(then, "green" if then == "passes" else "yellow"))
        out.show(table)
    else:
        out.grid(_DECIDED, rows, numbers=("line",))
    out.rest(report.records, most, "--json")
    out.show("", *_consequences(report))


def _decision(record: RecordDecision) -> list[str]:
    decided = " ".join([record.action, ", ".join(record.changed)]).strip() if record.is_new else "nothing new"
    reasons = ", ".join(record.reasons_then)
    then = "passes" if record.passes else f"stays out: {reasons}"
    return [record.id, plain(record.source_file), str(record.line), decided, plain(then)]


def _consequences(report: DecisionReport) -> Sequence[str]:
    passing, count = sum(record.passes for record in report.records), len(report.records)
    said = [f"{count:,} record{'' if count == 1 else 's'}: {passing:,} will pass, {count - passing:,} will stay out."]
    said += ["Dry run: nothing was recorded."] if report.dry_run else []
    if report.batches:
        will = "would stage the files again and repair" if report.dry_run else "stages the files again and repairs"
        said.append(f"The next run {will} {_named(report.batches)}.")
    if report.later:
        said.append(f"Applied once the batch goes on (it is held, failed, rejected or waits): {_named(report.later)}.")
    if not (report.batches or report.later):
        is_new = any(record.is_new for record in report.records)
        said.append("No run is needed for it." if is_new else "Nothing changes.")
    return said


def _named(batches: Sequence[str]) -> str:
    return ", ".join(map(plain, batches))


quarantine_fix, quarantine_replay = taking(FixOptions, fix), taking(ReplayOptions, replay)
COMMANDS = (
    quarantine_list,
    quarantine_show,
    quarantine_export,
    quarantine_fix,
    quarantine_replay,
    quarantine_discard,
)
