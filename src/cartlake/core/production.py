"""Which batches production is made of, and since when: told by the publications alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.entries import Publication


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


def left_by_rollback(batch: Batch, publications: Sequence[Publication]) -> Batch | None:
    """The batch as it must be if a rollback took it out after its row was written, or None."""
    if batch.status is not BatchStatus.PUBLISHED or batch.batch_id in entered_at(publications):
        return None
    later = [p for p in publications if p.kind == "rollback" and p.published_at > batch.recorded_at]
    return rolled_back(batch, later[-1].batch_id) if later else None
