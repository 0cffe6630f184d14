"""`Lake`: everything cartlake does, as Python. The command line calls nothing else."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

from cartlake import pipeline, queries, runs, withdraw
from cartlake.core import dag
from cartlake.core.arrival import unannounced
from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.entries import MaintenanceStep, Publication, Run
from cartlake.core.names import LandedFile
from cartlake.engines.base import Row
from cartlake.errors import Locked, UsageError
from cartlake.ledger import Clock, utc_now
from cartlake.opening import Door
from cartlake.pipeline import OnTask
from cartlake.queries import BatchDetail, BatchReport, CaseResult, Version
from cartlake.rebuild import Rebuild, rebuild
from cartlake.settings import Settings, load_settings
from cartlake.tasks.arrivals import look
from cartlake.tasks.context import Context
from cartlake.tasks.maintain import maintain


@dataclass(frozen=True)
class RunReport:
    """What a run did: its batches as they stand afterwards, in its order; `notices` are for people."""

    run_id: str | None
    batches: tuple[BatchReport, ...]
    notices: tuple[str, ...]

    @property
    def has_failed(self) -> bool:
        return any(report.batch.status is BatchStatus.FAILED for report in self.batches)


@dataclass(frozen=True)
class Status:
    """The lake at a glance."""

    project: Path
    batches: tuple[BatchReport, ...]
    unannounced: tuple[LandedFile, ...]
    publication: Publication
    notices: tuple[str, ...]


class Lake(AbstractContextManager["Lake"]):
    """One project folder. What writes takes the lake's lock and raises Locked if another process has it
    (`wait` seconds: None waits as long as it takes). `spark` is a session to use instead of one of our own."""

    def __init__(
        self,
        project: Path | str = ".",
        *,
        settings: Settings | None = None,
        clock: Clock = utc_now,
        wait: float | None = 0,
        spark: object = None,
    ) -> None:
        self.settings = settings or load_settings(Path(project))
        self._door = Door(self.settings, clock, wait, **({} if spark is None else {"session": spark}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Everything is released; the next call opens the lake again, with contracts and models as they are then."""
        self._door.close()

    # running

    def run(self, on_task: OnTask = lambda *_: None) -> RunReport:
        """Every batch that is ready has gone through the eight tasks, in `batch_date` order."""
        with self._door.locked() as context:
            with context.ledger.together():
                runs.recover(context)
                notices = runs.survey(context)
                run = runs.start_run(context)
            if run is not None:
                pipeline.run_tasks(context, run, on_task)
                runs.survey(context)
            return self._report(context, run, notices)

    def task(
        self, name: str, *, batch_id: str | None = None, run_id: str | None = None, on_task: OnTask = lambda *_: None
    ) -> RunReport:
        """One task ran over the batches of a run, or over one batch; a run that does not exist yet is started with
        what is ready. Raises UsageError if a task before it has not run."""
        with self._door.locked() as context:
            if name not in dag.task_names(context.contracts):
                names = ", ".join(dag.task_names(context.contracts))
                raise UsageError("task_unknown", f"there is no task {name!r}", hint=f"Tasks are {names}.")
            runs.settle_published(context)
            run, notices = self._run_of(context, name, batch_id, run_id)
            if run is not None:
                pipeline.require_inputs(context, run, name)
                pipeline.run_task(context, run, name, on_task)
                if name == dag.MERGE:
                    runs.end_run(context, run)
                    notices += runs.survey(context)
            return self._report(context, run, notices)

    def _run_of(
        self, context: Context, task: str, batch_id: str | None, run_id: str | None
    ) -> tuple[Run | None, tuple[str, ...]]:
        known = {run.run_id: run for run in context.ledger.runs()}
        if batch_id is not None:
            runs.survey(context)
            batch = queries.find_batch(context, batch_id)
            run_id = batch.run_id
            if run_id is None and not (batch.restage or batch.status is BatchStatus.READY):
                return None, (f"{batch_id} is {batch.status}: {task} changes nothing",)
        if run_id is not None and run_id in known:
            return known[run_id], ()
        if task not in _loads(context):
            what = f"batch {batch_id}" if batch_id else f"run {run_id}"
            first = _loads(context)[0]
            raise UsageError("task_inputs_missing", f"{what} is not under way", hint=f"Begin with the task {first}.")
        notices = runs.survey(context)
        return runs.start_run(context, run_id, only=batch_id), notices

    def watch(
        self, stop: Callable[[], bool], on_run: Callable[[RunReport], None], on_task: OnTask = lambda *_: None
    ) -> None:
        """Runs whenever something lands, until `stop` says so; if another process has the lake then, as soon as it is
        free. See `cartlake.watching`."""
        from cartlake.watching import arrivals, attempts

        for _ in arrivals(self.settings, stop):
            for _ in attempts(stop):
                with suppress(Locked):
                    on_run(self.run(on_task))
                    break

    def maintain(self, *, dry_run: bool = False) -> list[MaintenanceStep]:
        """Small files are joined, and what the settings under [maintain] do not keep is removed; what was done, also in
        the relation `maintenance`. Readers see the same rows. `dry_run` only says what would be done."""
        with self._door.locked() as context:
            return maintain(context, dry_run=dry_run)

    # deciding

    def release(self, batch_id: str, why: str, actor: str | None = None) -> BatchReport:
        """A held batch is ready and the gate will let it through; who and why are recorded."""
        with self._door.locked() as context:
            batch = queries.find_batch(context, batch_id)
            if batch.status is not BatchStatus.HELD:
                raise _wrong_state(batch, "only a held batch can be released")
            released = replace(batch, status=BatchStatus.READY, is_released=True, reason=why, actor=actor or _who())
            context.ledger.record_batches([released])
            return queries.batch_reports(context, [batch_id])[0]

    def reject(self, batch_id: str, why: str, actor: str | None = None) -> BatchReport:
        """Nothing of the batch is in production, and it stays out; a published one is taken out at once."""
        with self._door.locked() as context:
            runs.recover(context)
            batch = queries.find_batch(context, batch_id)
            if batch.status is BatchStatus.REJECTED:
                return queries.batch_reports(context, [batch_id])[0]
            if batch.status is BatchStatus.PUBLISHED:
                withdraw.take_out(context, batch)
            rejected = replace(
                batch, status=BatchStatus.REJECTED, restage=False, run_id=None, reason=why, actor=actor or _who()
            )
            context.ledger.record_batches([rejected])
            return queries.batch_reports(context, [batch_id])[0]

    def retry(self, batch_id: str, actor: str | None = None) -> BatchReport:
        """The next run reads the batch's claimed files again with today's contracts. Raises UsageError if the archive
        has them no longer."""
        with self._door.locked() as context:
            runs.recover(context)
            batch = queries.find_batch(context, batch_id)
            if batch.status in (BatchStatus.WAITING, BatchStatus.READY):
                raise _wrong_state(batch, "it has not run yet")
            runs.require_archived(context, batch_id)
            status = BatchStatus.PUBLISHED if batch.status is BatchStatus.PUBLISHED else BatchStatus.READY
            again = replace(batch, status=status, restage=True, run_id=None, actor=actor or _who())
            context.ledger.record_batches([again])
            return queries.batch_reports(context, [batch_id])[0]

    def rollback(self, batch_id: str, actor: str | None = None) -> list[BatchReport]:
        """Production is as it was published with this batch, but for what was decided about earlier batches since; the
        batches that entered it later are held, and returned."""
        with self._door.locked() as context:
            runs.recover(context)
            left = withdraw.roll_back(context, queries.find_batch(context, batch_id), actor or _who())
            return queries.batch_reports(context, left)

    def rebuild(self, tables: Sequence[str] = (), since: date | None = None, *, from_archive: bool = False) -> Rebuild:
        """Production tables are made again from the accepted logs, or from the archived files with today's contracts,
        and published together. See `cartlake.rebuild`."""
        with self._door.locked(anew=True) as context:
            runs.recover(context)
            return rebuild(context, tables, since, from_archive=from_archive)

    def create_manifest(self, batch_date: date | None = None) -> list[Path]:
        """A manifest for the landed files that no batch names, one per date (all for `batch_date` if given)."""
        with self._door.locked() as context:
            return runs.announce_landed(context, batch_date)

    # looking

    def status(self) -> Status:
        """Everything at a glance, without changing anything."""
        context = self._door.context()
        seen, known = look(context)
        return Status(
            self.settings.project,
            tuple(queries.batch_reports(context)),
            unannounced(seen.files, known.batches.values()),
            context.ledger.latest_publication(),
            seen.notices,
        )

    def batches(self) -> list[BatchReport]:
        """All batches, by date."""
        return queries.batch_reports(self._door.context())

    def batch(self, batch_id: str) -> BatchDetail:
        """One batch with its files, task attempts and rule results. Raises UsageError with close names."""
        return queries.batch_detail(self._door.context(), batch_id)

    def quarantine(self, batch_id: str | None = None, feed: str | None = None, *, every: bool = False) -> list[Row]:
        """Quarantined records: `id`, `batch_id`, `feed`, `source_file`, `line`, `reasons`, `raw`, ..."""
        return queries.quarantine(self._door.context(), batch_id, feed, every=every)

    def query(self, sql: str, at: str | None = None) -> tuple[list[str], list[Row]]:
        """Columns and rows of one SELECT over the published tables and views; `at` is a batch: as published then."""
        return queries.query(self._door.context(), sql, at)

    def history(self, table: str, key: Sequence[str]) -> list[Version]:
        """The life of one key. Raises UsageError if the table has no history or there is no such key."""
        return queries.history(self._door.context(), table, key)

    def test(self) -> list[CaseResult]:
        """Every given/expect case of the project's models, run on the engine."""
        return queries.run_cases(self._door.context())

    # inside

    def _report(self, context: Context, run: Run | None, notices: tuple[str, ...]) -> RunReport:
        batches = () if run is None else tuple(queries.batch_reports(context, run.batches))
        return RunReport(None if run is None else run.run_id, batches, notices)


def _loads(context: Context) -> tuple[str, ...]:
    return tuple(contract.task for contract in context.contracts)


def _wrong_state(batch: Batch, why: str) -> UsageError:
    return UsageError("batch_state", f"batch {batch.batch_id} is {batch.status}: {why}")


def _who() -> str:
    """The user of this system, as the ledger records who decided."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
