"""What the documents say is so: the README's commands are run, links lead somewhere, promises name tests that exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from cartlake.cli.app import app
from cartlake.cli.summary import export_svg
from cartlake.core.tables import history_table
from cartlake.demo import play
from cartlake.engines.embedded import EmbeddedEngine
from cartlake.project import load_contracts
from tests.conftest import ROOT
from tests.pipeline.shop import Shop

README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*"))
NEEDED = (
    *("architecture", "dashboard", "glossary", "history", "coming-from-the-notebooks", "databricks"),
    *("cli", "contracts", "functions", "models", "quarantine", "reliability", "rules"),
)
TESTS = {
    name for path in ROOT.glob("tests/**/test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
}

_RUN = re.compile(r"<!-- run -->\n```sh\n(.*?)```\n(?:```text\n(.*?)```)?", re.DOTALL)
_PYTHON = re.compile(r"<!-- run -->\n```python\n(.*?)```\n", re.DOTALL)
_SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?<![\w./-])(?:docs|src|tests|examples|bench|requirements)/[\w./-]+")
_END = re.compile(r"<<<(\d+)>>>\n")
_SHIM = """#!/bin/sh
exec "{python}" -m cartlake "$@"
"""


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int]]:
    """Each marked block of the README, run one after the other in one shell: what it printed, its exit code."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", folder / "examples")
    shim = folder / "bin" / "cartlake"
    shim.parent.mkdir()
    shim.write_text(_SHIM.format(python=sys.executable), "utf-8")
    shim.chmod(0o755)
    script = "".join(f'{block}echo "<<<$?>>>"\n' for block, _ in _RUN.findall(README))
    environment = {
        "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONUTF8": "1",
    }
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    *parts, rest = _END.split(done.stdout)
    assert rest == ""
    return [(said, int(code)) for said, code in zip(parts[::2], parts[1::2], strict=True)]


def as_pattern(expected: str) -> re.Pattern[str]:
    """A line that is only `…` stands for any lines, durations for any duration, blanks for any number of blanks."""
    lines = [r"(?:.*\n)*?" if line == "…" else re.escape(line) + r"\n" for line in normal(expected).splitlines()]
    return re.compile("".join(lines))


def normal(said: str) -> str:
    said = re.sub(r" \d+(\.\d+)? (ms|s|min)\b", " TIME", said)
    return "".join(re.sub(r"\s+", " ", line).strip() + "\n" for line in said.strip().splitlines())


@pytest.mark.posix
@pytest.mark.parametrize("number", range(len(_RUN.findall(README))))
def test_a_block_of_the_readme_prints_what_stands_below_it(outputs: list[tuple[str, int]], number: int) -> None:
    block, expected = _RUN.findall(README)[number]
    said, code = outputs[number]
    assert as_pattern(expected).fullmatch(normal(said)), f"{block}\nprinted:\n{said}"
    assert code == (1 if "✗" in expected else 0)


def test_the_readme_has_blocks_to_run() -> None:
    assert len(_RUN.findall(README)) == README.count("<!-- run -->") >= 4


def test_the_tables_are_read_from_other_programs_as_the_document_says(tmp_path: Path) -> None:
    with_duckdb, as_frame = _PYTHON.findall(text_of(ROOT / "docs" / "models.md"))
    shop = Shop(tmp_path)
    shop.trade_a_day()
    _empty_newest_version(shop, "orders")
    assert _printed(with_duckdb, tmp_path) == "[('Springfield', 1)]\n"
    pytest.importorskip("pandas", reason="pandas is not installed; the other example was run")
    assert re.search(r"O-1\s+20\.0", _printed(with_duckdb + as_frame, tmp_path))


def _printed(script: str, folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def _empty_newest_version(shop: Shop, feed: str) -> None:
    """As after a run that died in the middle: nothing of it is published."""
    table = next(history_table(contract) for contract in load_contracts(shop.project) if contract.feed == feed)
    engine = EmbeddedEngine(shop.lake.settings)
    engine.values("nothing", table.columns, [])
    engine.replace(table, {}, "nothing")
    engine.close()


def calls() -> list[tuple[str, str]]:
    """Every call of cartlake in a shell block of a document."""
    return [
        (named(path), call.strip())
        for path in DOCUMENTS
        for block in _SHELL.findall(text_of(path))
        for line in block.splitlines()
        for call in re.split(r"&&|;|\|", line.partition("  #")[0])
        if call.strip().startswith("cartlake ")
    ]


@pytest.mark.parametrize(("document", "call"), calls())
def test_every_call_in_a_document_parses(document: str, call: str) -> None:
    command: Any = typer.main.get_command(app)
    words = shlex.split(call)[1:]
    while hasattr(command, "commands"):
        assert words[0] in command.commands, document
        command = command.commands[words.pop(0)]
    assert not command.make_context(call, words).args


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_link_and_path_in_a_document_leads_somewhere(path: Path) -> None:
    links = [link for link in _LINK.findall(text_of(path)) if "://" not in link]
    lost = [link for link in links if not leads_somewhere(path, link)]
    prose = re.sub(r"[\w./-]*[<*][\w./<>*-]*", "", text_of(path))
    lost += [found for found in _PATH.findall(prose) if not (ROOT / found.rstrip(".")).exists()]
    assert lost == []


def leads_somewhere(path: Path, link: str) -> bool:
    file, _, heading = link.partition("#")
    target = path.parent / file if file else path
    if not heading:
        return target.exists()
    headings = re.findall(r"^#+ (.*)$", text_of(target), re.MULTILINE)
    return heading in {re.sub(r"[^\w -]", "", found.lower()).replace(" ", "-") for found in headings}


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.name != "CONTRIBUTING.md"], ids=named)
def test_every_test_that_a_document_names_exists(path: Path) -> None:
    assert set(re.findall(r"`(test_\w+)`", text_of(path))) - TESTS == set()


def test_every_promise_names_tests() -> None:
    table = README.partition("## Promises")[2].partition("\n## ")[0]
    promises = re.findall(r"^\| (\*\*.*)$", table, re.MULTILINE)
    assert len(promises) == 5
    assert all(re.search(r"`test_\w+`", promise) for promise in promises)


def test_every_defect_of_the_notebooks_names_its_test() -> None:
    text = text_of(ROOT / "docs" / "coming-from-the-notebooks.md")
    cases = re.findall(r"def (test_\w+)", text_of(ROOT / "tests/pipeline/test_coming_from_the_notebooks.py"))
    assert [case for case in cases if f"`{case}`" not in text] == []


def test_decisions_are_numbered_and_say_the_same_things() -> None:
    assert len({adr.name[:5] for adr in ADRS}) == len(ADRS)
    for adr in ADRS:
        text = text_of(adr)
        assert text.startswith(f"# {int(adr.name[:4])}. "), adr.name
        assert re.search(r"^Status: (accepted|superseded by \d{4})$", text, re.MULTILINE), adr.name
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Rejected", "Consequences"], adr.name


def test_the_list_of_decisions_names_each_once_by_its_title() -> None:
    listed = re.findall(r"^\* \[(.*)\]\((.*)\)$", text_of(ROOT / "docs" / "adr" / "README.md"), re.MULTILINE)
    titles = [(text_of(adr).partition("\n")[0].removeprefix("# "), adr.name) for adr in ADRS]
    assert sorted(listed, key=lambda each: each[1]) == titles


@pytest.mark.parametrize("name", NEEDED)
def test_a_document_is_there(name: str) -> None:
    assert (ROOT / "docs" / f"{name}.md").is_file()


@pytest.mark.parametrize("picture", ["demo.svg", "flow.svg"])
def test_a_picture_of_the_readme_is_drawn_here_and_asks_nobody(picture: str) -> None:
    assert f"](docs/{picture})" in README
    assert re.search(r"<(script|image|foreignObject)\b", text_of(ROOT / "docs" / picture)) is None


@pytest.mark.slow
def test_the_picture_of_the_demo_is_what_the_demo_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make docs-svg` draws it anew."""
    monkeypatch.chdir(tmp_path)
    export_svg(play(Path("cartlake-demo"), lambda _: None, lambda *_: None), tmp_path / "demo.svg")
    assert text_of(tmp_path / "demo.svg") == text_of(ROOT / "docs" / "demo.svg")
