"""Operate: one task, maintenance, the cases of the models, the state of the installation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from cartlake.cli.logs import logging_to
from cartlake.cli.options import HERE, OPERATE, AsJson, EngineName, Project, Set, Wait, opened, taking
from cartlake.cli.output import Output, lines, plain, word
from cartlake.cli.progress import TaskLog
from cartlake.cli.run import show_run
from cartlake.errors import UsageError

_LOOKED_AT = {
    "ledger": "tables",
    "archive": "files and manifests, by their hashes",
    "tables": "tables, in every version that is kept",
    "counts": "files, by their records",
    "production": "tables, by their keys and intervals",
    "rebuilt": "tables, by what a rebuild would make of the logs",
}
_NUMBERS = ("files", "new files", "rows", "bytes")


def register(app: typer.Typer) -> None:
    commands = (
        ("task", taking(TaskOptions, task)),
        ("maintain", maintain),
        ("verify", verify),
        ("test", cases),
        ("doctor", doctor),
    )
    for name, command in commands:
        app.command(name, rich_help_panel=OPERATE)(command)


@dataclass(frozen=True)
class TaskOptions:
    """The options of `task`, by their names on the command line."""

    name: Annotated[str, typer.Argument(metavar="NAME", help="orders_stage_load ... final_merge_operation")]
    batch: Annotated[str | None, typer.Option("--batch", metavar="ID", help="Over this batch.")] = None
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Over this run's batches; a new run takes what is ready.")
    ] = None
    fail_on_held: Annotated[bool, typer.Option("--fail-on-held", help="End with 1 if a batch is held.")] = False
    project: Project = HERE
    given: Set = None
    wait: Wait = 0
    as_json: AsJson = False


def task(options: TaskOptions) -> None:
    """Run one of the eight tasks; it may be repeated at any time.

    Ends with 0 when the task recorded what it found; final_merge_operation ends with 1 if a batch of the run failed.
    """
    if (options.batch is None) == (options.run is None):
        raise UsageError("usage", "a task needs either --batch or --run", hint="`cartlake task --help` says more.")
    out, name = Output(options.as_json), options.name
    with opened(options.project, options.given, options.wait) as lake, logging_to(out, lake.settings):
        with TaskLog(out, name) as log:
            report = lake.task(name, batch_id=options.batch, run_id=options.run, on_task=log.on_task)
        show_run(out, report, f"{plain(name)} had nothing to do.")
    is_held = any(one.batch.status.value == "held" for one in report.batches)
    is_last = name == "final_merge_operation"
    raise typer.Exit(1 if (is_last and report.has_failed) or (options.fail_on_held and is_held) else 0)


def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    project: Project = HERE,
    given: Set = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Join small files, and remove what no publication that is kept needs any more.

    How long publications can be opened, and whether archived files and quarantined records are ever removed, is set
    under [maintain].
    """
    out = Output(as_json)
    with opened(project, given, wait) as lake:
        report = lake.maintain(dry_run=dry_run)
    out.document([vars(step) for step in report])
    if not report:
        out.show("There is nothing to do.")
        return
    done = "to do" if dry_run else "done"
    table = out.table("what", done, *_NUMBERS, "why", numbers=_NUMBERS)
    for step in report:
        numbers = (step.files_removed, step.files_added, step.rows_removed, step.bytes_removed)
        table.add_row(plain(step.name), plain(step.action), *map(plain, numbers), plain(step.reason))
    out.show(table)


def verify(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also compute production anew, and compare; takes what a rebuild takes.")
    ] = False,
    project: Project = HERE,
    engine: EngineName = None,
    as_json: AsJson = False,
) -> None:
    """Read everything again, and say what is damaged and what repairs it; ends with 1 if something is.

    Archived files and data files are hashed; logs, ledger, counts, keys and intervals are compared. Nothing is written.
    """
    out = Output(as_json)
    with opened(project, engine=engine) as lake:
        found = lake.verify(deep=deep)
    findings = [vars(finding) for finding in found.findings]
    out.document({"ok": not findings, "looked_at": found.looked_at, "findings": findings})
    for area, count in found.looked_at.items():
        is_well = all(finding.area != area for finding in found.findings)
        state = word("ok") if is_well else word("fail")
        out.show(Text.assemble(state, f"{'   ' if is_well else ' '}{area:12} {count:,} {_LOOKED_AT[area]}"))
        here = (finding for finding in found.findings if finding.area == area)
        for (name, repair), same in groupby(here, lambda finding: (finding.name, finding.repair)):
            said = [Text.assemble((plain(name), "bold"), f": {plain(finding.problem)}") for finding in same]
            out.show(*(Padding(text, (0, 0, 0, 5), expand=False) for text in (*said, Text(plain(repair), "dim"))))
    raise typer.Exit(1 if findings else 0)


def cases(project: Project = HERE, engine: EngineName = None, as_json: AsJson = False) -> None:
    """Run the given/expect cases of the models; ends with 1 if one differs."""
    out = Output(as_json)
    with opened(project, engine=engine) as lake:
        results = lake.test()
    failed = [result for result in results if result.difference]
    out.document(
        [
            {
                "model": result.model,
                "case": result.case.name,
                "file": result.case.path,
                "line": result.case.line,
                "passed": not result.difference,
                "difference": result.difference,
            }
            for result in results
        ]
    )
    for result in failed:
        place = f"{plain(result.case.path)}:{result.case.line}"
        case = f"{plain(result.model)}: {plain(result.case.name)}  "
        out.show(Text.assemble(("failed ", "red"), case, (place, "dim")))
        out.show(*(Text(f"  {plain(row)}") for row in result.difference))
    out.show(Text(f"{len(results) - len(failed):,} of {len(results):,} cases passed", "red" if failed else "green"))
    raise typer.Exit(1 if failed else 0)


def doctor(
    project: Project = HERE,
    alerts: Annotated[bool, typer.Option("--alerts", help="Also send a trial alert to webhook and command.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the installation and the project, and say what to do about what is wrong; ends with 3 if something is."""
    from cartlake.doctor import examine, try_alerts

    out = Output(as_json)
    checks = [*examine(project), *([try_alerts(project)] if alerts else [])]
    is_well = all(check.status != "fail" for check in checks)
    out.document({"ok": is_well, "checks": [vars(check) for check in checks]})
    for check in checks:
        indent = " " * (5 - len(check.status))
        out.show(Text.assemble(word(check.status), f"{indent}{check.name:12} {lines(check.message)}"))
        if check.hint:
            out.show(Text(f"{'':18}{lines(check.hint)}", "dim"))
    raise typer.Exit(0 if is_well else 3)
