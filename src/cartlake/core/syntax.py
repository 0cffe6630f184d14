"""What SQL in this project may use: the syntax and, by the registry, the functions. Nothing else passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import NoReturn, TypeAlias

from sqlglot import exp

from cartlake.core.functions import FUNCTIONS
from cartlake.errors import ModelError

Node: TypeAlias = exp.Expr
_T = exp.DType
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?|\.[0-9]+")

# fmt: off
EXPRESSIONS: tuple[type[Node], ...] = (
    exp.Add, exp.And, exp.Anonymous, exp.Between, exp.Boolean, exp.Case, exp.Cast, exp.Column, exp.DataType,
    exp.DataTypeParam, exp.Dot, exp.EQ, exp.GT, exp.GTE, exp.Identifier, exp.If, exp.In, exp.Is, exp.LT, exp.LTE,
    exp.Literal, exp.Mul, exp.NEQ, exp.Neg, exp.Not, exp.Null, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Or, exp.Paren,
    exp.Sub, exp.TryCast,
)
QUERIES: tuple[type[Node], ...] = (
    exp.Alias, exp.CTE, exp.Distinct, exp.Except, exp.Exists, exp.Filter, exp.From, exp.Group, exp.Having,
    exp.IgnoreNulls, exp.Intersect, exp.Join, exp.Limit, exp.Order, exp.Ordered, exp.Placeholder, exp.Select, exp.Star,
    exp.Subquery, exp.Table, exp.TableAlias, exp.Tuple, exp.Union, exp.Values, exp.Where, exp.Window, exp.WindowSpec,
    exp.With,
)
# fmt: on
_ABSENT: Mapping[type[Node], tuple[str, ...]] = {
    exp.CTE: ("materialized",),
    exp.Distinct: ("on",),
    exp.Group: ("all", "totals"),
    exp.Join: ("method",),
    exp.Star: ("replace", "rename", "ilike"),
    exp.Union: ("by_name", "side", "kind"),
    exp.With: ("recursive",),
}
_CASTS = {_T.BIGINT, _T.DECIMAL}
_TRIED = {*_CASTS, _T.DATE, _T.BOOLEAN}
_TYPED_NULLS = {*_TRIED, _T.TEXT, _T.TIMESTAMPTZ, _T.MAP}
_CAST_INSTEAD = {
    _T.TEXT: "text(x) is the canonical text.",
    _T.DATE: "parse_date(text) or local_date(ts, zone) is the date.",
    _T.TIMESTAMPTZ: "parse_timestamp(text, zone), date_start(date) or from_micros(n) is the timestamp.",
    _T.BOOLEAN: "parse_boolean(text) is the boolean.",
    _T.DOUBLE: "Cast to decimal(p,s).",
    _T.FLOAT: "Cast to decimal(p,s).",
    _T.INT: "Cast to bigint.",
}
_HINTS = {
    "ratio(a, b, scale) is the exact quotient.": "div intdiv mod",
    "ratio(sum(x), count(x), scale) is the exact average.": "avg mean",
    "ratio(x, 1, scale) rounds half away from zero.": "round bround",
    "concat_ws('', a, b) joins texts and leaves NULLs out.": "concat dpipe",
    "matches(text, 'regex') takes simple regular expressions.": "like ilike rlike regexp",
    "day_of_week(date) counts from 1 = Sunday.": "dayofweek weekday",
    "days_between(later, earlier) is the number of days.": "datediff date_diff",
    "years_between(later, earlier) counts completed years.": "months_between",
    "add_days(date, n) and add_days_ts(ts, n) go on by days.": "date_add date_sub interval",
    "parse_date(text, 'pattern') is the date, NULL for what is none.": "to_date try_to_date",
    "parse_timestamp(text, zone, 'pattern') is the timestamp, NULL for what is none.": "to_timestamp try_to_timestamp",
    "local_hour(ts, zone) is the hour in a zone.": "hour",
    "month_of(date) is the month.": "month",
    "as_of_max(value, order) is the value at the greatest order.": "max_by arg_max argmax",
    "as_of_min(value, order) is the value at the smallest order.": "min_by arg_min argmin",
    "Nothing stored depends on today: take a parameter.": "currentdate currenttimestamp now current_timestamp",
    "Number the rows with row_number() in a subquery and take those wanted.": "qualify",
}
_INSTEAD = {name: hint for hint, names in _HINTS.items() for name in names.split()}


def check(query: Node, allowed: tuple[type[Node], ...]) -> None:
    for node in query.walk():
        if type(node) not in allowed:
            refuse(node, f"{node.key} is not on the list of what SQL here may use", _INSTEAD.get(node.key))
        for kind, check in _CHECKS:
            if isinstance(node, kind):
                check(node)
        for name in _ABSENT.get(type(node), ()):
            if node.args.get(name):
                refuse(node, f"{node.key} with {name} is not on the list of what SQL here may use")


def _check_function(node: Node) -> None:
    function = FUNCTIONS.get(node.name.lower())
    if function is None:
        refuse(node, f"{node.name}() is not on the list of functions", _INSTEAD.get(node.name.lower()))
    arguments = node.expressions
    if not function.takes(len(arguments)):
        refuse(node, f"{node.name}() with {len(arguments)} arguments", f"It is {function.signature}.")
    for argument in arguments:
        if isinstance(argument, exp.Distinct) and len(argument.expressions) != 1:
            refuse(node, f"{node.name}(DISTINCT) takes one value", "Count the rows of a SELECT DISTINCT instead.")
        if isinstance(argument, exp.Star) and function.name != "count":
            refuse(node, f"{node.name}(*)", f"It is {function.signature}.")


def _check_cast(node: Node) -> None:
    kind, value = node.args["to"].this, node.this
    if kind == exp.DType.DECIMAL and len(node.args["to"].expressions) != 2:
        refuse(node, "a decimal without precision and scale", "Write decimal(p,s).")
    if kind in (_TRIED if isinstance(node, exp.TryCast) else _CASTS):
        return
    if (value.is_string and kind == _T.DATE and _is_date(value.name)) or (
        isinstance(value, exp.Null) and kind in _TYPED_NULLS
    ):
        return
    refuse(node, f"a cast to {node.args['to'].sql('spark').lower()}", _CAST_INSTEAD.get(kind))


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _check_table(node: Node) -> None:
    if isinstance(node.this, exp.Identifier) and not (_NAME.fullmatch(node.name) and not node.args.get("db")):
        refuse(node, f"{node.sql('spark')} is not the plain name of a relation", "Relations have one name each.")
    if not isinstance(node.this, exp.Identifier | exp.Anonymous):
        refuse(node, "a relation must be a name")


def _check_literal(node: Node) -> None:
    if not node.is_string and not (_NUMBER.fullmatch(node.name) and len(node.name.replace(".", "").lstrip("0")) <= 38):
        refuse(node, f"{node.name} is not an exact number", "Write digits with a point, at most 38.")


def _check_shape(node: Node) -> None:
    if isinstance(node, exp.Placeholder) and not node.this:
        refuse(node, "a parameter without a name", "Write :name.")
    if isinstance(node, exp.Dot) and not isinstance(node.expression, exp.Identifier):
        refuse(node, "a function with a qualified name")
    if isinstance(node, exp.In) and not isinstance(node.args.get("field"), exp.Placeholder | None):
        refuse(node, "IN without parentheses", "Write IN (...) or IN :name.")


_CHECKS: tuple[tuple[type[Node], Callable[[Node], None]], ...] = (
    (exp.Anonymous, _check_function),
    (exp.Cast, _check_cast),
    (exp.Table, _check_table),
    (exp.Literal, _check_literal),
    (Node, _check_shape),
)


def refuse(node: Node, message: str, hint: str | None = None) -> NoReturn:
    line, column = place_of(node)
    raise ModelError("sql_refused", message, line=line, column=column, hint=hint)


def place_of(node: Node) -> tuple[int | None, int | None]:
    """Line and column of what was parsed, as far as the parser noted them."""
    placed = next((each for each in (*node.walk(), node.parent) if each is not None and "line" in each.meta), None)
    meta = placed.meta if placed is not None else {}
    return meta.get("line"), meta["col"] - (meta["end"] - meta["start"]) if meta else None


def start(node: Node) -> int:
    return int(node.this.meta.get("start", 0))


def is_cte(table: Node) -> bool:
    """Whether the name is that of a CTE in scope: one before it in its own WITH (with RECURSIVE its own, too), any of a
    WITH around it."""
    below, node = table, table.parent
    while node is not None:
        if isinstance(node, exp.With):
            ctes = node.expressions[: _place(node.expressions, below) + bool(node.args.get("recursive"))]
        else:
            around = node.args.get("with_")
            ctes = around.expressions if around and below is not around else []
        if any(cte.alias.lower() == table.name.lower() for cte in ctes):
            return True
        below, node = node, node.parent
    return False


def _place(nodes: Sequence[Node], wanted: Node) -> int:
    return next(n for n, node in enumerate(nodes) if node is wanted)


def hide_variables(query: Node) -> None:
    """Spark puts settings and environment in the place of `${name}`, also within literals."""
    for node in list(query.find_all(exp.Literal)):
        if node.is_string and "${" in node.name:
            pieces = node.name.split("${")
            node.replace(exp.Anonymous(this="concat_ws", expressions=[exp.Literal.string(""), *_split(pieces)]))


def _split(pieces: list[str]) -> Iterator[Node]:
    """`a${b` as `a$` and `{b`."""
    for n, piece in enumerate(pieces):
        head, tail = "{" if n else "", "$" if n < len(pieces) - 1 else ""
        yield exp.Literal.string(f"{head}{piece}{tail}")
