"""Every function that changes something on disk has a place at which tests end the process."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import cartlake

PACKAGE = Path(cartlake.__file__).parent
CHANGES = {
    "hardlink_to",
    "rename",
    "rmtree",
    "symlink_to",
    "unlink",
    "write_bytes",
    "write_text",
}
DELTA = {("DeltaTable", "create"), ("handle", "restore")}
EXEMPT = {
    "core": "touches no disk, which tests/test_architecture.py sees to",
    "cli": "writes what a person asked for, to where they said",
    "dashboard": "writes what a person asked for, to where they said",
    "demo.py": "makes a new project",
    "generate": "makes a new project",
    "scaffold.py": "makes a new project",
    "usercache.py": "only makes the next start quicker",
    "alerting.py": "remembers what was told; without it, it is told again",
    "export.py": "writes what a person asked for, to where they said",
    "reporting.py": "writes what a person asked for, to where they said",
    "tasks/sheets.py": "writes what a person asked for, to where they said",
    "engines/scratch.py": "what stands there is gone with its process",
    "engines/spark": "its kills are tried on the embedded engine, which has the same callers",
    "disk.py": "flushes what others wrote, and puts it in its place",
}


def changing(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """The functions that call something which changes the disk."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        if any(_is_change(node) for node in ast.walk(function) if isinstance(node, ast.Call)):
            yield function


def _is_change(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    name, arguments = call.func.attr, [each.value for each in call.args if isinstance(each, ast.Constant)]
    if name == "open":
        return any(set(str(argument)) & set("wxa+") for argument in arguments)
    owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
    is_path_replace = name == "replace" and len(call.args) == 1  # of a text it has two
    return name in CHANGES or is_path_replace or (owner, name) in DELTA


def reaches(function: ast.FunctionDef) -> bool:
    names = {
        node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    methods = {
        node.func.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    return "reach" in names or "_committing" in methods


def without_failpoint(source: str) -> list[str]:
    return [function.name for function in changing(ast.parse(source)) if not reaches(function)]


def test_every_function_that_changes_something_has_a_failpoint() -> None:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if not any(place == exempt or place.startswith(f"{exempt}/") for exempt in EXEMPT):
            found[place] = without_failpoint(path.read_text("utf-8"))
    assert {place: names for place, names in found.items() if names} == {}


def test_a_step_without_one_would_be_seen() -> None:
    assert without_failpoint("def tidy(path):\n    path.unlink()") == ["tidy"]
    assert without_failpoint("def move(part, target):\n    part.replace(target)") == ["move"]
    assert without_failpoint("def write(path):\n    with path.open('xb') as file:\n        pass") == ["write"]
    assert without_failpoint("def tidy(path):\n    reach('tidy')\n    path.unlink()") == []
    assert without_failpoint("def read(path, text):\n    path.open('rb')\n    return text.replace('a', 'b')") == []
