"""Repair: batches somebody has to decide about, manifests, production made again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from cartlake.cli import quarantine
from cartlake.cli.options import HERE, REPAIR, AsJson, EngineName, Project, Set, Wait, Why, opened, taking
from cartlake.cli.output import Output, plain, seconds, word
from cartlake.cli.views import COUNTS, advice, batch_table, short
from cartlake.core.names import short_hashes

if TYPE_CHECKING:
    from cartlake.queries import BatchDetail, BatchReport

BatchId = Annotated[str, typer.Argument(metavar="ID", help="The batch.", show_default=False)]


def register(app: typer.Typer) -> None:
    groups = (
        ("batch", "Look at batches and decide about them.", (batch_list, batch_show, release, reject, retry, rollback)),
        ("quarantine", "Look at the records that broke a rule, and decide about them.", quarantine.COMMANDS),
        ("manifest", "Announce landed files.", (manifest_create,)),
    )
    for name, help_text, commands in groups:
        group = typer.Typer(no_args_is_help=True)
        for command in commands:
            group.command(command.__name__.removeprefix(f"{name}_"))(command)
        app.add_typer(group, name=name, help=help_text, rich_help_panel=REPAIR)
    app.command("rebuild", rich_help_panel=REPAIR)(taking(RebuildOptions, rebuild))


def batch_list(project: Project = HERE, as_json: AsJson = False) -> None:
    """All batches, by date."""
    out = Output(as_json)
    with opened(project) as lake:
        reports = lake.batches()
    out.document([one.to_json() for one in reports])
    out.show(batch_table(out, reports), "", *advice(reports)) if reports else out.show("There are no batches yet.")


def batch_show(batch_id: BatchId, project: Project = HERE, as_json: AsJson = False) -> None:
    """One batch: its files, what its tasks did, and what the cross-table rules found."""
    out = Output(as_json)
    with opened(project) as lake:
        found = lake.batch(batch_id)
    out.document(_batch_document(found))
    out.show(*_batch_page(out, found))


def release(
    batch_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The batches.", show_default=False)],
    why: Why = None,
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """Let held batches through, all of them or none: the next run publishes them."""
    out = Output(as_json)
    with opened(project) as lake:
        reports = lake.release_all(batch_ids, why)
    out.document([report.to_json() for report in reports])
    for report in reports:
        _told(out, report, "the next run publishes it")


def reject(batch_id: BatchId, why: Why = None, project: Project = HERE, as_json: AsJson = False) -> None:
    """Leave a batch out; a published one is taken out of every table at once."""
    out = Output(as_json)
    with opened(project) as lake:
        _decided(out, lake.reject(batch_id, why), "nothing of it is in the published tables")


def retry(batch_id: BatchId, project: Project = HERE, as_json: AsJson = False) -> None:
    """Read a batch's files again, with the contracts as they are now, in the next run."""
    out = Output(as_json)
    with opened(project) as lake:
        report = lake.retry(batch_id)
        is_waiting = report.batch.status.value == "waiting"
        then = "it goes on when its files have landed" if is_waiting else "the next run reads its files again"
        _decided(out, report, then)


def rollback(batch_id: BatchId, project: Project = HERE, as_json: AsJson = False) -> None:
    """Go back to what was published with a batch: those that entered production after it are held."""
    out = Output(as_json)
    with opened(project) as lake:
        left = lake.rollback(batch_id)
    out.document([one.to_json() for one in left])
    if not left:
        out.show(Text.assemble("No batch entered production after ", short(batch_id), ": nothing changed."))
        return
    out.show(batch_table(out, left), "", *advice(left))


def _decided(out: Output, report: BatchReport, consequence: str) -> None:
    out.document(report.to_json())
    _told(out, report, consequence)


def _told(out: Output, report: BatchReport, consequence: str) -> None:
    batch = report.batch
    out.show(Text.assemble(short(batch.batch_id), " is ", word(batch.status.value), f": {consequence}"))


def _batch_document(found: BatchDetail) -> dict[str, object]:
    return found.report.to_json() | {
        "files": [vars(file) for file in found.files],
        "tasks": [vars(task) for task in found.tasks],
        "results": list(found.results),
        "states": [
            {name: getattr(state, name) for name in ("status", "verdict", "recorded_at", "reason", "actor")}
            for state in found.states
        ],
    }


def _batch_page(out: Output, found: BatchDetail) -> list[RenderableType]:
    needed = advice([found.report])
    parts: list[RenderableType] = [batch_table(out, [found.report])]
    if needed:
        parts += ["", *needed]
    failed = [row for row in found.results if row["outcome"] == "failed"]
    if any(state.actor for state in found.states):
        parts += ["", Text("Decisions", "bold"), _decisions(out, found)]
    if found.files:
        parts += ["", Text("Files", "bold"), _files(out, found)]
    if found.tasks:
        parts += ["", Text("Tasks", "bold"), _tasks(out, found)]
    if found.results:
        parts += ["", Text(f"Rules: {len(failed)} of {len(found.results)} failed", "bold")]
    if failed:
        table = out.table("rule", "severity", "checked", "failed", "for example", numbers=("checked", "failed"))
        for row in failed:
            counts = plain(row["rows_checked"]), plain(row["rows_failed"])
            table.add_row(plain(row["rule"]), word(row["severity"]), *counts, short_hashes(plain(row["sample_keys"])))
        parts.append(table)
    return parts


def _decisions(out: Output, found: BatchDetail) -> RenderableType:
    """What people made of the batch, in their words."""
    table = out.table("decided", "by", "then", "why")
    for state in found.states:
        if state.actor:
            at = plain(state.recorded_at.replace(microsecond=0))
            table.add_row(at, plain(state.actor), word(state.status.value), plain(state.reason))
    return table


def _files(out: Output, found: BatchDetail) -> RenderableType:
    table = out.table("feed", "file", "status", *COUNTS, numbers=COUNTS)
    for file in sorted(found.files, key=lambda file: (file.feed, file.file_name)):
        counts = (file.rows_in, file.rows_staged, file.rows_quarantined, file.rows_duplicate)
        table.add_row(plain(file.feed), plain(file.file_name), plain(file.status), *map(plain, counts))
    return table


def _tasks(out: Output, found: BatchDetail) -> RenderableType:
    columns = ("task", "attempt", "status", "started", "took")
    has_errors = any(task.error_message for task in found.tasks)
    table = out.table(*columns, *(["error"] if has_errors else []), numbers=("attempt", "took"))
    table.columns[0].no_wrap = table.columns[2].no_wrap = not has_errors  # these fit; the time breaks into two
    for task in found.tasks:
        took = seconds(task.seconds)
        started = plain(task.started_at.replace(microsecond=0))
        error = [plain(task.error_message)] if has_errors else []
        table.add_row(plain(task.task), plain(task.attempt), word(task.status), started, took, *error)
    return table


@dataclass(frozen=True)
class RebuildOptions:
    """The options of `rebuild`, by their names on the command line."""

    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE]...", help="These, and what is made of them.", show_default="all"),
    ] = None
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            metavar="DATE",
            formats=["%Y-%m-%d"],
            help="Histories only where a key has a record in a batch of this date or later.",
        ),
    ] = None
    from_archive: Annotated[
        bool, typer.Option("--from-archive", help="Read every accepted file again, with the contracts as they are now.")
    ] = False
    engine: EngineName = None
    project: Project = HERE
    given: Set = None
    wait: Wait = 0
    as_json: AsJson = False


def rebuild(options: RebuildOptions) -> None:
    """Make production tables again from the accepted records, and publish them together.

    The way out when a contract changed what stands in the tables, when a lake moves to another engine, and when
    somebody else wrote into a table.
    """
    out = Output(options.as_json)
    since = options.since.date() if options.since else None
    with opened(options.project, options.given, options.wait, options.engine) as lake:
        made = lake.rebuild(options.tables or (), since, from_archive=options.from_archive)
    number = made.publication.publication_id
    out.document({"publication_id": number, "tables": made.tables, "files_read": made.files_read})
    read = f" from {made.files_read:,} archived files" if options.from_archive else ""
    out.show(f"publication {number}: {', '.join(made.tables)} made again{read}")


def manifest_create(
    day: Annotated[
        datetime | None,
        typer.Option(
            "--date", formats=["%Y-%m-%d"], metavar="DATE", help="The date of them all, whatever their names say."
        ),
    ] = None,
    project: Project = HERE,
    as_json: AsJson = False,
) -> None:
    """Write a manifest for the landed files that no batch names, one per date."""
    out = Output(as_json)
    with opened(project) as lake:
        written = lake.create_manifest(None if day is None else day.date())
    out.document(written)
    out.show(*(Text(plain(path)) for path in written))
    if not written:
        out.show("No file lies in landing that no manifest names.")
