"""The models that come with cartlake: their cases, their types, their numbers on the two sample batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest
from tests.bareduck import bare_duck

from cartlake.core.contract import Contract, Field
from cartlake.core.dialect import compile_sql
from cartlake.core.fitting import relation_types
from cartlake.core.model import (
    BATCH_COUNTS,
    EARLIER_COUNTS,
    Case,
    Model,
    case_difference,
    case_relations,
    ordered,
    parse_model,
)
from cartlake.core.odcs import parse_contract
from cartlake.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs" / "models.md"
PARAMETERS = Settings(project=Path("/nowhere")).parameters()
DUCKDB_TYPES = {
    "string": "VARCHAR",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "map<string,string>": "MAP(VARCHAR, VARCHAR)",
}


def _contracts() -> dict[str, Contract]:
    found = [path for path in (files("cartlake") / "contracts").iterdir() if path.name.endswith(".yaml")]
    contracts = [parse_contract(path.read_text("utf-8"), path.name) for path in found]
    return {contract.feed: contract for contract in contracts}


def _models() -> tuple[Model, ...]:
    folder = files("cartlake") / "models"
    names = sorted(path.name.removesuffix(".sql") for path in folder.iterdir() if path.name.endswith(".sql"))
    read: Callable[[str], str] = lambda name: (folder / name).read_text("utf-8")  # noqa: E731
    return ordered(parse_model(read(f"{name}.sql"), read(f"{name}.yml"), f"models/{name}.sql") for name in names)


CONTRACTS = _contracts()
MODELS = {model.name: model for model in _models()}


TYPES = relation_types([*CONTRACTS.values()], [*MODELS.values()])


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with bare_duck() as duck:
        yield duck


def define(duck: duckdb.DuckDBPyConnection, name: str, sql: str, params: Mapping[str, object] | None = None) -> None:
    duck.execute(f"CREATE TABLE {name} AS {compile_sql(sql, 'duckdb', params)}")


def run_case(duck: duckdb.DuckDBPyConnection, model: Model, case: Case) -> list[dict[str, object]]:
    """The rows in which the model's result differs from the case's."""
    for name, sql in case_relations(case, {name: TYPES[name] for name in model.inputs}).items():
        define(duck, name, sql)
    result = duck.execute(compile_sql(case_difference(model, case), "duckdb", {**PARAMETERS, **case.params}))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@pytest.mark.parametrize(
    ("model", "case"),
    [pytest.param(m, case, id=f"{m.name}: {case.name}") for m in MODELS.values() for case in m.cases],
)
def test_a_case_of_a_model_gives_what_it_expects_and_a_key_once(
    duck: duckdb.DuckDBPyConnection, model: Model, case: Case
) -> None:
    assert run_case(duck, model, case) == []
    result = compile_sql(model.sql, "duckdb", {**PARAMETERS, **case.params})
    repeated = f"SELECT count(*) FROM ({result}) GROUP BY {', '.join(model.key)} HAVING count(*) > 1"
    assert not model.key or duck.execute(repeated).fetchall() == []


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_a_model_gives_its_declared_types_and_has_cases(duck: duckdb.DuckDBPyConnection, model: Model) -> None:
    empty = Case("nothing", {}, (), {}, model.path, 1)
    for name, sql in case_relations(empty, {name: TYPES[name] for name in model.inputs}).items():
        define(duck, name, sql)
    define(duck, "result", model.sql, PARAMETERS)
    found = duck.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'result'").fetchall()
    assert found == [(c.name, DUCKDB_TYPES.get(c.type, c.type.upper())) for c in model.columns]
    assert model.cases
    assert compile_sql(model.sql, "spark", PARAMETERS)


def test_the_documentation_has_a_line_for_every_model_with_its_grain() -> None:
    table = DOCS.read_text("utf-8").split("\n\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    documented = {cells[1].strip(" `"): cells for cells in (row.split("|") for row in rows)}
    assert list(documented) == sorted(documented)
    assert {name: (cells[2].strip(), cells[3].strip()) for name, cells in documented.items()} == {
        model.name: (model.kind, model.grain) for model in MODELS.values()
    }


def test_a_rule_means_the_same_in_every_check_that_has_it() -> None:
    meanings: dict[str, set[tuple[str, str, str]]] = {}
    for rule in (rule for model in MODELS.values() for rule in model.rules):
        meanings.setdefault(rule.code, set()).add((rule.severity, rule.action, rule.description))
    assert {code: len(found) for code, found in meanings.items() if len(found) > 1} == {}


# --- the two sample batches ------------------------------------------------------------------------------------

FOLDERS = {
    "orders": "orders_data",
    "customers": "customer_data",
    "products": "products_data",
    "inventory": "inventory_data",
    "shipping": "shipping_data",
}
BATCHES = {"15": "2025_01_15", "16": "2025_01_16"}
PARSED = {
    "bigint": "parse_bigint({0})",
    "date": "parse_date({0})",
    "timestamp": "parse_timestamp({0}, 'UTC')",
    "boolean": "parse_boolean({0})",
    "string": "{0}",
}


@dataclass(frozen=True)
class Sample:
    """A connection with `<batch>_<feed>` of each sample batch: contract fields, and each record as one event."""

    duck: duckdb.DuckDBPyConnection

    def load(self, folder: Path, batch: str, contract: Contract) -> None:
        day = BATCHES[batch]
        csv = folder / day / FOLDERS[contract.feed] / "source" / f"{contract.feed}_{day}.csv"
        raw = f"raw_{batch}_{contract.feed}"
        self.duck.execute(
            f"CREATE TABLE {raw} AS SELECT *, row_number() OVER () AS _record"
            " FROM read_csv(?, all_varchar = true, header = true)",
            [str(csv)],
        )
        there = {row[0] for row in self.duck.execute(f"DESCRIBE {raw}").fetchall()}
        fields = ", ".join(f"{_parsed(field, field.name in there)} AS {field.name}" for field in contract.fields)
        event = f"parse_timestamp(created_timestamp, 'UTC') AS _sequence, '{batch}' AS _file_sha256"
        select = f"SELECT {fields}, {event}, 'B-{batch}' AS _batch_id, _record FROM {raw}"
        define(self.duck, f"b{batch}_{contract.feed}", select)

    def validate(self, batch: str, before: tuple[str, ...] = ()) -> dict[str, int]:
        """How often each rule fails for `batch` when `before` came before it; rules that never fail are left out."""
        for feed, contract in CONTRACTS.items():
            everything = [f"SELECT *, _sequence AS valid_from FROM b{each}_{feed}" for each in (*before, batch)]
            self._view(f"known_{feed}", " UNION ALL ".join(everything))
            keys = ", ".join(contract.key)
            first = f"SELECT {keys}, min(valid_from) AS first_at FROM known_{feed} GROUP BY {keys}"
            self._view(f"batch_{feed}", f"SELECT * FROM b{batch}_{feed} JOIN ({first}) USING ({keys})")
            self._view(f"ended_{feed}", f"SELECT {keys}, valid_from AS ended_at FROM known_{feed} WHERE FALSE")
        for name, columns in (("batch_counts", BATCH_COUNTS), ("earlier_counts", EARLIER_COUNTS)):
            empty = Case("nothing", {}, (), {}, "", 1)
            self._view(name, compile_sql(case_relations(empty, {name: columns})[name], "duckdb"))
        failed: dict[str, int] = {}
        for model in (model for model in MODELS.values() if model.kind == "check"):
            self._view("result", compile_sql(model.sql, "duckdb", PARAMETERS))
            for rule in model.rules:
                count = self.one(f"SELECT count(*) FROM result WHERE {rule.code}")
                failed[rule.code] = failed.get(rule.code, 0) + int(str(count))
        return {code: count for code, count in failed.items() if count}

    def publish(self, batches: tuple[str, ...], as_of: str) -> None:
        """The stored models and views over these batches, each record a current version of its key."""
        self._view("publication", f"SELECT 1 AS publication_id, DATE '{as_of}' AS as_of_date, now() AS published_at")
        for feed, contract in CONTRACTS.items():
            events = " UNION ALL ".join(f"SELECT * FROM b{batch}_{feed}" for batch in batches)
            newest = f"row_number() OVER (PARTITION BY {', '.join(contract.key)} ORDER BY _sequence DESC) = 1"
            self._view(feed, f"SELECT *, _sequence AS valid_from, {newest} AS is_current FROM ({events})")
        for model in MODELS.values():
            if model.kind != "check" and model.name != "processing_log":
                self._view(model.name, compile_sql(model.sql, "duckdb", PARAMETERS))

    def one(self, sql: str) -> object:
        return self.duck.execute(sql).fetchall()[0][0]

    def row(self, sql: str) -> tuple[str | None, ...]:
        return tuple(None if value is None else str(value) for value in self.duck.execute(sql).fetchall()[0])

    def _view(self, name: str, sql: str) -> None:
        self.duck.execute(f"CREATE OR REPLACE VIEW {name} AS {sql}")


def _parsed(field: Field, is_there: bool) -> str:
    name, kind = field.name, field.type
    if not is_there:
        return f"CAST({field.default or 'NULL'} AS {kind})"
    if field.canonical == "token":
        return f"token({name})"
    if kind.startswith("decimal"):
        precision, scale = kind.removeprefix("decimal(").removesuffix(")").split(",")
        return f"parse_decimal({name}, {precision}, {scale}, '.')"
    return PARSED[kind].format(name)


@pytest.fixture
def sample(duck: duckdb.DuckDBPyConnection, sample_data: Path) -> Sample:
    found = Sample(duck)
    for batch in BATCHES:
        for contract in CONTRACTS.values():
            found.load(sample_data, batch, contract)
    return found


EVERY_DAY = {"low_value_premium_order": 1, "order_outside_business_hours": 9}


def test_the_first_sample_batch_fails_two_low_rules(sample: Sample) -> None:
    assert sample.validate("15") == EVERY_DAY


def test_the_second_sample_batch_has_other_prices_a_product_nobody_ordered_and_recycled_ids(sample: Sample) -> None:
    assert sample.validate("16", before=("15",)) == EVERY_DAY | {
        "order_amount_differs_from_price": 20,
        "product_without_orders": 1,
        "recycled_id": 30,
    }


def test_in_reverse_order_the_recycled_ids_are_those_of_the_first_sample_batch(sample: Sample) -> None:
    alone = EVERY_DAY | {"order_amount_differs_from_price": 20, "product_without_orders": 1}
    assert sample.validate("16") == alone
    assert sample.validate("15", before=("16",)) == EVERY_DAY | {"recycled_id": 30}


def test_the_first_sample_batch_sums_up_to_the_cent(sample: Sample) -> None:
    sample.publish(("15",), "2025-01-15")
    summary = sample.row("SELECT total_orders, total_revenue, avg_order_value, unique_customers, unique_products,"
                         " total_profit, profit_margin_percentage, report_date FROM analytics_summary")  # fmt: skip
    assert summary == ("20", "3169.31", "158.4655", "20", "20", "950.7930", "30.0000", "2025-01-15")


def test_both_sample_batches_sum_up_and_agree_across_the_models(sample: Sample) -> None:
    sample.publish(("15", "16"), "2025-01-16")
    assert sample.row("SELECT total_orders, total_revenue, unique_customers FROM analytics_summary") == (
        "40", "6402.30", "20"
    )  # fmt: skip
    assert sample.one("SELECT count(*) FROM enriched_orders WHERE has_customer AND has_product AND has_shipping") == 40
    assert sample.one("SELECT count(*) FROM enriched_orders") == 40
    for total in (
        "SELECT sum(total_spent) FROM customer_analytics",
        "SELECT sum(total_revenue) FROM product_analytics",
        "SELECT sum(total_revenue) FROM daily_sales",
        "SELECT sum(seasonal_revenue) FROM seasonal_analysis",
        "SELECT sum(segment_revenue) FROM segment_analysis",
        "SELECT sum(category_revenue) FROM category_analysis",
    ):
        assert str(sample.one(total)) == "6402.30", total
    days = sample.duck.execute(
        "SELECT CAST(order_date AS VARCHAR), total_orders FROM daily_sales ORDER BY 1"
    ).fetchall()
    assert days == [("2025-01-15", 20), ("2025-01-16", 20)]
    assert sample.row("SELECT (SELECT count(*) FROM customer_analytics), (SELECT count(*) FROM product_analytics),"
                      " (SELECT count(*) FROM inventory_status), (SELECT count(*) FROM shipments)") == (
        "20", "30", "30", "40"
    )  # fmt: skip
