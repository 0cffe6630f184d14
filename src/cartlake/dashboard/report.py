"""The report: pages of the dashboard in one file that loads nothing, to mail or to keep."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from pathlib import Path

from cartlake.dashboard.catalogue import PAGES, Asked
from cartlake.dashboard.reader import NothingYet, Reader
from cartlake.dashboard.rendering import render_report
from cartlake.disk import replacing, require_no_folder
from cartlake.errors import UsageError
from cartlake.ledger import Clock, utc_now
from cartlake.opening import require_project
from cartlake.settings import Settings

SECTIONS = ("overview", "business", "quality", "runs")
_STYLE = Path(__file__).parent / "static" / "app.css"
_NOTHING = Asked({}, ())


def write_report(settings: Settings, path: Path, clock: Clock = utc_now) -> int:
    """`path` holds the report on the lake as it stands, whole or not at all; its size in bytes. Raises UsageError if
    this is no project, if nothing has run yet, if there is no such folder, or if `path` is one."""
    if not path.parent.is_dir():
        raise UsageError(
            "no_folder", f"there is no folder {path.parent}", hint="Make it, or name another file with -o."
        )
    require_no_folder(path)
    require_project(settings)
    reader = Reader(settings)
    try:
        text = report(reader, clock())
    finally:
        reader.close()
    with replacing(path) as beside:
        beside.write_text(text, "utf-8", newline="\n")
    return path.stat().st_size


def report(reader: Reader, made_at: datetime) -> str:
    """The report as HTML. Raises UsageError if nothing has run yet."""
    style = _STYLE.read_text("utf-8")
    pages = [page for name in SECTIONS for page in PAGES if page.name == name]
    try:
        found = reader.look(lambda view: [(page, page.find(view, _NOTHING)) for page in pages])
    except NothingYet:
        raise UsageError(
            "nothing_yet", "nothing has run here yet", hint="`cartlake run` processes what landed."
        ) from None
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return render_report(
        "report.html",
        sections=found,
        style=style,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'",
        project=reader.settings.project.name,
        made_at=made_at,
    )
