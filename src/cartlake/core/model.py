"""Models: one SELECT in a `.sql` file that defines one table, view or check, and its YAML twin that says what it means.

The twin declares the columns with their types, in the order of the SELECT, and cases: given these rows, expect those.
A case becomes SQL here, so that whoever runs it needs nothing but an engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePath
from typing import Literal, cast, get_args

from cartlake.core.closest import closest
from cartlake.core.dialect import columns_of, tables_of
from cartlake.core.table import BIGINT, BOOLEAN, DATE, STRING, TIMESTAMP, Column
from cartlake.core.yamltext import Node, Scalar, load
from cartlake.errors import ModelError

Kind = Literal["table", "view", "check"]
Severity = Literal["high", "medium", "low"]
Action = Literal["report", "hold"]
GivenRow = Mapping[str, Scalar]
ParameterValue = Scalar | tuple[str, ...]

# Relations that neither a contract nor a model nor the ledger defines: whoever runs a model binds them.
PUBLICATION = (Column("publication_id", BIGINT), Column("as_of_date", DATE), Column("published_at", TIMESTAMP))
BATCH_COUNTS = (
    Column("feed", STRING),
    *(Column(name, BIGINT) for name in ("rows_in", "rows_staged", "rows_quarantined", "rows_duplicate")),
)
EARLIER_COUNTS = (Column("batch_id", STRING), Column("batch_date", DATE), *BATCH_COUNTS)

_TYPE = re.compile(r"string|bigint|date|timestamp|boolean|decimal\((?:[1-9]|[12]\d|3[0-8]),(?:\d|[12]\d|3[0-8])\)")
_NAME = re.compile(r"_?[a-z][a-z0-9_]*")
_REQUIRED = ("kind", "description", "grain", "key", "columns", "cases")


@dataclass(frozen=True)
class CheckRule:
    """A cross-table rule. The check has a boolean column named `code`: TRUE fails, FALSE passes, NULL does not apply.
    `key` are the columns that `sample_keys` shows of a row that failed."""

    code: str
    severity: Severity
    action: Action
    description: str
    key: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """With the rows of `given` in the relations and nothing in the others, the model has exactly the rows of `expect`,
    compared in the columns that `expect` names. A column that a row omits is NULL. `params` override the settings."""

    name: str
    given: Mapping[str, tuple[GivenRow, ...]]
    expect: tuple[GivenRow, ...]
    params: Mapping[str, ParameterValue]
    path: str
    line: int


@dataclass(frozen=True)
class Model:
    """`sql` is one SELECT in our dialect; `columns` are its result, for a check the shown columns and then a boolean
    for each rule. `key` is unique in the result: empty where there is one row, or where a check has several grains."""

    name: str
    kind: Kind
    sql: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[CheckRule, ...]
    cases: tuple[Case, ...]
    path: str

    @property
    def is_shipped(self) -> bool:
        """Whether it is the package's own; those of a project have a path in its folder `models`."""
        return self.path == f"{self.name}.sql"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The relations that the SELECT reads, sorted."""
        return tuple(sorted(tables_of(self.sql)))


@lru_cache(maxsize=256)  # a lake is opened often in one process, and its texts are the same
def parse_model(sql_text: str | None, yaml_text: str | None, path: str) -> Model:
    """The model of `<name>.sql` (`path`) and its twin `<name>.yml`; None says that there is no such file.
    Raises ModelError with file and line."""
    sql_path, twin_path = (str(PurePath(path).with_suffix(suffix)) for suffix in (".sql", ".yml"))
    if sql_text is None or yaml_text is None:
        there, missing = (sql_path, twin_path) if yaml_text is None else (twin_path, sql_path)
        hint = "A model is a `.sql` file and a `.yml` file of the same name."
        raise ModelError("model_twin_missing", f"there is no {PurePath(missing).name}", file=there, hint=hint)
    root = load(yaml_text, twin_path, error=ModelError, code="model_invalid")
    twin = root.mapping((*_REQUIRED, "rules"), _REQUIRED)
    kind = cast(Kind, twin["kind"].one_of(get_args(Kind)))
    if (kind == "check") != ("rules" in twin):
        raise twin["kind"].fail("a check has `rules`, and nothing else has")
    shown = _columns(twin["columns"])
    rules = tuple(_rule(code, node, shown) for code, node in _entries(twin["rules"])) if "rules" in twin else ()
    key = _names(twin["key"], shown)
    columns = (
        *(replace(column, nullable=kind != "table" or column.name not in key) for column in shown),
        *(Column(rule.code, BOOLEAN) for rule in rules),
    )
    _require_result(sql_text, sql_path, columns)
    description = " ".join(twin["description"].text().split())
    cases = tuple(_case(node, columns) for node in twin["cases"].items())
    name, sql, grain = PurePath(path).stem, sql_text.strip().rstrip(";"), twin["grain"].text()
    return Model(name, kind, sql, description, grain, key, columns, rules, cases, sql_path)


def ordered(models: Iterable[Model]) -> tuple[Model, ...]:
    """The models, each after those it reads, in an order that depends on nothing else. Raises ModelError for a circle
    or a name twice."""
    by_name: dict[str, Model] = {}
    for model in sorted(models, key=lambda each: (each.name, each.path)):
        if model.name in by_name:
            raise ModelError("model_twice", f"{by_name[model.name].path} defines {model.name} too", file=model.path)
        by_name[model.name] = model
    reads = {name: [read for read in model.inputs if read in by_name] for name, model in by_name.items()}
    try:
        return tuple(by_name[name] for name in TopologicalSorter(reads).static_order())
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        raise ModelError(
            "model_circle", f"these models read each other: {' <- '.join(circle)}", file=by_name[circle[0]].path
        ) from None


def case_relations(case: Case, types: Mapping[str, tuple[Column, ...]]) -> dict[str, str]:
    """A SELECT in our dialect for each relation of `types`: the rows that `case` gives it, or none. Raises ModelError
    for a relation or column that `types` does not know and for a value that is not of its column's type."""
    for relation in case.given:
        if relation not in types:
            raise _wrong(case, f"this model does not read `{relation}`", closest(relation, types))
    return {relation: _relation(case, case.given.get(relation, ()), columns) for relation, columns in types.items()}


def case_difference(model: Model, case: Case) -> str:
    """A SELECT over the case's relations: the rows in which the model's result differs from `case.expect`, none if it
    is as expected. `_surplus` says how often a row is there too many (positive) or too few times (negative)."""
    named = {name for row in case.expect for name in row}
    columns = tuple(column for column in model.columns if not named or column.name in named)
    names = ", ".join(column.name for column in columns)
    return (
        f"SELECT {names}, sum(_side) AS _surplus FROM ("
        f"SELECT {names}, 1 AS _side FROM (\n{model.sql}\n) AS actual UNION ALL "
        f"SELECT {names}, -1 AS _side FROM ({_relation(case, case.expect, columns)}) AS expected"
        f") AS compared GROUP BY {names} HAVING sum(_side) <> 0"
    )


def _relation(case: Case, rows: tuple[GivenRow, ...], columns: tuple[Column, ...]) -> str:
    names = {column.name for column in columns}
    for name in (name for row in rows for name in row):
        if name not in names:
            raise _wrong(case, f"unknown column `{name}`", closest(name, names))
    selects = [", ".join(f"{_literal(case, row.get(c.name), c)} AS {c.name}" for c in columns) for row in rows or ({},)]
    return " UNION ALL ".join(f"SELECT {select}" for select in selects) + ("" if rows else " WHERE 1 = 0")


def _literal(case: Case, value: Scalar, column: Column) -> str:
    if value is None:
        return f"CAST(NULL AS {column.type})"
    try:
        return _exact(value, column.type)
    except ValueError:
        raise _wrong(case, f"a value of `{column.name}` is not a {column.type}", None) from None


def _exact(value: str | int | Decimal | bool, kind: str) -> str:
    """The value in our dialect, of type `kind`; ValueError if it is not one."""
    match kind, value:
        case "boolean", bool():
            return str(value).upper()
        case "string", str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case "date", str():
            return f"DATE '{date.fromisoformat(value)}'"
        case "timestamp", str():
            at = datetime.fromisoformat(value)
            since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
            return f"from_micros({(since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds})"
        case _ if _is_number(value, kind):
            return f"CAST({value} AS {kind})"
    raise ValueError(kind)


def _is_number(value: object, kind: str) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole if kind == BIGINT else kind.startswith("decimal") and (whole or isinstance(value, Decimal))


def _wrong(case: Case, message: str, hint: str | None) -> ModelError:
    return ModelError("model_case_invalid", f"{case.name}: {message}", file=case.path, line=case.line, hint=hint)


def _entries(node: Node) -> Iterable[tuple[str, Node]]:
    """The entries of a mapping whose keys are names of our choice."""
    known = tuple(node.keys)
    for name in known:
        if not _NAME.fullmatch(name):
            raise node.keys[name].fail(f"`{name}` is not a name", "Names are lower case: letters, digits, `_`.")
    return node.mapping(known).items()


def _columns(node: Node) -> tuple[Column, ...]:
    return tuple(Column(name, _type(value)) for name, value in _entries(node))


def _type(node: Node) -> str:
    if not _TYPE.fullmatch(node.text()):
        raise node.fail(
            f"`{node.text()}` is not a type", "Types are string, bigint, decimal(p,s), date, timestamp, boolean."
        )
    return node.text()


def _names(node: Node, columns: tuple[Column, ...]) -> tuple[str, ...]:
    known = tuple(column.name for column in columns)
    return tuple(item.one_of(known) for item in node.items())


def _rule(code: str, node: Node, columns: tuple[Column, ...]) -> CheckRule:
    rule = node.mapping(("severity", "action", "description", "key"), ("severity", "description", "key"))
    return CheckRule(
        code=code,
        severity=cast(Severity, rule["severity"].one_of(get_args(Severity))),
        action=cast(Action, rule["action"].one_of(get_args(Action))) if "action" in rule else "report",
        description=" ".join(rule["description"].text().split()),
        key=_names(rule["key"], columns),
    )


def _case(node: Node, columns: tuple[Column, ...]) -> Case:
    case = node.mapping(("name", "given", "expect", "params"), ("name", "given", "expect"))
    names = tuple(column.name for column in columns)
    return Case(
        name=case["name"].text(),
        given={relation: tuple(_row(row) for row in rows.items()) for relation, rows in _entries(case["given"])},
        expect=tuple(_row(row, names) for row in case["expect"].items()),
        params={name: _parameter(value) for name, value in _entries(case["params"])} if "params" in case else {},
        path=node.place.file,
        line=node.place.line,
    )


def _row(node: Node, known: tuple[str, ...] | None = None) -> GivenRow:
    return {name: _value(value) for name, value in node.mapping(known or tuple(node.keys)).items()}


def _value(node: Node) -> Scalar:
    if isinstance(node.value, tuple | Mapping):
        raise node.fail("one value is needed here")
    return node.value


def _parameter(node: Node) -> ParameterValue:
    return node.texts() if isinstance(node.value, tuple) else _value(node)


def _require_result(sql: str, path: str, columns: tuple[Column, ...]) -> None:
    """The SQL is a query of ours that gives the declared columns in the declared order."""
    try:
        selected = columns_of(sql)
    except ModelError as error:
        error.file = path
        raise
    for name, column in zip(selected, columns, strict=False):
        if name != column.name:
            raise ModelError("model_invalid", f"selects `{name}` where the twin declares `{column.name}`", file=path)
    if len(selected) != len(columns):
        message = f"selects {len(selected)} columns, the twin declares {len(columns)}"
        raise ModelError("model_invalid", message, file=path)
