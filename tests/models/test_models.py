"""The models that come with cartlake: their cases, their types, their numbers on the two sample batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest

from cartlake.core.contract import Contract, Field
from cartlake.core.dialect import compile_sql
from cartlake.core.model import (
    BATCH_COUNTS,
    EARLIER_COUNTS,
    PUBLICATION,
    Case,
    Model,
    case_difference,
    case_relations,
    ordered,
    parse_model,
)
from cartlake.core.odcs import parse_contract
from cartlake.core.table import Column
from cartlake.core.tables import LEDGER_VIEWS, field_columns, history_table, stage_table
from cartlake.core.yamltext import Scalar
from cartlake.settings import Settings
from cartlake.tasks.validate import KNOWN_COLUMNS

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


def _relation_types() -> dict[str, tuple[Column, ...]]:
    """The columns of every relation that a model may read."""
    types = {"publication": PUBLICATION, "batch_counts": BATCH_COUNTS, "earlier_counts": EARLIER_COUNTS}
    types |= {name: table.columns for name, (table, _) in LEDGER_VIEWS.items()}
    for feed, contract in CONTRACTS.items():
        staged, known = stage_table(contract).columns, (*field_columns(contract), *KNOWN_COLUMNS)
        types |= {contract.table: history_table(contract).columns, f"batch_{feed}": staged}
        types |= {f"batch_{feed}_events": staged, f"known_{feed}": known, f"previous_{feed}": known}
    return types | {model.name: model.columns for model in MODELS.values()}


TYPES = _relation_types()


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        yield connection


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


# --- ties, the same in the checks of all feeds -----------------------------------------------------------------

EARLY, LATE, LATER = "2025-01-15 10:00", "2025-01-15 11:00", "2025-01-15 12:00"
A_VALUE: dict[str, Scalar] = {"string": "x", "bigint": 7, "date": EARLY[:10], "boolean": True, "timestamp": EARLY}


def _key(contract: Contract, name: str) -> dict[str, Scalar]:
    return {column: name if contract.field(column).type == "string" else 1 for column in contract.key}


def _check_ties(duck: duckdb.DuckDBPyConnection, feed: str, rows: Mapping[str, list[dict[str, Scalar]]]) -> None:
    """`rows` are those of the batch, its events, what was known before, and what the check is expected to say."""
    given = {f"batch_{feed}": rows["batch"], f"batch_{feed}_events": rows.get("events", rows["batch"])}
    given[f"previous_{feed}"] = rows.get("previous", [])
    frozen = {name: tuple(values) for name, values in given.items()}
    case = Case("ties", frozen, tuple(rows["expect"]), {}, "test_models.py", 1)
    assert run_case(duck, MODELS[f"check_{feed}"], case) == []


@pytest.mark.parametrize("feed", CONTRACTS)
def test_each_tracked_column_alone_makes_a_tie_and_no_other_column_does(
    duck: duckdb.DuckDBPyConnection, feed: str
) -> None:
    contract = CONTRACTS[feed]
    batch, expect = [], []
    for field in (field for field in contract.fields if field.name not in contract.key):
        key, is_tie = _key(contract, f"only {field.name}"), field.name in contract.tracked
        batch.append({**key, field.name: A_VALUE.get(field.type, 7), "_sequence": EARLY})
        expect.append({**key, "sequence_tie": is_tie})
    previous = [{**_key(contract, f"only {f.name}"), "valid_from": EARLY, "_sequence": EARLY} for f in contract.fields]
    does_not_move: dict[str, Scalar] = {"sequence_does_not_move": len(contract.tracked) >= 10}
    _check_ties(duck, feed, {"batch": batch, "previous": previous, "expect": [*expect, does_not_move]})


@pytest.mark.parametrize("feed", CONTRACTS)
def test_events_of_a_batch_tie_at_one_time_with_different_values_only(
    duck: duckdb.DuckDBPyConnection, feed: str
) -> None:
    events, expect = [], []
    for name, second in {"tied": (EARLY, "bb"), "repeated": (EARLY, "aa"), "moved": (LATE, "bb")}.items():
        key = _key(CONTRACTS[feed], name)
        events.append({**key, "_sequence": EARLY, "_row_hash": "aa"})
        events.append({**key, "_sequence": second[0], "_row_hash": second[1]})
        expect.append({**key, "sequence_tie": name == "tied"})
    batch = list({(event["_sequence"], *map(event.get, CONTRACTS[feed].key)): event for event in events}.values())
    _check_ties(duck, feed, {"batch": batch, "events": events, "expect": expect})


@pytest.mark.parametrize(("tied", "moved", "stands"), [(10, 9, True), (10, 10, False), (9, 0, False), (11, 10, True)])
@pytest.mark.parametrize("feed", CONTRACTS)
def test_a_sequence_does_not_move_when_ten_keys_tie_and_fewer_move(
    duck: duckdb.DuckDBPyConnection, feed: str, tied: int, moved: int, stands: bool
) -> None:
    contract = CONTRACTS[feed]
    column = next(name for name in contract.tracked if contract.field(name).type == "string")
    ties = [_key(contract, f"tied {n}") for n in range(tied)]
    moves = [_key(contract, f"moved {n}") for n in range(moved)]
    late, same = _key(contract, "late"), _key(contract, "same")
    batch = [{**key, column: "new", "_sequence": EARLY} for key in ties]
    batch += [{**key, column: "new", "_sequence": LATER} for key in moves]
    batch += [{**late, column: "new", "_sequence": LATE}, {**same, column: "old", "_sequence": EARLY}]
    known = [(key, EARLY) for key in [*ties, *moves, late, same]] + [(late, LATER)]
    previous = [{**key, column: "old", "valid_from": at, "_sequence": at} for key, at in known]
    expect: list[dict[str, Scalar]] = [{**key, "sequence_tie": True} for key in ties]
    expect += [{**key, "sequence_tie": False} for key in [*moves, late, same]]
    expect += [{"sequence_does_not_move": stands}]
    _check_ties(duck, feed, {"batch": batch, "previous": previous, "expect": expect})


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
        event = f"parse_timestamp(created_timestamp, 'UTC') AS _sequence, '{batch}' AS _file_sha256, text(_record)"
        select = f"SELECT {fields}, {event} AS _row_hash, 'B-{batch}' AS _batch_id, _record FROM {raw}"
        define(self.duck, f"b{batch}_{contract.feed}", select)

    def validate(self, batch: str, before: tuple[str, ...] = ()) -> dict[str, int]:
        """How often each rule fails for `batch` when `before` came before it; rules that never fail are left out."""
        for feed in CONTRACTS:
            self._view(f"batch_{feed}", f"SELECT * FROM b{batch}_{feed}")
            self._view(f"batch_{feed}_events", f"SELECT * FROM b{batch}_{feed}")
            known = f"SELECT *, _sequence AS valid_from FROM b{batch}_{feed}"
            earlier = [f"SELECT *, _sequence AS valid_from FROM b{each}_{feed}" for each in before]
            self._view(f"previous_{feed}", " UNION ALL ".join(earlier or [f"{known} WHERE FALSE"]))
            self._view(f"known_{feed}", " UNION ALL ".join([*earlier, known]))
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
