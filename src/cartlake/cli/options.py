"""Options that several commands share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.text import Text

from cartlake.cli.output import Output
from cartlake.errors import UsageError

if TYPE_CHECKING:
    from cartlake.lake import Lake

PANELS = START, EVERY_DAY, REPAIR, LOOK, OPERATE = "Start", "Every day", "Repair", "Look", "Operate"

Project = Annotated[
    Path, typer.Option("--project", metavar="DIR", help="The project folder.", show_default="the current folder")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        metavar="[SECONDS]",
        min=0,
        help="If another process works on the lake, wait for it: so many seconds, or as long as it takes.",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="A setting for this call; it wins over the environment and cartlake.toml.",
        show_default=False,
    ),
]
Why = Annotated[
    str | None, typer.Option("--why", metavar="TEXT", help="The reason, for the record.", show_default=False)
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        metavar="N",
        min=1,
        help="Show at most so many rows; --json gives all.",
        show_default="50 on a terminal",
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine", metavar="NAME", help="embedded or spark, for this call.", show_default="what cartlake.toml says"
    ),
]
HERE = Path()


def opened(
    project: Path, given: Sequence[str] | None = None, wait: float | None = 0, engine: str | None = None
) -> Lake:
    """The project's lake under the settings of `--set` and `--engine`; a terminal is told where a wait begins that says
    nothing for itself. Raises UsageError and ConfigError."""
    from cartlake.lake import Lake
    from cartlake.settings import load_settings

    flags: dict[str, dict[str, object]] = {}
    for setting in given or ():
        place, equals, value = setting.partition("=")
        section, point, key = place.partition(".")
        if not (equals and point):
            said = f"--set {setting!r} is no setting"
            raise UsageError("usage", said, hint="Write it as --set engine.threads=2.")
        flags.setdefault(section, {})[key] = value
    if engine is not None:
        flags.setdefault("engine", {})["name"] = engine
    settings = load_settings(project, flags=flags)
    log, is_local_spark = Output().log, settings.engine.name == "spark" and not settings.engine.remote
    if is_local_spark and log.is_terminal and settings.log.format == "console":
        log.print(Text("starting Spark ...", "dim"))
    return Lake(settings=settings, wait=None if wait == float("inf") else wait)


Options = TypeVar("Options")


def taking(kind: Callable[..., Options], command: Callable[[Options], None]) -> Callable[..., None]:
    """`command` with the fields of the dataclass `kind` as its parameters: for those with more than a few."""

    @functools.wraps(command)
    def call(**values: object) -> None:
        command(kind(**values))

    signature = inspect.signature(kind, eval_str=True)
    call.__signature__ = signature  # type: ignore[attr-defined]
    call.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return call
