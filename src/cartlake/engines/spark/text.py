"""Spark SQL as this engine writes it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from cartlake.core.macros import quoted
from cartlake.core.table import Column, Table


def quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A string literal. Spark puts settings in the place of `${name}`, also within literals."""
    pieces = text.split("${")
    if len(pieces) == 1:
        return quoted(text, "spark")
    first, *others = pieces
    parts = [quoted(first + "$", "spark")]
    parts += [quoted("{" + other + ("$" if other is not others[-1] else ""), "spark") for other in others]
    return f"concat({', '.join(parts)})"


def names(columns: Iterable[str]) -> str:
    return ", ".join(map(quote, columns))


def typed(columns: Iterable[Column], source: str) -> str:
    """The columns of `source` cast to exactly their types."""
    cast = (f"CAST({quote(column.name)} AS {column.type}) AS {quote(column.name)}" for column in columns)
    return f"SELECT {', '.join(cast)} FROM {source}"


def shown(columns: Iterable[Column], had: Collection[str]) -> str:
    """The columns, NULL where a table had them not."""
    return ", ".join(
        quote(column.name) if column.name in had else f"CAST(NULL AS {column.type}) AS {quote(column.name)}"
        for column in columns
    )


def empty(columns: Iterable[Column]) -> str:
    """No rows of these columns."""
    cast = (f"CAST(NULL AS {column.type}) AS {quote(column.name)}" for column in columns)
    return f"SELECT {', '.join(cast)} WHERE false"


def belongs(table: Table, where: Mapping[str, Collection[str]]) -> str:
    """Whether a row's columns are among the values; compared in their own type, so that files can be skipped."""
    types = {column.name: column.type for column in table.columns}
    parts = []
    for column, values in where.items():
        is_date = types[column] == "date"
        listed = ", ".join(f"{'DATE ' if is_date else ''}{literal(value)}" for value in values) or "NULL"
        name = quote(column) if is_date or types[column] == "string" else f"CAST({quote(column)} AS STRING)"
        parts.append(f"{name} IN ({listed})")
    return " AND ".join(parts) or "true"
