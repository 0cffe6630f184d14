"""Which batches production is made of, and since when: told by the publications alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.entries import Publication
from cartlake.core.names import shown

_DECISIVE = ("batch", "repair", "reject")


def entered_at(publications: Iterable[Publication]) -> dict[str, int]:
    """The batches in production after these publications, oldest first, each with the number of the one that it
    entered with."""
    entered: dict[str, int] = {}
    for publication in publications:
        batch_id = publication.batch_id
        if batch_id is None:
            continue
        if publication.kind == "batch":
            entered[batch_id] = publication.publication_id
        elif publication.kind == "reject":
            entered.pop(batch_id, None)
        elif publication.kind == "rollback":
            limit = entered[batch_id]
            entered = {one: number for one, number in entered.items() if number <= limit}
    return entered


def rolled_back(batch: Batch, to: str | None, actor: str | None = None) -> Batch:
    """The batch as a rollback leaves it: to be released or rejected by somebody."""
    return replace(
        batch,
        status=BatchStatus.HELD,
        gate="hold",
        reason=f"rolled_back to {to}",
        run_id=None,
        is_released=False,
        actor=actor,
    )


def retried(batch: Batch, claimed: Collection[str], actor: str) -> Batch:
    """The batch as a retry leaves it: its claimed files (by the keys of their names) are to be read again. One that is
    neither held nor published and never had some of its files waits for them."""
    again = replace(batch, restage=True, run_id=None, reason="retried", actor=actor)
    missing = tuple(file.name for file in batch.files if file.key not in claimed)
    if missing and batch.status in (BatchStatus.FAILED, BatchStatus.REJECTED):
        said = f"waiting for {', '.join(map(shown, missing))}"
        return replace(again, status=BatchStatus.WAITING, waiting_for=missing, reason=said, is_released=False)
    return again if batch.status is BatchStatus.PUBLISHED else replace(again, status=BatchStatus.READY)


def settled(batches: Iterable[Batch], publications: Sequence[Publication]) -> list[Batch]:
    """What became of those batches whose row is not right, because the run that was to write it died: a publication
    that is newer than the row has the word."""
    decisive: dict[str | None, Publication] = {p.batch_id: p for p in publications if p.kind in _DECISIVE}
    entered, rollbacks = entered_at(publications), [p for p in publications if p.kind == "rollback"]
    found = []
    for batch in batches:
        last = decisive.get(batch.batch_id)
        rolled = [p for p in rollbacks if p.published_at > batch.recorded_at]
        if last and last.published_at > batch.recorded_at:
            status = BatchStatus.REJECTED if last.kind == "reject" else BatchStatus.PUBLISHED
            found.append(replace(batch, status=status, run_id=None, restage=False))
        elif batch.status is BatchStatus.RUNNING:
            found.append(replace(batch, status=BatchStatus.READY, run_id=None))
        elif batch.status is BatchStatus.PUBLISHED and batch.batch_id not in entered and rolled:
            found.append(rolled_back(batch, rolled[-1].batch_id))
    return found
