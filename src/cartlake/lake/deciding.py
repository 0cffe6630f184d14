"""The part of `Lake` where people decide: about batches, and about what production is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from cartlake import queries, runs, withdraw
from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.names import normalise
from cartlake.core.production import retried
from cartlake.errors import UsageError
from cartlake.lake.opened import Opened, who
from cartlake.losses import require_no_gap
from cartlake.queries import BatchReport
from cartlake.rebuild import Rebuild, rebuild

_NO_REASON = "no reason given"


class Deciding(Opened):
    """See `Lake`."""

    def release(self, batch_id: str, why: str | None = None, actor: str | None = None) -> BatchReport:
        """A held batch is ready and the gate will let it through; who and why are recorded."""
        return self.release_all([batch_id], why, actor)[0]

    def release_all(
        self, batch_ids: Sequence[str], why: str | None = None, actor: str | None = None
    ) -> list[BatchReport]:
        """All these held batches are released, or, if one of them cannot be, none. Raises UsageError."""
        with self._door.locked() as context:
            runs.settle_published(context)
            batches = [queries.find_batch(context, batch_id) for batch_id in dict.fromkeys(batch_ids)]
            for batch in batches:
                if batch.status is not BatchStatus.HELD:
                    raise _wrong_state(batch, "only a held batch can be released")
            by, said = actor or who(), _said(why)
            context.ledger.record_batches(
                replace(batch, status=BatchStatus.READY, is_released=True, reason=said, actor=by) for batch in batches
            )
            return queries.batch_reports(context, [batch.batch_id for batch in batches])

    def reject(self, batch_id: str, why: str | None = None, actor: str | None = None) -> BatchReport:
        """Nothing of the batch is in production, and it stays out; a published one is taken out at once. Of one
        that somebody had rejected another reason is recorded."""
        said = _said(why)
        with self._door.locked() as context:
            runs.recover(context)
            batch = queries.find_batch(context, batch_id)
            if batch.status is BatchStatus.REJECTED and (not batch.actor or said in (_NO_REASON, batch.reason)):
                return queries.batch_reports(context, [batch_id])[0]
            if batch.status is BatchStatus.PUBLISHED:
                withdraw.take_out(context, batch)
            rejected = replace(
                batch, status=BatchStatus.REJECTED, restage=False, run_id=None, reason=said, actor=actor or who()
            )
            context.ledger.record_batches([rejected])
            return queries.batch_reports(context, [batch_id])[0]

    def retry(self, batch_id: str, actor: str | None = None) -> BatchReport:
        """The next run reads the batch's claimed files again with today's contracts; a rejected or failed batch that
        never had some of its files waits for them again. Raises UsageError if the archive has them no longer, and for
        a refused manifest."""
        with self._door.locked() as context:
            runs.recover(context)
            batch = queries.find_batch(context, batch_id)
            if batch.status in (BatchStatus.WAITING, BatchStatus.READY):
                raise _wrong_state(batch, "it has not run yet")
            if batch.is_refusal:
                raise _wrong_state(batch, "its manifest was refused; correct it and drop it again")
            runs.require_archived(context, batch_id)
            claimed = {normalise(file.file_name) for file in context.ledger.batch_files([batch_id])}
            context.ledger.record_batches([retried(batch, claimed, actor or who())])
            return queries.batch_reports(context, [batch_id])[0]

    def rollback(self, batch_id: str, actor: str | None = None) -> list[BatchReport]:
        """Production is as it was published with this batch, but for what was decided about earlier batches since; the
        batches that entered it later are held, and returned."""
        with self._door.locked() as context:
            runs.recover(context)
            left = withdraw.roll_back(context, queries.find_batch(context, batch_id), actor or who())
            return queries.batch_reports(context, left)

    def rebuild(self, tables: Sequence[str] = (), since: date | None = None, *, from_archive: bool = False) -> Rebuild:
        """Production tables are made again from the accepted logs, or from the archived files with today's contracts,
        and published together. See `cartlake.rebuild`."""
        if not from_archive:
            require_no_gap(self._door.as_it_is())
        with self._door.locked(anew=True) as context:
            runs.recover(context)
            return rebuild(context, tables, since, from_archive=from_archive)

    def create_manifest(self, batch_date: date | None = None) -> list[Path]:
        """A manifest for the landed files that no batch names, one per date (all for `batch_date` if given)."""
        with self._door.locked() as context:
            return runs.announce_landed(context, batch_date)


def _said(why: str | None) -> str:
    return _NO_REASON if why is None else why


def _wrong_state(batch: Batch, why: str) -> UsageError:
    return UsageError("batch_state", f"batch {batch.batch_id} is {batch.status}: {why}")
