"""What the eight notebooks share: parameters, a lake, tables on the page, and values for a job's other tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cartlake.core.dag import ENRICHMENT, MERGE, VALIDATION
from cartlake.engines.base import Row
from cartlake.lake import Lake
from cartlake.settings import load_settings

NOTHING = "SKIPPED"  # the status and the verdict of a task that had no batch
_WORST_FIRST = ("FAIL", "WARN", "PASS", "FAILED", "SUCCESS_WITH_WARNINGS", "SUCCESS")
_PREFIX = "notebook-"


def widgets(dbutils: Any, **defaults: str) -> dict[str, str]:
    """The parameters of a notebook: on Databricks those of its widgets, which are there afterwards; without `dbutils`
    the defaults."""
    if dbutils is None:
        return defaults
    for name, default in defaults.items():
        dbutils.widgets.text(name, default)
    return {name: dbutils.widgets.get(name) for name in defaults}


def open_lake(given: Mapping[str, str]) -> Lake:
    """The lake of `project` on `engine` (on Databricks in `catalog` and `schema`); what is empty is as settings say."""
    engine = {"name": given["engine"], "catalog": given["catalog"], "schema": given["schema"]}
    flags = {"engine": {name: value for name, value in engine.items() if value}}
    return Lake(settings=load_settings(Path(given["project"]), flags=flags), wait=600)


def run_of(lake: Lake, name: str = "") -> str:
    """The run that was named; else the one that notebooks have under way; else the name of a new one."""
    under_way = f"SELECT max(run_id) AS run_id FROM runs WHERE status = 'running' AND run_id LIKE '{_PREFIX}%'"
    return name or str(lake.query(under_way)[1][0]["run_id"] or f"{_PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%S}")


def show(answer: tuple[Sequence[str], Sequence[Row]]) -> None:
    """The answer of `Lake.query` as a table on the page; a single row as one line for each of its values."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns, rows = answer
    if len(rows) == 1:
        columns, rows = ("", " "), [{"": name, " ": value} for name, value in rows[0].items()]
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text("" if row[name] is None else str(row[name])) for name in columns))
    Console().print(table)


def set_task_values(dbutils: Any, values: Mapping[str, str | int]) -> None:
    """The other tasks of a Databricks job can ask for the values; without `dbutils` they stand on the page only."""
    for key, value in values.items():
        print(f"{key} = {value}")  # noqa: T201 - a notebook's output
        if dbutils is not None:
            dbutils.jobs.taskValues.set(key=key, value=value)


def task_values(lake: Lake, task: str, run: str) -> dict[str, str | int]:
    """What the notebook of a task tells about it, under the names that it always had."""
    return _VALUES[task](lake, "'" + run.replace("'", "''") + "'")


def _of_validation(lake: Lake, run: str) -> dict[str, str | int]:
    verdicts = (
        "SELECT verdict FROM batches WHERE batch_id IN"
        f" (SELECT batch_id FROM tasks WHERE run_id = {run} AND task = '{VALIDATION}')"
    )
    failed = (
        f"SELECT count(*) FROM validation_results WHERE run_id = {run} AND severity = 'high' AND outcome = 'failed'"
    )
    return {"validation_status": _worst(_column(lake, verdicts)), "high_severity_count": int(_column(lake, failed)[0])}


def _of_enrichment(lake: Lake, run: str) -> dict[str, str | int]:
    return {"enrichment_status": _status(lake, ENRICHMENT, run)}


def _of_merge(lake: Lake, run: str) -> dict[str, str | int]:
    _, totals = lake.query("SELECT total_revenue, total_orders FROM analytics_summary")
    revenue, orders = (totals[0]["total_revenue"], totals[0]["total_orders"]) if totals else (0, 0)
    status = _status(lake, MERGE, run)
    return {"final_merge_status": status, "total_revenue": str(revenue), "total_orders": int(str(orders))}


_VALUES: dict[str, Callable[[Lake, str], dict[str, str | int]]] = {
    VALIDATION: _of_validation,
    ENRICHMENT: _of_enrichment,
    MERGE: _of_merge,
}


def _status(lake: Lake, task: str, run: str) -> str:
    return _worst(_column(lake, f"SELECT status FROM tasks WHERE run_id = {run} AND task = '{task}'"))


def _worst(found: Sequence[str]) -> str:
    return min(found, key=_WORST_FIRST.index, default=NOTHING)


def _column(lake: Lake, sql: str) -> list[str]:
    columns, rows = lake.query(sql)
    return [str(row[columns[0]]) for row in rows]
