"""Draws docs/demo.svg, the summary in which the demo ends: `make docs-svg`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cartlake.cli.summary import export_svg
from cartlake.demo import play

PICTURE = Path(__file__).resolve().with_name("demo.svg")


def main() -> None:
    """The demo is played in a folder of its own name, so that the picture shows what a reader will see."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        summary = play(Path("cartlake-demo"), print, lambda *_: None)
        export_svg(summary, PICTURE)
        os.chdir(PICTURE.parent)
    print(f"{PICTURE} is drawn")


if __name__ == "__main__":
    main()
