"""docs/coming-from-the-notebooks.md: every old name is there, and every new one exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cartlake.core import dag
from cartlake.lake import Lake
from cartlake.notebook import task_values
from cartlake.project import load_contracts, load_models
from cartlake.scaffold import create_project
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "coming-from-the-notebooks.md").read_text("utf-8")
_NAME = re.compile(r"`([a-z_]\w*(?:\.\w+)?)`")


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables of a section, without their heads."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [cells for cells in lines if cells[0] not in ("theirs", "task value")]


@pytest.fixture(scope="module")
def relations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The columns of everything that a query can read."""
    project = tmp_path_factory.mktemp("names") / "shop"
    create_project(project)
    with Lake(project) as lake:
        return {name: set(lake.query(f"SELECT * FROM {name}")[0]) for name in tables() - {"feed"}}


def tables() -> set[str]:
    """The names of today's relations; those of old where the page says that they kept them."""
    told = [(cells[0] if "of these names" in cells[1] else "") + cells[1] for cells in rows("Tables")]
    return {name for cell in told for name in _NAME.findall(cell)}


def test_every_old_name_is_told_of() -> None:
    facts = ROOT.parent / "shared" / "mission" / "from-the-notebooks.md"
    if not facts.is_file():
        pytest.skip("the list of the old names does not stand beside this checkout (../shared/mission)")
    old = set(re.findall(r"`(\w+)`", facts.read_text("utf-8").partition("## What they did")[0]))
    assert old - set(re.findall(r"`(\w+)`", TEXT)) == set()


def test_every_new_table_and_view_can_be_queried(relations: dict[str, set[str]]) -> None:
    assert len(relations) > 25
    assert "feed" in relations["quarantine"]


@pytest.mark.parametrize("cells", rows("Columns"), ids=lambda cells: cells[0][:40])
def test_every_new_column_exists(cells: list[str], relations: dict[str, set[str]]) -> None:
    """A cell names columns, a column of a relation, or only the relation in which the columns keep their names."""
    theirs, where, ours = cells
    columns = set().union(*relations.values())
    for name in _NAME.findall(ours):
        relation, _, column = name.partition(".")
        assert (column in relations[relation]) if column else (name in columns | {*relations})
    if ours.strip("`") in relations:
        assert set(_NAME.findall(theirs)) <= relations[ours.strip("`")], where


def test_every_new_rule_exists(tmp_path: Path) -> None:
    models = load_models(tmp_path, load_contracts(tmp_path))
    rules = {rule.code for model in models for rule in model.rules}
    named = [name for cells in rows("Validation types and task values")[:11] for name in _NAME.findall(cells[1])]
    assert len(named) == 11
    assert set(named) <= rules


def test_every_task_value_is_still_set(tmp_path: Path) -> None:
    create_project(tmp_path / "shop")
    with Lake(tmp_path / "shop") as lake:
        found = {
            name: value
            for task in (dag.VALIDATION, dag.ENRICHMENT, dag.MERGE)
            for name, value in task_values(lake, task, "R-1").items()
        }
    old = {name for cells in rows("Validation types and task values")[11:] for name in _NAME.findall(cells[0])}
    assert set(found) == old
    assert found["validation_status"] == found["final_merge_status"] == "SKIPPED"
    assert found["total_orders"] == 0
