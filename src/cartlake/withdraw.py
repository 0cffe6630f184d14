"""Batches leave production: one that is rejected, or all that came after another one."""

from __future__ import annotations

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.entries import Publication
from cartlake.core.production import entered_at, rolled_back
from cartlake.core.retention import is_kept
from cartlake.errors import UsageError
from cartlake.runs import published_batches
from cartlake.tasks.context import Context
from cartlake.tasks.enrich import Acceptance, changed_tables
from cartlake.tasks.merge import publish_changes, publish_versions


def take_out(context: Context, batch: Batch) -> Publication:
    """A publication without the batch. The caller records the decision."""
    return _without(context, frozenset({batch.batch_id}), batch.batch_id, "reject")


def _without(context: Context, leaving: frozenset[str], batch_id: str, kind: str) -> Publication:
    """The keys of the leaving batches are recomputed from what remains, and published."""
    before = published_batches(context)
    acceptance = Acceptance(before, before - leaving, restaged=before & leaving)
    with context.engine.scope():
        tables = changed_tables(context, acceptance, context.ledger.latest_publication())
        return publish_changes(context, tables, acceptance, batch_id, kind)


def roll_back(context: Context, batch: Batch, actor: str) -> list[str]:
    """Every batch that entered production after `batch` is held, and nothing of it is published; which they are, in the
    order in which they entered. Raises UsageError if `batch` is not in production."""
    entered = entered_at(context.ledger.publications())
    if batch.status is not BatchStatus.PUBLISHED or batch.batch_id not in entered:
        said = f"batch {batch.batch_id} is {batch.status}: nothing can be rolled back to it"
        raise UsageError("batch_state", said, hint="`cartlake batch list` shows which batches are published.")
    published, limit = published_batches(context), entered[batch.batch_id]
    leaving = [one for one in sorted(published, key=lambda one: entered[one]) if entered[one] > limit]
    if leaving:
        before = _restorable(context, limit)
        if before is None:
            _without(context, frozenset(leaving), batch.batch_id, "rollback")
        else:
            _restore(context, before, published - {*leaving}, batch.batch_id)
    batches = context.ledger.batches()
    context.ledger.record_batches(rolled_back(batches[one], batch.batch_id, actor) for one in leaving)
    return leaving


def _restorable(context: Context, publication_id: int) -> Publication | None:
    """The publication, if nothing but batches entered production since, with today's definitions, and it is kept: then
    its tables hold what is to be computed."""
    publications = [p for p in context.ledger.publications() if p.publication_id >= publication_id]
    found = publications[0]
    is_alike = all(
        p.kind in ("batch", "maintenance") and p.definitions == context.definition_hashes for p in publications
    )
    is_settled = not any(batch.restage for batch in context.ledger.batches().values())
    return found if is_alike and is_settled and is_kept(found, context.ledger.maintenance()) else None


def _restore(context: Context, found: Publication, accepted: frozenset[str], batch_id: str) -> Publication:
    """Every production table holds what it held in `found`; one that was not there is empty."""
    versions = {}
    for table in context.production_tables:
        if table.name in found.tables:
            versions[table.name] = context.engine.restore(table.name, found.tables[table.name])
        elif table.name in context.ledger.latest_publication().tables:
            versions[table.name] = context.engine.replace(table, {}, None)
    acceptance = Acceptance(published_batches(context), accepted)
    return publish_versions(context, versions, acceptance, batch_id, "rollback")
