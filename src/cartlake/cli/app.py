"""The commands, and how a call of the program ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from rich.text import Text
from typer.core import TyperGroup

from cartlake.cli import export, files, lineage, look, operate, repair, run, show, start
from cartlake.cli.failures import explained
from cartlake.cli.options import PANELS
from cartlake.cli.output import Output, ReaderGone, lines, write
from cartlake.errors import CartlakeError

INTERRUPTED, READER_GONE = 130, 141


class _Panels(TyperGroup):
    """The commands in the order of their panels, groups of commands among them."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        panel_of = {name: getattr(command, "rich_help_panel", "") for name, command in self.commands.items()}
        return sorted(super().list_commands(ctx), key=lambda name: PANELS.index(panel_of[name]))


app = typer.Typer(
    name="cartlake",
    cls=_Panels,
    help="Turns the files a shop's systems drop in a folder into trustworthy Delta Lake tables.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (start, run, repair, look, files, lineage, export, show, operate):
    part.register(app)


@app.callback(invoke_without_command=True)
def cartlake(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say which cartlake this is.")] = False,
) -> None:
    if version:
        write(f"cartlake {_version()}\n")
    elif context.invoked_subcommand is None:
        write(context.get_help() + "\n")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """One call of the program, which ends with one of the documented exit codes (docs/cli.md) whatever happens."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(given))


def job() -> None:
    """The same for a job's runner that takes any SystemExit for a failure, as Databricks does with the entry point of
    a wheel: returns when all is well."""
    code = _run(sys.argv[1:])
    if code:
        sys.exit(code)


def _run(arguments: list[str]) -> int:
    out = Output("--json" in arguments)
    try:
        command = typer.main.get_command(app)
        code = command.main(_spelled_out(arguments), prog_name="cartlake", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except (ReaderGone, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except (KeyboardInterrupt, typer.Abort):
        out.log.print("interrupted; what was not finished is done by the next run")
        return INTERRUPTED
    except Exception as error:
        return _fail(out, explained(error))


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("cartlake")
    except metadata.PackageNotFoundError:
        return "(run from its source folder, not installed)"


def _spelled_out(arguments: Sequence[str]) -> list[str]:
    """`--wait` without a number means as long as it takes."""
    spelled = []
    for place, argument in enumerate(arguments):
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        is_bare = argument == "--wait" and not following.replace(".", "", 1).isdigit()
        spelled.append("--wait=inf" if is_bare else argument)
    return spelled


def _fail(out: Output, error: CartlakeError) -> int:
    out.document({"error": error.to_json()})
    if not out.as_json:
        place = ":".join(str(part) for part in (error.file, error.line, error.column) if part is not None)
        said, hint = lines(f"{place}: {error.message}" if place else error.message), lines(error.hint or "")
        out.log.print(Text.assemble(("error: ", "bold red"), said))
        if hint:
            out.log.print(Text(hint, "dim"))
    return error.exit_code
