"""A person's own SELECT in an engine's dialect: one, read-only, over the relations they were given. A locked-down
DuckDB still lets COPY overwrite files, and Spark calls any Java method, so the statement is parsed first."""

from __future__ import annotations

import re
from collections.abc import Collection

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from cartlake.core.closest import closest
from cartlake.core.macros import Target
from cartlake.core.syntax import is_cte
from cartlake.errors import UsageError

_WRITES = (exp.Into, exp.Command, exp.Copy, exp.DML, exp.DDL, exp.QueryTransform)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_FORBIDDEN = {
    "duckdb": frozenset({"getenv", "current_setting", "query", "query_table", "getvariable", "nextval", "currval"}),
    "spark": frozenset(
        {"reflect", "try_reflect", "java_method", "secret", "try_secret", "remote_query", "http_request", "identifier"}
    ),
}
_FORBIDDEN_PREFIXES = {"duckdb": ("read_", "duckdb_", "pragma_"), "spark": ("read_", "ai_", "cloud_files")}


def check_select(sql: str, relations: Collection[str], dialect: Target) -> tuple[str, tuple[str, ...]]:
    """The statement without its semicolon, and the relations it reads.

    Raises UsageError if it is not exactly one SELECT over `relations`.
    """
    try:
        parsed = sqlglot.parse(sql, read=dialect)
    except SqlglotError as error:
        raise UsageError("query_invalid", f"not valid SQL: {str(error).splitlines()[0]}") from None
    statements = [each for each in parsed if each is not None and not isinstance(each, exp.Semicolon)]
    if dialect == "spark" and "${" in sql:
        raise UsageError("query_variable", "a query has no ${...}: Spark would put settings in their place")
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise UsageError("query_not_select", "a query is exactly one SELECT", hint="Nothing was run.")
    query = statements[0]
    for node in query.walk():
        _check_node(node, dialect)
    for cte in query.find_all(exp.CTE):
        if not _PLAIN.fullmatch(cte.alias.lower()):
            raise UsageError("query_name", f"{cte.alias!r} is not a plain name for a part of a query")
    read = [table for table in query.find_all(exp.Table) if table.db or not is_cte(table)]
    for table in read:
        _check_table(table, relations)
    return _statement(sql, dialect), tuple(sorted({table.name.lower() for table in read}))


def _statement(sql: str, dialect: Target) -> str:
    """What stands between the semicolons; comments may follow the last one."""
    begin, has_begun = 0, False
    for token in sqlglot.tokenize(sql, read=dialect):
        if token.token_type is not TokenType.SEMICOLON:
            has_begun = True
        elif has_begun:
            return sql[begin : token.start]
        else:
            begin = token.end + 1
    return sql[begin:]


def _check_node(node: object, dialect: Target) -> None:
    if isinstance(node, _WRITES) and not isinstance(node, exp.Query):
        raise UsageError("query_not_select", "a query only reads", hint="Nothing was run.")
    if isinstance(node, exp.Func):
        name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        if name in _FORBIDDEN[dialect] or name.startswith(_FORBIDDEN_PREFIXES[dialect]):
            raise UsageError("query_function", f"the function {name} is not for queries")


def _check_table(table: exp.Table, relations: Collection[str]) -> None:
    if not isinstance(table.this, exp.Identifier):
        raise UsageError("query_function", "a query reads published tables and views, no table functions")
    name = table.name.lower()
    if name not in relations or table.db:
        said = f"there is no published table or view {table.name!r}"
        raise UsageError("table_unknown", said, hint=closest(name, relations))
