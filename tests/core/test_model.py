"""Reading models and their twins, ordering them, and turning their cases into SQL."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bareduck import bare_duck

from cartlake.core.dialect import compile_sql
from cartlake.core.model import Case, CheckRule, Model, case_difference, case_relations, ordered, parse_model
from cartlake.core.table import Column
from cartlake.errors import ModelError

SQL = "SELECT customer_id, count(*) AS orders FROM sales WHERE amount > :least GROUP BY customer_id;\n"
TWIN = """\
kind: table
description: >
  What each customer
  bought.
grain: one row per customer
key: [customer_id]
columns:
  customer_id: string
  orders: bigint
cases:
  - name: small amounts do not count
    params: {least: 1.50, tiers: [gold, silver]}
    given:
      sales:
        - {customer_id: C-1, amount: 2.00}
        - {customer_id: C-1, amount: 1.50}
    expect:
      - {customer_id: C-1, orders: 1}
"""
CHECK_SQL = "SELECT order_id, amount < 0 AS negative_amount FROM batch_orders"
CHECK_TWIN = """\
kind: check
description: Orders.
grain: one row per order
key: [order_id]
columns:
  order_id: string
rules:
  negative_amount:
    severity: high
    action: hold
    description: The amount is below 0.
    key: [order_id]
cases: []
"""
SALES = (
    Column("customer_id", "string"),
    Column("amount", "decimal(18,2)"),
    Column("sold_at", "timestamp"),
    Column("pieces", "bigint"),
)


def model(name: str = "customer_sales", sql: str = SQL, twin: str = TWIN) -> Model:
    return parse_model(sql, twin, f"models/{name}.sql")


def refused(sql: str | None = SQL, twin: str | None = TWIN) -> ModelError:
    with pytest.raises(ModelError) as caught:
        parse_model(sql, twin, "models/customer_sales.sql")
    return caught.value


def view(name: str, *reads: str) -> Model:
    twin = "kind: view\ndescription: d\ngrain: g\nkey: []\ncolumns: {x: string}\ncases: []\n"
    return parse_model(f"SELECT a.x FROM {' CROSS JOIN '.join([f'{reads[0]} a', *reads[1:]])}", twin, f"m/{name}.sql")


def test_a_model_is_its_select_and_what_its_twin_says() -> None:
    read = model()
    assert (read.name, read.kind, read.description) == ("customer_sales", "table", "What each customer bought.")
    assert read.sql == SQL.strip().rstrip(";")
    assert (read.key, read.inputs, read.path) == (("customer_id",), ("sales",), "models/customer_sales.sql")
    assert read.columns == (Column("customer_id", "string", nullable=False), Column("orders", "bigint"))
    assert read.cases[0].params == {"least": Decimal("1.50"), "tiers": ("gold", "silver")}
    assert read.cases[0].line == 11


def test_the_rules_of_a_check_are_boolean_columns_after_those_shown() -> None:
    read = model("check_orders", CHECK_SQL, CHECK_TWIN)
    assert read.columns == (Column("order_id", "string"), Column("negative_amount", "boolean"))
    rule = CheckRule("negative_amount", "high", "hold", "The amount is below 0.", ("order_id",))
    assert read.rules == (rule,)
    reporting = CHECK_TWIN.replace("    action: hold\n", "")
    assert model("check_orders", CHECK_SQL, reporting).rules[0].action == "report"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("grain:", "grian:", 5, "unknown key `grian`"),
        ("kind: table", "kind: tabel", 1, "`tabel` is not possible here"),
        ("kind: table", "kind: check", 1, "a check has `rules`"),
        ("  orders: bigint", "  orders: int", 9, "`int` is not a type"),
        ("  orders: bigint", "  Orders: bigint", 9, "`Orders` is not a name"),
        ("key: [customer_id]", "key: [customer]", 6, "`customer` is not possible here"),
        ("orders: 1}", "order: 1}", 18, "unknown key `order`"),
        ("name: small", "nmae: small", 11, "unknown key `nmae`"),
        ("amount: 2.00", "amount: [2.00]", 15, "one value is needed here"),
    ],
)
def test_a_typo_in_a_twin_is_named_with_its_line(old: str, new: str, line: int, said: str) -> None:
    error = refused(twin=TWIN.replace(old, new, 1))
    assert (error.file, error.line) == ("models/customer_sales.yml", line)
    assert said in error.message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("severity: high", "severity: hihg", "`hihg` is not possible here"),
        ("action: hold", "action: stop", "`stop` is not possible here"),
        ("    key: [order_id]", "    key: [id]", "`id` is not possible here"),
        ("kind: check", "kind: view", "a check has `rules`"),
    ],
)
def test_a_typo_in_a_rule_is_named(old: str, new: str, said: str) -> None:
    assert said in refused(CHECK_SQL, CHECK_TWIN.replace(old, new, 1)).message


def test_a_model_without_its_twin_says_which_file_is_missing() -> None:
    alone = refused(twin=None)
    assert (alone.file, alone.message) == ("models/customer_sales.sql", "there is no customer_sales.yml")
    other = refused(sql=None)
    assert (other.file, other.message) == ("models/customer_sales.yml", "there is no customer_sales.sql")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (SQL.replace("AS orders", "AS order_count"), "selects `order_count` where the twin declares `orders`"),
        (SQL.replace(", count(*) AS orders", ""), "selects 1 columns, the twin declares 2"),
        (SQL.replace("count(*)", "avg(amount)"), "avg() is not on the list"),
        (SQL.replace("FROM", "FORM"), "Unexpected token"),
    ],
)
def test_sql_that_is_not_what_the_twin_declares_is_refused_with_its_file(sql: str, said: str) -> None:
    error = refused(sql=sql)
    assert error.file == "models/customer_sales.sql"
    assert said in error.message


def test_models_come_after_the_models_they_read_whatever_the_order_given() -> None:
    models = [view("a", "b", "orders"), view("b", "c"), view("c", "orders"), view("d", "orders")]
    for given_order in (models, models[::-1]):
        names = [each.name for each in ordered(given_order)]
        assert sorted(names) == ["a", "b", "c", "d"]
        assert names.index("c") < names.index("b") < names.index("a")
    assert ordered(models) == ordered(models[::-1])


def test_models_that_read_each_other_and_models_of_one_name_are_refused() -> None:
    with pytest.raises(ModelError, match="read each other: ") as circle:
        ordered([view("a", "b"), view("b", "c"), view("c", "a")])
    assert circle.value.code == "model_circle"
    with pytest.raises(ModelError, match="defines a too"):
        ordered([view("a", "orders"), view("a", "orders")])
    with pytest.raises(ModelError, match="a <- a"):
        ordered([view("a", "a")])


def in_duckdb(relations: dict[str, str], query: str) -> list[tuple[object, ...]]:
    with bare_duck() as duck:
        for name, sql in relations.items():
            duck.execute(f"CREATE TABLE {name} AS {compile_sql(sql, 'duckdb')}")
        return duck.execute(query).fetchall()


def case(given_rows: object, expect: object = (), relation: str = "sales") -> Case:
    return Case("a case", {relation: tuple(given_rows)}, tuple(expect), {}, "models/m.yml", 7)  # type: ignore[arg-type]


def test_the_rows_of_a_case_have_their_relations_types_and_null_where_they_are_silent() -> None:
    rows = [{"customer_id": "O'Neil \\ ${x}", "amount": 7}, {"sold_at": "2025-01-15 10:00"}, {}]
    relations = case_relations(case(rows), {"sales": SALES, "other": SALES})
    found = in_duckdb(relations, "SELECT customer_id, CAST(amount AS VARCHAR), CAST(sold_at AS VARCHAR) FROM sales")
    assert found == [("O'Neil \\ ${x}", "7.00", None), (None, None, "2025-01-15 10:00:00+00"), (None, None, None)]
    types = "SELECT DISTINCT typeof(customer_id), typeof(amount), typeof(sold_at) FROM sales"
    assert in_duckdb(relations, types) == [("VARCHAR", "DECIMAL(18,2)", "TIMESTAMP WITH TIME ZONE")]
    assert in_duckdb(relations, "SELECT count(*) FROM other") == [(0,)]


@given(text=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_any_text_survives_as_a_value_of_a_case(text: str) -> None:
    relations = case_relations(case([{"customer_id": text}]), {"sales": SALES})
    assert in_duckdb(relations, "SELECT customer_id FROM sales") == [(text,)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"custmer_id": "C-1"}], "unknown column `custmer_id`"),
        ([{"customer_id": 1}], "a value of `customer_id` is not a string"),
        ([{"amount": "1.00"}], "a value of `amount` is not a decimal(18,2)"),
        ([{"amount": True}], "a value of `amount` is not a decimal(18,2)"),
        ([{"pieces": Decimal("1.5")}], "a value of `pieces` is not a bigint"),
        ([{"pieces": True}], "a value of `pieces` is not a bigint"),
        ([{"sold_at": "yesterday"}], "a value of `sold_at` is not a timestamp"),
        ([{"sold_at": 5}], "a value of `sold_at` is not a timestamp"),
    ],
)
def test_a_row_that_does_not_fit_its_relation_is_refused_with_the_line_of_the_case(rows: object, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        case_relations(case(rows), {"sales": SALES})
    assert (caught.value.file, caught.value.line) == ("models/m.yml", 7)
    assert said in caught.value.message


def test_a_case_for_a_relation_that_the_model_does_not_read_is_refused() -> None:
    with pytest.raises(ModelError, match="does not read `slaes`"):
        case_relations(case([{"customer_id": "C-1"}], relation="slaes"), {"sales": SALES})


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ([{"customer_id": "C-1", "orders": 2}, {"orders": 1}], []),
        ([{"orders": 1}, {"orders": 2}], []),
        ([{"customer_id": "C-1", "orders": 3}, {"orders": 1}], [("C-1", 2, 1), ("C-1", 3, -1)]),
        ([{"customer_id": "C-1", "orders": 2}], [(None, 1, 1)]),
        ([{"customer_id": "C-1", "orders": 2}, {"orders": 1}, {"orders": 1}], [(None, 1, -1)]),
        ([], [("C-1", 2, 1), (None, 1, 1)]),
    ],
)
def test_a_result_differs_from_what_is_expected_by_the_rows_too_many_and_too_few(
    expect: object, difference: list[tuple[object, ...]]
) -> None:
    rows = [{"customer_id": "C-1", "amount": 2}, {"customer_id": "C-1", "amount": 3}, {"amount": 4}, {"amount": 1}]
    tested = case(rows, expect)
    query = compile_sql(case_difference(model(), tested), "duckdb", {"least": 1})
    found = in_duckdb(case_relations(tested, {"sales": SALES}), query)
    assert sorted(found, key=repr) == sorted(difference, key=repr)
