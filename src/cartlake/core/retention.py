"""How far back what is old is still needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.entries import MaintenanceStep, Preparation, Publication
from cartlake.errors import UsageError

REMOVE_FILES, SET_ASIDE = "remove_files", "set_aside"
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
    """Per table the version below which none can be read any more."""
    below: dict[str, int] = {}
    for step in steps:
        if step.action == REMOVE_FILES and step.version is not None:
            below[step.name] = max(below.get(step.name, 0), step.version)
    return below


def require_kept(publication: Publication, steps: Iterable[MaintenanceStep]) -> None:
    """Raises UsageError if maintenance removed a version that the publication names."""
    below = gone_below(steps)
    if any(version < below.get(table, 0) for table, version in publication.tables.items()):
        said = f"what was published with batch {publication.batch_id} is no longer kept"
        raise UsageError("publication_gone", said, hint="keep_days under [maintain] says how long that is.")


def is_decided(batch: Batch) -> bool:
    """Nothing will read the batch's files again, unless somebody asks for it."""
    return batch.status in (BatchStatus.PUBLISHED, BatchStatus.REJECTED) and not batch.restage
