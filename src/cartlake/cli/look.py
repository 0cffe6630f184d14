"""Look: queries, and the life of a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from cartlake.cli.options import HERE, LOOK, AsJson, Limit, Project
from cartlake.cli.output import Output, is_number, plain

if TYPE_CHECKING:
    from cartlake.queries import Version

_TECHNICAL = {"valid_from", "valid_to", "is_current"}


def register(app: typer.Typer) -> None:
    for command in (query, history):
        app.command(rich_help_panel=LOOK)(command)


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT, in DuckDB's dialect.", show_default=False)],
    at: Annotated[str | None, typer.Option("--at", metavar="BATCH", help="As published with this batch.")] = None,
    limit: Limit = None,
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask the published tables, the views over them, the staging logs and the ledger."""
    from cartlake.lake import Lake

    out = Output(as_json)
    with Lake(project) as lake:
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
    from cartlake.lake import Lake

    out = Output(as_json)
    with Lake(project) as lake:
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
            said += _changes(before, version)
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


def _changes(before: Version, version: Version) -> list[Text]:
    width = max(map(len, version.changed))
    return [
        Text.assemble(
            f"  {plain(name):{width}}  ",
            (plain(before.row[name]) or "(empty)", "dim"),
            " -> ",
            (plain(version.row[name]) or "(empty)", "bold"),
        )
        for name in version.changed
    ]


def _values(version: Version) -> list[Text]:
    shown = {name: value for name, value in version.row.items() if not (name.startswith("_") or name in _TECHNICAL)}
    width = max(map(len, shown))
    return [Text(f"  {plain(name):{width}}  {plain(value)}") for name, value in shown.items() if value is not None]
