"""How far back what is old is still needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.entries import MaintenanceStep, Preparation, Publication
from cartlake.errors import UsageError

REMOVE_FILES, SET_ASIDE, MOVE = "remove_files", "set_aside", "move"
READING = timedelta(days=1)  # longer than anybody reads from one list of a table's files


def kept_publications(publications: Sequence[Publication], now: datetime, days: int) -> list[Publication]:
    """The publications, oldest first, that were the latest one at some moment of the last `days` days."""
    cutoff = now - timedelta(days=days)
    superseded = sum(1 for later in publications[1:] if later.published_at <= cutoff)
    return list(publications[superseded:])


def oldest_published(table: str, kept: Iterable[Publication]) -> int:
    """The smallest version of a table that one of the publications names."""
    return min((publication.tables.get(table, 0) for publication in kept), default=0)


def oldest_prepared(table: str, preparations: Iterable[Preparation], latest: Publication, head: int) -> int:
    """The smallest version of a table of changes that may still be merged: those computed from the latest publication.
    Whatever else there is will be computed again."""
    base = latest.publication_id
    return min((one.tables[table] for one in preparations if one.base == base and table in one.tables), default=head)


def gone_below(steps: Iterable[MaintenanceStep]) -> dict[str, int]:
    """Per table the version below which none can be read any more. What was removed before the lake moved was removed
    elsewhere."""
    below: dict[str, int] = {}
    for step in steps:
        if step.action == MOVE:
            below.clear()
        elif step.action == REMOVE_FILES and step.version is not None:
            below[step.name] = max(below.get(step.name, 0), step.version)
    return below


def moved_with(publication: Publication, steps: Iterable[MaintenanceStep]) -> bool:
    """Whether the versions that the publication names are those of tables in another place."""
    firsts = [step.version for step in steps if step.action == MOVE and step.version is not None]
    return publication.publication_id < max(firsts, default=0)


def is_kept(publication: Publication, steps: Sequence[MaintenanceStep]) -> bool:
    """Whether all tables can be read as the publication names them."""
    below = gone_below(steps)
    is_there = all(version >= below.get(table, 0) for table, version in publication.tables.items())
    return is_there and not moved_with(publication, steps)


def require_kept(publication: Publication, steps: Sequence[MaintenanceStep]) -> None:
    """Raises UsageError if the tables cannot be read as the publication names them."""
    if is_kept(publication, steps):
        return
    said = f"publication {publication.publication_id} (batch {publication.batch_id}) is no longer kept"
    hint = "keep_days under [maintain] says how long that is."
    if moved_with(publication, steps):
        hint = "It was made before the lake moved here, or before a table was removed and made again."
    raise UsageError("publication_gone", said, hint=hint)


def is_decided(batch: Batch) -> bool:
    """Nothing will read the batch's files again, unless somebody asks for it."""
    return batch.status in (BatchStatus.PUBLISHED, BatchStatus.REJECTED) and not batch.restage
