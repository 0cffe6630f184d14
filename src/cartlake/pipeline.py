"""The composition root: opens a lake, decides what a run does, and walks the tasks.

Callers hold the lake's lock while anything here writes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, timedelta
from pathlib import Path

from cartlake import landing
from cartlake.core import dag
from cartlake.core.batch import Batch, BatchStatus, Policy, plan, quiet_batches, unannounced
from cartlake.core.contract import Contract
from cartlake.core.manifest import ExpectedFile, Manifest, render_manifest
from cartlake.core.names import by_date, new_trigger_id
from cartlake.core.table import Table
from cartlake.engines.base import Engine
from cartlake.errors import CartlakeError, TableMissing, UsageError
from cartlake.ledger import Clock, Ledger, Preparation, Publication, Run, TaskRun, utc_now
from cartlake.project import load_contracts, load_models
from cartlake.settings import Settings
from cartlake.tasks.arrivals import look
from cartlake.tasks.context import Context, TaskResult
from cartlake.tasks.enrich import Acceptance, prepare
from cartlake.tasks.merge import publish
from cartlake.tasks.stage import stage_load
from cartlake.tasks.validate import validate

OnTask = Callable[[TaskRun, TaskResult], None]


def open_context(settings: Settings, engine: Engine, clock: Clock = utc_now) -> Context:
    """Contracts and models are read and checked; nothing is written."""
    contracts = load_contracts(settings.project)
    models = load_models(settings.project, contracts)
    texts = "".join(contract.hash for contract in sorted(contracts, key=lambda contract: contract.feed))
    ledger = Ledger(engine, clock)
    return Context(settings, engine, ledger, contracts, models, hashlib.sha256(texts.encode()).hexdigest())


def create_tables(context: Context) -> None:
    """Every stored table exists. Creating one from several processes fails, so the lock must be held."""
    context.ledger.create()
    tables: tuple[Table, ...] = (*context.stage_tables, *context.production_tables)
    for table in tables:
        context.engine.create(table)


def is_created(context: Context) -> bool:
    """Whether every stored table exists."""
    try:
        for table in (*context.stage_tables, *context.production_tables):
            context.engine.version(table.name)
        context.ledger.publications()
    except TableMissing:
        return False
    return True


def announce_landed(context: Context, batch_date: date | None) -> list[Path]:
    """Manifests for the landed files that no open batch names, one per date, or one for `batch_date`; their paths."""
    settings = context.settings
    seen, known = look(context)
    files = unannounced(seen.files, known.batches.values())
    patterns = {contract.folder: contract.file_pattern for contract in context.contracts}
    groups = {batch_date: files} if batch_date and files else by_date(files, patterns)
    used = {*known.batches, *(m.content.batch_id for m in seen.manifests if isinstance(m.content, Manifest))}
    written = []
    for day, group in groups.items():
        trigger_id = new_trigger_id(day, used)
        used.add(trigger_id)
        expected = [ExpectedFile(file.name) for file in group]
        data = render_manifest(trigger_id, day, expected, context.ledger.now())
        folder = settings.landing_folder / settings.landing.manifests
        written.append(landing.write_manifest(folder, f"trigger_{trigger_id}.json", data))
    return written


# before a run


def recover(context: Context) -> None:
    """Runs that ended without saying so are dead; their batches are as their publications say, or ready again."""
    ledger = context.ledger
    for run in ledger.runs():
        if run.status == "running":
            ledger.record_run(replace(run, status="dead", ended_at=ledger.now()))
    published = ledger.publications()
    settled = [settle(batch, published) for batch in ledger.batches().values()]
    ledger.record_batches([batch for batch in settled if batch is not None])


def settle(batch: Batch, publications: Sequence[Publication]) -> Batch | None:
    """What became of a batch whose run died, or None if its row is right: a publication that is newer than the row has
    the word."""
    later = [p for p in publications if p.batch_id == batch.batch_id and p.published_at > batch.recorded_at]
    if later:
        status = BatchStatus.REJECTED if later[-1].kind == "reject" else BatchStatus.PUBLISHED
        return replace(batch, status=status, run_id=None, restage=False)
    if batch.status is BatchStatus.RUNNING:
        return replace(batch, status=BatchStatus.READY, run_id=None)
    return None


def survey(context: Context) -> tuple[str, ...]:
    """Landing is looked at, new states of batches are in the ledger, finished manifests are in the archive; notices."""
    settings, ledger = context.settings, context.ledger
    seen, known = look(context)
    policy = Policy(settings.landing.wait_for_files, settings.landing.on_missing)
    decided = plan(seen, known, policy, ledger.now())
    ledger.record_batches(decided.batches)
    landing.tidy(settings.landing_folder, settings.archive_folder, settings.landing.manifests, decided)
    if settings.landing.trigger == "quiet":
        patterns = {contract.folder: contract.file_pattern for contract in context.contracts}
        still = timedelta(seconds=settings.landing.quiet_seconds)
        ledger.record_batches(quiet_batches(seen, known.after(decided.batches), patterns, still, ledger.now()))
    return (*seen.notices, *decided.notices)


# runs


def start_run(context: Context, run_id: str | None = None, only: str | None = None) -> Run | None:
    """The run's list of batches is fixed and they are `running`; None if nothing is ready. Restaged batches go first,
    then by batch date; `only` takes one batch."""
    ledger = context.ledger
    batches = ledger.batches().values()
    restaged = [batch for batch in batches if batch.restage and batch.status is BatchStatus.PUBLISHED]
    ready = [batch for batch in batches if batch.status is BatchStatus.READY]
    chosen = [*_in_order(restaged), *_in_order(ready)]
    if only is not None:
        chosen = [batch for batch in chosen if batch.batch_id == only]
    if not chosen:
        return None
    run = Run(
        run_id=run_id or new_run_id(context),
        batches=tuple(batch.batch_id for batch in chosen),
        engine=context.settings.engine.name,
        host=socket.gethostname(),
        process=os.getpid(),
        started_at=ledger.now(),
        ended_at=None,
        status="running",
    )
    ledger.record_run(run)
    ledger.record_batches(
        replace(batch, status=_under_way(batch), run_id=run.run_id, reason=batch.reason if batch.is_released else None)
        for batch in chosen
    )
    return run


def _under_way(batch: Batch) -> BatchStatus:
    """A published batch stays published while its files are staged again."""
    return batch.status if batch.status is BatchStatus.PUBLISHED else BatchStatus.RUNNING


def _in_order(batches: Sequence[Batch]) -> list[Batch]:
    return sorted(batches, key=lambda batch: (str(batch.batch_date), batch.newness, batch.batch_id))


def new_run_id(context: Context) -> str:
    return f"{context.ledger.now().astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def end_run(context: Context, run: Run) -> None:
    """The run is over; batches it left unfinished are ready again."""
    ledger = context.ledger
    left = [
        replace(batch, status=BatchStatus.READY, run_id=None)
        for batch in ledger.batches().values()
        if batch.run_id == run.run_id and batch.status is BatchStatus.RUNNING
    ]
    ledger.record_batches(left)
    ledger.record_run(replace(run, status="finished", ended_at=ledger.now()))


def run_tasks(context: Context, run: Run, on_task: OnTask) -> None:
    """All tasks of a run, in order, and its end, also when one of them raises."""
    try:
        for task in dag.task_names(context.contracts):
            run_task(context, run, task, on_task)
    finally:
        end_run(context, run)


def run_task(context: Context, run: Run, task: str, on_task: OnTask) -> list[TaskRun]:
    """One task over the run's batches, in their order; each attempt is in the ledger."""
    walk = {dag.VALIDATION: _validate_all, dag.ENRICHMENT: _enrich_first, dag.MERGE: _merge_all}.get(task)
    if walk is not None:
        return walk(context, run, on_task)
    contract = next((contract for contract in context.contracts if contract.task == task), None)
    if contract is None:
        raise UsageError(
            "task_unknown",
            f"there is no task {task!r}",
            hint=f"Tasks are {', '.join(dag.task_names(context.contracts))}.",
        )
    return _stage_all(context, run, contract, on_task)


def _stage_all(context: Context, run: Run, contract: Contract, on_task: OnTask) -> list[TaskRun]:
    done = []
    for batch in _unfinished(context, run):
        attempt = _Attempt(context, run, batch, contract.task)
        result = attempt.of(lambda batch=batch: stage_load(context, contract, batch, again=batch.restage))  # type: ignore[misc]
        if result.error_code:
            failed = replace(batch, status=BatchStatus.FAILED, reason=result.error_message, run_id=None)
            context.ledger.record_batches([failed])
        done.append(attempt.record(result, on_task))
    return done


def _validate_all(context: Context, run: Run, on_task: OnTask) -> list[TaskRun]:
    done, let_through = [], []
    for batch in _unfinished(context, run):
        attempt = _Attempt(context, run, batch, dag.VALIDATION)
        judged: list[Batch] = []

        def work(batch: Batch = batch, judged: list[Batch] = judged) -> TaskResult:
            decided, result = validate(context, batch, tuple(let_through), run.run_id)
            judged.append(decided)
            return result

        result = attempt.of(work)
        context.ledger.record_batches(judged)
        if judged[0].status is not BatchStatus.HELD:
            let_through.append(batch.batch_id)
        done.append(attempt.record(result, on_task))
    return done


def _enrich_first(context: Context, run: Run, on_task: OnTask) -> list[TaskRun]:
    """Prepares the first batch that passed the gate; the merge prepares each further one on top of the one before."""
    for batch in _passed(context, run)[:1]:
        return [_prepare(context, run, batch, on_task)]
    return []


def _prepare(context: Context, run: Run, batch: Batch, on_task: OnTask) -> TaskRun:
    attempt = _Attempt(context, run, batch, dag.ENRICHMENT)
    kind = "repair" if batch.status is BatchStatus.PUBLISHED else "batch"

    def work() -> TaskResult:
        preparation = prepare(context, _acceptance(context, batch), batch.batch_id, run.run_id, kind)
        return TaskResult(note=f"{len(preparation.tables)} tables change")

    return attempt.record(attempt.of(work), on_task)


def _merge_all(context: Context, run: Run, on_task: OnTask) -> list[TaskRun]:
    done = []
    for batch in _passed(context, run):
        if not _is_prepared(context, run, batch):
            done.append(_prepare(context, run, batch, on_task))
        preparation = context.ledger.preparation(batch.batch_id)
        if preparation is not None:
            done.append(_publish(context, run, batch, preparation, on_task))
    return done


def _is_prepared(context: Context, run: Run, batch: Batch) -> bool:
    found = context.ledger.preparation(batch.batch_id)
    base = context.ledger.latest_publication().publication_id
    return found is not None and found.run_id == run.run_id and found.base == base


def _publish(context: Context, run: Run, batch: Batch, preparation: Preparation, on_task: OnTask) -> TaskRun:
    attempt = _Attempt(context, run, batch, dag.MERGE)

    def work() -> TaskResult:
        publication = publish(context, preparation, _acceptance(context, batch), batch.batch_id)
        return TaskResult(note=f"publication {publication.publication_id}")

    result = attempt.of(work)
    published = replace(batch, status=BatchStatus.PUBLISHED, run_id=None, restage=False)
    context.ledger.record_batches([published])
    return attempt.record(result, on_task)


def _acceptance(context: Context, batch: Batch) -> Acceptance:
    before = published_batches(context)
    return Acceptance(before, before | {batch.batch_id}, restaged=before & {batch.batch_id})


def take_out(context: Context, batch: Batch) -> Publication:
    """A publication without the batch: its keys are recomputed from what remains. The caller records the decision."""
    before = published_batches(context)
    acceptance = Acceptance(before, before - {batch.batch_id})
    preparation = prepare(context, acceptance, batch.batch_id, new_run_id(context), "reject")
    return publish(context, preparation, acceptance, batch.batch_id)


def published_batches(context: Context) -> frozenset[str]:
    """The batches that production is made of."""
    batches = context.ledger.batches().values()
    return frozenset(batch.batch_id for batch in batches if batch.status is BatchStatus.PUBLISHED)


def _unfinished(context: Context, run: Run) -> list[Batch]:
    """The run's batches that are still its to work on, in its order."""
    batches = context.ledger.batches()
    return [
        batch
        for batch in (batches[batch_id] for batch_id in run.batches)
        if batch.run_id == run.run_id and batch.status in (BatchStatus.RUNNING, BatchStatus.PUBLISHED)
    ]


def _passed(context: Context, run: Run) -> list[Batch]:
    """Those that were validated in this run and are not held."""
    validated = {t.batch_id for t in context.ledger.tasks(run_id=run.run_id) if t.task == dag.VALIDATION}
    return [batch for batch in _unfinished(context, run) if batch.batch_id in validated]


class _Attempt:
    """One attempt of a task for a batch: timed, counted and recorded, also when it raises."""

    def __init__(self, context: Context, run: Run, batch: Batch, task: str) -> None:
        earlier = context.ledger.tasks(batch_id=batch.batch_id)
        self._context, self._run, self._batch, self._task = context, run, batch, task
        self._number = 1 + sum(1 for attempt in earlier if attempt.task == task)
        self._started_at = context.ledger.now()

    def of(self, work: Callable[[], TaskResult]) -> TaskResult:
        try:
            return work()
        except CartlakeError as error:
            failed = TaskResult(error_code=error.code, error_message=error.message)
            self.record(failed, lambda *_: None)
            raise

    def record(self, result: TaskResult, on_task: OnTask) -> TaskRun:
        recorded = TaskRun(
            run_id=self._run.run_id,
            batch_id=self._batch.batch_id,
            task=self._task,
            attempt=self._number,
            started_at=self._started_at,
            ended_at=self._context.ledger.now(),
            status=result.status,
            **vars(result.counts),
            error_code=result.error_code,
            error_message=result.error_message,
        )
        self._context.ledger.record_tasks([recorded])
        on_task(recorded, result)
        return recorded
