"""Feeds that deliver full extracts: which keys each snapshot has, and which it deletes by not having them.

A snapshot is all that accepted batches announce of a feed for one time. The log of such a feed holds, besides events, a
row with `_op` = present for each quarantined record: its key was there all the same, or, without a key, nobody can say
which key is absent. `snapshot_log` is what was accepted of the log, each row at the time of its batch as `_sequence`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from cartlake.core.batch import Batch
from cartlake.core.contract import Contract
from cartlake.core.entries import BatchFile
from cartlake.core.model import CheckRule
from cartlake.core.names import normalise
from cartlake.core.sqltext import name, names, same
from cartlake.core.table import TIMESTAMP, Column
from cartlake.core.tables import added_columns, stage_table
from cartlake.core.verdict import RuleResult

PRESENT = "present"
WHOLE = (Column("at", TIMESTAMP),)

KEYS_ABSENT = CheckRule(
    code="snapshot_keys_absent",
    severity="low",
    action="report",
    description="Known keys that a snapshot does not have any more: they count as deleted at its time.",
    key=(),
)
DELETES_MANY = CheckRule(
    code="snapshot_deletes_many",
    severity="high",
    action="hold",
    description="So many known keys are absent from a snapshot that it may have been cut off: more than a fifth, or"
    " than the `threshold` that the contract gives this rule.",
    key=(),
)
SAME_TIME = CheckRule(
    code="snapshot_same_time",
    severity="high",
    action="hold",
    description="Another snapshot of the same time has other content. Reject one of the two batches, or release this"
    " one if they are parts of one snapshot.",
    key=(),
)
NOT_WHOLE = CheckRule(
    code="snapshot_not_whole",
    severity="medium",
    action="report",
    description="Of a snapshot files are missing, or records have no key that can be read: nobody can say which keys"
    " are absent, so none counts as deleted.",
    key=(),
)
TIME_AHEAD = CheckRule(
    code="batch_time_ahead",
    severity="high",
    action="hold",
    description="Events take their time from a batch that was triggered later than its date allows"
    " (`sequenceAheadDays`): is its `trigger_timestamp` right?",
    key=(),
)
RULES = (KEYS_ABSENT, DELETES_MANY, SAME_TIME, NOT_WHOLE, TIME_AHEAD)
_MOST_DELETES = Decimal("0.2")


@dataclass(frozen=True)
class SnapshotFacts:
    """What a batch's snapshot of a feed is, beside those known: how many keys were `known` just before it, how many of
    them it lacks, how many of its records have no key that can be read."""

    is_complete: bool
    has_rival: bool
    known: int
    absent: int
    keyless: int

    @property
    def is_whole(self) -> bool:
        return self.is_complete and not self.keyless


def judge(contract: Contract, facts: SnapshotFacts, samples: str) -> list[RuleResult]:
    """What the rules about snapshots say; `samples` are some of the absent keys."""
    share = next((rule.threshold for rule in contract.cross_rules if rule.code == DELETES_MANY.code), None)
    absent = facts.absent if facts.is_whole else 0
    many = absent if absent > (_MOST_DELETES if share is None else share) * facts.known else 0
    feed, shown = contract.feed, samples if absent else ""
    unsaid = facts.keyless + (not facts.is_complete)
    return [
        RuleResult.of(SAME_TIME, 1, int(facts.has_rival), feed if facts.has_rival else ""),
        RuleResult.of(NOT_WHOLE, 1, unsaid, feed if unsaid else ""),
        RuleResult.of(KEYS_ABSENT, facts.known, absent, shown),
        RuleResult.of(DELETES_MANY, facts.known, many, shown if many else ""),
    ]


def judge_time(contract: Contract, batch: Batch) -> RuleResult:
    """Whether the batch may give its time to events."""
    day = batch.batch_date or date.min
    limit = datetime.combine(day, time(), UTC) + timedelta(days=contract.sequence_ahead_days + 1)
    is_ahead = batch.event_time >= limit
    return RuleResult.of(TIME_AHEAD, 1, int(is_ahead), batch.batch_id if is_ahead else "")


def snapshot_times(
    feed: str, files: Iterable[BatchFile], batches: Mapping[str, Batch], accepted: Collection[str]
) -> dict[datetime, bool]:
    """The times of the snapshots of the feed that the `accepted` batches announce, each with whether one of its batches
    came with all its files. Where one was missing, of whatever feed it was, absence tells nothing. `files` are those of
    every feed."""
    every = [file for file in files if file.batch_id in accepted and file.status == "staged"]
    staged = {(file.batch_id, normalise(file.file_name)) for file in every}
    times: dict[datetime, bool] = {}
    for batch_id in {file.batch_id for file in every if file.feed == feed}:
        batch = batches[batch_id]
        is_complete = {(batch_id, file.key) for file in batch.files} <= staged
        times[batch.event_time] = times.get(batch.event_time, False) or is_complete
    return times


def with_presence(contract: Contract, logged: str, unreadable: str, *, has_discards: bool) -> str:
    """What the log of a snapshot feed holds of a file: what is `logged`, and a row for each record in quarantine. A
    discarded record without a key is none. Reads `judged` and `unreadable`, and `discards` if there are any."""
    key = set(contract.key)
    shown = ", ".join(
        name(field.name, "r") if field.name in key else f"CAST(NULL AS {field.type}) AS {name(field.name)}"
        for field in contract.fields
    )
    nothing = ", ".join(f"CAST(NULL AS {field.type}) AS {name(field.name)}" for field in contract.fields)
    refused = f"SELECT r._record, {shown} FROM judged r WHERE r._errors IS NOT NULL"
    keyless = f"SELECT r._record, {nothing} FROM {unreadable} r"
    kept = f"LEFT JOIN discards d ON l._record = d._record WHERE d._record IS NULL OR {_has_key(contract, 'l')}"
    return f"""{logged}
UNION ALL
SELECT {names((field.name for field in contract.fields), "l")},
  :batch_id AS _batch_id, :batch_date AS _batch_date, :revision AS _revision, :file_sha256 AS _file_sha256,
  :source_file AS _source_file, coalesce(:source_system, CAST(NULL AS string)) AS _source_system, l._record,
  :batch_sequence AS _sequence, '{PRESENT}' AS _op, CAST(NULL AS string) AS _warnings,
  CAST(NULL AS map<string,string>) AS _rescued, :ingested_at AS _ingested_at
FROM ({refused} UNION ALL {keyless}) AS l {kept if has_discards else ""}"""


def _has_key(contract: Contract, alias: str) -> str:
    return " AND ".join(f"{name(column, alias)} IS NOT NULL" for column in contract.key)


def _lacks_key(contract: Contract, alias: str) -> str:
    return "(" + " OR ".join(f"{name(column, alias)} IS NULL" for column in contract.key) + ")"


def present_keys(contract: Contract, log: str) -> str:
    """The keys that snapshots have, each once a time (key…, `at`)."""
    is_there = f"s._op IN ('upsert', '{PRESENT}') AND {_has_key(contract, 's')}"
    return f"SELECT DISTINCT {names(contract.key, 's')}, s._sequence AS at FROM {log} s WHERE {is_there}"


def silent_times(contract: Contract, log: str) -> str:
    """The times of which nobody can say what is absent: a record has no key that can be read."""
    return f"SELECT DISTINCT s._sequence AS at FROM {log} s WHERE s._op = '{PRESENT}' AND {_lacks_key(contract, 's')}"


def absences(contract: Contract) -> str:
    """The deletes that the snapshots of `snapshot_log` make, as rows of the log with `_is_added`: of each key at the
    first time after it was there at which a whole snapshot lacks it. Reads `whole_snapshots` (`at`): those that came
    with all their files."""
    key = names(contract.key)
    return f"""
WITH present AS ({present_keys(contract, "snapshot_log")}),
silent AS ({silent_times(contract, "snapshot_log")}),
whole AS (SELECT w.at FROM whole_snapshots w LEFT ANTI JOIN silent s ON w.at = s.at),
times AS (SELECT DISTINCT at FROM present),
ends AS (SELECT t.at, min(w.at) AS ends_at FROM times t JOIN whole w ON w.at > t.at GROUP BY t.at),
followed AS (SELECT {key}, at, lead(at) OVER (PARTITION BY {key} ORDER BY at) AS back_at FROM present)
SELECT {_as_deletes(contract, "f", "e.ends_at")}
FROM followed f JOIN ends e ON f.at = e.at
WHERE f.back_at IS NULL OR e.ends_at < f.back_at"""


def newly_absent(contract: Contract) -> str:
    """The same for one snapshot that is later than all before: of each open key of `history_before` that `snapshot_log`
    lacks, where `whole_snapshots` has its time."""
    return f"""
WITH present AS ({present_keys(contract, "snapshot_log")}),
silent AS ({silent_times(contract, "snapshot_log")}),
whole AS (SELECT w.at FROM whole_snapshots w LEFT ANTI JOIN silent s ON w.at = s.at),
absent AS (
  SELECT h.* FROM history_before h LEFT ANTI JOIN present p ON {same(contract.key, "h", "p")} WHERE h.is_current
)
SELECT {_as_deletes(contract, "a", "w.at")} FROM absent a CROSS JOIN whole w"""


def _as_deletes(contract: Contract, alias: str, at: str) -> str:
    made = {"_sequence": at, "_op": "'delete'"}
    types = {column.name: column.type for column in (*stage_table(contract).columns, *added_columns(contract))}
    shown = [
        name(column, alias)
        if column in contract.key
        else f"{made.get(column, f'CAST(NULL AS {kind})')} AS {name(column)}"
        for column, kind in types.items()
    ]
    return ", ".join([*shown, "1 AS _is_added"])


def each_key(contract: Contract, log: str) -> str:
    """The keys that the snapshots in a log have."""
    return f"SELECT DISTINCT {names(contract.key)} FROM ({present_keys(contract, log)}) k"


def keyless_rows(contract: Contract, log: str) -> str:
    """The rows of a log whose key nobody could read."""
    return f"SELECT s._record FROM {log} s WHERE s._op = '{PRESENT}' AND {_lacks_key(contract, 's')}"


def every_key(contract: Contract) -> str:
    """`touched` when any key may change: all are walked from the log."""
    key = names(contract.key)
    return (
        f"SELECT DISTINCT {key}, CAST(2 AS bigint) AS events, TRUE AS is_late, TRUE AS is_walked"
        f" FROM (SELECT {key} FROM history_before UNION ALL SELECT {key} FROM snapshot_log WHERE _op = 'upsert') AS k"
    )
