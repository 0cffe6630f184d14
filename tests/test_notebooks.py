"""The notebooks do by hand what a run does, and tell a Databricks job the values that they always told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cartlake.core import dag
from cartlake.notebook import NOTHING, task_values
from cartlake.project import load_contracts
from tests.conftest import ROOT
from tests.pipeline.shop import Shop, a_day, order

NOTEBOOKS = sorted((ROOT / "notebooks").iterdir())
VALUES = {
    "validation_status": "PASS",
    "high_severity_count": 0,
    "enrichment_status": "SUCCESS",
    "final_merge_status": "SUCCESS",
    "total_revenue": "20.00",
    "total_orders": 1,
}


class Dbutils:
    """As much of Databricks' object as notebooks use: widgets, some of them filled in, and task values."""

    def __init__(self, **given: str) -> None:
        self.values: dict[str, object] = {}
        self.widgets = self
        self.jobs = self
        self.taskValues = self
        self._given = given
        self._texts: dict[str, str] = {}

    def text(self, name: str, default: str) -> None:
        self._texts[name] = self._given.get(name, default)

    def get(self, name: str) -> str:
        return self._texts[name]

    def set(self, key: str, value: object) -> None:
        self.values[key] = json.loads(json.dumps(value))


def code(path: Path) -> list[str]:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def execute(path: Path, names: Mapping[str, object]) -> None:
    """Its cells, one after the other, in one namespace; as a notebook kernel does."""
    namespace = dict(names)
    for cell in code(path):
        exec(compile(cell, path.name, "exec"), namespace)  # noqa: S102 - our own text


def test_there_is_one_for_each_task_in_the_order_of_the_dag(tmp_path: Path) -> None:
    called = [
        name
        for path in NOTEBOOKS
        for name in dag.task_names(load_contracts(tmp_path))
        if f'"{name}", run_id' in "".join(code(path))
    ]
    assert tuple(called) == dag.task_names(load_contracts(tmp_path))
    assert [path.stem for path in NOTEBOOKS] == [
        "01_orders_stage_load",
        "02_customers_stage_load",
        "03_products_stage_load",
        "04_inventory_stage_load",
        "05_shipping_stage_load",
        "06_data_validation",
        "07_data_enrichment",
        "08_final_merge_operation",
    ]


ON_SPARK = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("engine", ["embedded", pytest.param("spark", marks=ON_SPARK)])
def test_one_after_the_other_they_publish_what_has_landed_and_tell_the_values(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Spark as on Databricks, where the session is there already."""
    if engine == "spark":
        request.getfixturevalue("spark_session")
        monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    shop = Shop(tmp_path / "shop")
    shop.deliver("b1", **a_day())
    dbutils = Dbutils(project=str(shop.project), run="job-1", engine=engine)
    for path in NOTEBOOKS:
        execute(path, {"dbutils": dbutils})
    assert dbutils.values == VALUES
    assert shop.statuses() == {"b1": "published"}
    assert shop.rows("SELECT DISTINCT run_id FROM tasks") == [("job-1",)]
    shop.lake.close()


def test_by_hand_they_find_the_run_that_the_first_of_them_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Shop(tmp_path / "shop")
    monkeypatch.chdir(shop.project)
    shop.deliver("b1", **a_day())
    for path in NOTEBOOKS:
        execute(path, {})
    assert shop.statuses() == {"b1": "published"}
    assert "total_revenue = 20.00\ntotal_orders = 1\n" in capsys.readouterr().out
    shop.lake.close()


def test_the_values_of_a_run_are_those_of_its_worst_batch_and_of_nothing_where_it_had_none(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    shop.deliver("good", **a_day())
    shop.deliver("orphan", "2025-03-02", orders=[order("O-9", customer_id="C-9", product_id="P-9")])
    for name in dag.task_names(load_contracts(tmp_path)):
        shop.lake.task(name, run_id="it's")
    assert task_values(shop.lake, "data_validation", "it's") == {"validation_status": "FAIL", "high_severity_count": 2}
    assert task_values(shop.lake, "data_enrichment", "other") == {"enrichment_status": NOTHING}
    shop.lake.close()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_and_holds_no_output(path: Path) -> None:
    cells: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
    assert sum(len(cell["source"]) for cell in cells if cell["cell_type"] == "code") <= 30
