"""`cartlake maintain`, and settings that are given with the call."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartlake.scaffold import create_project
from tests.cli.conftest import Call


@pytest.fixture
def project(tmp_path: Path, cartlake: Call) -> Path:
    """An empty lake with what a killed write left in it."""
    create_project(tmp_path / "shop")
    cartlake("run", "--project", tmp_path / "shop")
    (tmp_path / "shop/lake/orders/0c7a.parquet").write_bytes(b"half")
    return tmp_path / "shop"


def test_a_dry_run_shows_the_table_and_does_nothing_and_the_next_one_does_it(project: Path, cartlake: Call) -> None:
    planned = cartlake("maintain", "--dry-run", "--project", project)
    assert planned.code == 0
    assert planned.out.splitlines()[0].split() == ["what", "to", "do", "files", "new", "files", "rows", "bytes", "why"]
    assert planned.out.splitlines()[1].split()[:6] == ["orders", "remove_files", "1", "0", "0", "4"]
    [done] = cartlake("maintain", "--json", "--project", project).json
    assert (done["name"], done["action"], done["files_removed"], done["bytes_removed"]) == (
        "orders",
        "remove_files",
        1,
        4,
    )
    assert not (project / "lake/orders/0c7a.parquet").exists()
    assert cartlake("maintain", "--project", project).out == "There is nothing to do.\n"


def test_a_setting_of_the_call_wins_over_the_file(project: Path, cartlake: Call) -> None:
    (project / "cartlake.toml").write_text("[maintain]\nkeep_days = 0\n")
    assert cartlake("maintain", "--project", project).code == 3
    assert cartlake("maintain", "--project", project, "--set", "maintain.keep_days=30").code == 0


@pytest.mark.parametrize("command", [["run"], ["maintain"], ["task", "orders_stage_load", "--run", "R-1"]])
@pytest.mark.parametrize(("given", "code"), [("engine.threats=2", 3), ("engine.threads", 2), ("threads=2", 2)])
def test_a_setting_that_is_none_is_refused_with_what_to_write(
    command: list[str], given: str, code: int, project: Path, cartlake: Call
) -> None:
    refused = cartlake(*command, "--project", project, "--set", given)
    assert refused.code == code
    assert "engine.threads=2" in refused.err if code == 2 else "threads" in refused.err
