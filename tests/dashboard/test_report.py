"""The report: one file that loads nothing and holds no records."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cartlake.cli import main
from cartlake.dashboard.reader import Reader
from cartlake.dashboard.report import report, write_report
from cartlake.errors import UsageError
from cartlake.settings import load_settings
from tests.cli.conftest import environment
from tests.dashboard.conftest import IMAGE, SCRIPT, Dashboard

MADE_AT = datetime(2025, 3, 5, 6, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def html(reader: Reader) -> str:
    return report(reader, MADE_AT)


def test_the_report_has_the_parts_of_the_dashboard(html: str) -> None:
    assert re.findall(r'<section class="part" id="(\w+)">', html) == ["overview", "business", "quality", "runs"]
    assert "2025-03-05 06:00:00" in html
    assert "3 batches need attention" in html


def test_the_report_loads_nothing_and_leads_nowhere(html: str) -> None:
    assert re.findall(r'(?:href|src|action)="([^#][^"]*)"', html) == []
    assert re.findall(r"<(script|img|link|iframe|form|object)\b|@import|url\(", html) == []


def test_the_policy_of_the_report_allows_its_own_style_only(html: str) -> None:
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src &#39;none&#39;; style-src &#39;sha256-{digest}&#39;" in html
    assert ' style="' not in html


def test_the_report_holds_no_records(html: str) -> None:
    for told in ("ada@example.com", "Miller", "1 Main St", "a lot"):
        assert told not in html


def test_hostile_cells_are_text_in_the_report(html: str) -> None:
    assert SCRIPT not in html
    assert IMAGE not in html


def test_the_report_is_written_whole(dashboard: Dashboard, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("of yesterday")
    assert write_report(dashboard.shop.lake.settings, path) == path.stat().st_size
    assert path.read_text("utf-8").rstrip().endswith("</html>")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_report_on_nothing_is_refused_and_leaves_the_old_one(unused: Dashboard, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("of yesterday")
    with pytest.raises(UsageError, match="nothing has run here yet"):
        write_report(unused.shop.lake.settings, path)
    assert path.read_text() == "of yesterday"


def test_a_report_on_a_folder_that_is_no_project_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        write_report(load_settings(tmp_path), tmp_path / "report.html")
    assert refused.value.code == "not_a_project"
    assert list(tmp_path.iterdir()) == []


def test_a_report_in_a_folder_that_is_not_there_is_refused(unused: Dashboard, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        write_report(unused.shop.lake.settings, tmp_path / "gone" / "report.html")


def test_a_folder_is_no_report(dashboard: Dashboard, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        write_report(dashboard.shop.lake.settings, tmp_path)


def test_the_command_writes_the_report(
    dashboard: Dashboard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.html"
    with pytest.raises(SystemExit) as ended:
        main(["report", "-o", str(path), "--json", "--project", str(dashboard.shop.project)])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out) == {"path": str(path), "bytes": path.stat().st_size}


@pytest.mark.parametrize(("call", "package"), [("dashboard", "uvicorn"), ("report", "jinja2")])
def test_without_its_packages_a_command_says_how_they_come(call: str, package: str, tmp_path: Path) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; from cartlake.cli import main; main()"
    command = [sys.executable, "-c", program, call, "--project", str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"the package {package} is not installed" in done.stderr
    assert 'pip install "cartlake[dashboard]"' in done.stderr
