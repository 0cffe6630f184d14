"""The difference between two versions of a table, as a change feed tells it."""

from __future__ import annotations

from cartlake.core.sqltext import name, names, same, struct
from cartlake.core.table import Column, Table
from cartlake.core.tables import LINEAGE

CHANGE_TYPE = "_change_type"
_LINEAGE = {column.name for column in LINEAGE}


def net_changes(table: Table) -> str:
    """The rows that turn the relation `before` into `after`, both unique in the table's key, with `_change_type`
    (`insert`, `update_preimage`, `update_postimage`, `delete`), by key. Rows that differ only in which file they came
    from are the same: the same record may stand in several."""
    key, compared = table.key, tuple(column for column in table.column_names if column not in _LINEAGE)

    def side(relation: str, other: str, alone: str, paired: str) -> str:
        is_alone = f"{name(key[0], 'o')} IS NULL"
        return (
            f"SELECT {names(table.column_names, 't')}, CASE WHEN {is_alone} THEN '{alone}' ELSE '{paired}' END"
            f" AS {CHANGE_TYPE} FROM {relation} t LEFT JOIN {other} o ON {same(key, 't', 'o')}"
            f" WHERE {is_alone} OR {struct(compared, 't')} IS DISTINCT FROM {struct(compared, 'o')}"
        )

    gone = side("before", "after", "delete", "update_preimage")
    come = side("after", "before", "insert", "update_postimage")
    return f"SELECT * FROM ({gone} UNION ALL {come}) c ORDER BY {names(key)}, {CHANGE_TYPE} DESC"


def as_columns_of(table: Table, had: tuple[Column, ...], relation: str) -> str:
    """The rows of a relation with the columns `had`, in the columns of `table`; what it had not, or of another type, is
    NULL."""
    shown = (
        name(column.name) if column in had else f"CAST(NULL AS {column.type}) AS {name(column.name)}"
        for column in table.columns
    )
    return f"SELECT {', '.join(shown)} FROM {relation}"
