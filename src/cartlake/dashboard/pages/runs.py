"""Runs and batches: what ran when, how long each task took, and where every row went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cartlake import queries
from cartlake.core import dag
from cartlake.core.batch import BatchStatus
from cartlake.core.entries import Counts, Run, TaskRun
from cartlake.dashboard.reader import View
from cartlake.errors import UsageError
from cartlake.queries import BatchDetail, BatchReport
from cartlake.tasks.context import Context

LAST_RUNS = 40
_GOOD = ("SUCCESS", "SUCCESS_WITH_WARNINGS")


@dataclass(frozen=True)
class Span:
    """A task on a time line: `start` and `length` are parts of the whole, between 0 and 1."""

    task: TaskRun
    start: float
    length: float


@dataclass(frozen=True)
class RunSummary:
    run: Run
    tasks: Sequence[TaskRun]
    spans: Sequence[Span]

    @property
    def seconds(self) -> float | None:
        ends = [task.ended_at for task in self.tasks]
        end = self.run.ended_at or max(ends, default=None)
        return (end - self.run.started_at).total_seconds() if end else None

    @property
    def errors(self) -> list[TaskRun]:
        return [task for task in self.tasks if task.status not in _GOOD]

    @property
    def retries(self) -> int:
        """Attempts after the first of the same task for the same batch."""
        return sum(task.attempt > 1 for task in self.tasks)


@dataclass(frozen=True)
class Step:
    """A task as the graph of a batch shows it; `last` is its last attempt, None if it did not run."""

    name: str
    last: TaskRun | None

    @property
    def status(self) -> str:
        return self.last.status if self.last else "not run"


@dataclass(frozen=True)
class BatchInRun:
    report: BatchReport
    loads: Sequence[Step]
    then: Sequence[Step]


@dataclass(frozen=True)
class RunDetail:
    summary: RunSummary
    batches: Sequence[BatchInRun]

    @property
    def counts(self) -> Counts:
        return sum((batch.report.counts for batch in self.batches), Counts())


@dataclass(frozen=True)
class BatchPage:
    detail: BatchDetail
    loads: Sequence[Step]
    then: Sequence[Step]
    run_ids: Sequence[str]
    can: Sequence[str]


def runs(view: View) -> list[RunSummary]:
    """The last runs, the newest first."""
    return view.once("runs", _runs)[:LAST_RUNS]


def run_detail(view: View, run_id: str) -> RunDetail:
    """Raises UsageError if there is no such run."""
    found = next((one for one in view.once("runs", _runs) if one.run.run_id == run_id), None)
    if found is None:
        raise UsageError("run_unknown", "there is no such run")
    reports = {report.batch.batch_id: report for report in view.once("batches", queries.batch_reports)}
    return RunDetail(
        found,
        [
            BatchInRun(reports[batch_id], *_steps(view.context, [t for t in found.tasks if t.batch_id == batch_id]))
            for batch_id in found.run.batches
            if batch_id in reports
        ],
    )


def batch_page(view: View, batch_id: str) -> BatchPage:
    """Raises UsageError if there is no such batch."""
    detail = view.once(("batch", batch_id), lambda context: queries.batch_detail(context, batch_id))
    run_ids = list(dict.fromkeys(task.run_id for task in detail.tasks))
    return BatchPage(detail, *_steps(view.context, detail.tasks), run_ids, decisions(detail.report))


def decisions(report: BatchReport) -> list[str]:
    """What may be decided about a batch as it stands."""
    status = report.batch.status
    possible = {
        "release": status is BatchStatus.HELD,
        "reject": status not in (BatchStatus.REJECTED, BatchStatus.RUNNING) and bool(report.batch.files),
        "retry": status not in (BatchStatus.WAITING, BatchStatus.READY, BatchStatus.RUNNING)
        and bool(report.batch.files),
    }
    return [name for name, is_possible in possible.items() if is_possible]


def _runs(context: Context) -> list[RunSummary]:
    by_run: dict[str, list[TaskRun]] = {}
    for task in context.ledger.tasks():
        by_run.setdefault(task.run_id, []).append(task)
    summaries = []
    for run in reversed(context.ledger.runs()):
        tasks = by_run.get(run.run_id, [])
        summaries.append(RunSummary(run, tasks, spans(run.started_at, run.ended_at, tasks)))
    return summaries


def spans(started_at: datetime, ended_at: datetime | None, tasks: Sequence[TaskRun]) -> list[Span]:
    """The tasks on one time line, which lasts from `started_at` until the last of them has ended."""
    end = max([started_at, *([ended_at] if ended_at else []), *(task.ended_at for task in tasks)])
    whole = (end - started_at).total_seconds() or 1.0
    return [
        Span(task, max(0.0, (task.started_at - started_at).total_seconds() / whole), task.seconds / whole)
        for task in tasks
    ]


def _steps(context: Context, tasks: Sequence[TaskRun]) -> tuple[list[Step], list[Step]]:
    """The loads, which run side by side, and the tasks after them."""
    last = {task.task: task for task in tasks}
    steps = [Step(name, last.get(name)) for name in dag.task_names(context.contracts)]
    loads = len(context.contracts)
    return steps[:loads], steps[loads:]
