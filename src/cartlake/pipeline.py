"""The composition root: opens a lake and walks the tasks of a run.

Callers hold the lake's lock while anything here writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from cartlake.core import dag
from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.contract import Contract
from cartlake.core.definition import contracts_hash, definitions_of
from cartlake.core.entries import Publication, Run, TaskRun
from cartlake.core.names import normalise
from cartlake.core.table import Table
from cartlake.core.tables import LEDGER
from cartlake.core.verdict import RuleResult
from cartlake.engines.base import Engine
from cartlake.errors import UsageError
from cartlake.ledger import Clock, Ledger, utc_now
from cartlake.losses import missing
from cartlake.project import load_contracts, load_models
from cartlake.published import show_to_readers
from cartlake.runs import end_run, published_batches
from cartlake.settings import Settings
from cartlake.tasks.attempt import Attempt, OnTask
from cartlake.tasks.context import Context, TaskResult
from cartlake.tasks.enrich import Acceptance, changed_tables, prepare
from cartlake.tasks.merge import publish, publish_changes
from cartlake.tasks.results import add_results
from cartlake.tasks.stage import stage_load
from cartlake.tasks.validate import validate


def open_context(settings: Settings, engine: Engine, clock: Clock = utc_now) -> Context:
    """Contracts and models are read and checked; nothing is written."""
    contracts = load_contracts(settings.project)
    models = load_models(settings.project, contracts)
    definitions = definitions_of(contracts, models, settings.parameters())
    ledger = Ledger(engine, clock)
    return Context(settings, engine, ledger, contracts, models, contracts_hash(contracts), definitions)


def create_tables(context: Context) -> None:
    """Every stored table exists. Creating one from several processes fails, so the lock must be held."""
    context.ledger.create()
    tables: tuple[Table, ...] = (*context.stage_tables, *context.production_tables)
    for table in tables:
        context.engine.create(table)


def missing_tables(context: Context) -> list[str]:
    """The stored tables that do not exist."""
    return missing(context, (*LEDGER, *context.stage_tables, *context.production_tables))


def run_tasks(context: Context, run: Run, on_task: OnTask) -> None:
    """All tasks of a run, batch by batch, so that of many batches a process that dies has finished all but one; and the
    run's end, also when a task raises. In one process the changes go from enrichment to merge without a stop on disk,
    and of ledger rows several in one commit."""
    try:
        for batch_id in run.batches:
            part = replace(run, batches=(batch_id,))
            with context.ledger.together():
                for contract in context.contracts:
                    _stage_all(context, part, contract, on_task)
            with context.ledger.together():
                _validate_all(context, part, on_task)
            for batch in _passed(context, part):
                _enrich_and_merge(context, part, batch, on_task)
    finally:
        end_run(context, run)


def require_inputs(context: Context, run: Run, task: str) -> None:
    """Raises UsageError unless every task that `task` needs has been through the run, or nothing is left to do."""
    if not _unfinished(context, run):
        return
    done = {attempt.task for attempt in context.ledger.tasks(run_id=run.run_id)}
    missing = [name for name in dag.needs(task, context.contracts) if name not in done]
    if missing:
        raise UsageError(
            "task_inputs_missing",
            f"{task} needs {', '.join(missing)}",
            hint=f"Run these first: cartlake task {missing[0]} --run {run.run_id}",
        )


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
    for batch in _owned(context, run):
        attempt = Attempt(context, run, batch, contract.task)
        result = attempt.of(lambda batch=batch: stage_load(context, contract, batch, again=batch.restage))  # type: ignore[misc]
        if result.error_code or batch.status is BatchStatus.FAILED:  # of a feed before this one: so far
            context.ledger.record_batches([_failed(context, batch)])
        done.append(attempt.record(result, on_task))
    return done


def _failed(context: Context, batch: Batch) -> Batch:
    """The batch with all its files that were rejected so far: it goes on when each has landed with other content."""
    files = context.ledger.batch_files([batch.batch_id])
    rejected = {file.file_name: file.reason for file in files if file.status == "rejected"}
    reason = "; ".join(f"{name}: {reason}" for name, reason in rejected.items())
    return replace(batch, status=BatchStatus.FAILED, reason=reason, waiting_for=tuple(rejected))


def _validate_all(context: Context, run: Run, on_task: OnTask) -> list[TaskRun]:
    done: list[TaskRun] = []
    let_through: list[str] = []
    context.ledger.record_batches(_incomplete(context, run))
    for batch in _unfinished(context, run):
        attempt = Attempt(context, run, batch, dag.VALIDATION)
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


def _incomplete(context: Context, run: Run) -> list[Batch]:
    """Batches whose files were there when the run began and gone when their feed was loaded: they wait again."""
    waiting = []
    for batch in _unfinished(context, run):
        loaded = {normalise(file.file_name) for file in context.ledger.batch_files([batch.batch_id])}
        without = {normalise(name) for name in batch.waiting_for}
        gone = tuple(file.name for file in batch.files if file.key not in loaded | without)
        if gone and batch.status is BatchStatus.RUNNING:
            reason = f"no longer in landing: {', '.join(gone)}"
            row = replace(batch, status=BatchStatus.WAITING, waiting_for=gone, reason=reason, run_id=None)
            waiting.append(row)
    return waiting


def _enrich_first(context: Context, run: Run, on_task: OnTask) -> list[TaskRun]:
    """Prepares the first batch that passed the gate; the merge prepares each further one on top of the one before."""
    for batch in _passed(context, run)[:1]:
        return [_prepare(context, run, batch, on_task)]
    return []


def _prepare(context: Context, run: Run, batch: Batch, on_task: OnTask) -> TaskRun:
    attempt = Attempt(context, run, batch, dag.ENRICHMENT)

    def work() -> TaskResult:
        preparation = prepare(context, _acceptance(context, batch), batch.batch_id, run.run_id, _kind(batch))
        return TaskResult(note=_changing(len(preparation.tables)))

    return attempt.record(attempt.of(work), on_task)


def _changing(tables: int) -> str:
    return "1 table changes" if tables == 1 else f"{tables} tables change"


def _merge_all(context: Context, run: Run, on_task: OnTask) -> list[TaskRun]:
    done = []
    for batch in _passed(context, run):
        if not _is_prepared(context, run, batch):
            done.append(_prepare(context, run, batch, on_task))
        preparation = context.ledger.preparation(batch.batch_id)
        if preparation is not None:
            acceptance = _acceptance(context, batch)
            publishing = partial(publish, context, preparation, acceptance, batch.batch_id)
            done.append(_publish(context, run, batch, publishing, on_task))
    return done


def _enrich_and_merge(context: Context, run: Run, batch: Batch, on_task: OnTask) -> None:
    acceptance, tables, found = _acceptance(context, batch), list[Table](), list[RuleResult]()

    def enrich() -> TaskResult:
        tables.extend(changed_tables(context, acceptance, context.ledger.latest_publication(), found.append))
        add_results(context, batch.batch_id, found, run.run_id)
        return TaskResult(note=_changing(len(tables)))

    with context.engine.scope(), context.ledger.together():
        attempt = Attempt(context, run, batch, dag.ENRICHMENT)
        attempt.record(attempt.of(enrich), on_task)
        _publish(
            context,
            run,
            batch,
            lambda: publish_changes(context, tables, acceptance, batch.batch_id, _kind(batch)),
            on_task,
        )


def _kind(batch: Batch) -> str:
    return "repair" if batch.status is BatchStatus.PUBLISHED else "batch"


def _is_prepared(context: Context, run: Run, batch: Batch) -> bool:
    found = context.ledger.preparation(batch.batch_id)
    base = context.ledger.latest_publication().publication_id
    wanted = (run.run_id, base, context.definition_hashes)
    return found is not None and (found.run_id, found.base, found.definitions) == wanted


def _publish(
    context: Context, run: Run, batch: Batch, publishing: Callable[[], Publication], on_task: OnTask
) -> TaskRun:
    attempt = Attempt(context, run, batch, dag.MERGE)

    def work() -> TaskResult:
        return TaskResult(note=f"publication {publishing().publication_id}")

    result = attempt.of(work)
    published = replace(batch, status=BatchStatus.PUBLISHED, run_id=None, restage=False)
    context.ledger.record_batches([published])
    show_to_readers(context)
    return attempt.record(result, on_task)


def _acceptance(context: Context, batch: Batch) -> Acceptance:
    before = published_batches(context)
    return Acceptance(before, before | {batch.batch_id}, restaged=before & {batch.batch_id})


def _owned(context: Context, run: Run) -> list[Batch]:
    """The run's batches that it has not finished, failed ones too, in its order."""
    batches = context.ledger.batches()
    return [batches[batch_id] for batch_id in run.batches if batches[batch_id].run_id == run.run_id]


def _unfinished(context: Context, run: Run) -> list[Batch]:
    """Those that may still be published."""
    return [batch for batch in _owned(context, run) if batch.status in (BatchStatus.RUNNING, BatchStatus.PUBLISHED)]


def _passed(context: Context, run: Run) -> list[Batch]:
    """Those that were validated in this run and are not held."""
    validated = {t.batch_id for t in context.ledger.tasks(run_id=run.run_id) if t.task == dag.VALIDATION}
    return [batch for batch in _unfinished(context, run) if batch.batch_id in validated]
