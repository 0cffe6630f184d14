"""The SQL of models and rules: Spark SQL plus the macros of `core/macros.py`, compiled for one engine.

Nothing passes that is not on a list: syntax here, functions in `core/macros.py`. Each entry means the same on both
engines; the cases in `tests/core/functions.yaml` show it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import ClassVar, cast, get_args

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.spark import Spark
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError, TokenError

from cartlake.core.functions import FUNCTIONS, Function
from cartlake.core.literals import literal_sql
from cartlake.core.macros import Target
from cartlake.core.memo import remembered
from cartlake.core.syntax import EXPRESSIONS, QUERIES, Node, check, hide_variables, is_cte, refuse, start
from cartlake.errors import ModelError

__all__ = ["FUNCTIONS", "Target", "check_expression", "columns_of", "compile_sql", "query_tree", "tables_of"]

_T = exp.DType


class _Source(Spark):
    """Spark SQL in which functions keep name and arguments as written: what they mean is in the registry."""

    class Parser(Spark.Parser):  # type: ignore[misc, valid-type]
        STRICT_CAST = True
        FUNCTIONS: ClassVar[dict[str, object]] = {}
        FUNCTION_PARSERS: ClassVar = {
            name: parse for name, parse in Spark.Parser.FUNCTION_PARSERS.items() if name.lower() not in FUNCTIONS
        }


class _DuckTemplate(DuckDB):
    """The same for DuckDB, but for functions whose IGNORE NULLS stands inside the parentheses there."""

    class Parser(DuckDB.Parser):  # type: ignore[misc, valid-type]
        FUNCTIONS: ClassVar = {
            name: DuckDB.Parser.FUNCTIONS[name] for name in ("LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE")
        }
        FUNCTION_PARSERS: ClassVar = {name: DuckDB.Parser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST")}


def compile_sql(
    sql: str,
    target: Target,
    params: Mapping[str, object] | None = None,
    bind: Callable[[str], str] | None = None,
) -> str:
    """The query `sql` in the SQL of `target`, with macros expanded and `:name` replaced by the literal of
    `params[name]` (str, int, Decimal, date, aware datetime, bool, None, or a tuple of str for IN). Texts, dates and
    times that no macro looks at are replaced by `bind(name)` instead, if it is given.

    Raises ModelError, with line and column where known, for anything but one query of listed syntax and functions.
    """
    given = params or {}
    shaping = {name for name, value in given.items() if isinstance(value, tuple)}.union(_shaping(sql))
    literals = tuple(sorted((name, literal_sql(name, given[name])) for name in shaping if name in given))
    text, mark = _compiled(sql, target, literals, tuple(sorted(given.keys() - shaping)))
    slot = f'["`]{mark}(\\w+){mark}["`]'

    def filled(found: re.Match[str]) -> str:
        name, value = found[1], given[found[1]]
        literal = literal_sql(name, value)
        return bind(name) if bind and isinstance(value, str | date) else _target_literal(literal, target)

    return re.sub(slot, filled, text)


@remembered
def tables_of(sql: str) -> tuple[str, ...]:
    """The relations that a query reads, without its CTEs, in order of first use, as written."""
    tables = sorted((table for table in _query(sql).find_all(exp.Table) if not is_cte(table)), key=start)
    return tuple(dict.fromkeys(table.name for table in tables))


def query_tree(sql: str) -> Node:
    """The parsed query, to be changed at will; its functions are as written."""
    return _query(sql).copy()


@remembered
def columns_of(sql: str) -> tuple[str, ...]:
    """The columns of a query's result, in their order."""
    return tuple(cast(exp.Query, _query(sql)).named_selects)


@remembered
def check_expression(sql: str) -> None:
    """Returns when `sql` is one expression over columns and literals with listed functions of single rows: no
    subquery, aggregate, window or parameter. Raises ModelError otherwise."""
    expression = _parsed(sql, into=exp.Condition)
    check(expression, EXPRESSIONS)
    for node in expression.find_all(exp.Anonymous):
        if FUNCTIONS[node.name.lower()].kind != "row":
            refuse(node, f"{node.name}() needs several rows; a rule sees one", "Use a cross-table rule.")
    for target in get_args(Target):
        _finished(_parsed(f"SELECT {sql} AS x"), target)


@remembered
def _shaping(sql: str) -> tuple[str, ...]:
    """The parameters that a macro's expansion depends on; all others only take the place of a value."""
    return tuple(sorted({node.name for node in _query(sql).find_all(exp.Placeholder) if _must_be_literal(node)}))


def _must_be_literal(node: Node) -> bool:
    place = node.parent
    if not isinstance(place, exp.Anonymous):
        return False
    return FUNCTIONS[place.name.lower()].needs_literal(next(n for n, a in enumerate(place.expressions) if a is node))


@lru_cache(maxsize=2048)
def _target_literal(text: str, target: Target) -> str:
    """A literal of our dialect in the target's, safe in any place of a value."""
    query = _finished(_parsed(f"SELECT {text} AS x"), target)
    made: str = query.expressions[0].this.sql(dialect=target, comments=False)
    return f"({made})" if made.startswith("-") else made


@remembered
def _compiled(
    sql: str, target: Target, literals: tuple[tuple[str, str], ...], slots: tuple[str, ...]
) -> tuple[str, str]:
    """The query compiled once for all values of the parameters in `slots`, and the mark around a slot's name."""
    query = _query(sql).copy()
    _bind(query, dict(literals), slots)
    mark = _mark(query)
    for node in list(query.find_all(exp.Placeholder)):
        node.replace(exp.column(exp.to_identifier(f"{mark}{node.name}{mark}", quoted=True)))
    query = _finished(query, target)
    try:
        return query.sql(dialect=target, comments=False, unsupported_level=ErrorLevel.RAISE), mark
    except SqlglotError as error:
        raise ModelError("sql_unsupported", f"{target} cannot say this: {error}") from None


def _mark(query: Node) -> str:
    """What stands in no text of the query, so that none can pass for a slot."""
    mark = "\x01"
    while any(mark in node.name for node in query.find_all(exp.Literal, exp.Identifier)):
        mark += "\x01"
    return mark


def _finished(query: Node, target: Target) -> Node:
    """The query with its macros expanded."""
    for node in reversed(list(query.find_all(exp.Anonymous, exp.Cast))):
        node.replace(_call(node, target) if isinstance(node, exp.Anonymous) else _cast(node, target))
    if target == "spark":
        hide_variables(query)
    return query


@lru_cache(maxsize=512)
def _query(sql: str) -> Node:
    """The checked query; callers copy it before they change it."""
    query = _parsed(sql)
    if not isinstance(query, exp.Query | exp.Values):
        refuse(query, f"{query.key} is not a query", "Write one SELECT, WITH, UNION or VALUES.")
    check(query, (*EXPRESSIONS, *QUERIES))
    return query


def _parsed(sql: str, into: type[Node] | None = None) -> Node:
    try:
        found = _Source().parse_into(into, sql) if into else _Source().parse(sql)
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise ModelError(
            "sql_syntax", f"{first.get('description', error)}", line=first.get("line"), column=first.get("col")
        ) from None
    except TokenError as error:
        raise ModelError("sql_syntax", f"{error}") from None
    except RecursionError:
        raise ModelError("sql_syntax", "this is nested too deeply", hint="Name its parts in a WITH.") from None
    statements = [statement for statement in found if statement is not None]
    if len(statements) != 1:
        raise ModelError("sql_not_one", f"{len(statements)} statements where one is needed")
    return statements[0]


# --- parameters ------------------------------------------------------------------------------------------------


def _bind(query: Node, literals: Mapping[str, str], slots: Collection[str]) -> None:
    for node in list(query.find_all(exp.Placeholder)):
        if node.name in slots:
            continue
        if node.name not in literals:
            refuse(node, f"parameter :{node.name} has no value")
        text = literals[node.name]
        if text.startswith("("):
            _bind_list(node, text)
        else:
            node.replace(_literal_tree(text).copy())


def _bind_list(node: Node, text: str) -> None:
    """`x IN :list` and `x IN (:list)`; nothing is in an empty list."""
    place = node.parent
    if not isinstance(place, exp.In) or len(place.expressions) > 1:
        refuse(node, f"parameter :{node.name} is a list", f"Write IN :{node.name}.")
    if text == "()":
        place.replace(exp.false())
        return
    place.set("field", None)
    place.set("expressions", _literal_tree(f"NULL IN {text}").copy().expressions)


@lru_cache(maxsize=512)
def _literal_tree(text: str) -> Node:
    return _parsed(text, into=exp.Condition)


# --- macros ----------------------------------------------------------------------------------------------------


def _call(node: Node, target: Target) -> Node:
    return _filled(node, FUNCTIONS[node.name.lower()], node.expressions, target)


def _cast(node: Node, target: Target) -> Node:
    """try_cast is the parse_ macro of its type; Spark cuts a decimal off that becomes a bigint, DuckDB rounds it."""
    to, value = node.args["to"], node.this
    if isinstance(node, exp.TryCast) and not value.is_number:
        sizes = [size.this for size in to.expressions]
        mark = [exp.Literal.string(".")] if sizes else []
        return _filled(node, FUNCTIONS[f"parse_{to.this.value.lower()}"], [value, *sizes, *mark], target)
    if to.this == _T.BIGINT and target == "duckdb" and not isinstance(value, exp.Null | exp.Literal):
        value = exp.Anonymous(this="trunc", expressions=[value])
    return exp.cast(value, to)


def _filled(node: Node, function: Function, arguments: Sequence[Node], target: Target) -> Node:
    """The function's template for `arguments`."""
    usage = f"It is {function.signature}."
    for position, argument in enumerate(arguments):
        if function.needs_literal(position) and not isinstance(argument, exp.Literal):
            refuse(node, f"argument {position + 1} of {function.name}() must be a literal", usage)
    try:
        template = function.template(target, [each.name if isinstance(each, exp.Literal) else "" for each in arguments])
    except ValueError as error:
        refuse(node, f"{function.name}(): {error}", usage)
    slots = {
        f"_{n}": each if _is_tight(each) else exp.paren(each, copy=False) for n, each in enumerate(arguments, start=1)
    }
    unused = set(slots)

    def fill(part: Node) -> Node:
        if not (isinstance(part, exp.Column) and part.name in slots):
            return part
        if part.name in unused:  # one place takes the argument itself: copies of copies take most of the time
            unused.remove(part.name)
            return slots[part.name]
        return slots[part.name].copy()

    made = _template_tree(template, target).transform(fill)
    return exp.paren(made, copy=False) if isinstance(made, exp.Binary) else made


def _is_tight(node: Node) -> bool:
    return not isinstance(node, exp.Binary | exp.Unary | exp.Between | exp.In) or isinstance(node, exp.Paren)


@lru_cache(maxsize=512)
def _template_tree(template: str, target: Target) -> Node:
    tree = sqlglot.parse_one(template, read=_DuckTemplate if target == "duckdb" else _Source)
    for part in tree.walk():
        part._meta = None  # places in a template are nobody's, and copying them is slow
    return tree
