"""Totals that grow: of keys that only got rows, the new total is the stored one and what was brought.

A key that lost a row, or has one that changed, is summed from all its rows instead. Counts of distinct values need to
know which of the values brought were counted before: that is all that is asked of the other rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cartlake.core.sqltext import name, names, same
from cartlake.core.table import Table


@dataclass(frozen=True)
class Growing:
    """How the columns of a total grow. `distinct` ones count the different values of a column among the counted rows,
    `least` and `greatest` are extremes, all others are sums."""

    distinct: Mapping[str, str]
    least: frozenset[str]
    greatest: frozenset[str]


_COUNTED = "is_sale AND is_reporting_currency"
SHARED, ASKED = ("customer_id", "order_id"), ("customer_id", "order_id", "product_id", "category")
_FIRST, _LAST = frozenset({"first_order_date"}), frozenset({"last_order_date"})
# A day's total does not grow: its lines stand together, so that reading them all is cheaper.
GROWING = {
    "customer_totals": Growing(
        {"total_orders": "order_id", "unique_products": "product_id", "unique_categories": "category"},
        _FIRST,
        _LAST,
    ),
    "product_totals": Growing({"total_orders": "order_id", "unique_customers": "customer_id"}, _FIRST, _LAST),
}


def earlier(source: str) -> str:
    """The counted rows of `before_<source>` that share a customer or an order with one of `changes_<source>`, in one
    scan: all that any `seen` can ask for, as each of its pairs has a customer or an order in it."""
    met = "".join(
        f" LEFT JOIN (SELECT DISTINCT {column}, TRUE AS is_met FROM changes_{source}) m_{column}"
        f" ON b.{column} = m_{column}.{column}"
        for column in SHARED
    )
    any_met = " OR ".join(f"m_{column}.is_met" for column in SHARED)
    return f"SELECT {names(ASKED, 'b')} FROM before_{source} b{met} WHERE {_COUNTED} AND ({any_met})"


def seen(key: tuple[str, ...], column: str) -> str:
    """Per key how many (`seen`) of the values of `column` that `brought` counts were counted before: in `earlier`."""
    pair = (*key, column)
    brought = f"SELECT {names(pair)} FROM brought WHERE {_COUNTED}"
    return (
        f"SELECT {names(key)}, count(*) AS seen FROM (SELECT DISTINCT {names(pair, 'b')}"
        f" FROM earlier b LEFT SEMI JOIN ({brought}) n ON {same(pair, 'b', 'n')}) AS pairs GROUP BY {names(key)}"
    )


def grown(growing: Growing, table: Table) -> str:
    """The rows of `table` for the keys of `summed`: as they are there for those in `shrinking`, for all others on top
    of the stored ones. Reads `before_<table>` and, per distinct column, `seen_<column>`."""
    key = table.key
    joins = "".join(
        f" LEFT JOIN seen_{total} s_{total} ON {same(key, 'e', f's_{total}')}" for total in growing.distinct
    )
    shown = ", ".join(
        name(column.name, "e")
        if column.name in key
        else f"{_moved(growing, column.name, column.type)} AS {column.name}"
        for column in table.columns
    )
    return (
        f"SELECT {names(table.column_names, 'e')} FROM summed e LEFT SEMI JOIN shrinking k ON {same(key, 'e', 'k')}"
        f" UNION ALL SELECT {shown} FROM (SELECT e.* FROM summed e LEFT ANTI JOIN shrinking k"
        f" ON {same(key, 'e', 'k')}) e LEFT JOIN before_{table.name} o ON {same(key, 'e', 'o')}{joins}"
    )


def _moved(growing: Growing, column: str, kind: str) -> str:
    brought, stored = name(column, "e"), name(column, "o")
    if column in growing.least:
        return f"least({stored}, {brought})"
    if column in growing.greatest:
        return f"greatest({stored}, {brought})"
    again = f" - coalesce(s_{column}.seen, 0)" if column in growing.distinct else ""
    return f"CAST(coalesce({stored}, 0) + {brought}{again} AS {kind})"
