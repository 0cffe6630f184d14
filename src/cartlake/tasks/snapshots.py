"""Snapshot feeds: what the accepted snapshots tell by the keys that they lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.contract import Contract
from cartlake.core.entries import BatchFile
from cartlake.core.known import ended
from cartlake.core.snapshots import (
    PRESENT,
    WHOLE,
    SnapshotFacts,
    absences,
    each_key,
    judge,
    judge_time,
    keyless_rows,
    newly_absent,
    snapshot_times,
)
from cartlake.core.sqltext import names, same
from cartlake.core.tables import event_columns, stage_table
from cartlake.core.verdict import RuleResult
from cartlake.tasks.accepted import AcceptedKey, Announced, define_logged, with_batch
from cartlake.tasks.context import Context
from cartlake.tasks.delivered import samples


@dataclass(frozen=True)
class Snapshots:
    """The times of a feed's accepted snapshots before and after, each with whether its files were all there.

    `is_in_order`: one snapshot is added, and it is later than all before; then only the keys that are open can be
    absent. Anything else changes what absence meant at other times, and every key is walked again from the log."""

    before: Mapping[datetime, bool]
    after: Mapping[datetime, bool]
    is_in_order: bool

    @property
    def differ(self) -> bool:
        return self.before != self.after


def find_snapshots(
    context: Context,
    contract: Contract,
    before: frozenset[str],
    after: frozenset[str],
    changed: Mapping[AcceptedKey, tuple[Announced, bool]],
) -> Snapshots:
    """The snapshots of a feed, with these accepted batches before and after. `changed` are the files whose acceptance
    changes: one of a time that no snapshot had is new."""
    batches, files = context.ledger.batches(), context.ledger.batch_files()
    old, new = (snapshot_times(contract.feed, files, batches, accepted) for accepted in (before, after))
    added = new.keys() - old.keys()
    is_one = len(added) == 1 and {time for _, _, _, time in changed} == added
    is_later = is_one and all(time < max(added) and new.get(time) is old[time] for time in old)
    return Snapshots(old, new, is_later)


def define_absences(context: Context, contract: Contract, snapshots: Snapshots) -> None:
    """`changed_events`, as `changed_events_<table>` too: of a snapshot in order its events and the deletes of the keys
    that it lacks, made of `changed_rows_<table>`; of others all that the accepted snapshots tell, from the log."""
    engine, table = context.engine, contract.table
    times = snapshots.after
    if snapshots.is_in_order:
        times = {time: times[time] for time in times.keys() - snapshots.before.keys()}
        engine.define("snapshot_log", f"SELECT * FROM changed_rows_{table}")
    else:
        engine.read("log_all", stage_table(contract))
        engine.define("snapshot_log", with_batch(contract, "log_all", "accepted"))
    engine.values("whole_snapshots", WHOLE, [(time,) for time in sorted(times) if times[time]])
    columns = names((*event_columns(contract), "_is_added"))
    absent = newly_absent(contract) if snapshots.is_in_order else absences(contract)
    events = f"SELECT {columns} FROM snapshot_log WHERE _op <> '{PRESENT}' UNION ALL SELECT {columns} FROM ({absent}) a"
    engine.materialise(f"changed_events_{table}", events)
    engine.define("changed_events", f"SELECT * FROM changed_events_{table}")


def judge_batch_times(context: Context, contract: Contract, batch: Batch, earlier: Sequence[str]) -> list[RuleResult]:
    """What is to be said of the batch where its time is that of its events, and of its snapshot: the keys that it
    deletes are in `ended_<feed>` then. Reads `staged_<feed>`; `earlier` are batches before it that are not published
    yet."""
    if not contract.takes_batch_time:
        return []
    files = [file for file in context.ledger.batch_files() if file.feed == contract.feed and file.status == "staged"]
    own = [file for file in files if file.batch_id == batch.batch_id]
    if not own:
        return []
    judged = [judge_time(contract, batch)]
    if contract.delivery == "snapshot":
        batches = context.ledger.batches().values()
        published = {one.batch_id for one in batches if one.status is BatchStatus.PUBLISHED}
        known = {*published, *earlier} - {batch.batch_id}
        others = [file for file in files if file.batch_id in known]
        rivals = {file.file_sha256 for file in others if _at(context, file) == batch.event_time}
        has_rival = bool(rivals) and rivals != {file.file_sha256 for file in own}
        facts = _facts(context, contract, batch, others, has_rival=has_rival)
        absent = f"absent_{contract.feed}"
        if facts.is_whole:
            gone = f"SELECT {names(contract.key)}, :at AS ended_at FROM {absent}"
            context.engine.define(
                f"ended_{contract.feed}", f"{ended(contract)} UNION ALL {gone}", {"at": batch.event_time}
            )
        judged += judge(contract, facts, samples(context.engine, absent, contract.key, "TRUE") if facts.absent else "")
    return judged


def _at(context: Context, file: BatchFile) -> datetime:
    return context.ledger.batches()[file.batch_id].event_time


def _facts(
    context: Context, contract: Contract, batch: Batch, others: Sequence[BatchFile], *, has_rival: bool
) -> SnapshotFacts:
    """Also makes `absent_<feed>`: keys that were there just before the batch's snapshot, and are not in it. They were
    in the last snapshot whose files were all there, or in one since."""
    engine, ledger, feed, now = context.engine, context.ledger, contract.feed, batch.event_time
    known = {file.batch_id for file in others if _at(context, file) < now}
    times = snapshot_times(feed, ledger.batch_files(), ledger.batches(), {*known, batch.batch_id})
    earlier = {time: is_complete for time, is_complete in times.items() if time < now}
    since = max((time for time, is_complete in earlier.items() if is_complete), default=min(earlier, default=now))
    lately = [file for file in others if since <= _at(context, file) < now]
    define_logged(context, contract, f"known_log_{feed}", lately)
    known_keys = engine.materialise(f"known_keys_{feed}", each_key(contract, f"known_log_{feed}"))
    engine.define(f"staged_keys_{feed}", each_key(contract, f"staged_{feed}"))
    absent = engine.materialise(
        f"absent_{feed}",
        f"SELECT k.* FROM known_keys_{feed} k LEFT ANTI JOIN staged_keys_{feed} s ON {same(contract.key, 'k', 's')}",
    )
    keyless = engine.materialise(f"keyless_{feed}", keyless_rows(contract, f"staged_{feed}"))
    return SnapshotFacts(times[now], has_rival, known_keys, absent, keyless)
