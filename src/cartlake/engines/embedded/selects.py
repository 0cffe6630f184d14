"""A person's own SELECT: one, read-only, over the relations they were given. A locked-down DuckDB still lets COPY
overwrite lake files, so the statement is parsed first."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from cartlake.errors import UsageError

_WRITES = (exp.Into, exp.Command, exp.Copy, exp.DML, exp.DDL)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_FORBIDDEN = frozenset({"getenv", "current_setting", "query", "query_table", "getvariable", "nextval", "currval"})


def check_select(sql: str, relations: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """The statement without its semicolon, and the relations it reads.

    Raises UsageError if it is not exactly one SELECT over `relations`.
    """
    try:
        parsed = sqlglot.parse(sql, read="duckdb")
    except SqlglotError as error:
        raise UsageError("query_invalid", f"not valid SQL: {str(error).splitlines()[0]}") from None
    statements = [each for each in parsed if each is not None and not isinstance(each, exp.Semicolon)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise UsageError("query_not_select", "a query is exactly one SELECT", hint="Nothing was run.")
    query = statements[0]
    for node in query.walk():
        _check_node(node)
    local = {cte.alias_or_name.lower() for cte in query.find_all(exp.CTE)}
    for name in local:
        if not _PLAIN.fullmatch(name):
            raise UsageError("query_name", f"{name!r} is not a plain name for a part of a query")
    for table in query.find_all(exp.Table):
        _check_table(table, relations, local)
    read = {table.name.lower() for table in query.find_all(exp.Table)}
    return _statement(sql), tuple(sorted(read & set(relations)))


def _statement(sql: str) -> str:
    """What stands between the semicolons; comments may follow the last one."""
    begin, has_begun = 0, False
    for token in sqlglot.tokenize(sql, read="duckdb"):
        if token.token_type is not TokenType.SEMICOLON:
            has_begun = True
        elif has_begun:
            return sql[begin : token.start]
        else:
            begin = token.end + 1
    return sql[begin:]


def _check_node(node: object) -> None:
    if isinstance(node, _WRITES) and not isinstance(node, exp.Query):
        raise UsageError("query_not_select", "a query only reads", hint="Nothing was run.")
    if isinstance(node, exp.Func):
        name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        if name in _FORBIDDEN or name.startswith(("read_", "duckdb_", "pragma_")):
            raise UsageError("query_function", f"the function {name} is not for queries")


def _check_table(table: exp.Table, relations: Collection[str], local: Collection[str]) -> None:
    if not isinstance(table.this, exp.Identifier):
        raise UsageError("query_function", "a query reads published tables and views, no table functions")
    name = table.name.lower()
    if name in local and not table.db:
        return
    if name not in relations or table.db:
        close = difflib.get_close_matches(name, list(relations), n=3)
        raise UsageError(
            "table_unknown",
            f"there is no published table or view {table.name!r}",
            hint=f"Did you mean {' or '.join(close)}?" if close else f"There are: {', '.join(sorted(relations))}.",
        )
