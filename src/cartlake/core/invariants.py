"""What holds in every published table, as SQL that counts the cases where it does not: asked of what a batch changed
before it is published, and of everything by `verify`. Each query has one row."""

from __future__ import annotations

from collections.abc import Sequence

from cartlake.core.sqltext import names


def unique_keys(key: Sequence[str], rows: str) -> str:
    """`keys_not_unique`: keys that several of the rows have."""
    repeated = f"SELECT {names(key)} FROM {rows} t GROUP BY {names(key)} HAVING count(*) > 1"
    return f"SELECT count(*) AS keys_not_unique FROM ({repeated}) r"


def sound_intervals(key: Sequence[str], rows: str) -> str:
    """`intervals_overlap`: versions of a key that overlap, begin together, or are open before a later one;
    `interval_empty`: versions of no width, or that are not current while they are open, or the other way round."""
    following = f"lead(valid_from) OVER (PARTITION BY {names(key)} ORDER BY valid_from) AS next_from"
    return (
        "SELECT count_if(next_from IS NOT NULL AND (valid_to IS NULL OR valid_to > next_from)) AS intervals_overlap,"
        " count_if(valid_to <= valid_from OR is_current <> (valid_to IS NULL)) AS interval_empty"
        f" FROM (SELECT valid_from, valid_to, is_current, {following} FROM {rows} t) v"
    )


def no_fan_out(orders: str, order_lines: str) -> str:
    """`order_lines_differ`: how many more or fewer enriched order lines there are than current order lines."""
    return (
        "SELECT abs(lines - enriched) AS order_lines_differ"
        f" FROM (SELECT count(*) AS lines FROM {orders} WHERE is_current) o"
        f" CROSS JOIN (SELECT count(*) AS enriched FROM {order_lines}) e"
    )
