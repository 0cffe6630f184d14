"""The records of a file with what people decided about them, judged by the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cartlake.core.decided import (
    DISCARDS,
    REPAIRS,
    STILL_UNREADABLE,
    Judged,
    discards,
    repaired_columns,
    repaired_records,
    repairs,
)
from cartlake.core.entries import Decision
from cartlake.core.sqltext import names
from cartlake.core.staging import StageQueries, stage_queries
from cartlake.core.table import BIGINT, Column
from cartlake.engines.base import RecordSource
from cartlake.tasks.context import Context
from cartlake.tasks.delivery import Delivery, parameters_of

RECORD = (Column("_record", BIGINT),)


@dataclass(frozen=True)
class Decided:
    """The queries that judge a file, the relations of its records and of those that cannot be read, and how many of the
    latter were given cells."""

    queries: StageQueries
    records: str = "records"
    unreadable: str = "records_unreadable"
    mended: int = 0


def standing(context: Context, delivery: Delivery) -> list[Decision]:
    """The decisions that stand about records of the file."""
    key = (delivery.contract.feed, delivery.profile.sha256, delivery.day)
    return [one for one in context.ledger.decisions() if (one.feed, one.file_sha256, one.batch_date) == key]


def define_decided(
    context: Context, delivery: Delivery, source: RecordSource, decisions: Sequence[Decision]
) -> Decided:
    """What `stage_queries` reads is defined over `records` and `records_unreadable`, with the decisions applied."""
    engine, contract, layout = context.engine, delivery.contract, source.layout
    present = tuple(name for name in layout.columns if name)
    if not decisions:
        return Decided(stage_queries(contract, present, layout.unknown))
    columns = repaired_columns(contract, present, decisions)
    engine.values("repairs", REPAIRS, repairs(decisions))
    engine.values("discards", DISCARDS, discards(decisions))
    engine.define("repaired", repaired_records(contract, present, columns))
    engine.define("still_unreadable", STILL_UNREADABLE)
    mended = engine.rows(
        "SELECT count(*) AS n FROM records_unreadable u LEFT SEMI JOIN repairs d ON u._record = d._record"
    )
    queries = stage_queries(contract, present, layout.unknown, columns)
    return Decided(queries, "repaired", "still_unreadable", int(str(mended[0]["n"])))


def judge(
    context: Context, delivery: Delivery, source: RecordSource, wanted: Sequence[int], decisions: Sequence[Decision]
) -> dict[int, Judged]:
    """Some records of the file under these decisions, as a stage load would find them; nothing is written."""
    engine, parameters = context.engine, parameters_of(context, delivery)
    with engine.scope():
        engine.records("delivered", source)
        engine.values("wanted", RECORD, [(record,) for record in wanted])
        engine.values("repeats", RECORD, [])
        for name in ("", "_unreadable"):
            chosen = f"SELECT r.* FROM delivered{name} r LEFT SEMI JOIN wanted w ON r._record = w._record"
            engine.define(f"records{name}", chosen)
        decided = define_decided(context, delivery, source, decisions)
        engine.define("typed", decided.queries.typed, parameters)
        engine.define("judged", decided.queries.judged, parameters)
        unreadable = engine.rows("SELECT _record, _reason FROM records_unreadable")
        present = [name for name in source.layout.columns if name]
        cells = engine.rows(f"SELECT _record, {names(present)} FROM records")
        judged = engine.rows("SELECT _record, _errors FROM judged")
    errors = {row["_record"]: str(row["_errors"] or "") for row in judged}
    given = {one.record: one.cells for one in decisions if one.cells}
    own = {int(str(row["_record"])): {name: str(row[name] or "") for name in present} for row in cells}
    own |= {record: dict.fromkeys(present, "") for record in given.keys() & {row["_record"] for row in unreadable}}
    found = {int(str(row["_record"])): Judged(None, str(row["_reason"])) for row in unreadable}
    return found | {record: Judged({**texts, **given.get(record, {})}, errors[record]) for record, texts in own.items()}
