"""Look: queries, the life of a key, and what changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from cartlake.cli.options import HERE, LOOK, AsJson, EngineName, Limit, Project, opened, taking
from cartlake.cli.output import Output, encode, is_number, plain, write
from cartlake.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from cartlake.changefeed import Changes
    from cartlake.engines.base import Row
    from cartlake.queries import Version

_TECHNICAL = {"valid_from", "valid_to", "is_current"}


def register(app: typer.Typer) -> None:
    for command in (query, history):
        app.command(rich_help_panel=LOOK)(command)
    app.command("changes", rich_help_panel=LOOK)(taking(ChangesOptions, changes))


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT, in DuckDB's dialect.", show_default=False)],
    at: Annotated[str | None, typer.Option("--at", metavar="BATCH", help="As published with this batch.")] = None,
    limit: Limit = None,
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask the published tables, the views over them, the staging logs and the ledger."""
    out = Output(as_json)
    with opened(project) as lake:
        columns, rows = lake.query(sql, at)
    if as_json:
        out.document(rows)
        return
    most = out.most(rows, limit)
    numbers = [plain(name) for name in columns if any(is_number(row[name]) for row in rows)]
    shown = [[plain(row[name]) for name in columns] for row in rows[:most]]
    out.grid([plain(name) for name in columns], shown, numbers)
    out.rest(rows, most)
    if out.is_terminal:
        out.log.print(Text(f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'}", "dim"))


def history(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="customers, orders, ...", show_default=False)],
    key: Annotated[list[str], typer.Argument(metavar="KEY...", help="The values of its key.", show_default=False)],
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """The life of one key: each version, what changed in it, and the file and line that it came from."""
    out = Output(as_json)
    with opened(project) as lake:
        versions = lake.history(table, key)
    out.document([version_document(version) for version in versions])
    count = f"{len(versions)} {'version' if len(versions) == 1 else 'versions'}"
    out.show(Text(f"{plain(table)} {plain(' '.join(key))}: {count}", "bold"))
    out.show(*life(versions))


def version_document(version: Version) -> dict[str, object]:
    return version.row | {"changed": version.changed, "source_file": version.source_file, "line": version.line}


def life(versions: Sequence[Version], *, only_changes: bool = False) -> list[RenderableType]:
    """Each version with its interval and source; of the first its values, of the others what changed, old -> new."""
    said: list[RenderableType] = []
    for before, version in zip([None, *versions], versions, strict=False):
        said += ["", _heading(version)] if not only_changes else [_heading(version)]
        if before is not None and version.changed:
            said += _changed(version.changed, before.row, version.row)
        elif not only_changes:
            said += _values(version)
    return said


def _heading(version: Version) -> Text:
    """`from … until … file:line`; what follows the interval stands in one column."""
    row = version.row
    is_open = row["valid_to"] is None
    until = "current" if is_open else f"until {plain(row['valid_to'])}"
    heading = Text(f"from {plain(row['valid_from']):20}  ").append(f"{until:26}", "green" if is_open else "")
    if version.source_file is not None:
        heading.append(f"  {plain(version.source_file)}:{version.line}", "dim")
    return heading


def _changed(names: Sequence[str], before: Row, after: Row, indent: int = 2) -> list[Text]:
    width = max(map(len, names), default=0)
    return [
        Text.assemble(
            f"{'':{indent}}{plain(name):{width}}  ",
            (plain(before[name]) or "(empty)", "dim"),
            " -> ",
            (plain(after[name]) or "(empty)", "bold"),
        )
        for name in names
    ]


def _values(version: Version) -> list[Text]:
    shown = {name: value for name, value in version.row.items() if not (name.startswith("_") or name in _TECHNICAL)}
    width = max(map(len, shown))
    return [Text(f"  {plain(name):{width}}  {plain(value)}") for name, value in shown.items() if value is not None]


@dataclass(frozen=True)
class ChangesOptions:
    """The options of `changes`, by their names on the command line."""

    table: Annotated[str, typer.Argument(metavar="TABLE", help="customers, enriched_orders, ...")]
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="PUBLICATION|BATCH", help="What changed after this one."),
    ] = None
    follow: Annotated[bool, typer.Option("--follow", help="Go on with each publication, until interrupted.")] = False
    limit: Limit = None
    project: Project = HERE
    engine: EngineName = None
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each row, nothing else.")] = False


def changes(options: ChangesOptions) -> None:
    """What publications changed in a stored table: the net change of each key.

    Without --since all rows of the latest publication are inserts. With --json other systems can read it.
    """
    out, stopping = Output(options.as_json), threading.Event()

    def on_changes(found: Changes) -> None:
        _tell(out, found, options.limit)

    with opened(options.project, engine=options.engine) as lake:
        if options.follow:
            stop_on_signals(stopping)
            lake.follow(options.table, stopping.is_set, on_changes, options.since)
        else:
            on_changes(lake.changes(options.table, options.since))


def _tell(out: Output, found: Changes, limit: int | None) -> None:
    if out.as_json:
        for row in found.rows:
            write(encode(row, indent=None) + "\n")
        return
    if not found.rows:
        out.show(Text(f"Nothing changed up to publication {found.publication_id}.", "dim"))
        return
    steps = list(_steps(found))
    most = out.most(steps, limit)
    for publication_id, group in groupby(steps[:most], lambda step: step[0]["_publication_id"]):
        together = list(group)
        at = plain(together[0][0]["_commit_timestamp"])
        out.show(Text(f"publication {publication_id}  {at}", "bold"))
        for step in together:
            out.show(*_step_said(found.key, step))
    out.rest(steps, most)


def _steps(found: Changes) -> Iterator[list[Row]]:
    """Each change as one row, or an update as the row before and the row after."""
    before: list[Row] = []
    for row in found.rows:
        if row["_change_type"] == "update_preimage":
            before = [row]
        else:
            yield [*before, row]
            before = []


def _step_said(key: Sequence[str], step: Sequence[Row]) -> list[Text]:
    """What happened to which key; of an update what changed, old -> new."""
    row, kind = step[-1], str(step[-1]["_change_type"])
    word, style = {"insert": ("insert", "green"), "delete": ("delete", "red")}.get(kind, ("update", "yellow"))
    said = [Text.assemble("  ", (word, style), "  ", "  ".join(plain(row[name]) for name in key))]
    if len(step) == 1:
        return said
    before = step[0]
    changed = [name for name, value in row.items() if not name.startswith("_") and value != before[name]]
    return said + _changed(changed, before, row, indent=10)
