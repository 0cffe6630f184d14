"""What is in quarantine, how it stands there, and what became of records that were repaired."""

from __future__ import annotations

from collections.abc import Iterable

from cartlake.core.decided import QUARANTINE_VIEW, STATES
from cartlake.core.entries import Decision
from cartlake.core.tables import QUARANTINE
from cartlake.engines.base import Row, Where
from cartlake.tasks.context import Context
from cartlake.tasks.ledger_views import define_ledger

_DECISION = ("action", "cells", "why", "actor", "recorded_at")


def within(batch_id: str | None, feed: str | None) -> Where:
    """Those of a batch or feed, where one is named."""
    named = {"batch_id": batch_id, "feed": feed}
    return {name: [value] for name, value in named.items() if value is not None}


def quarantine(context: Context, where: Where | None = None, *, every: bool) -> list[Row]:
    """The records that count as quarantined, in the order of their files; or `every` one, also those that were repaired
    and those of superseded files. `reasons` is a list of codes, `decision` what was decided last, or None."""
    with context.engine.scope():
        define_ledger(context.engine)
        define_quarantine(context, where)
        rows = context.engine.rows("SELECT * FROM quarantine")
    standing = {_identity(vars(one)): one for one in context.ledger.decisions()}
    gone = standing.keys() - {_identity(row) for row in rows}
    shown = [row for row in rows if every or row["state"] != "superseded"]
    shown += _repaired(context, [standing[key] for key in gone], where or {}) if every else []
    shown.sort(key=lambda row: (str(row["batch_date"]), str(row["feed"]), str(row["source_file"]), _number(row)))
    return [_listed(row, standing.get(_identity(row))) for row in shown]


def open_records(context: Context) -> dict[str, int]:
    """Per feed how many records wait for a decision, where any do."""
    with context.engine.scope():
        define_ledger(context.engine)
        define_quarantine(context)
        rows = context.engine.rows("SELECT feed, count(*) AS records FROM quarantine WHERE is_open GROUP BY feed")
    return {str(row["feed"]): int(str(row["records"])) for row in rows}


def define_quarantine(context: Context, where: Where | None = None) -> None:
    """`quarantine` as people query it. Reads `batch_files` and `decisions`."""
    context.engine.read("quarantined", QUARANTINE, where=where)
    context.engine.define("quarantine", QUARANTINE_VIEW)


def _identity(row: Row) -> tuple[object, ...]:
    return row["feed"], row["file_sha256"], row["batch_date"], row["record"]


def _number(row: Row) -> int:
    return int(str(row["record"]))


def _repaired(context: Context, decisions: Iterable[Decision], where: Where) -> list[Row]:
    """Records that were decided about and are in quarantine no more, as they stood there."""
    announced = {(f.feed, f.file_sha256, f.batch_date) for f in context.ledger.batch_files()}
    rows: list[Row] = []
    for one in decisions:
        is_announced = (one.feed, one.file_sha256, one.batch_date) in announced
        state = STATES[one.action] if is_announced else "superseded"
        row = {name: vars(one).get(name) for name in QUARANTINE.column_names} | {"state": state, "is_open": False}
        if all(str(row[column]) in values for column, values in where.items()):
            rows.append(row)
    return rows


def _listed(row: Row, decision: Decision | None) -> Row:
    decided = None if decision is None else {name: vars(decision)[name] for name in _DECISION}
    return row | {"reasons": str(row["reasons"]).split(","), "decision": decided}
