"""One attempt of a task for a batch: timed, counted, recorded and told, also when it raises."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cartlake.core.batch import Batch
from cartlake.core.entries import Run, TaskRun
from cartlake.errors import CartlakeError
from cartlake.logs import event
from cartlake.tasks.context import Context, TaskResult

OnTask = Callable[[TaskRun, TaskResult], None]
_LEVELS = {"FAILED": logging.ERROR, "SUCCESS_WITH_WARNINGS": logging.WARNING}
_UNTOLD = ("started_at", "ended_at")


class Attempt:
    """Begins when it is made and ends with `record`; `of` records also what raises."""

    def __init__(self, context: Context, run: Run, batch: Batch, task: str) -> None:
        earlier = context.ledger.tasks(batch_id=batch.batch_id)
        number = 1 + sum(1 for attempt in earlier if attempt.task == task)
        self._context, self._run, self._batch, self._task = context, run, batch, task
        self._number = number
        self._started_at = context.ledger.now()
        ids = {"run_id": run.run_id, "batch_id": batch.batch_id, "task": task}
        event("task_started", {**ids, "attempt": number})

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
        told = {name: value for name, value in vars(recorded).items() if name not in _UNTOLD}
        event("task_ended", told | {"seconds": round(recorded.seconds, 3)}, _LEVELS.get(recorded.status, logging.INFO))
        on_task(recorded, result)
        return recorded
