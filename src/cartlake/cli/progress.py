"""What a run shows while it is under way: a line for each task that ended, and on a terminal that it is alive."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.text import Text

from cartlake.cli.output import STYLE_OF, Output, plain, seconds

if TYPE_CHECKING:
    from rich.table import Table

    from cartlake.core.entries import TaskRun
    from cartlake.tasks.context import TaskResult

_TASK_WIDTH = 21
_MARKS = {"SUCCESS": ("✓", "ok"), "SUCCESS_WITH_WARNINGS": ("!", "warn"), "FAILED": ("✗", "fail")}


class TaskLog:
    """Used around `Lake.run`; `on_task` prints the line of a task on stderr. A terminal shows meanwhile that `doing` is
    under way; without it nothing moves, as becomes a program that waits for days."""

    def __init__(self, out: Output, doing: str | None = None) -> None:
        from rich.live import Live

        self._out = out
        self._activity = _Activity(doing or "")
        self._is_shown = doing is not None and out.log.is_terminal and not out.as_lines
        self._live = Live(self._activity, console=out.log, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        if self._is_shown:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def on_task(self, task: TaskRun, result: TaskResult) -> None:
        self._activity.done += 1
        if self._out.as_lines:
            return  # the task told of itself
        self._out.log.print(_line(task, result.note, self._out.log.encoding.startswith("utf")))


class _Activity:
    """`⠋ running: 3 tasks done, 12 s`, as it is at the moment it is drawn."""

    def __init__(self, doing: str) -> None:
        from rich.spinner import Spinner

        self.done = 0
        self._doing = doing
        self._spinner = Spinner("dots")
        self._started = time.monotonic()

    def __rich__(self) -> Table:
        from rich.table import Table

        passed = round(time.monotonic() - self._started)
        grid = Table.grid(padding=(0, 1))
        grid.add_row(self._spinner, Text(f"{self._doing}: {self.done} tasks done, {passed} s", "dim"))
        return grid


def _line(task: TaskRun, note: str, has_signs: bool) -> Text:
    mark = _MARKS[task.status][0 if has_signs else 1]
    line = Text.assemble(
        (f"{mark} ", STYLE_OF[task.status]),
        f"{plain(task.task):{_TASK_WIDTH}}  ",
        (f"{plain(task.batch_id)}  ", "cyan"),
        (f"{seconds(task.seconds):>8}  ", "dim"),
        plain(note) or _counts(task) or ("no files", "dim"),
    )
    if task.error_message:
        line.append(f"\n  {plain(task.error_message)}", "red")
    return line


def _counts(task: TaskRun) -> str:
    """`1,000 in  990 staged  7 quarantined  3 duplicate`, without what is zero; empty if nothing was read."""
    parts = [f"{task.rows_in:>7,} in", f"{task.rows_staged:>7,} staged"] if task.rows_in else []
    parts += [f"{task.rows_quarantined:,} quarantined"] if task.rows_quarantined else []
    parts += [f"{task.rows_duplicate:,} duplicate"] if task.rows_duplicate else []
    return "  ".join(parts)
