"""Look: published rows as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cartlake.cli.options import HERE, LOOK, AsJson, Project, opened, taking
from cartlake.cli.output import Output, plain
from cartlake.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command("export", rich_help_panel=LOOK)(taking(ExportOptions, export))


@dataclass(frozen=True)
class ExportOptions:
    """The options of `export`, by their names on the command line."""

    what: Annotated[
        str | None, typer.Argument(metavar="TABLE|SQL", help="A table, a view, or one SELECT.", show_default=False)
    ] = None
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="A .csv, .parquet or .xlsx file.")
    ] = None
    everything: Annotated[
        Path | None, typer.Option("--all", metavar="DIR", help="All tables and views as Parquet, into a new folder.")
    ] = None
    at: Annotated[str | None, typer.Option("--at", metavar="BATCH", help="As published with this batch.")] = None
    delimiter: Annotated[
        str, typer.Option("--delimiter", metavar="SIGN", help="Between the cells of CSV; tab is a word.")
    ] = ","
    bom: Annotated[bool, typer.Option("--bom", help="CSV that Excel opens as UTF-8.")] = False
    force: Annotated[bool, typer.Option("--force", help="Put it in the place of what is there.")] = False
    project: Project = HERE
    as_json: AsJson = False


def export(options: ExportOptions) -> None:
    """Write published rows to a file, or a snapshot of everything to a folder."""
    out, what, output = Output(options.as_json), options.what, options.output
    with opened(options.project) as lake:
        if options.everything is not None and what is None and output is None:
            written = lake.export_all(options.everything, at=options.at, force=options.force)
        elif options.everything is None and what is not None and output is not None:
            csv = {"delimiter": options.delimiter, "bom": options.bom}
            written = [lake.export(what, output, at=options.at, force=options.force, **csv)]  # type: ignore[arg-type]
        else:
            hint = "`cartlake export TABLE -o FILE`, or `cartlake export --all DIR`."
            raise UsageError("usage", "an export has a table and a file, or --all and a folder", hint=hint)
    out.document([vars(each) for each in written])
    table = out.table("what", "rows", "bytes", "file", numbers=("rows", "bytes"))
    for each in written:
        file = each.path if options.everything is None else each.path.name
        table.add_row(plain(each.name), plain(each.rows), plain(each.bytes), plain(file))
    out.show(table)
    if options.everything is not None:
        opens = ("duckdb -init open.sql", "bold")
        out.show("", Text.assemble(f"All in {plain(options.everything)}; there ", opens, " opens them."))
