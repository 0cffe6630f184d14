"""The shape of the code is checked like its behaviour: layers, sizes, a core without side effects."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "cartlake"
ENGINE_LIBRARIES = {"arro3", "deltalake", "duckdb", "pyspark"}
CLOCKS = {"now", "today", "utcnow"}
FILES = {"input", "open", "print", "read_bytes", "read_text", "write_bytes", "write_text"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its path from the package folder."""
    paths = sorted(PACKAGE.rglob("*.py"))
    assert len(paths) > 10
    return {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def functions(modules: dict[str, ast.Module]) -> Iterator[tuple[str, Function]]:
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name}:{node.lineno} {node.name}", node


def parameters(function: Function) -> list[str]:
    spelled = function.args
    every = [*spelled.posonlyargs, *spelled.args, *spelled.kwonlyargs, spelled.vararg, spelled.kwarg]
    return [given.arg for given in every if given is not None and given.arg not in {"self", "cls"}]


def imported(tree: ast.Module) -> set[str]:
    """The top-level names of all packages imported anywhere in the module."""
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in plain | named}


def called(tree: ast.Module) -> set[str]:
    """The last names of all calls in the module: `open` of `open(x)`, `now` of `datetime.now()`."""
    heads = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    plain = {head.id for head in heads if isinstance(head, ast.Name)}
    return plain | {head.attr for head in heads if isinstance(head, ast.Attribute)}


def test_imports_keep_the_contracts_of_pyproject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)  # it would silence our logger for other tests
    assert lint_imports(config_filename="pyproject.toml") == EXIT_STATUS_SUCCESS


def test_the_documents_say_where_every_module_is() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    parts = [path for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"]
    parts = [path for path in parts if not path.name.startswith("__")]
    lacking = [path.name for path in parts if f"`src/cartlake/{path.name}{'/' if path.is_dir() else ''}`" not in table]
    assert not lacking


def test_the_core_imports_no_engine_library(modules: dict[str, ast.Module]) -> None:
    core = {name: tree for name, tree in modules.items() if name.startswith("core/")}
    assert core
    assert {name: found for name, tree in core.items() if (found := imported(tree) & ENGINE_LIBRARIES)} == {}


def test_the_core_reads_no_file_and_no_clock_and_prints_nothing(modules: dict[str, ast.Module]) -> None:
    core = {name: tree for name, tree in modules.items() if name.startswith("core/")}
    assert {name: found for name, tree in core.items() if (found := called(tree) & (CLOCKS | FILES))} == {}


def test_modules_stay_under_300_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    long = {path.relative_to(PACKAGE).as_posix(): length for path, length in lengths.items() if length >= 300}
    assert long == {}


def test_functions_take_at_most_six_parameters(modules: dict[str, ast.Module]) -> None:
    assert {place: len(parameters(found)) for place, found in functions(modules) if len(parameters(found)) > 6} == {}


def test_all_but_one_in_twenty_functions_are_shorter_than_35_lines(modules: dict[str, ast.Module]) -> None:
    lengths = {place: (found.end_lineno or found.lineno) - found.lineno + 1 for place, found in functions(modules)}
    long = {place: length for place, length in lengths.items() if length >= 35}
    assert len(long) <= len(lengths) / 20, long


def test_where_spark_is_not_installed_its_tests_are_skipped_and_no_module_breaks() -> None:
    """pyarrow comes with PySpark."""
    collect = "import pytest, sys; sys.modules.update(pyspark=None, pyarrow=None); sys.exit(pytest.main(sys.argv[1:]))"
    options = ["--collect-only", "--quiet", "--assert=plain", "-p", "no:cacheprovider", "-m", "spark"]
    command = [sys.executable, "-c", collect, *options, (ROOT / "tests").as_posix()]
    found = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-3000:]
    assert "test_catalog.py" in found.stdout
