"""What the SQL dialect allows, and that each function of it gives the same on every engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
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

    def over(self, call: str, of: Mapping[str, str], rows: Sequence[Sequence[object]]) -> list[object]:
        """The call over a table of typed rows, in their order."""
        cells = [", ".join(map(literal, row, of.values())) for row in rows]
        given_rows = ", ".join(f"({n}, {row})" for n, row in enumerate(cells))
        table = f"(SELECT * FROM VALUES {given_rows} AS t(i, {', '.join(of)})) AS g"
        return [y for _, y in self.rows(f"SELECT i, {call} AS y FROM {table} ORDER BY i")]

    def value(self, expression: str, params: Mapping[str, object] | None = None) -> object:
        return self.rows(f"SELECT {expression} AS y", params)[0][0]


def duck(request: pytest.FixtureRequest) -> Iterator[Engine]:
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "threads": "1"}
    )
    connection.execute("SET timezone = 'UTC'")
    yield Engine("duckdb", lambda sql: connection.execute(sql).fetchall())
    connection.close()


def spark(request: pytest.FixtureRequest) -> Iterator[Engine]:
    session = request.getfixturevalue("spark_session")
    # Otherwise literals are computed while planning, and the code that runs over tables is never met.
    rules = "spark.sql.optimizer.excludedRules"
    session.conf.set(rules, "org.apache.spark.sql.catalyst.optimizer.ConvertToLocalRelation")
    yield Engine("spark", lambda sql: [tuple(row) for row in session.sql(sql).collect()])
    session.conf.unset(rules)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(duck, id="duckdb"),
        pytest.param(spark, id="spark", marks=[pytest.mark.slow, pytest.mark.spark]),
    ],
)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    yield from request.param(request)


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
    instants = group.get("instants", False)
    call = f"micros({group['call']})" if instants else group["call"]
    found = engine.over(call, group["of"], [row[:-1] for row in group["gives"]])
    assert [[*row[:-1], shown(y, instants)] for row, y in zip(group["gives"], found, strict=True)] == group["gives"]


@pytest.mark.parametrize("group", [group for group in GROUPS if "query" in group], ids=title)
def test_a_query_gives_what_its_case_says(engine: Engine, group: dict[str, Any]) -> None:
    assert [[shown(value) for value in row] for row in engine.rows(group["query"])] == group["rows"]


def test_every_function_has_cases() -> None:
    text = " ".join(str(group.get("call") or group["query"]) for group in GROUPS)
    assert sorted(set(FUNCTIONS) - set(re.findall(r"\b([a-z_0-9]+)\(", text))) == []


amounts = st.integers(-(10**22) + 1, 10**22 - 1).map(lambda n: Decimal(n).scaleb(-6))
small_amounts = st.integers(-(10**4), 10**4).map(lambda n: Decimal(n).scaleb(-6))


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(amounts | small_amounts, amounts | small_amounts), min_size=60, max_size=100))
@pytest.mark.parametrize("scale", [0, 4, 10])
def test_ratio_is_the_exact_quotient_rounded_half_away_from_zero(
    engine: Engine, scale: int, pairs: list[tuple[Decimal, Decimal]]
) -> None:
    halves = [(b * (2 * n + 1), b * 2 * 10**scale) for n, (_, b) in enumerate(pairs[:20]) if abs(b) < Decimal(1)]
    kept = [(a, b) for a, b in pairs + halves if not b or abs(a / b) < 10 ** (18 - scale)]
    of = {"a": "decimal(22,6)", "b": "decimal(22,6)"}
    found = engine.over(f"ratio(a, b, {scale})", of, [[f"{a:f}", f"{b:f}"] for a, b in kept])
    assert found == [exact_ratio(a, b, scale) for a, b in kept]


def exact_ratio(a: Decimal, b: Decimal, scale: int) -> Decimal | None:
    with localcontext(prec=120):
        return (a / b).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP) if b else None


CHANGES = (
    datetime(2025, 3, 9, 2),
    datetime(2025, 11, 2, 2),
    datetime(2025, 3, 30, 2),
    datetime(2025, 10, 26, 3),
    datetime(2025, 4, 6, 2),
    datetime(2025, 10, 5, 2),
    datetime(1996, 10, 27, 3),
)
walls = st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1)) | st.builds(
    lambda change, minutes: change + timedelta(minutes=minutes), st.sampled_from(CHANGES), st.integers(-400, 400)
)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(walls, min_size=60, max_size=100))
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
def test_a_local_time_is_the_instant_python_says_and_back(engine: Engine, zone: str, times: list[datetime]) -> None:
    instants = [time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for time in times]
    texts = [[time.isoformat(" ")] for time in times]
    expected = [(instant - EPOCH) // timedelta(microseconds=1) for instant in instants]
    assert engine.over(f"micros(parse_timestamp(a, '{zone}'))", {"a": "string"}, texts) == expected
    walls_back = [instant.astimezone(ZoneInfo(zone)) for instant in instants]
    stamps = [[instant.isoformat()] for instant in instants]
    assert engine.over(f"local_date(t, '{zone}')", {"t": "timestamp"}, stamps) == [wall.date() for wall in walls_back]
    assert engine.over(f"local_hour(t, '{zone}')", {"t": "timestamp"}, stamps) == [wall.hour for wall in walls_back]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
@example("it's \\ a `\"\n\t%_ \\u0041 \\' -- /* ${env:HOME} $${x} :name ? ")
def test_a_text_parameter_arrives_as_it_is(engine: Engine, text: str) -> None:
    assert engine.rows("SELECT :text AS a, :text IN (:list) AS b", {"text": text, "list": ("x", text)}) == [
        (text, True)
    ]


def test_a_text_that_looks_like_the_slot_of_another_parameter_is_only_text(engine: Engine) -> None:
    sly = '"\x01other\x01" `\x01other\x01`'
    params = {"text": sly, "list": (sly,), "other": "' OR TRUE --"}
    assert engine.rows("SELECT :text, :text IN (:list), :other IN :list", params) == [(sly, True, False)]


def test_parameters_of_every_type_are_typed_literals(engine: Engine) -> None:
    params: dict[str, object] = {
        "text": "x",
        "whole": -7,
        "long": -(2**63),
        "rate": Decimal("-0.30"),
        "thousand": Decimal("1E+3"),
        "day": date(2025, 1, 15),
        "moment": datetime(2025, 1, 15, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=2))),
        "yes": True,
        "nothing": None,
        "tiers": ("gold", "it's"),
        "none": (),
        "zone": "Europe/Berlin",
        "scale": 2,
    }
    sql = """
        SELECT :text, 1 - :whole, :long, text(:rate), text(:thousand * 1), :day, micros(:moment), :yes, :nothing,
        'gold' IN :tiers, 'silver' IN (:tiers), 'x' IN :none, 'x' NOT IN (:none), local_hour(:moment, :zone),
        ratio(1, 3, :scale), CAST(:nothing AS bigint)
    """
    assert engine.rows(sql, params) == [
        (
            *("x", 8, -(2**63), "-0.30", "1000", date(2025, 1, 15), 1736935200000001, True, None),
            *(True, False, False, True, 11, Decimal("0.33"), None),
        )
    ]


@pytest.mark.parametrize(
    "value",
    [1.5, datetime(2025, 1, 15), 2**63, Decimal("NaN"), (1, 2), ["x"], b"x"],
    ids=lambda value: repr(value)[:20],
)
def test_a_parameter_without_an_exact_literal_is_refused(value: object) -> None:
    with pytest.raises(ModelError, match="parameter :p is a "):
        compile_sql("SELECT :p", "duckdb", {"p": value})


def test_equal_parameters_of_different_type_or_scale_are_different_queries() -> None:
    compiled = [compile_sql("SELECT :p", "duckdb", {"p": p}) for p in (1, True, Decimal("1"), Decimal("1.0"))]
    assert len(set(compiled)) == 4


def test_a_list_parameter_stands_only_where_a_list_can() -> None:
    with pytest.raises(ModelError, match="parameter :p is a list"):
        compile_sql("SELECT :p", "duckdb", {"p": ("x",)})
    with pytest.raises(ModelError, match="parameter :q has no value"):
        compile_sql("SELECT :q", "duckdb", {"p": "x"})


REFUSED = {
    "SELECT * FROM read_csv('/etc/passwd')": "read_csv() is not on the list",
    "SELECT * FROM query_table('orders')": "query_table() is not on the list",
    "SELECT * FROM `orders.csv`": "not the plain name",
    "SELECT * FROM parquet.`/data/orders`": "not the plain name",
    "SELECT * FROM other.orders": "not the plain name",
    "SELECT * FROM 'orders.csv'": "is not the plain name",
    "SELECT * FROM range(3)": "range() is not on the list",
    "SELECT a / b FROM t": "div is not on the list",
    "SELECT a % b FROM t": "mod is not on the list",
    "SELECT a || b FROM t": "dpipe is not on the list",
    "SELECT avg(a) FROM t": "avg() is not on the list",
    "SELECT concat(a, b) FROM t": "concat() is not on the list",
    "SELECT current_date": "currentdate is not on the list",
    "SELECT now()": "now() is not on the list",
    "SELECT rand()": "rand() is not on the list",
    "SELECT date_format(d, 'yyyy') FROM t": "date_format() is not on the list",
    "SELECT extract(YEAR FROM d) FROM t": "extract is not on the list",
    "SELECT CAST(a AS string) FROM t": "a cast to string",
    "SELECT CAST(a AS double) FROM t": "a cast to double",
    "SELECT CAST(a AS int) FROM t": "a cast to int",
    "SELECT CAST(a AS decimal) FROM t": "a decimal without precision and scale",
    "SELECT CAST(a AS timestamp) FROM t": "a cast to timestamp",
    "SELECT CAST(a AS date) FROM t": "a cast to date",
    "SELECT CAST('2025-02-30' AS date)": "a cast to date",
    "SELECT TIMESTAMP '2025-01-15 00:00:00'": "a cast to timestamp",
    "SELECT try_cast(a AS timestamp) FROM t": "a cast to timestamp",
    "SELECT 1e3": "not an exact number",
    "SELECT 2.5D": "a cast to double",
    "SELECT a LIKE 'x%' FROM t": "like is not on the list",
    "SELECT INTERVAL 1 DAY": "interval is not on the list",
    "SELECT m['k'] FROM t": "bracket is not on the list",
    "SELECT transform(a, x -> x) FROM t": "transform",
    "SELECT a FROM t QUALIFY row_number() OVER (ORDER BY a) = 1": "qualify is not on the list",
    "SELECT DISTINCT ON (a) b FROM t": "distinct with on",
    "SELECT count(DISTINCT a, b) FROM t": "count(DISTINCT) takes one value",
    "SELECT sum(*) FROM t": "sum(*)",
    "SELECT /*+ BROADCAST(t) */ a FROM t": "hint is not on the list",
    "SELECT a FROM t TABLESAMPLE (10 PERCENT)": "tablesample is not on the list",
    "SELECT a FROM t NATURAL JOIN u": "join with method",
    "SELECT a FROM t GROUP BY ALL": "group with all",
    "SELECT a FROM t GROUP BY ROLLUP (a)": "rollup is not on the list",
    "WITH RECURSIVE c AS (SELECT 1) SELECT * FROM c": "with with recursive",
    "SELECT * REPLACE (1 AS a) FROM t": "star with replace",
    "SELECT a FROM t LATERAL VIEW explode(b) e AS c": "lateral is not on the list",
    "SELECT system.lower(a) FROM t": "qualified name",
    "SELECT a IN b FROM t": "IN without parentheses",
    "SELECT ?": "a parameter without a name",
    "SELECT ratio(a, b) FROM t": "ratio() with 2 arguments",
    "SELECT ratio(a, b, c) FROM t": "argument 3 of ratio() must be a literal",
    "SELECT ratio(a, b, 11) FROM t": "whole number from 0 to 10",
    "SELECT local_date(t, 'Berlin') FROM x": "Berlin is not a time zone",
    "SELECT local_date(t, '+02:00') FROM x": "not a time zone",
    "SELECT local_date(t, z) FROM x": "argument 2 of local_date() must be a literal",
    "SELECT parse_date(a, 'dd.MM.yy') FROM t": "is not a pattern",
    "SELECT parse_date(a, 'dd.MM') FROM t": "is not a pattern",
    "SELECT parse_date(a, 'dd.dd.MM.yyyy') FROM t": "is not a pattern",
    "SELECT parse_date(a, 'd.dd.MM.yyyy') FROM t": "is not a pattern",
    "SELECT parse_date(a, 'Mdyyyy') FROM t": "needs separators around it",
    "SELECT parse_date(a, 'M/d/yyyy H:mm') FROM t": "a pattern of a time",
    "SELECT parse_date(a, 'dd.MM.yyyy HH:mm') FROM t": "a pattern of a time",
    "SELECT parse_timestamp(a, 'UTC', 'hh:mm dd.MM.yyyy') FROM t": "is not a pattern",
    "SELECT parse_decimal(a, 2, 3, '.') FROM t": "s <= p",
    "SELECT parse_decimal(a, 39, 3, '.') FROM t": "whole number from 1 to 38",
    "SELECT parse_decimal(a, 10, 2, ';') FROM t": "a mark of '.' or ','",
    "SELECT substr(a, 0) FROM t": "whole number from 1",
    "SELECT substr(a, -1) FROM t": "must be a literal",
    "SELECT split_part(a, '', 1) FROM t": "separator",
    "SELECT sha2(a, 512) FROM t": "whole number from 256",
    "SELECT map('a') FROM t": "map() with 1 arguments",
    "SELECT matches(a, 'a.c') FROM t": "not a simple regular expression",
    "SELECT matches(a, 'a+?') FROM t": "not a simple regular expression",
    "SELECT matches(a, 'a++') FROM t": "not a simple regular expression",
    "SELECT matches(a, '(?i)a') FROM t": "not a simple regular expression",
    "SELECT matches(a, '(?=a)') FROM t": "not a simple regular expression",
    "SELECT matches(a, '(a)\\\\1') FROM t": "not a simple regular expression",
    "SELECT matches(a, '\\\\bx') FROM t": "not a simple regular expression",
    "SELECT matches(a, '[a&&b]') FROM t": "not a simple regular expression",
    "SELECT matches(a, '[[:alpha:]]') FROM t": "not a simple regular expression",
    "SELECT matches(a, '(a') FROM t": "not a regular expression",
    "SELECT matches(a, b) FROM t": "argument 2 of matches() must be a literal",
    "DROP TABLE orders": "drop is not a query",
    "COPY orders TO 'x.csv'": "copy is not a query",
    "INSERT INTO t SELECT 1": "insert is not a query",
    "CREATE TABLE t AS SELECT 1": "create is not a query",
    "SET x = 1": "set is not a query",
    "SELECT 1; SELECT 2": "2 statements where one is needed",
    "": "0 statements where one is needed",
    "SELECT (": "",
    "SELECT 'x": "",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000: "nested too deeply",
}


@pytest.mark.parametrize("sql", REFUSED, ids=lambda sql: sql[:50])
def test_what_is_not_on_the_list_is_refused(sql: str) -> None:
    with pytest.raises(ModelError) as refused:
        compile_sql(sql, "duckdb")
    assert REFUSED[sql] in refused.value.message


def test_a_refusal_says_where_and_what_to_write_instead() -> None:
    with pytest.raises(ModelError) as refused:
        compile_sql("SELECT customer_id,\n       avg(order_amount) AS a\nFROM orders", "duckdb")
    assert (refused.value.code, refused.value.line, refused.value.column) == ("sql_refused", 2, 8)
    assert refused.value.hint == "ratio(sum(x), count(x), scale) is the exact average."


def test_names_in_backticks_stay_names(engine: Engine) -> None:
    assert engine.rows("SELECT `order`.`total amount` FROM (SELECT 1 AS `total amount`) AS `order`") == [(1,)]


def test_an_argument_keeps_its_meaning_inside_a_macro(engine: Engine) -> None:
    assert engine.value("ratio(1 + 2, 4 - 2, 1) * 2") == Decimal("3.0")
    assert engine.value("days_between(add_days(DATE '2025-01-01', 1 + 1), DATE '2025-01-01') * 2") == 4
    assert engine.value("day_of_week(DATE '2025-01-15') * 2") == 8
    assert engine.value("micros(add_days_ts(from_micros(0), 1 + 1))") == 2 * 86_400_000_000
    assert engine.value("-:n + 1", {"n": -7}) == 8
    assert engine.value("lower(if(TRUE OR FALSE, 'A', 'B')) = 'a' AND NOT matches('a', '^b$')") is True
    assert engine.value("ratio(ratio(1, 8, 3), ratio(-1, 3, 2), 2)") == Decimal("-0.38")


def test_the_relations_of_a_query_are_named_in_order_without_its_ctes() -> None:
    sql = """
        WITH orders AS (SELECT * FROM orders), paid AS (SELECT * FROM orders JOIN `payments` p USING (order_id))
        SELECT * FROM paid LEFT ANTI JOIN Customers AS c ON paid.customer_id = c.customer_id
        WHERE EXISTS (WITH x AS (SELECT * FROM paid) SELECT 1 FROM x, shipping) AND id IN (SELECT id FROM x)
        UNION ALL SELECT * FROM payments
    """
    assert tables_of(sql) == ("orders", "payments", "Customers", "shipping", "x")


@pytest.mark.parametrize(
    "sql",
    [
        "order_status <> 'cancelled' AND order_amount > 0.01",
        "coalesce(quantity, 1) BETWEEN 1 AND 10 OR matches(phone, '^[0-9]+$')",
        "CASE WHEN launch_date > DATE '2025-01-01' THEN token(category) IN ('a', 'b') ELSE TRUE END",
        "NOT (email IS NULL) AND NOT email <=> ''",
    ],
)
def test_a_rule_may_be_an_expression_over_its_record(sql: str) -> None:
    check_expression(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "amount > (SELECT max(amount) FROM orders)",
        "amount IN (SELECT amount FROM orders)",
        "EXISTS (SELECT 1 FROM orders)",
        "sum(amount) > 1",
        "row_number() OVER (ORDER BY amount) = 1",
        "lag(amount) > 1",
        "amount > :limit",
        "TRUE) OR (TRUE",
        "TRUE; DROP TABLE orders",
        "TRUE UNION SELECT 1",
        "amount AS a",
        "a, b",
        "*",
        "read_csv('x') = 1",
        "order_date < current_date",
        "",
    ],
)
def test_a_rule_sees_one_record_and_no_clock(sql: str) -> None:
    with pytest.raises(ModelError):
        check_expression(sql)


def test_the_document_lists_exactly_the_functions() -> None:
    listed = re.findall(r"^\| `(.+?)` \| (.+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted((function.signature, function.doc) for function in FUNCTIONS.values())
