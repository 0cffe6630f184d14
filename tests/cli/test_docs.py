"""docs/cli.md tells of every command and option, and every example there and in a how-to is a call that parses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cartlake.cli.app import app
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs" / "quarantine.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^cartlake .*$", TEXT + HOW_TO, re.MULTILINE)
EVERYWHERE = {"--project", "--json", "--help", "-h"}


def commands(group: Any, name: str = "cartlake") -> Iterator[tuple[str, Any]]:
    for part, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {part}")
        else:
            yield f"{name} {part}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


def section(name: str) -> str:
    found = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section {name}"
    return found[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section_with_an_example_and_its_options(name: str) -> None:
    text = section(name)
    assert re.search(rf"^{name}\b", text, re.MULTILINE)
    options = {spelled for parameter in COMMANDS[name].params for spelled in parameter.opts if spelled.startswith("-")}
    assert {option for option in options - EVERYWHERE if option not in text} == set()


@pytest.mark.parametrize("option", sorted(EVERYWHERE))
def test_the_options_of_all_commands_are_explained_at_the_top(option: str) -> None:
    assert option in TEXT.partition("## Start")[0]


def test_every_section_is_a_command() -> None:
    assert set(re.findall(r"^### (.*)$", TEXT, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_parses(example: str) -> None:
    words = shlex.split(example)
    name = next(" ".join(words[:count]) for count in (3, 2) if " ".join(words[:count]) in COMMANDS)
    arguments = words[len(name.split()) :]
    context = COMMANDS[name].make_context(name, list(arguments))
    assert not context.args


def test_a_project_option_is_everywhere_but_where_the_folder_is_the_argument() -> None:
    without = {name for name, command in COMMANDS.items() if "--project" not in opts(command)}
    assert without == {"cartlake init", "cartlake demo", "cartlake generate"}
    assert all("--json" in opts(command) for command in COMMANDS.values())


def opts(command: Any) -> set[str]:
    return {spelled for parameter in command.params for spelled in parameter.opts}
