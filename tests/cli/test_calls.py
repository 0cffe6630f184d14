"""How a call of the program ends: help, exit codes, errors for people and for machines."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import pytest
from filelock import FileLock

from cartlake.errors import ConfigError, EngineError
from cartlake.lake import Lake
from tests.cli.conftest import PROGRAM, Call, environment, start

HEAVY = {"arro3", "deltalake", "duckdb", "pydantic", "sqlglot", "watchfiles", "yaml"}
ERROR_KEYS = {"code", "message", "file", "line", "hint"}


OF_TYPER = {"pydantic"}  # which checks with it what follows the name of a command


@pytest.mark.parametrize(
    ("arguments", "may_load"),
    [(["--help"], set()), (["run", "--help"], OF_TYPER), (["batch", "show", "--help"], OF_TYPER), (["x"], OF_TYPER)],
)
def test_help_and_wrong_calls_load_no_heavy_library(arguments: list[str], may_load: set[str]) -> None:
    program = f"""
import atexit, sys
atexit.register(lambda: print(*{{m.partition('.')[0] for m in sys.modules}} & {HEAVY - may_load}, file=sys.__stdout__))
from cartlake.cli import main
main({arguments})
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == ""


def test_help_groups_the_commands_from_start_to_operate(cartlake: Call) -> None:
    shown = cartlake("--help").out
    panels = ["Start", "Every day", "Repair", "Look", "Operate"]
    places = [shown.index(f"─ {panel} ─") for panel in panels]
    assert places == sorted(places)
    assert shown.index(" status ") < shown.index("─ Repair ─") < shown.index(" quarantine ")


def test_no_command_at_all_shows_the_help(cartlake: Call) -> None:
    assert cartlake().out == cartlake("--help").out


def test_the_version_is_the_packages(cartlake: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", {"cartlake": "0.9.1"}.__getitem__)
    assert cartlake("--version").out == "cartlake 0.9.1\n"


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run", "--nonsense"], ["batch"], ["batch", "shw"], ["query"], ["generate", "x", "--days", "many"]],
)
def test_a_wrong_call_ends_with_2_and_says_where_help_is(cartlake: Call, arguments: list[str]) -> None:
    answer = cartlake(*arguments)
    assert answer.code == 2
    assert "--help` says what there is" in answer.err or "Usage: cartlake batch" in answer.out


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "--nonsense"], ["query"], ["batch", "shw", "x"]])
def test_a_wrong_call_with_json_is_one_json_error(cartlake: Call, arguments: list[str]) -> None:
    answer = cartlake(*arguments, "--json")
    assert answer.code == 2
    assert answer.err == ""
    assert answer.json["error"].keys() == ERROR_KEYS
    assert answer.json["error"]["code"] == "usage"


def test_a_folder_that_is_no_project_is_a_usage_error_with_a_way_out(cartlake: Call, tmp_path: Path) -> None:
    answer = cartlake("status", "--project", tmp_path, "--json")
    assert answer.code == 2
    assert answer.json["error"]["code"] == "not_a_project"
    assert "cartlake init" in answer.json["error"]["hint"]
    assert cartlake("status", "--project", tmp_path).err.startswith(f"error: {tmp_path} has no folder landing")


def test_an_error_for_people_has_place_message_and_hint(
    cartlake: Call, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ConfigError("x", "the zone\x1b is wrong", file="cartlake.toml", line=1200, hint="[bold]Choose[/bold]\none")
    fail_with(error, monkeypatch)
    answer = cartlake("status", "--project", shop)
    assert answer.code == 3
    assert answer.err == "error: cartlake.toml:1200: the zone\\x1b is wrong\n[bold]Choose[/bold]\none\n"


@pytest.mark.parametrize("error", [KeyError("Jane Doe, 1 Elm Street"), RuntimeError("Jane Doe")])
def test_an_unforeseen_error_ends_with_3_and_shows_no_data(
    cartlake: Call, shop: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fail_with(error, monkeypatch)
    answer, told = cartlake("status", "--project", shop, "--json"), cartlake("status", "--project", shop)
    assert answer.code == told.code == 3
    assert answer.json["error"]["code"] == "unexpected"
    assert answer.json["error"]["file"] == "cartlake/cli/run.py"
    assert type(error).__name__ in told.err
    assert "Jane" not in answer.out + answer.err + told.out + told.err


@pytest.mark.parametrize("command", [("report",), ("export", "orders")])
def test_a_place_that_the_system_refuses_is_no_defect(cartlake: Call, shop: Path, command: tuple[str, ...]) -> None:
    answer = cartlake(*command, "-o", f"{'x' * 300}.csv", "--project", shop)
    assert answer.code == 3
    assert "File name too long" in answer.err
    assert "defect" not in answer.err


def test_debug_shows_the_traceback_of_an_unforeseen_error(
    cartlake: Call, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(RuntimeError("the reason"), monkeypatch)
    monkeypatch.setenv("CARTLAKE_DEBUG", "1")
    assert "RuntimeError: the reason" in cartlake("status", "--project", shop).err


def test_an_engine_error_ends_with_3(cartlake: Call, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(EngineError("engine_failed", "the disk is full"), monkeypatch)
    assert cartlake("status", "--project", shop).code == 3


def test_an_interruption_ends_with_130(cartlake: Call, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(KeyboardInterrupt(), monkeypatch)
    assert cartlake("status", "--project", shop).code == 130


def test_a_missing_engine_is_named_with_the_command_that_installs_it(shop: Path) -> None:
    program = "import sys; sys.modules['duckdb'] = None; from cartlake.cli import main; main()"
    command = [sys.executable, "-c", program, "status", "--project", str(shop)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert 'pip install "cartlake[local]"' in done.stderr


@pytest.mark.posix
def test_a_reader_that_goes_away_ends_the_program_without_a_word(shop: Path) -> None:
    many = "SELECT a.task, b.batch_id FROM tasks a, tasks b, tasks c, tasks d LIMIT 50000"
    with start("query", many, "--json", "--project", shop, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.read(10)
        program.stdout.close()
        assert program.wait(60) == 141
        assert program.stderr.read() == ""


@pytest.mark.parametrize("waiting", [[], ["--wait", "0.1"], ["--wait=0.1"]])
def test_a_lake_somebody_works_on_ends_a_run_with_75(cartlake: Call, shop: Path, waiting: list[str]) -> None:
    with FileLock(shop / ".cartlake" / "lock"):
        answer = cartlake("run", "--project", shop, "--json", *waiting)
    assert answer.code == 75
    assert answer.json["error"]["code"] == "lake_locked"


def test_wait_without_a_number_waits_until_the_lake_is_free(shop: Path) -> None:
    with FileLock(shop / ".cartlake" / "lock"):
        program = start("run", "--wait", "--project", shop, "--json", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            program.communicate(timeout=4)
    out, _ = program.communicate(timeout=60)
    assert (program.returncode, out.strip()) == (0, "[]")


def test_the_program_speaks_where_the_console_knows_ascii_only(shop: Path) -> None:
    command = [*PROGRAM, "status", "--project", str(shop)]
    done = subprocess.run(
        command, env=environment(PYTHONIOENCODING="ascii"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(Lake, "status", fail)
