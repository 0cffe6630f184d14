"""Versioned history (SCD type 2) as SQL: events in, versions out, and what changes in the stored table.

The semantics are those of docs/history.md. All queries are built from a contract, because its columns are. They are
a chain of named relations; `tasks.enrich` binds their inputs and runs them in order.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from cartlake.core.contract import Contract
from cartlake.core.events import one_per_time
from cartlake.core.sqltext import name, names, same, struct
from cartlake.core.tables import history_table

_EVENT_COLUMNS = ("_batch_id", "_batch_date", "_file_sha256", "_record", "_revision", "_op", "_sequence", "_at")


def _fields(contract: Contract) -> tuple[str, ...]:
    return tuple(field.name for field in contract.versioned)


def touched_keys(contract: Contract) -> str:
    """`touched`: each key with a changed event (key…, `events`, `is_late`, `is_walked`). Reads `changed_events`,
    `history_before`, and `known_deletes` (key…, `deleted_at`).

    A late key is recomputed from the log: an event was taken away or changed, or a new one is not later than everything
    known of the key, deletes included. A key that is not even walked is new, with one upsert: its only version."""
    key, stored_until = names(contract.key), "coalesce(h.valid_to, h._sequence)"
    late = (
        "c.is_added = 0 OR coalesce(c.first_at <= s.known_until, false) OR coalesce(c.first_at <= d.deleted_at, false)"
    )
    return f"""
WITH changed AS (
  SELECT {key}, min(_sequence) AS first_at, min(_is_added) AS is_added, count(*) AS events,
    count_if(_op = 'delete') AS deletes
  FROM changed_events GROUP BY {key}
),
shown AS (
  SELECT {names(contract.key, "h")}, max({stored_until}) AS known_until
  FROM history_before h LEFT SEMI JOIN changed c ON {same(contract.key, "h", "c")} GROUP BY {names(contract.key, "h")}
),
deleted AS (SELECT {key}, max(deleted_at) AS deleted_at FROM known_deletes GROUP BY {key})
SELECT {names(contract.key, "c")}, c.events, {late} AS is_late,
  c.events > 1 OR c.deletes > 0 OR s.known_until IS NOT NULL OR {late} AS is_walked
FROM changed c
LEFT JOIN shown s ON {same(contract.key, "c", "s")}
LEFT JOIN deleted d ON {same(contract.key, "c", "d")}"""


TOUCHED_FACTS = {"touched": "TRUE", "walked": "is_walked", "late": "is_late", "repeated": "events > 1"}
"""Conditions on `touched_keys` whose cases are counted; `repeated` are keys with several changed events."""


def open_versions(contract: Contract) -> str:
    """The open version of each walked key that is not late."""
    return (
        "SELECT h.* FROM history_before h LEFT SEMI JOIN (SELECT * FROM touched WHERE is_walked AND NOT is_late) t"
        f" ON {same(contract.key, 'h', 't')} WHERE h.is_current"
    )


def untracked_changes(contract: Contract) -> str:
    """One row: `keys` whose new events all change their open version in no tracked column, and some in others, and in
    how many of them each of these differs. Of keys that are not late."""
    key, columns = contract.key, contract.untracked
    differs = [f"e.`{name}` IS DISTINCT FROM o.`{name}`" for name in columns]
    counts = ", ".join(f"count_if(differs_{n}) AS `{name}`" for n, name in enumerate(columns))
    shown = ", ".join(f"count_if({each}) > 0 AS differs_{n}" for n, each in enumerate(differs))
    moves = f"e._op = 'delete' OR {struct(contract.tracked, 'e')} IS DISTINCT FROM {struct(contract.tracked, 'o')}"
    return (
        f"SELECT count(*) AS keys, {counts} FROM (SELECT {names(key, 'e')}, {shown} FROM changed_events e"
        f" JOIN open_versions o ON {same(key, 'e', 'o')} AND e._sequence > o._sequence GROUP BY {names(key, 'e')}"
        f" HAVING count_if({moves}) = 0 AND count_if({' OR '.join(differs)}) > 0) AS moved"
    )


def first_versions(contract: Contract, events: str, touched: str) -> str:
    """The changes that new keys with one upsert make: the table's columns, `_change`, `_is_effective`. Reads the
    relations `events`, as `changed_events`, and `touched`."""
    return (
        f"SELECT {names(_fields(contract), 'e')}, e._sequence AS valid_from, CAST(NULL AS timestamp) AS valid_to,"
        " TRUE AS is_current, e._sequence, e._batch_id, e._batch_date, e._file_sha256, e._record, 'insert' AS _change,"
        f" TRUE AS _is_effective FROM {events} e LEFT ANTI JOIN (SELECT * FROM {touched} WHERE is_walked) w"
        f" ON {same(contract.key, 'e', 'w')}"
    )


def events(contract: Contract, has_late_keys: bool) -> str:
    """All events to walk: of late keys every accepted one (`logged_events`), of the other walked ones the new ones and
    their open version as one event at its `valid_from`."""
    key, fields = contract.key, _fields(contract)
    event = (
        f"SELECT {names(fields, 'e')}, e._batch_id, e._batch_date, e._file_sha256, e._record, e._revision,"
        " e._op, e._sequence, e._sequence AS _at"
    )
    new = (
        f"{event} FROM changed_events e LEFT SEMI JOIN (SELECT * FROM touched WHERE is_walked AND NOT is_late) t"
        f" ON {same(key, 'e', 't')}"
    )
    seed = (
        f"SELECT {names(fields)}, _batch_id, _batch_date, _file_sha256, _record, CAST(0 AS bigint) AS _revision,"
        " 'upsert' AS _op, _sequence, valid_from AS _at FROM open_versions"
    )
    return " UNION ALL ".join([new, seed, *([f"{event} FROM logged_events e"] if has_late_keys else [])])


def versions(contract: Contract, has_repeated_times: bool) -> str:
    """The versions that `events` make: the table's columns, one row per (key, `valid_from`). Unless
    `has_repeated_times`, no key has two events of one time."""
    key, fields = contract.key, _fields(contract)
    over = f"(PARTITION BY {names(key)} ORDER BY _at)"
    standing = one_per_time(contract, (*fields, *_EVENT_COLUMNS), "events", "_at")
    return f"""
WITH standing AS ({standing if has_repeated_times else "SELECT * FROM events"}),
{_filled(contract)}
compared AS (
    SELECT *, lag(_op) OVER {over} AS _op_before,
        {struct(contract.tracked)} IS DISTINCT FROM lag({struct(contract.tracked)}) OVER {over} AS _differs
    FROM filled
),
started AS (
    SELECT *, _op = 'upsert' AND (_op_before IS NULL OR _op_before = 'delete' OR _differs) AS _starts
    FROM compared
),
placed AS (
    SELECT *,
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


def _filled(contract: Contract) -> str:
    """`ignore_null_updates`: NULL takes the value of the preceding event since the last delete."""
    kept = [field.name for field in contract.fields if field.ignore_null_updates]
    if not kept:
        return "filled AS (SELECT * FROM standing),"
    key = names(contract.key)
    values = ", ".join(
        f"last_value(CASE WHEN _op = 'upsert' THEN {name(column)} END) IGNORE NULLS OVER (PARTITION BY {key}, _life"
        f" ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS {name(column)}"
        if column in kept
        else name(column)
        for column in (*_fields(contract), *_EVENT_COLUMNS)
    )
    return f"""lives AS (
    SELECT *, sum(CASE WHEN _op = 'delete' THEN 1 ELSE 0 END) OVER (
        PARTITION BY {key} ORDER BY _at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS _life FROM standing
),
filled AS (SELECT {values} FROM lives),"""


def stored_versions(contract: Contract, has_late_keys: bool) -> str:
    """The stored rows that the walk replaces: the open version of keys in order, all versions of late keys."""
    columns = history_table(contract).column_names
    seed = f"SELECT {names(columns)} FROM open_versions"
    late = "(SELECT * FROM touched WHERE is_late)"
    if not has_late_keys:
        return seed
    return f"{seed} UNION ALL SELECT {names(columns, 'h')} FROM history_before h LEFT SEMI JOIN {late} k ON " + same(
        contract.key, "h", "k"
    )


def version_changes(contract: Contract, looked_at: AbstractSet[str]) -> str:
    """From `stored` to `versions`: the table's columns, `_change`, and `_is_effective`, which is false where neither
    the start of a version nor a tracked value, nor one of the columns `looked_at`, moved."""
    table = history_table(contract)
    outside = {*contract.key, *contract.sequence, *contract.tracked}
    shown = tuple(field.name for field in contract.versioned if field.name in looked_at - outside)
    return changes_between(table.column_names, table.key, (*contract.tracked, *shown))


def changes_between(columns: tuple[str, ...], key: tuple[str, ...], effective: tuple[str, ...]) -> str:
    """The rows that turn `stored` into `computed`, both unique in `key`: `columns`, `_change`, `_is_effective`. Of a
    deleted row only the key has values."""
    is_new, is_gone = f"{name(key[0], 'o')} IS NULL", f"{name(key[0], 'n')} IS NULL"
    shown = ", ".join(
        f"coalesce({name(column, 'n')}, {name(column, 'o')}) AS {name(column)}" if column in key else name(column, "n")
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
