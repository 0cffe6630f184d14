"""The reason codes of the reading phase: those of the code, of the document, and of the corpus are the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.conftest import ROOT
from tests.reading.corpus import CASES
from tests.reading.test_mutants import REASONS

DOCUMENT = (ROOT / "docs" / "reading-files.md").read_text("utf-8")
MODULES = ("core/header.py", "core/packed.py", "tasks/loading.py")


def raised(module: str) -> Iterator[str]:
    """The codes with which a module rejects files."""
    for node in ast.walk(ast.parse((ROOT / "src" / "cartlake" / module).read_text("utf-8"))):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if is_call and node.func.id in ("FileRejected", "_rejected") and isinstance(node.args[0], ast.Constant):  # type: ignore[attr-defined]
            yield str(node.args[0].value)  # type: ignore[attr-defined]


def listed(heading: str) -> set[str]:
    section = DOCUMENT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def test_the_document_lists_every_code_that_rejects_a_file() -> None:
    assert listed("A file that is rejected") == {code for module in MODULES for code in raised(module)}


def test_the_document_lists_every_code_of_a_line_that_is_no_record() -> None:
    assert listed("A line that is no record") == REASONS


def test_the_corpus_has_a_file_for_every_code() -> None:
    codes = {case.rejected for case in CASES} | {code.partition(": ")[2] for case in CASES for code in case.bad}
    wanted = listed("A file that is rejected") | listed("A line that is no record")
    without = {"differs_from_manifest": "the corpus has no manifests", "columns_too_many": "nor feeds that add columns"}
    assert wanted - codes == without.keys()
