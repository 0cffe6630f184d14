"""Look: the dashboard, and the report that stands alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cartlake.cli.options import HERE, LOOK, AsJson, Project
from cartlake.cli.output import Output, plain


def register(app: typer.Typer) -> None:
    for command in (dashboard, report):
        app.command(rich_help_panel=LOOK)(command)


def dashboard(
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Where it answers; 0 takes a free one.")
    ] = 8765,
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="Another address than this machine's own lets others in."),
    ] = "127.0.0.1",
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """Show the lake in a browser, until it is interrupted. Never stands in the way of a run.

    The printed address holds a token. Without it the dashboard shows no data of people and changes nothing.
    """
    from cartlake.dashboard.serving import serve
    from cartlake.settings import load_settings

    out = Output(as_json)

    def tell(address: str) -> None:
        out.document({"address": address})
        out.show(Text.assemble("The dashboard is at ", (plain(address), "bold")))
        out.show(Text("Whoever has this address may decide about batches and records. Ctrl+C ends it.", "dim"))

    with suppress(KeyboardInterrupt):
        serve(load_settings(project), host, port, tell)


def report(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")] = Path(
        "report.html"
    ),
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """Write one HTML file about the state of the lake, to mail or to keep with a build. It loads nothing and holds no
    records."""
    from cartlake.dashboard.report import write_report
    from cartlake.settings import load_settings

    out = Output(as_json)
    size = write_report(load_settings(project), output)
    out.document({"path": str(output), "bytes": size})
    out.show(Text(f"{plain(str(output))}: {size:,} bytes"))
