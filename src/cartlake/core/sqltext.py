"""Pieces of SQL text. Column names come from contracts and may be words of SQL: they are always quoted."""

from __future__ import annotations

from collections.abc import Iterable


def names(columns: Iterable[str], alias: str = "") -> str:
    """The columns, comma separated, of the relation `alias`."""
    return ", ".join(name(column, alias) for column in columns)


def name(column: str, alias: str = "") -> str:
    return f"{alias}.`{column}`" if alias else f"`{column}`"


def same(columns: Iterable[str], left: str, right: str) -> str:
    """The condition that both relations have equal, non-NULL values in the columns."""
    return " AND ".join(f"{name(column, left)} = {name(column, right)}" for column in columns)


def struct(columns: Iterable[str], alias: str = "") -> str:
    """The columns as one value, for comparing them all at once, NULLs included."""
    return "named_struct(" + ", ".join(f"'{column}', {name(column, alias)}" for column in columns) + ")"


def semi_join(relation: str, keys: str, columns: Iterable[str]) -> str:
    """The rows of `relation` whose columns stand in `keys`."""
    return f"SELECT r.* FROM {relation} r LEFT SEMI JOIN {keys} k ON {same(columns, 'r', 'k')}"
