"""Whose batches are whose, where several processes may write and no lock tells.

A run owns the batches of its list from the commit that fixes the list until it ends. Whatever it records renews that; a
run that is silent for `run_timeout` is dead.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from cartlake.core.entries import Run
from cartlake.errors import Locked
from cartlake.ledger import Ledger
from cartlake.tasks.context import Context

_PATIENCE, _PAUSE = 60.0, 0.2  # seconds
_HINT = "Try again when it is done; a run that says nothing for run_timeout counts as dead."


def live_runs(context: Context) -> list[Run]:
    """The runs that may still be at work. Under the lake's lock there is none: who has it looks after all others."""
    if not context.engine.arbitrates:
        return []
    ledger = context.ledger
    earliest = ledger.now() - timedelta(seconds=context.settings.engine.run_timeout)
    return [run for run in ledger.runs() if run.status == "running" and _last_sign(ledger, run) >= earliest]


def _last_sign(ledger: Ledger, run: Run) -> datetime:
    """When the run recorded something last."""
    tasks = (task.ended_at for task in ledger.tasks(run_id=run.run_id))
    batches = (batch.recorded_at for batch in ledger.batches().values() if batch.run_id == run.run_id)
    return max([run.started_at, *tasks, *batches])


def require_no_run(context: Context) -> None:
    """Raises Locked while a run is under way."""
    for run in live_runs(context):
        raise Locked("run_under_way", f"run {run.run_id} is under way on {run.host}", hint=_HINT)


def require_unowned(context: Context) -> None:
    """Raises Locked if another run has batches, or has just fixed its list: there is something to do, but not for
    us."""
    owners, fixed = {batch.run_id for batch in context.ledger.batches().values()}, unsettled(context)
    for run in live_runs(context):
        if run.run_id in owners or fixed & {*run.batches}:
            raise Locked("batches_owned", f"what is there belongs to run {run.run_id}", hint=_HINT)


def unsettled(context: Context) -> frozenset[str]:
    """Batches of a list that was fixed a moment ago: the rows that say whose they are follow."""
    batches = context.ledger.batches()
    return frozenset(
        batch_id
        for run in context.ledger.runs()
        if run.status == "running"
        for batch_id in run.batches
        if batch_id not in batches or batches[batch_id].recorded_at < run.started_at
    )


def joined(context: Context, run: Run) -> Run:
    """The run, which another process began, once its batches are its own. Raises Locked if they never are."""
    until = time.monotonic() + _PATIENCE
    while unsettled(context) & {*run.batches}:
        if time.monotonic() > until:
            raise Locked("run_unsettled", f"who began run {run.run_id} did not finish that", hint=_HINT)
        time.sleep(_PAUSE)
    return run
