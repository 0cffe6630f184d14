"""Versioned history (SCD type 2) as SQL: events in, versions out, and what changes in the stored table.

The semantics are those of docs/history.md. All queries are built from a contract, because its columns are. They are
a chain of named relations; `tasks.enrich` binds their inputs and runs them in order.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from cartlake.core.contract import Contract
from cartlake.core.sqltext import name, names, same, struct
from cartlake.core.tables import history_table

_EVENT_COLUMNS = (
    "_batch_id",
    "_batch_date",
    "_file_sha256",
    "_record",
    "_revision",
    "_row_hash",
    "_op",
    "_sequence",
    "_at",
)


def _fields(contract: Contract) -> tuple[str, ...]:
    return tuple(field.name for field in contract.fields)


def touched_keys(contract: Contract) -> str:
    """Keys with a changed event: (key…, `first_at`, `is_added`). Reads `changed_events`."""
    return (
        f"SELECT {names(contract.key)}, min(_sequence) AS first_at, min(_is_added) AS is_added"
        f" FROM changed_events GROUP BY {names(contract.key)}"
    )


def last_versions(contract: Contract) -> str:
    """The last stored version of each touched key, and `known_until`, the greatest time it accounts for."""
    key = contract.key
    return (
        f"SELECT * FROM (SELECT h.*, greatest(h._sequence, coalesce(h.valid_to, h._sequence)) AS known_until,"
        f" row_number() OVER (PARTITION BY {names(key, 'h')} ORDER BY h.valid_from DESC) AS _last"
        f" FROM history_before h LEFT SEMI JOIN touched t ON {same(key, 'h', 't')}) AS numbered WHERE _last = 1"
    )


def late_keys(contract: Contract) -> str:
    """Touched keys that must be recomputed from the log: an event was taken away or changed, or a new one is not later
    than everything known of the key, deletes included (`known_deletes`: key…, `deleted_at`)."""
    key = contract.key
    return (
        f"SELECT {names(key, 't')} FROM touched t LEFT JOIN last_versions l ON {same(key, 't', 'l')}"
        f" LEFT JOIN (SELECT {names(key)}, max(deleted_at) AS deleted_at FROM known_deletes GROUP BY {names(key)}) d"
        f" ON {same(key, 't', 'd')}"
        " WHERE t.is_added = 0 OR t.first_at <= l.known_until OR t.first_at <= d.deleted_at"
    )


def events(contract: Contract, has_late_keys: bool) -> str:
    """All events to walk: of late keys every accepted one (`logged_events`), of the others the new ones and their open
    version as one event at its `valid_from`."""
    key, fields = contract.key, _fields(contract)
    late = f" LEFT ANTI JOIN late k ON {same(key, 'e', 'k')}" if has_late_keys else ""
    new = (
        f"SELECT {names(fields, 'e')}, e._batch_id, e._batch_date, e._file_sha256, e._record, e._revision, e._row_hash,"
        f" e._op, e._sequence, e._sequence AS _at FROM changed_events e{late}"
    )
    seed = (
        f"SELECT {names(fields, 'e')}, e._batch_id, e._batch_date, e._file_sha256, e._record,"
        " CAST(0 AS bigint) AS _revision, '' AS _row_hash, 'upsert' AS _op, e._sequence, e.valid_from AS _at"
        f" FROM last_versions e{late} WHERE e.is_current"
    )
    logged = (
        f"SELECT {names(fields, 'e')}, e._batch_id, e._batch_date, e._file_sha256, e._record, e._revision, e._row_hash,"
        " e._op, e._sequence, e._sequence AS _at FROM logged_events e"
    )
    return " UNION ALL ".join([new, seed, *([logged] if has_late_keys else [])])


def versions(contract: Contract) -> str:
    """The versions that `events` make: the table's columns, one row per (key, `valid_from`)."""
    key, fields = contract.key, _fields(contract)
    over = f"(PARTITION BY {names(key)} ORDER BY _at)"
    then = "".join(f"{name(column)} DESC NULLS LAST, " for column in contract.sequence_then)
    shown = names((*fields, *_EVENT_COLUMNS))
    return f"""
WITH ranked AS (
    SELECT {shown}, row_number() OVER (
        PARTITION BY {names(key)}, _at
        ORDER BY {then}_batch_date DESC, _revision DESC, CASE WHEN _op = 'delete' THEN 0 ELSE 1 END,
                 _row_hash DESC, _file_sha256, _record
    ) AS _rank
    FROM events
),
standing AS (SELECT {shown} FROM ranked WHERE _rank = 1),
{_filled(contract, shown)}
compared AS (
    SELECT {shown}, lag(_op) OVER {over} AS _op_before,
        {struct(contract.tracked)} IS DISTINCT FROM lag({struct(contract.tracked)}) OVER {over} AS _differs
    FROM filled
),
started AS (
    SELECT {shown}, _op = 'upsert' AND (_op_before IS NULL OR _op_before = 'delete' OR _differs) AS _starts
    FROM compared
),
placed AS (
    SELECT {shown},
        max(CASE WHEN _starts THEN _at END) OVER (
            PARTITION BY {names(key)} ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS valid_from,
        lead(_at) OVER {over} AS valid_to,
        lead(_op = 'delete' OR _starts) OVER {over} AS _ends_next
    FROM started
)
SELECT {names(fields)}, valid_from, valid_to, valid_to IS NULL AS is_current, _sequence,
    _batch_id, _batch_date, _file_sha256, _record
FROM placed
WHERE _op = 'upsert' AND coalesce(_ends_next, true)
"""


def _filled(contract: Contract, shown: str) -> str:
    """`ignore_null_updates`: NULL takes the value of the preceding event since the last delete."""
    kept = [field.name for field in contract.fields if field.ignore_null_updates]
    if not kept:
        return f"filled AS (SELECT {shown} FROM standing),"
    key = names(contract.key)
    values = ", ".join(
        f"last_value({name(column)}) IGNORE NULLS OVER (PARTITION BY {key}, _life ORDER BY _at"
        f" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS {name(column)}"
        if column in kept
        else name(column)
        for column in (*_fields(contract), *_EVENT_COLUMNS)
    )
    return f"""lives AS (
    SELECT {shown}, sum(CASE WHEN _op = 'delete' THEN 1 ELSE 0 END) OVER (
        PARTITION BY {key} ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS _life FROM standing
),
filled AS (SELECT {values} FROM lives),"""


def stored_versions(contract: Contract, has_late_keys: bool) -> str:
    """The stored rows that the walk replaces: the open version of keys in order, all versions of late keys."""
    columns = names(history_table(contract).column_names, "h")
    seed = f"SELECT {columns} FROM last_versions h WHERE h.is_current"
    if not has_late_keys:
        return seed
    key = contract.key
    return (
        f"{seed} AND NOT EXISTS (SELECT 1 FROM late k WHERE {same(key, 'h', 'k')})"
        f" UNION ALL SELECT {columns} FROM history_before h LEFT SEMI JOIN late k ON {same(key, 'h', 'k')}"
    )


def version_changes(contract: Contract, looked_at: AbstractSet[str]) -> str:
    """From `stored` to `versions`: the table's columns, `_change`, and `_is_effective`, which is false where neither
    the start of a version nor a tracked value, nor one of the columns `looked_at`, moved."""
    table = history_table(contract)
    outside = {*contract.key, *contract.sequence, *contract.tracked}
    shown = tuple(field.name for field in contract.fields if field.name in looked_at - outside)
    return changes_between(table.column_names, table.key, (*contract.tracked, *shown))


def changes_between(columns: tuple[str, ...], key: tuple[str, ...], effective: tuple[str, ...]) -> str:
    """The rows that turn `stored` into `computed`, both unique in `key`: `columns`, `_change`, `_is_effective`."""
    is_new, is_gone = f"{name(key[0], 'o')} IS NULL", f"{name(key[0], 'n')} IS NULL"
    shown = ", ".join(
        f"CASE WHEN {is_gone} THEN {name(column, 'o')} ELSE {name(column, 'n')} END AS {name(column)}"
        for column in columns
    )
    rest = tuple(column for column in columns if column not in key)
    differs = f"{struct(rest, 'n')} IS DISTINCT FROM {struct(rest, 'o')}"
    moved = f"{struct(effective, 'n')} IS DISTINCT FROM {struct(effective, 'o')}" if effective else "true"
    return (
        f"SELECT {shown}, CASE WHEN {is_new} THEN 'insert' WHEN {is_gone} THEN 'delete' ELSE 'update' END AS _change,"
        f" {is_new} OR {is_gone} OR {moved} AS _is_effective"
        f" FROM computed n FULL OUTER JOIN stored o ON {same(key, 'n', 'o')}"
        f" WHERE {is_new} OR {is_gone} OR {differs}"
    )


def after(columns: tuple[str, ...], key: tuple[str, ...], before: str, changes: str) -> str:
    """`before` with `changes` applied."""
    return (
        f"SELECT {names(columns, 'b')} FROM {before} b LEFT ANTI JOIN {changes} c ON {same(key, 'b', 'c')}"
        f" UNION ALL SELECT {names(columns, 'c')} FROM {changes} c WHERE c._change <> 'delete'"
    )
