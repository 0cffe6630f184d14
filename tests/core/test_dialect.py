"""What the SQL dialect allows, and that each function of it gives the same on every engine."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartlake.core.dialect import FUNCTIONS, Target, check_expression, compile_sql, tables_of
from cartlake.errors import ModelError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GROUPS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "functions.yaml").read_text(encoding="utf-8"))
DOCUMENT = Path(__file__).parents[2] / "docs" / "functions.md"


@dataclass(frozen=True)
class Engine:
    target: Target
    fetch: Callable[[str], list[tuple[object, ...]]]

    def rows(self, sql: str, params: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        return self.fetch(compile_sql(sql, self.target, params))

    def value(self, expression: str, params: Mapping[str, object] | None = None) -> object:
        return self.rows(f"SELECT {expression} AS y", params)[0][0]


def duck() -> Iterator[Engine]:
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "threads": "1"}
    )
    connection.execute("SET timezone = 'UTC'")
    yield Engine("duckdb", lambda sql: connection.execute(sql).fetchall())
    connection.close()


def spark() -> Iterator[Engine]:
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: the cases ran on DuckDB only")
    if shutil.which("java") is None:
        pytest.skip("there is no java: the cases ran on DuckDB only")
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.adaptive.enabled", "false")
        # Otherwise literals are computed while planning, and the code that runs over tables is never met.
        .config(
            "spark.sql.optimizer.excludedRules", "org.apache.spark.sql.catalyst.optimizer.ConvertToLocalRelation"
        )
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    yield Engine("spark", lambda sql: [tuple(row) for row in session.sql(sql).collect()])
    session.stop()


@pytest.fixture(scope="module", params=[duck, spark], ids=["duckdb", "spark"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    yield from request.param()


def literal(value: object, kind: str) -> str:
    """A cell of the case file as SQL of the dialect."""
    if value is None:
        return f"CAST(NULL AS {kind})"
    if kind == "timestamp":
        since = datetime.fromisoformat(str(value)) - EPOCH
        return f"from_micros({since // timedelta(microseconds=1)})"
    if kind == "date":
        return f"DATE '{value}'"
    if kind == "string":
        return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value).upper() if kind == "boolean" else f"CAST({value} AS {kind})"


def shown(value: object, instants: bool = False) -> object:
    """A fetched value as the case file writes it."""
    if instants and isinstance(value, int):
        return (EPOCH + timedelta(microseconds=value)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


def title(group: Mapping[str, Any]) -> str:
    return str(group.get("call") or group["query"])[:60]


@pytest.mark.parametrize("group", [group for group in GROUPS if "call" in group], ids=title)
def test_a_function_gives_what_its_cases_say(engine: Engine, group: dict[str, Any]) -> None:
    names, kinds = list(group["of"]), list(group["of"].values())
    rows = group["gives"]
    given_rows = ", ".join(
        f"({n}, {', '.join(literal(value, kind) for value, kind in zip(row, kinds, strict=False))})"
        for n, row in enumerate(rows)
    )
    call = f"micros({group['call']})" if group.get("instants") else group["call"]
    found = engine.rows(
        f"SELECT i, {call} AS y FROM (SELECT * FROM VALUES {given_rows} AS t(i, {', '.join(names)})) AS g ORDER BY i"
    )
    assert [[*row[:-1], shown(y, group.get("instants", False))] for row, (_, y) in zip(rows, found, strict=True)] == rows


@pytest.mark.parametrize("group", [group for group in GROUPS if "query" in group], ids=title)
def test_a_query_gives_what_its_case_says(engine: Engine, group: dict[str, Any]) -> None:
    assert [[shown(value) for value in row] for row in engine.rows(group["query"])] == group["rows"]


def test_every_function_has_cases() -> None:
    text = " ".join(str(group.get("call") or group["query"]) for group in GROUPS)
    called = set(re.findall(r"\b([a-z_0-9]+)\(", text))
    assert sorted(set(FUNCTIONS) - called) == []
