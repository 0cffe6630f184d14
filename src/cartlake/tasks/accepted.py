"""Which staged files count, to which batch each belongs, and what of a log that makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

from cartlake.core.contract import Contract
from cartlake.core.entries import BatchFile
from cartlake.core.evolution import added_value, names_in, with_added
from cartlake.core.sqltext import name, names
from cartlake.core.table import BIGINT, DATE, STRING, TIMESTAMP, Column
from cartlake.core.tables import stage_table
from cartlake.tasks.context import Context

AcceptedKey = tuple[str, str, date, datetime | None]
"""A staged file, and of a feed whose events take their time from the batch that time, which travels with the
announcement: one content is several events then."""


class Announced(NamedTuple):
    """By which batch a file is accepted, the smallest of those that announce it, and the greatest revision that their
    manifests give it: None if none gives one, and that of its claim counts."""

    batch_id: str
    revision: int | None


ACCEPTED = (
    Column("file_sha256", STRING),
    Column("batch_date", DATE),
    Column("event_time", TIMESTAMP),
    Column("batch_id", STRING),
    Column("revision", BIGINT),
    Column("is_added", BIGINT),
)


def event_times(context: Context, contract: Contract) -> dict[str, datetime]:
    """The times of all batches, if the feed's events take theirs from them; else none."""
    batches = context.ledger.batches().values() if contract.takes_batch_time else ()
    return {batch.batch_id: batch.event_time for batch in batches}


def revisions(context: Context) -> dict[str, int]:
    """Those that manifests give, by batch."""
    batches = context.ledger.batches().values()
    return {batch.batch_id: batch.revision for batch in batches if batch.revision is not None}


def accepted_files(
    files: Iterable[BatchFile],
    batches: Iterable[str],
    times: Mapping[str, datetime],
    given: Mapping[str, int],
) -> dict[AcceptedKey, Announced]:
    """The staged files that these batches announce, and how. `given` are `revisions`."""
    wanted = set(batches)
    accepted: dict[AcceptedKey, Announced] = {}
    for file in files:
        if file.batch_id in wanted and file.status == "staged":
            key = (file.feed, file.file_sha256, file.batch_date, times.get(file.batch_id))
            known = accepted.get(key, Announced(file.batch_id, None))
            found = [each for each in (known.revision, given.get(file.batch_id)) if each is not None]
            accepted[key] = Announced(min(known.batch_id, file.batch_id), max(found, default=None))
    return accepted


def evolved(context: Context, batches: AbstractSet[str]) -> Context:
    """The context whose contracts have the columns that the files of these batches bring, where they may."""
    if all(contract.evolve == "rescue" for contract in context.contracts):
        return context
    accepted = {key[:3] for key in accepted_files(context.ledger.batch_files(), batches, {}, {})}
    found: dict[str, list[str]] = {}
    for file in context.ledger.files():
        if (file.feed, file.file_sha256, file.batch_date) in accepted:
            found.setdefault(file.feed, []).extend(names_in(file.rescued_columns))
    contracts = tuple(with_added(contract, found.get(contract.feed, [])) for contract in context.contracts)
    return replace(context, contracts=contracts)


def define_accepted(context: Context, relation: str, files: Mapping[AcceptedKey, tuple[Announced, bool]]) -> None:
    """`relation` has `files`, each with its batch and revision and whether it is new, as `ACCEPTED` says."""
    rows = [(sha, day, time, *announced, int(added)) for (_, sha, day, time), (announced, added) in files.items()]
    context.engine.values(relation, ACCEPTED, rows)


def with_batch(contract: Contract, log: str, files: str) -> str:
    """Rows of a log as events: with the batch that its file belongs to as `_batch_id`, the revision and the time that
    its announcements give them, what `evolve: add` added, and `_is_added`."""
    given = {"_batch_id": "f.batch_id AS _batch_id", "_revision": "coalesce(f.revision, s._revision) AS _revision"}
    if contract.takes_batch_time:
        given["_sequence"] = "f.event_time AS _sequence"
    shown = [given.get(column, name(column, "s")) for column in stage_table(contract).column_names]
    shown += [added_value(field, "s") for field in contract.added]
    return f"SELECT {', '.join(shown)}, f.is_added AS _is_added FROM {log} s JOIN {files} f ON {same_file('s', 'f')}"


def define_logged(context: Context, contract: Contract, relation: str, files: Sequence[BatchFile]) -> None:
    """`relation` has the rows of the log of these files, at the times that count."""
    engine, stage = context.engine, stage_table(contract)
    announcing = {file.batch_id for file in files}
    accepted = accepted_files(files, announcing, event_times(context, contract), revisions(context))
    if not contract.takes_batch_time:
        engine.read(relation, stage, where=slices(accepted))
        return
    define_accepted(context, f"files_of_{relation}", {key: (each, True) for key, each in accepted.items()})
    engine.read(f"log_of_{relation}", stage, where=slices(accepted))
    rows = with_batch(contract, f"log_of_{relation}", f"files_of_{relation}")
    engine.define(relation, f"SELECT {names(stage.column_names)} FROM ({rows}) r")


def same_file(row: str, file: str) -> str:
    return f"{row}._file_sha256 = {file}.file_sha256 AND {row}._batch_date = {file}.batch_date"


def slices(files: Iterable[AcceptedKey]) -> dict[str, list[str]]:
    """Where in a log the files stand."""
    listed = list(files)
    return {
        "_file_sha256": sorted({sha for _, sha, _, _ in listed}),
        "_batch_date": sorted({day.isoformat() for _, _, day, _ in listed}),
    }
