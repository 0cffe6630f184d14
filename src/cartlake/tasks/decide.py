"""Decisions about quarantined records: judged first, then recorded, and their files marked to be staged again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from cartlake.core.closest import closest
from cartlake.core.decided import Judged
from cartlake.core.deciding import (
    DecisionReport,
    Held,
    RecordDecision,
    Wish,
    changed_cells,
    concluded,
    proposed,
    repairing,
)
from cartlake.core.entries import Decision
from cartlake.engines.base import Where
from cartlake.errors import FileRejected, UsageError
from cartlake.tasks.archived import ArchivedFile, contract_of
from cartlake.tasks.context import Context, FileKey
from cartlake.tasks.quarantined import quarantine, within


@dataclass(frozen=True)
class Decider:
    """Who decides and why; nothing is written in a dry run."""

    actor: str
    why: str | None
    dry_run: bool


def held_records(context: Context, where: Where | None = None) -> list[Held]:
    """Every record that is or was in quarantine, as far as it is within `where`."""
    known = {(one.feed, one.file_sha256, one.batch_date, one.record): one for one in context.ledger.decisions()}
    names = {field.name for field in fields(Held)} - {"standing"}
    found = []
    for row in quarantine(context, where, every=True):
        values = {name: row[name] for name in names} | {"reasons": ",".join(row["reasons"])}  # type: ignore[arg-type]
        held = Held(**values, standing=None)  # type: ignore[arg-type]
        found.append(replace(held, standing=known.get((*held.file, held.record))))
    return found


def _find(context: Context, ids: Sequence[str]) -> list[Held]:
    """Those with these ids, each once. Raises UsageError for an unknown one, and for one that was superseded."""
    by_id = {held.id: held for held in held_records(context, {"id": ids})} if ids else {}
    unknown = next((record_id for record_id in ids if record_id not in by_id), None)
    if unknown is not None:
        known = [held.id for held in held_records(context)]
        hint = closest(unknown, known, "`cartlake quarantine list` shows them.")
        raise UsageError("record_unknown", f"there is no quarantined record {unknown!r}", hint=hint)
    return [_current(by_id[record_id]) for record_id in dict.fromkeys(ids)]


def _current(held: Held) -> Held:
    if held.state == "superseded":
        raise UsageError(
            "record_superseded",
            f"{held.id} stood in {held.source_file}, which another file has replaced in batch {held.batch_id}",
            hint="`cartlake quarantine list` shows the records of the file that counts.",
        )
    return held


def fix_record(context: Context, record_id: str, cells: Mapping[str, str], by: Decider) -> DecisionReport:
    """See `Lake.fix_record`."""
    [held] = _find(context, [record_id])
    return decide(context, [Wish(held, "fix", dict(cells))], by)


def replay(context: Context, ids: Sequence[str], batch_id: str | None, feed: str | None, by: Decider) -> DecisionReport:
    """See `Lake.replay`. Raises UsageError if nothing is named."""
    if not (ids or batch_id or feed):
        said = "nothing is named to be replayed"
        raise UsageError("usage", said, hint="Name records by their ids, a batch, or a feed.")
    chosen = _find(context, ids) if ids else held_records(context, within(batch_id, feed))
    if not ids:
        chosen = [held for held in chosen if held.state == "open"]
    return decide(context, [Wish(held, "replay", {}) for held in chosen], by)


def discard(context: Context, ids: Sequence[str], by: Decider) -> DecisionReport:
    """See `Lake.discard`."""
    return decide(context, [Wish(held, "discard", {}) for held in _find(context, ids)], by)


@dataclass(frozen=True)
class _Outcome:
    wish: Wish
    record: RecordDecision
    decision: Decision


def decide(context: Context, wishes: Sequence[Wish], by: Decider) -> DecisionReport:
    """Each wish is judged; what changes something is recorded, and the files it concerns are marked to be staged again.
    Raises UsageError and FileRejected with nothing changed."""
    for wish in wishes:
        _require_possible(context, wish)
    files: dict[FileKey, list[Wish]] = {}
    for wish in wishes:
        files.setdefault(wish.held.file, []).append(wish)
    found = [outcome for key, of_file in files.items() for outcome in _of_file(context, key, of_file, by)]
    ledger, again = context.ledger, {outcome.wish.held.file for outcome in found if outcome.record.stages_again}
    announced = [f for f in ledger.batch_files() if (f.feed, f.file_sha256, f.batch_date) in again]
    batches = [ledger.batches()[batch_id] for batch_id in {file.batch_id for file in announced}]
    going, later = repairing(batches, {file.batch_id for file in announced if file.status == "rejected"})
    if not by.dry_run:
        ledger.record_batches(going)
        ledger.record_decisions(outcome.decision for outcome in found if outcome.record.is_new)
    ids = tuple(batch.batch_id for batch in going)
    return DecisionReport(tuple(outcome.record for outcome in found), ids, tuple(later), by.dry_run)


def _require_possible(context: Context, wish: Wish) -> None:
    held = wish.held
    if held.is_file and wish.action != "replay":
        raise UsageError(
            "file_rejected",
            f"{held.id} is a whole file, {held.source_file}, that was rejected: it has no records yet",
            hint=f"Deliver it corrected under its name, correct the contract and replay it, or leave the batch out:"
            f" cartlake batch reject {held.batch_id}",
        )
    columns = [*(field.name for field in contract_of(context, held.feed).fields), "_op"]
    unknown = next((column for column in wish.cells if column not in columns), None)
    if unknown is not None:
        said = f"{held.feed} has no column {unknown!r}"
        raise UsageError("column_unknown", said, hint=closest(unknown, columns))
    if any(not _is_text(cell) for cell in wish.cells.values()):
        said = f"a cell for {held.id} holds what is no text: a NUL or half of a character"
        raise UsageError("cell_unwritable", said, hint="Leave it out.")


def _is_text(cell: str) -> bool:
    return "\0" not in cell and cell.encode("utf-8", "replace").decode() == cell


def _of_file(context: Context, key: FileKey, wishes: Sequence[Wish], by: Decider) -> list[_Outcome]:
    """What the wishes for records of one file come to."""
    if all(wish.action == "discard" for wish in wishes):
        return [_outcome(context, wish, {}, None, by) for wish in wishes]
    if wishes[0].held.is_file:
        return [_outcome(context, wish, {}, _read_again(context, key), by) for wish in wishes]
    file = ArchivedFile(context, key)
    now = file.judged([wish.held.record for wish in wishes if wish.action == "fix"])
    changed = {w.held.record: changed_cells(w.cells, now[w.held.record].cells) for w in wishes if w.action == "fix"}
    new = {w.held.record: proposed(w, changed.get(w.held.record, {}), by.why, by.actor) for w in wishes}
    then = file.judged(list(new), new)
    return [
        _outcome(context, w, changed.get(w.held.record, {}), None if w.action == "discard" else then[w.held.record], by)
        for w in wishes
    ]


def _outcome(context: Context, wish: Wish, changed: Mapping[str, str], then: Judged | None, by: Decider) -> _Outcome:
    is_snapshot = contract_of(context, wish.held.feed).delivery == "snapshot"
    record = concluded(wish, changed, then, tells_absence=is_snapshot)
    return _Outcome(wish, record, proposed(wish, changed, by.why, by.actor))


def _read_again(context: Context, key: FileKey) -> Judged:
    """How a file that was rejected as a whole is found today."""
    try:
        ArchivedFile(context, key)
    except FileRejected as rejected:
        return Judged(None, rejected.code)
    return Judged(None, "")
