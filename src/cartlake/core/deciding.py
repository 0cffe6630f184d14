"""Deciding about quarantined records: what a wish comes to, given how the record stands and how it would be judged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.decided import DISCARDED, Judged
from cartlake.core.entries import Decision

Action = Literal["fix", "replay", "discard"]


@dataclass(frozen=True)
class Held:
    """A record that is or was in quarantine. `state` is open, fixed, replayed, discarded or superseded; `reasons` are
    codes, comma-separated; record 0 is a whole file that was rejected."""

    id: str
    batch_id: str
    feed: str
    source_file: str
    file_sha256: str
    batch_date: date
    record: int
    line: int | None
    reasons: str
    raw: str | None
    state: str
    standing: Decision | None

    @property
    def file(self) -> tuple[str, str, date]:
        return self.feed, self.file_sha256, self.batch_date

    @property
    def is_file(self) -> bool:
        return self.record == 0

    @property
    def cells(self) -> Mapping[str, str]:
        """Those that somebody put in the place of its own."""
        return self.standing.cells if self.standing else {}


@dataclass(frozen=True)
class Wish:
    """What somebody wants for a record; `cells` are those of a fix, by column."""

    held: Held
    action: Action
    cells: Mapping[str, str]


@dataclass(frozen=True)
class RecordDecision:
    """What a wish comes to. `is_new`: it changes what was decided before. `changed` are the columns of the cells that a
    fix changes. `reasons` are those for which the record is or was in quarantine, `reasons_then` those that it will
    have once the decision is applied: none, and it passes. `stages_again`: its file is to be staged again for it."""

    id: str
    batch_id: str
    feed: str
    source_file: str
    line: int | None
    action: Action
    is_new: bool
    changed: tuple[str, ...]
    reasons: tuple[str, ...]
    reasons_then: tuple[str, ...]
    stages_again: bool

    @property
    def passes(self) -> bool:
        return not self.reasons_then


@dataclass(frozen=True)
class DecisionReport:
    """What was decided, or would be in a dry run. The next run repairs `batches`; the decision on a record of a batch
    in `later` (held, rejected, or waiting for files) is applied when that batch is staged again."""

    records: tuple[RecordDecision, ...]
    batches: tuple[str, ...]
    later: tuple[str, ...]
    dry_run: bool

    def to_json(self) -> dict[str, object]:
        """Names of columns and codes of reasons; no cell."""
        return {
            "dry_run": self.dry_run,
            "batches": list(self.batches),
            "later": list(self.later),
            "records": [vars(record) | {"passes": record.passes} for record in self.records],
        }


def changed_cells(given: Mapping[str, str], now: Mapping[str, str] | None) -> dict[str, str]:
    """The cells that differ from those of the record as it stands; of one that cannot be read, all that are not empty.
    Blanks around a cell and the kind of a line end inside are no difference."""
    return {column: text for column, text in given.items() if _plain(text) != _plain((now or {}).get(column, ""))}


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip(" ")


def proposed(wish: Wish, changed: Mapping[str, str], why: str | None, actor: str) -> Decision:
    """The decision that stands if the wish is followed: a fix adds to what was repaired before, a replay keeps it."""
    held = wish.held
    cells = {} if wish.action == "discard" else {**held.cells, **changed}
    return Decision(
        id=held.id,
        batch_id=held.batch_id,
        feed=held.feed,
        source_file=held.source_file,
        file_sha256=held.file_sha256,
        batch_date=held.batch_date,
        record=held.record,
        line=held.line,
        reasons=held.reasons,
        raw=held.raw,
        action=wish.action,
        cells=cells,
        why=why,
        actor=actor,
    )


def concluded(
    wish: Wish, changed: Mapping[str, str], then: Judged | None, *, tells_absence: bool = False
) -> RecordDecision:
    """`then` is how the record will be judged; None for one that is discarded. `tells_absence`: its feed delivers
    snapshots, and while it is open without a readable key none tells which keys are absent.

    A replay that would find what was found before decides nothing, nor does one of a record that waits for a run, or
    was repaired. An open record that is discarded needs no run, it is in quarantine already; nor does one that is open
    again for the same reasons; unless `tells_absence`.
    """
    held, is_open = wish.held, wish.held.state == "open"
    errors = (held.reasons if is_open or held.state == DISCARDED else DISCARDED) if then is None else then.errors
    if wish.action == "fix":
        is_new = stages_again = bool(changed)
    elif wish.action == "replay":
        is_new = held.state == DISCARDED or (is_open and errors != held.reasons)
        stages_again = is_new and (tells_absence or errors != held.reasons)
    else:
        is_new = held.state != DISCARDED
        stages_again = is_new and (tells_absence or not is_open)
    return RecordDecision(
        id=held.id,
        batch_id=held.batch_id,
        feed=held.feed,
        source_file=held.source_file,
        line=held.line,
        action=wish.action,
        is_new=is_new,
        changed=tuple(changed),
        reasons=tuple(held.reasons.split(",")),
        reasons_then=tuple(errors.split(",")) if errors else (),
        stages_again=stages_again,
    )


def repairing(announcing: Iterable[Batch], rejected: Collection[str]) -> tuple[list[Batch], list[str]]:
    """Of the batches that announce a file to be staged again: rows with which the next run takes them, and the ids of
    those that only somebody or something else lets go on. `rejected` are those in which it was rejected as a whole."""
    going, later = list[Batch](), list[str]()
    for batch in sorted(announcing, key=lambda batch: (str(batch.batch_date), batch.batch_id)):
        if batch.status is BatchStatus.PUBLISHED:
            going.append(replace(batch, restage=True, run_id=None))
        elif batch.status in (BatchStatus.READY, BatchStatus.RUNNING):
            going.append(replace(batch, status=BatchStatus.READY, run_id=None))
        elif batch.status is BatchStatus.FAILED and batch.batch_id in rejected:
            going.append(replace(batch, status=BatchStatus.READY, restage=True, run_id=None))
        else:
            later.append(batch.batch_id)
    return going, later
