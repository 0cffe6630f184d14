"""What a batch brings of a feed beside what was known before it, as SQL: what check models read, and what of it ties,
repeats or comes late.

Inputs, per feed: `events_<feed>`, the batch's staged upserts with the columns of the log, and `previous_<feed>`, the
versions and events known before: the contract's columns, `_sequence`, `_file_sha256`, `_record`, `valid_from`.
"""

from __future__ import annotations

from cartlake.core.contract import Contract
from cartlake.core.events import one_per_time, row_hash
from cartlake.core.model import CheckRule
from cartlake.core.sqltext import names, same, struct
from cartlake.core.table import TIMESTAMP, Column
from cartlake.core.tables import field_columns, stage_table

SEQUENCE_DOES_NOT_MOVE = CheckRule(
    code="sequence_does_not_move",
    severity="medium",
    action="report",
    description="At least 10 keys changed without a later time than before, more than those with one."
    " `sequenceBy` of the contract probably names the wrong column.",
    key=("feed",),
)
_TIE_COLUMNS = ("_file_sha256", "_record", "tied_file_sha256", "tied_record")


def sequence_tie(contract: Contract) -> CheckRule:
    return CheckRule(
        code="sequence_tie",
        severity="medium",
        action="report",
        description="Two upserts of one key and time have different values; the sample names both records.",
        key=(*contract.key, *_TIE_COLUMNS),
    )


def late_event(contract: Contract) -> CheckRule:
    description = "An upsert is older than what was known of its key; the key's history was walked again."
    return CheckRule("late_event", "low", "report", description, contract.key)


def bisected_run(contract: Contract) -> CheckRule:
    description = "A late upsert with other values lies between equal ones and parts their version in two."
    return CheckRule("bisected_run", "low", "report", description, contract.key)


def repeated_event(contract: Contract) -> CheckRule:
    description = "An upsert says of its time what was known: it equals the events around it, or repeats one."
    return CheckRule("repeated_event", "low", "report", description, contract.key)


UNTRACKED_CHANGE = CheckRule(
    code="untracked_change",
    severity="low",
    action="report",
    description="Nothing changed but columns that make no version; the sample names them, and in how many keys each"
    " did.",
    key=("column",),
)

UNKNOWN_COLUMNS = CheckRule(
    code="unknown_columns",
    severity="low",
    action="report",
    description="A file brings columns that its contract does not know, perhaps one of ours by a new name; the sample"
    " names them.",
    key=("column",),
)

EMPTIED_COLUMNS = CheckRule(
    code="emptied_columns",
    severity="medium",
    action="report",
    description="No record has a value in a column in which at least 10 would, if it were as in the batches before; the"
    " sample names the columns.",
    key=("column",),
)


def rules(contract: Contract) -> tuple[CheckRule, ...]:
    """Those that every feed has."""
    of_keys = (sequence_tie(contract), late_event(contract), bisected_run(contract), repeated_event(contract))
    return (*of_keys, SEQUENCE_DOES_NOT_MOVE, UNTRACKED_CHANGE, UNKNOWN_COLUMNS, EMPTIED_COLUMNS)


def batch_columns(contract: Contract) -> tuple[Column, ...]:
    """`batch_<feed>` for models: the newest event of each key of the batch; `first_at` is the time of the first event
    known of the key, in the batch or before it."""
    return (*stage_table(contract).columns, Column("first_at", TIMESTAMP))


def known_columns(contract: Contract) -> tuple[Column, ...]:
    """`known_<feed>` for models: every version and event of every key, those of the batch included."""
    return (*field_columns(contract), Column("_sequence", TIMESTAMP), Column("valid_from", TIMESTAMP))


def ended_columns(contract: Contract) -> tuple[Column, ...]:
    """`ended_<feed>` for models: when versions of a key ended, by the next one or by a delete."""
    keys = tuple(Column(key, contract.field(key).type) for key in contract.key)
    return (*keys, Column("ended_at", TIMESTAMP))


def several(contract: Contract) -> str:
    """`several_<feed>`: keys with more than one event in the batch; most have one."""
    key, feed = names(contract.key), contract.feed
    return (
        f"SELECT {key}, min(_sequence) AS first_at, max(_sequence) AS last_at FROM events_{feed}"
        f" GROUP BY {key} HAVING count(*) > 1"
    )


def stood(contract: Contract) -> str:
    """`stood_<feed>`: of the events of keys in `several_<feed>` the one that stands for each key and time."""
    feed, columns = contract.feed, stage_table(contract).column_names
    repeated = f"SELECT e.* FROM events_{feed} e LEFT SEMI JOIN several_{feed} s ON {same(contract.key, 'e', 's')}"
    return one_per_time(contract, columns, f"({repeated}) AS repeated", "_sequence")


def standing(contract: Contract, has_several: bool) -> str:
    """`standing_<feed>`: of all events the one that stands for each key and time."""
    feed, columns = contract.feed, stage_table(contract).column_names
    if not has_several:
        return f"SELECT * FROM events_{feed}"
    return (
        f"SELECT {names(columns, 'e')} FROM events_{feed} e LEFT ANTI JOIN several_{feed} s"
        f" ON {same(contract.key, 'e', 's')} UNION ALL SELECT {names(columns)} FROM stood_{feed}"
    )


def met(contract: Contract) -> str:
    """`met_<feed>`: each standing event of the batch beside each version or event known of its key before."""
    feed = contract.feed
    return (
        f"SELECT {names(contract.key, 'b')}, b._sequence, p.valid_from AS known_from, p._sequence AS known_until,"
        f" b._sequence IN (p.valid_from, p._sequence) AS is_same_time"
        f" FROM standing_{feed} b JOIN previous_{feed} p ON {same(contract.key, 'b', 'p')}"
    )


def newest(contract: Contract, has_several: bool, has_met: bool) -> str:
    """`batch_<feed>` as `batch_columns` says."""
    feed, key = contract.feed, contract.key
    firsts, joins, where = ["e._sequence"], "", ""
    if has_several:
        firsts.append("coalesce(s.first_at, e._sequence)")
        joins += f" LEFT JOIN several_{feed} s ON {same(key, 'e', 's')}"
        where = " WHERE e._sequence = coalesce(s.last_at, e._sequence)"
    if has_met:
        firsts.append("coalesce(k.first_at, e._sequence)")
        before = f"SELECT {names(key)}, min(known_from) AS first_at FROM met_{feed} GROUP BY {names(key)}"
        joins += f" LEFT JOIN ({before}) k ON {same(key, 'e', 'k')}"
    first = f"least({', '.join(firsts)})" if len(firsts) > 1 else firsts[0]
    return f"SELECT e.*, {first} AS first_at FROM standing_{feed} e{joins}{where}"


def known(contract: Contract) -> str:
    """`known_<feed>` as `known_columns` says."""
    shown = names((*(field.name for field in contract.fields), "_sequence"))
    feed = contract.feed
    return (
        f"SELECT {shown}, valid_from FROM previous_{feed}"
        f" UNION ALL SELECT {shown}, _sequence AS valid_from FROM standing_{feed}"
    )


def stands_still(tied: int, newer: int) -> bool:
    """Whether so many keys that tie with what was known, and so few that moved past it, tell of a sequence that does
    not move."""
    return tied >= 10 and tied > newer


def moments(contract: Contract) -> str:
    """`moments_<feed>`: each time of the batch of a key that was known before: `known_until` of the key, `again`, above
    0 if the time itself was known, and `inside`, above 0 if it lies between equal events that were."""
    key = names(contract.key)
    inside = "count_if(_sequence > known_from AND _sequence < known_until) AS inside"
    return (
        f"SELECT {key}, _sequence, max(known_until) AS known_until, count_if(is_same_time) AS again, {inside}"
        f" FROM met_{contract.feed} GROUP BY {key}, _sequence"
    )


IS_LATE = "again = 0 AND _sequence < known_until"


FACTS = ("keys", "newer", "again", "late", "inside")
"""What `facts` counts; what it leaves out is 0."""


def facts(contract: Contract, has_met: bool) -> str:
    """One row that counts keys: `keys` of the batch, `newer`, whose time passed all that was known of them, `again`,
    with an event at a time that was known, `late`, with one that was not and is older than another that was, and
    `inside`, with one between equal events that were. Unless some `has_met` what was known, there are only `keys`."""
    feed, key = contract.feed, names(contract.key)
    keys = f"SELECT count(*) AS keys FROM batch_{feed}"
    if not has_met:
        return keys
    return (
        f"SELECT {', '.join(FACTS)} FROM ({keys}) AS counted CROSS JOIN"
        " (SELECT count_if(newest > known_until) AS newer, count_if(again > 0) AS again, count_if(late > 0) AS late,"
        " count_if(inside > 0) AS inside FROM"
        f" (SELECT {key}, max(_sequence) AS newest, max(known_until) AS known_until, count_if(again > 0) AS again,"
        f" count_if({IS_LATE}) AS late, count_if(inside > 0) AS inside"
        f" FROM moments_{feed} GROUP BY {key}) AS moved) AS met"
    )


def again(contract: Contract) -> str:
    """`again_<feed>`: each event of the batch that lies within equal events known before, its ends included: whether it
    is at one of the ends (`is_same_time`), and whether it `differs` from them in the tracked columns."""
    feed, key = contract.feed, contract.key
    differs = f"{struct(contract.tracked, 'b')} IS DISTINCT FROM {struct(contract.tracked, 'p')} AS differs"
    return (
        f"SELECT {names(key, 'b')}, b._sequence IN (p.valid_from, p._sequence) AS is_same_time, {differs}"
        f" FROM standing_{feed} b JOIN previous_{feed} p"
        f" ON {same(key, 'b', 'p')} AND b._sequence >= p.valid_from AND b._sequence <= p._sequence"
    )


def ties(contract: Contract) -> str:
    """`ties_<feed>`: one row a key with two different upserts of one time: both records, and `is_known`, whether one of
    them was known before the batch. What was known is compared in the tracked columns: a version shows no others of
    the event that opened it."""
    feed, key = contract.feed, contract.key
    tracked = f"{struct(contract.tracked, 'b')} IS DISTINCT FROM {struct(contract.tracked, 'p')}"
    hashed = f"SELECT {names(key, 'e')}, e._sequence, e._file_sha256, e._record, {row_hash(contract, 'e')} AS _row_hash"
    return f"""
WITH known_already AS (
  SELECT {names(key, "b")}, b._sequence, {_places("b", "p")}, 1 AS known
  FROM standing_{feed} b
  JOIN previous_{feed} p ON {same(key, "b", "p")} AND b._sequence IN (p.valid_from, p._sequence)
  WHERE {tracked}
),
hashed AS (
  {hashed} FROM events_{feed} e LEFT SEMI JOIN several_{feed} s ON {same(key, "e", "s")}
),
within AS (
  SELECT {names(key, "a")}, a._sequence, {_places("a", "z")}, 0 AS known
  FROM hashed a JOIN hashed z ON {same((*key, "_sequence"), "a", "z")} WHERE a._row_hash < z._row_hash
),
pairs AS (SELECT * FROM known_already UNION ALL SELECT * FROM within),
numbered AS (
  SELECT {names((*key, *_TIE_COLUMNS))}, max(known) OVER (PARTITION BY {names(key)}) = 1 AS is_known,
    row_number() OVER (PARTITION BY {names(key)} ORDER BY {names(("_sequence", *_TIE_COLUMNS))}) AS nth
  FROM pairs
)
SELECT {names((*key, *_TIE_COLUMNS))}, is_known FROM numbered WHERE nth = 1"""


def _places(one: str, other: str) -> str:
    return (
        f"{one}._file_sha256, {one}._record, {other}._file_sha256 AS tied_file_sha256, {other}._record AS tied_record"
    )


def ended(contract: Contract) -> str:
    """`ended_<feed>` as `ended_columns` says. Reads `published_<feed>`, and the deletes of `staged_` and `earlier_`."""
    feed, key = contract.feed, names(contract.key)
    deletes = " UNION ALL ".join(
        f"SELECT {key}, _sequence AS ended_at FROM {log}_{feed} WHERE _op = 'delete'" for log in ("earlier", "staged")
    )
    return f"SELECT {key}, valid_to AS ended_at FROM published_{feed} WHERE valid_to IS NOT NULL UNION ALL {deletes}"
