"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

START, EVERY_DAY, REPAIR, LOOK, OPERATE = "Start", "Every day", "Repair", "Look", "Operate"

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
HERE = Path()
