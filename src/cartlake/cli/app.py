"""The commands, and how a call of the program ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.text import Text
from typer.core import TyperGroup

from cartlake.cli import export, files, lineage, look, operate, repair, run, show, start
from cartlake.cli.options import PANELS
from cartlake.cli.output import Output, ReaderGone, lines, write
from cartlake.errors import CartlakeError, ConfigError, UsageError

INTERRUPTED, READER_GONE, UNEXPECTED = 130, 141, 3
EXTRAS = {
    "dashboard": ("the dashboard", {"jinja2", "markupsafe", "starlette", "uvicorn"}),
    "local": ("the embedded engine", {"arro3", "deltalake", "duckdb"}),
    "spark": ("the Spark engine", {"grpc", "pandas", "pyarrow", "pyspark"}),
    "xlsx": ("Excel output", {"xlsxwriter"}),
}


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


_ClickUsageError = typer.BadParameter.__mro__[1]  # where its module is depends on typer's version


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """One call of the program, which ends with DESIGN's exit codes whatever happens."""
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
        return _fail(out, _explained(error))


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


def _explained(error: Exception) -> CartlakeError:
    """The error as people see it; of one that nobody foresaw only its kind and place, because its words may quote
    data. CARTLAKE_DEBUG=1 prints the traceback."""
    if isinstance(error, CartlakeError):
        return error
    if isinstance(error, _ClickUsageError):
        return _misused(error)
    if os.environ.get("CARTLAKE_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    missing = str(error.name).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    for extra, (engine, packages) in EXTRAS.items():
        if missing in packages:
            hint = f'{engine[0].upper()}{engine[1:]} comes with: pip install "cartlake[{extra}]"'
            return ConfigError("engine_missing", f"the package {missing} is not installed", hint=hint)
    file, line = _place(error)
    return CartlakeError(
        "unexpected",
        f"unexpected {type(error).__name__}: this is a defect of cartlake",
        file=file,
        line=line,
        hint="Repeating the command is safe. CARTLAKE_DEBUG=1 shows where it happened.",
    )


def _misused(error: Exception) -> UsageError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "cartlake"
    said = getattr(error, "format_message", lambda: str(error))()
    return UsageError("usage", said.strip(), hint=f"`{command} --help` says what there is.")


def _place(error: Exception) -> tuple[str | None, int | None]:
    """The innermost line of our own code."""
    import traceback

    package = Path(__file__).parents[1]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(package):
            return Path(frame.filename).relative_to(package.parent).as_posix(), frame.lineno
    return None, None


def _fail(out: Output, error: CartlakeError) -> int:
    out.document({"error": error.to_json()})
    if not out.as_json:
        place = ":".join(str(part) for part in (error.file, error.line, error.column) if part is not None)
        said, hint = lines(f"{place}: {error.message}" if place else error.message), lines(error.hint or "")
        out.log.print(Text.assemble(("error: ", "bold red"), said))
        if hint:
            out.log.print(Text(hint, "dim"))
    return error.exit_code
