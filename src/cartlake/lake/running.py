"""The part of `Lake` that runs: all tasks, one of them, whenever something lands; and upkeep."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial

from cartlake import pipeline, queries, runs
from cartlake.core import dag
from cartlake.core.batch import BatchStatus
from cartlake.core.entries import MaintenanceStep, Run
from cartlake.errors import Locked, UsageError
from cartlake.lake.opened import Opened
from cartlake.lock import STATE_FOLDER
from cartlake.owning import joined
from cartlake.queries import BatchReport
from cartlake.reporting import reported
from cartlake.settings import Settings
from cartlake.tasks.attempt import OnTask
from cartlake.tasks.context import Context
from cartlake.tasks.maintain import join_ledger, maintain
from cartlake.tasks.shapes import outdated_notices

JOIN_EVERY = 100  # runs
MANY_PUBLICATIONS = 100
_LOOK_SECONDS = 300.0  # manifests make a stream run; files that a batch waits for do not


@dataclass(frozen=True)
class RunReport:
    """What a run did: its batches as they stand afterwards, in its order; `notices` are for people."""

    run_id: str | None
    batches: tuple[BatchReport, ...]
    notices: tuple[str, ...]

    @property
    def has_failed(self) -> bool:
        return any(report.batch.status is BatchStatus.FAILED for report in self.batches)


class Running(Opened):
    """See `Lake`."""

    def run(self, on_task: OnTask = lambda *_: None) -> RunReport:
        """Every batch that is ready has gone through the eight tasks, in `batch_date` order."""
        with self._door.locked(beside_runs=True) as context:
            run, notices = runs.begin_run(context, take_over=True)
            with reported(context, run) as untold:
                if run is not None:
                    pipeline.run_tasks(context, run, on_task)
                    _look_after(context, run)
                    notices += _upkeep_due(context)
            notices += (*untold, *outdated_notices(context))
            return self._report(context, run, notices)

    def task(
        self, name: str, *, batch_id: str | None = None, run_id: str | None = None, on_task: OnTask = lambda *_: None
    ) -> RunReport:
        """One task ran over the batches of a run, or over one batch; a run that does not exist yet is started with
        what is ready. Raises UsageError if a task before it has not run."""
        with self._door.locked(beside_runs=True) as context:
            if name not in dag.task_names(context.contracts):
                names = ", ".join(dag.task_names(context.contracts))
                raise UsageError("task_unknown", f"there is no task {name!r}", hint=f"Tasks are {names}.")
            runs.settle_published(context)
            run, notices = self._run_of(context, name, batch_id, run_id)
            if run is not None:
                pipeline.require_inputs(context, run, name)
                with reported(context, run) as untold:
                    pipeline.run_task(context, run, name, on_task)
                    if name == dag.MERGE:
                        runs.end_run(context, run)
                        notices += (*_look_after(context, run), *_upkeep_due(context))
                notices += tuple(untold)
            return self._report(context, run, notices)

    def _run_of(
        self, context: Context, task: str, batch_id: str | None, run_id: str | None
    ) -> tuple[Run | None, tuple[str, ...]]:
        known = {run.run_id: run for run in context.ledger.runs()}
        if batch_id is not None:
            runs.survey(context)
            batch = queries.find_batch(context, batch_id)
            run_id = batch.run_id
            if run_id is None and not (batch.is_restaged or batch.status is BatchStatus.READY):
                return None, (f"{batch_id} is {batch.status}: {task} changes nothing",)
        if run_id is not None and run_id in known:
            return joined(context, known[run_id]), ()
        if task not in _loads(context):
            what = f"batch {batch_id}" if batch_id else f"run {run_id}"
            first = _loads(context)[0]
            raise UsageError("task_inputs_missing", f"{what} is not under way", hint=f"Begin with the task {first}.")
        return runs.begin_run(context, run_id, only=batch_id)

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

    def stream(self, stop: Callable[[], bool], on_run: Callable[[RunReport], None], every: float | None = None) -> None:
        """Spark's Structured Streaming takes the manifests that land, every so many seconds until `stop` says so, or,
        with None, those that are there: each micro-batch has been a run. What came without a manifest is looked for at
        the end, and now and then. A micro-batch that died is run again, and finds in the ledger what it had done.
        Raises UsageError on an engine without streams, and where batches form without manifests."""
        if self.settings.landing.trigger == "quiet":
            hint = '`cartlake watch` runs when files have been still; trigger = "manifest" streams.'
            raise UsageError("stream_unsupported", "batches form without manifests here", hint=hint)
        context, manifests = self._door.context(), self.settings.landing_folder / self.settings.landing.manifests
        told = {run.run_id for run in context.ledger.runs()}
        checkpoint = self.settings.project / STATE_FOLDER / "stream"
        arrived = context.engine.stream(manifests, checkpoint, partial(_run_in_stream, self.settings), every)
        looked_at = time.monotonic()
        with closing(arrived):
            for number in arrived:
                new = [run for run in context.ledger.runs() if run.run_id not in told] if number is not None else []
                for run in new:
                    on_run(self._report(context, run, ()))
                told |= {run.run_id for run in new}
                if stop():
                    return
                if time.monotonic() - looked_at >= _LOOK_SECONDS:
                    self._look(on_run)
                    looked_at = time.monotonic()
        self._look(on_run)

    def _look(self, on_run: Callable[[RunReport], None]) -> None:
        """A run, unless somebody has the lake just now."""
        with suppress(Locked):
            on_run(self.run())

    def maintain(self, *, dry_run: bool = False) -> list[MaintenanceStep]:
        """Small files are joined, and what the settings under [maintain] do not keep is removed; what was done, also in
        the relation `maintenance`. Readers see the same rows. `dry_run` only says what would be done."""
        with self._door.locked() as context:
            return maintain(context, dry_run=dry_run)

    def _report(self, context: Context, run: Run | None, notices: tuple[str, ...]) -> RunReport:
        batches = () if run is None else tuple(queries.batch_reports(context, run.batches))
        return RunReport(None if run is None else run.run_id, batches, notices)


def _look_after(context: Context, run: Run) -> tuple[str, ...]:
    """What has landed during a run is told, and now and then the ledger's small files are joined: opening a lake reads
    them all, and each run adds some twenty."""
    notices = runs.survey(context)
    if run.turn % JOIN_EVERY == 0:
        join_ledger(context)
    return notices


def _upkeep_due(context: Context) -> tuple[str, ...]:
    """A word to people, once the small files that every publication adds have been left lying for long."""
    kinds = [publication.kind for publication in context.ledger.publications()]
    since = next((n for n, kind in enumerate(reversed(kinds)) if kind == "maintenance"), len(kinds))
    if since < MANY_PUBLICATIONS:
        return ()
    return (f"{since:,} publications since the last `cartlake maintain`: it joins small files, so that runs stay fast",)


def _run_in_stream(settings: Settings, session: object) -> None:
    """A run in a process and with a session of the stream's; it waits for whoever has the lake."""
    with closing(Running(settings=settings, wait=None, spark=session)) as lake:
        lake.run()


def _loads(context: Context) -> tuple[str, ...]:
    return tuple(contract.task for contract in context.contracts)
