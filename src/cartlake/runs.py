"""Runs: what landing holds, which batches are ready, and what became of runs that died."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cartlake import landing
from cartlake.core.arrival import plan
from cartlake.core.batch import Batch, BatchStatus, Known, Landing, Policy
from cartlake.core.entries import MaintenanceStep, Run
from cartlake.core.manifest import ExpectedFile, Manifest, render_manifest
from cartlake.core.names import LandedFile, by_date, new_trigger_id
from cartlake.core.production import settled
from cartlake.core.quiet import perhaps_loaded, quiet_batches
from cartlake.core.retention import SET_ASIDE
from cartlake.core.table import Table
from cartlake.core.tables import LEDGER, MAINTENANCE, prepared_table
from cartlake.core.unannounced import misspelt, namesakes, unannounced, unread
from cartlake.errors import Locked, UsageError
from cartlake.owning import joined, live_runs, require_unowned, unsettled
from cartlake.tasks.arrivals import look, write_manifest
from cartlake.tasks.context import Context
from cartlake.tasks.shapes import changed_contracts


def recover_tables(context: Context) -> None:
    """After a process died or the power failed: every table that exists ends with a commit that is whole; what was set
    aside is in the ledger."""
    production = context.production_tables
    prepared = (prepared_table(table) for table in production)
    tables: tuple[Table, ...] = (*LEDGER, *context.stage_tables, *production, *prepared)
    set_aside = context.engine.recover([table.name for table in tables])
    if set_aside:
        context.engine.create(MAINTENANCE)
        reason = "half written when a process died or the power failed"
        steps = [MaintenanceStep(name, SET_ASIDE, reason, files_removed=count) for name, count in set_aside.items()]
        context.ledger.record_maintenance(steps)


def recover(context: Context) -> None:
    """Runs that ended without saying so are dead; their batches are as their publications say, or ready again."""
    ledger = context.ledger
    alive = {run.run_id for run in live_runs(context)}
    for run in ledger.runs():
        if run.status == "running" and run.run_id not in alive:
            ledger.record_run(replace(run, status="dead", ended_at=ledger.now()))
    ours = [batch for batch in ledger.batches().values() if batch.run_id not in alive]
    ledger.record_batches(settled(ours, ledger.publications()))


def settle_published(context: Context) -> None:
    """Batches whose publication is in the ledger, but not what became of them, are settled."""
    found = settled(context.ledger.batches().values(), context.ledger.publications())
    context.ledger.record_batches(batch for batch in found if batch.status is not BatchStatus.READY)


def survey(context: Context) -> tuple[str, ...]:
    """Landing is looked at, new states of batches are in the ledger, finished manifests are in the archive; notices.
    Batches that another process is taking this moment are left to it."""
    settings, ledger = context.settings, context.ledger
    seen, known = look(context)
    policy = Policy(settings.landing.wait_for_files, settings.landing.on_missing)
    decided, taken = plan(seen, known, policy, ledger.now()), unsettled(context)
    ledger.record_batches(batch for batch in decided.batches if batch.batch_id not in taken)
    ledger.once_committed(
        lambda: landing.tidy(settings.landing_folder, settings.archive_folder, settings.landing.manifests, decided)
    )
    told, known = misspelt(unread(seen, known)), known.after(decided.batches)
    if settings.landing.trigger == "quiet":
        patterns = {contract.folder: contract.file_pattern for contract in context.contracts}
        still = timedelta(seconds=settings.landing.quiet_seconds)
        seen = replace(seen, files=_not_loaded(context, seen, known))
        found = quiet_batches(seen, known, patterns, still, ledger.now())
        ledger.record_batches(batch for batch in found if batch.batch_id not in taken)
    return (*decided.notices, *told, *namesakes(unannounced(seen, known)))


def _not_loaded(context: Context, seen: Landing, known: Known) -> tuple[LandedFile, ...]:
    """The files but for those that were loaded and cannot be removed: they would make a batch with every run."""
    maybe = perhaps_loaded(seen, known)
    contents = landing.hashes(context.settings.landing_folder, maybe)
    return tuple(file for file in seen.files if contents.get(file) not in maybe.get(file, ()))


def announce_landed(context: Context, batch_date: date | None) -> list[Path]:
    """Manifests for the landed files that no open batch names, one per date, or one for `batch_date`; their paths.
    UsageError if several have one name."""
    settings = context.settings
    seen, known = look(context)
    files = unannounced(seen, known)
    if repeated := namesakes(files):
        hint = "Give each a name of its own, such as orders_2025-01-15.csv."
        raise UsageError("names_repeated", "; ".join(repeated), hint=hint)
    patterns = {contract.folder: contract.file_pattern for contract in context.contracts}
    groups = {batch_date: files} if batch_date and files else by_date(files, patterns)
    used = {*known.batches, *(m.content.batch_id for m in seen.manifests if isinstance(m.content, Manifest))}
    written = []
    for day, group in groups.items():
        trigger_id = new_trigger_id(day, used)
        used.add(trigger_id)
        expected = [ExpectedFile(file.name) for file in group]
        data = render_manifest(trigger_id, day, expected, _now_if_today(context, day))
        folder = settings.landing_folder / settings.landing.manifests
        written.append(write_manifest(folder, f"trigger_{trigger_id}.json", data))
    return written


def _now_if_today(context: Context, day: date) -> datetime | None:
    """The time of a batch that is announced now. One of another day has none: what takes its time from the batch holds
    from the start of its date, and not from the moment in which somebody made a manifest for it."""
    now = context.ledger.now()
    zones = ZoneInfo(context.settings.business.timezone), UTC  # files without a date in their name are dated in UTC
    return now if day in {now.astimezone(zone).date() for zone in zones} else None


def begin_run(
    context: Context, run_id: str | None = None, only: str | None = None, *, take_over: bool = False
) -> tuple[Run | None, tuple[str, ...]]:
    """The run, and notices: landing was surveyed, the list of batches is fixed, and they are `running`. Of several
    processes that begin one run, one fixes its list, and all have it. `take_over`: runs that died are settled first.
    Where nothing is ready: None; a run that has a name is over at once, so that its other tasks have nothing to do
    either, whatever lands meanwhile. Raises Locked if all there is belongs to another run."""
    ledger = context.ledger
    notices: tuple[str, ...] = ()
    while True:
        begun = {run.run_id: run for run in ledger.runs()}
        if run_id in begun:
            return joined(context, begun[run_id]), notices
        turn = 1 + max((run.turn for run in begun.values()), default=0)  # who begins a run from here on takes it
        with ledger.together():
            if take_over or context.engine.arbitrates:
                recover(context)
            notices, chosen = (*survey(context), *changed_contracts(context)), _chosen(context, only)
            if not chosen and not _is_free(context, turn):
                ledger.discard()
                continue
            if not chosen and run_id is None:
                return None, notices
            run = _new_run(context, run_id, chosen, turn)
            if ledger.begin_run(run):
                ledger.record_batches(
                    replace(batch, status=_under_way(batch), run_id=run.run_id, reason=None, actor=None)
                    for batch in chosen
                )
                return run, notices
            ledger.discard()


def _chosen(context: Context, only: str | None) -> list[Batch]:
    """What a run would take now. Restaged batches go first, then by batch date; `only` takes one batch, and before it
    those that wait for their repair: while they do, the published logs stand still, without what others bring."""
    ledger, taken = context.ledger, unsettled(context)
    owners = {run.run_id for run in ledger.runs() if run.status == "running"}
    free = [b for b in ledger.batches().values() if b.batch_id not in taken and b.run_id not in owners]
    restaged = [batch for batch in free if batch.restage and batch.status is BatchStatus.PUBLISHED]
    ready = [batch for batch in free if batch.status is BatchStatus.READY and only in (None, batch.batch_id)]
    chosen = [*_in_order(restaged), *_in_order(ready)]
    return chosen if only in (None, *(batch.batch_id for batch in chosen)) else []


def _is_free(context: Context, turn: int) -> bool:
    """No run owns anything. Raises Locked if one does that had begun before this turn; False if it began since."""
    try:
        require_unowned(context)
    except Locked:
        if all(run.turn < turn for run in context.ledger.runs()):
            raise
        return False
    return True


def _new_run(context: Context, run_id: str | None, chosen: Sequence[Batch], turn: int) -> Run:
    now = context.ledger.now()
    return Run(
        run_id=run_id or new_run_id(context),
        batches=tuple(batch.batch_id for batch in chosen),
        engine=context.settings.engine.name,
        host=socket.gethostname(),
        process=os.getpid(),
        started_at=now,
        ended_at=None if chosen else now,
        status="running" if chosen else "finished",
        turn=turn,
    )


def _under_way(batch: Batch) -> BatchStatus:
    """A published batch stays published while its files are staged again."""
    return batch.status if batch.status is BatchStatus.PUBLISHED else BatchStatus.RUNNING


def _in_order(batches: Iterable[Batch]) -> list[Batch]:
    return sorted(batches, key=lambda batch: (str(batch.batch_date), batch.newness, batch.batch_id))


def require_archived(context: Context, batch_id: str) -> None:
    """Raises UsageError unless the archive has every file that the batch claimed."""
    announced = {(f.feed, f.file_sha256, f.batch_date) for f in context.ledger.batch_files([batch_id])}
    claimed = [f for f in context.ledger.files() if (f.feed, f.file_sha256, f.batch_date) in announced]
    gone = [f.file_name for f in claimed if not (context.settings.archive_folder / f.archive_path).is_file()]
    if gone:
        said = f"the archive no longer has {', '.join(gone)} of batch {batch_id}"
        raise UsageError("archive_gone", said, hint="Drop it again with a new manifest, run, then retry.")


def new_run_id(context: Context) -> str:
    return f"{context.ledger.now().astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def end_run(context: Context, run: Run) -> None:
    """The run is over; batches it left unfinished are ready again."""
    ledger = context.ledger
    ours = [batch for batch in ledger.batches().values() if batch.run_id == run.run_id]
    ledger.record_batches(settled(ours, ledger.publications()))
    ledger.record_run(replace(run, status="finished", ended_at=ledger.now()))


def published_batches(context: Context) -> frozenset[str]:
    """The batches that production is made of."""
    batches = context.ledger.batches().values()
    return frozenset(batch.batch_id for batch in batches if batch.status is BatchStatus.PUBLISHED)
