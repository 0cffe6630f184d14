"""Every day: run, watch, status."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cartlake.cli.logs import logging_to
from cartlake.cli.options import EVERY_DAY, HERE, AsJson, EngineName, Project, Set, Wait, opened
from cartlake.cli.output import Output, encode, plain, word, write
from cartlake.cli.progress import TaskLog
from cartlake.cli.signals import stop_on_signals
from cartlake.cli.views import advice, batch_table, feed_table
from cartlake.errors import CartlakeError, UsageError

if TYPE_CHECKING:
    from cartlake.core.entries import TaskRun
    from cartlake.lake import RunReport, Status
    from cartlake.queries import BatchReport
    from cartlake.tasks.context import TaskResult

NOTHING_READY = "Nothing is ready. `cartlake status` says what is there and what is waited for."


def register(app: typer.Typer) -> None:
    for command in (run, watch, stream, status):
        app.command(rich_help_panel=EVERY_DAY)(command)


def run(
    project: Project = HERE,
    engine: EngineName = None,
    given: Set = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Process every batch that is ready, in the order of their dates.

    Ends with 1 if one of them failed, with 75 if another process works on the lake.
    """
    out = Output(as_json)
    with opened(project, given, wait, engine) as lake, logging_to(out, lake.settings):
        with TaskLog(out, "running") as log:
            report = lake.run(log.on_task)
            others = _others(lake.batches(), report)
        show_run(out, report)
    out.show(*others)
    raise typer.Exit(1 if report.has_failed else 0)


def show_run(out: Output, report: RunReport, otherwise: str = NOTHING_READY) -> None:
    """The batches of a run; `otherwise` is said where there are none."""
    out.document([one.to_json() for one in report.batches])
    out.notices(report.notices)
    if report.batches:
        out.show("", batch_table(out, report.batches), "", *advice(report.batches))
    else:
        out.show(otherwise)


def _others(batches: Sequence[BatchReport], report: RunReport) -> list[Text]:
    """That there are batches which need somebody or something and were not in the run."""
    handled = {one.batch.batch_id for one in report.batches}
    statuses = [one.batch.status.value for one in batches if one.batch.batch_id not in handled]
    counts = {name: statuses.count(name) for name in ("failed", "held", "waiting") if name in statuses}
    if not counts:
        return []
    said = Text(", ").join(word(name).append(f" {count:,}", "default") for name, count in counts.items())
    return [Text.assemble("Not in this run: ", said, "; `cartlake status` says why")]


def watch(project: Project = HERE, engine: EngineName = None, as_json: AsJson = False) -> None:
    """Run whenever a manifest or a file lands, until interrupted.

    An interruption (Ctrl-C, SIGTERM) lets the step under way finish; a second one ends it at once. With --json the
    batches are one array, written as they are handled.
    """
    out, stopping = Output(as_json), threading.Event()
    stop_on_signals(stopping)
    stream = _BatchStream(out)
    with opened(project, engine=engine) as lake, logging_to(out, lake.settings), stream, TaskLog(out) as log:
        out.say(f"watching {plain(lake.settings.landing_folder)}; Ctrl-C ends it")

        def on_task(task: TaskRun, result: TaskResult) -> None:
            log.on_task(task, result)
            if stopping.is_set() and task.task != "final_merge_operation":
                raise _Stopped

        try:
            lake.watch(stopping.is_set, stream.add, on_task)
        except _Stopped:
            out.say("stopped between two tasks; the next run takes the batches up again")


def stream(
    project: Project = HERE,
    engine: EngineName = None,
    given: Set = None,
    every: Annotated[float, typer.Option(metavar="SECONDS", min=1, help="Look for manifests so often.")] = 10,
    available_now: Annotated[bool, typer.Option("--available-now", help="Handle what is there, then end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run for each micro-batch of manifests that Spark's Structured Streaming finds, until interrupted.

    An interruption (Ctrl-C, SIGTERM) lets the run under way finish. With --json the batches are one array, written as
    they are handled.
    """
    out, stopping = Output(as_json), threading.Event()
    stop_on_signals(stopping)
    told = _BatchStream(out)
    with opened(project, given, wait=None, engine=engine) as lake, logging_to(out, lake.settings), told:
        how = "what is there" if available_now else "Ctrl-C ends it"
        out.say(f"streaming from {plain(lake.settings.landing_folder)}; {how}")
        lake.stream(stopping.is_set, told.add, None if available_now else every)


class _Stopped(Exception):
    """Somebody asked for an end while a run was under way; its batches become ready again."""


class _BatchStream:
    """What watch prints of its runs: tables, or one JSON array, each element a line that is whole at once. If an error
    ends it, and the array has begun, the error is its last element."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._has_begun = False
        self._told: set[str] = set()

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not self._out.as_json or (error is not None and not self._has_begun):
            return
        if isinstance(error, CartlakeError):
            self._write({"error": error.to_json()})
        write("]\n" if self._has_begun else "[]\n")
        if isinstance(error, CartlakeError):
            raise typer.Exit(error.exit_code)

    def add(self, report: RunReport) -> None:
        self._out.notices(notice for notice in report.notices if notice not in self._told)
        self._told = set(report.notices)
        if self._out.as_json:
            for one in report.batches:
                self._write(one.to_json())
        elif report.batches:
            self._out.show("", batch_table(self._out, report.batches), "", *advice(report.batches))

    def _write(self, element: object) -> None:
        write(("," if self._has_begun else "[") + encode(element, indent=None) + "\n")
        self._has_begun = True


def status(
    project: Project = HERE,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="As text that Prometheus scrapes.")] = False,
    as_json: AsJson = False,
) -> None:
    """The lake at a glance: what is published, how good and how fresh it is, what waits, what needs you."""
    if prometheus and as_json:
        raise UsageError("usage", "--prometheus and --json are two formats", hint="Choose one of them.")
    out = Output(as_json)
    with opened(project) as lake:
        if prometheus:
            write(lake.prometheus())
            return
        found = lake.status()
    out.document(_status_document(found))
    out.notices(found.notices)
    out.show(*_status_lines(found), *feed_table(out, found.feeds), *_needs(found))


def _quarantined(found: Status) -> int:
    return sum(one.counts.rows_quarantined for one in found.batches)


def _status_document(found: Status) -> dict[str, object]:
    published = found.publication
    return {
        "project": found.project,
        "publication": vars(published) if published.publication_id else None,
        "batches": [one.to_json() for one in found.batches],
        "feeds": [vars(feed) for feed in found.feeds],
        "unannounced": [{"folder": file.folder, "name": file.name} for file in found.unannounced],
        "rows_quarantined": _quarantined(found),
        "rows_open": found.open_rows,
        "notices": list(found.notices),
    }


def _status_lines(found: Status) -> list[Text]:
    published, counted = found.publication, Text("Batches      ")
    by_status: dict[str, int] = {}
    for one in found.batches:
        by_status[one.batch.status.value] = by_status.get(one.batch.status.value, 0) + 1
    for name, count in sorted(by_status.items()):
        counted.append_text(word(name)).append(f" {count:,}   ")
    todo = "; cartlake quarantine list" if found.open_rows else ""
    return [
        Text(f"Project      {plain(found.project)}"),
        Text(
            f"Published    number {published.publication_id}, as of {plain(published.as_of_date)},"
            f" at {plain(published.published_at.replace(microsecond=0))}"
            if published.publication_id
            else "Published    nothing yet: drop files and a manifest in landing, then cartlake run"
        ),
        counted if by_status else Text("Batches      none"),
        Text(f"Quarantined  {_quarantined(found):,} rows, {found.open_rows:,} to decide about{todo}"),
    ]


def _needs(found: Status) -> list[Text]:
    """What waits for somebody, and for whom."""
    needing = advice(found.batches)
    said = [Text(), *needing] if needing else []
    if found.unannounced:
        said += [Text(), Text("Landed, named by no manifest (`cartlake manifest create` makes one):", "yellow")]
        said += [Text(f"  {plain(file.folder)}/source/{plain(file.name)}") for file in found.unannounced]
    return said
