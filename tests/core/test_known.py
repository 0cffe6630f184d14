"""What checks see of a batch, and ties: the same SQL for every feed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import duckdb
import pytest
from tests.bareduck import bare_duck
from tests.core.stagedb import FEEDS, contract

from cartlake.core import known
from cartlake.core.contract import Contract
from cartlake.core.dialect import compile_sql
from cartlake.core.table import Column
from cartlake.core.tables import history_table, stage_table
from cartlake.core.verdict import NO_DEFECTS

Row = Mapping[str, object]
EARLY, LATE, LATER = "2025-01-15 10:00:00+00", "2025-01-15 11:00:00+00", "2025-01-15 12:00:00+00"
A_VALUE = {"string": "x", "bigint": 7, "date": EARLY[:10], "boolean": True, "timestamp": EARLY}
TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ", "map<string,string>": "MAP(VARCHAR, VARCHAR)"}


class Feed:
    """One feed's relations on a bare DuckDB: `batch` are upserts of the batch, `previous` what was known before."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, feed: str) -> None:
        self.duck, self.contract = duck, contract(feed)

    def given(self, batch: Sequence[Row], previous: Sequence[Row] = ()) -> tuple[bool, bool]:
        feed = self.contract.feed
        before = (*known.known_columns(self.contract), Column("_file_sha256", "string"), Column("_record", "bigint"))
        self.fill(
            f"events_{feed}", stage_table(self.contract).columns, [{"_op": "upsert"} | dict(row) for row in batch]
        )
        self.fill(f"previous_{feed}", before, [{"valid_from": row["_sequence"]} | dict(row) for row in previous])
        has_several = self.make(f"several_{feed}", known.several(self.contract)) > 0
        self.make(f"stood_{feed}", known.stood(self.contract))
        self.make(f"standing_{feed}", known.standing(self.contract, has_several))
        has_met = self.make(f"met_{feed}", known.met(self.contract)) > 0
        self.make(f"batch_{feed}", known.newest(self.contract, has_several, has_met))
        self.make(f"known_{feed}", known.known(self.contract))
        self.make(f"moments_{feed}", known.moments(self.contract))
        self.make(f"again_{feed}", known.again(self.contract))
        self.make(f"ties_{feed}", known.ties(self.contract))
        return has_several, has_met

    def fill(self, name: str, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        shown = ", ".join(f'"{column.name}" {TYPES.get(column.type, column.type)}' for column in columns)
        self.duck.execute(f"CREATE OR REPLACE TABLE {name} ({shown})")
        for row in rows:
            named = ", ".join(f'"{column}"' for column in row)
            self.duck.execute(f"INSERT INTO {name} ({named}) VALUES ({', '.join('?' for _ in row)})", [*row.values()])

    def make(self, name: str, sql: str) -> int:
        self.duck.execute(f"CREATE OR REPLACE TABLE {name} AS {compile_sql(sql, 'duckdb')}")
        return int(self.one(f"SELECT count(*) FROM {name}"))

    def one(self, sql: str) -> int:
        return int(self.duck.execute(sql).fetchall()[0][0])

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return self.duck.execute(sql).fetchall()

    def tied(self) -> set[object]:
        return {row[0] for row in self.rows(f"SELECT {self.contract.key[0]} FROM ties_{self.contract.feed}")}


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with bare_duck() as duck:
        yield duck


def key_of(contract: Contract, name: str) -> dict[str, object]:
    return {column: name if contract.field(column).type == "string" else 1 for column in contract.key}


@pytest.mark.parametrize("feed", FEEDS)
def test_each_tracked_column_alone_makes_a_tie_with_what_was_known_and_no_other_does(
    duck: duckdb.DuckDBPyConnection, feed: str
) -> None:
    given, spec = Feed(duck, feed), contract(feed)
    others = [field for field in spec.fields if field.name not in spec.key]
    batch = [key_of(spec, f.name) | {f.name: A_VALUE.get(f.type, 7), "_sequence": EARLY} for f in others]
    given.given(batch, [key_of(spec, f.name) | {"_sequence": EARLY} for f in others])
    assert given.tied() == set(spec.tracked)
    assert given.one(f"SELECT count(*) FROM ties_{feed} WHERE is_known") == len(spec.tracked)


@pytest.mark.parametrize("feed", FEEDS)
def test_events_of_a_batch_tie_at_one_time_with_different_values_only(
    duck: duckdb.DuckDBPyConnection, feed: str
) -> None:
    given, spec = Feed(duck, feed), contract(feed)
    text = next(name for name in spec.tracked if spec.field(name).type == "string")
    first = {"_sequence": EARLY, text: "aa", "_file_sha256": "f", "_batch_date": "2025-01-15", "_revision": 0}
    seconds = {"tied": {text: "bb"}, "repeated": {}, "moved": {text: "bb", "_sequence": LATE}}
    batch = []
    for number, (name, second) in enumerate(seconds.items()):
        batch.append(key_of(spec, name) | first | {"_record": 2 * number})
        batch.append(key_of(spec, name) | first | second | {"_record": 2 * number + 1})
    assert given.given(batch) == (True, False)
    assert given.tied() == {"tied"}
    [(one, other, is_known)] = given.rows(f"SELECT _record, tied_record, is_known FROM ties_{feed}")
    assert ({one, other}, is_known) == ({0, 1}, False)
    counted = given.rows(f"SELECT {spec.key[0]}, count(*) FROM standing_{feed} GROUP BY ALL ORDER BY ALL")
    assert counted == [("moved", 2), ("repeated", 1), ("tied", 1)]


def test_what_stands_at_one_time_is_the_greatest_by_revision_and_then_by_values(
    duck: duckdb.DuckDBPyConnection,
) -> None:
    given = Feed(duck, "customers")
    event = {"customer_id": "C-1", "_sequence": EARLY, "_batch_date": "2025-01-15", "_file_sha256": "f"}
    cities = ("Lyon", "Nice", "Metz")
    batch = [event | {"city": city, "_revision": 0, "_record": n} for n, city in enumerate(cities)]
    given.given(batch)
    [standing] = given.rows("SELECT city FROM standing_customers")
    given.given(batch[::-1])
    assert given.rows("SELECT city FROM standing_customers") == [standing]
    given.given([*batch, event | {"city": "Caen", "_revision": 1, "_record": 9}])
    assert given.rows("SELECT city FROM standing_customers") == [("Caen",)]


@pytest.mark.parametrize("feed", FEEDS)
def test_a_key_of_the_batch_is_there_once_as_its_newest_event_shows_it_and_knows_when_it_began(
    duck: duckdb.DuckDBPyConnection, feed: str
) -> None:
    given, spec = Feed(duck, feed), contract(feed)
    times = {"twice": (EARLY, LATER), "once": (LATE,), "known": (LATE,), "later known": (EARLY,)}
    batch = [key_of(spec, name) | {"_sequence": at} for name, ats in times.items() for at in ats]
    previous = [key_of(spec, "known") | {"_sequence": at} for at in (EARLY, LATER)]
    assert given.given(batch, [*previous, key_of(spec, "later known") | {"_sequence": LATE}]) == (True, True)
    hours = "hour(_sequence AT TIME ZONE 'UTC'), hour(first_at AT TIME ZONE 'UTC')"
    found = given.rows(f"SELECT {spec.key[0]}, {hours} FROM batch_{feed} ORDER BY 1")
    assert found == [("known", 11, 10), ("later known", 10, 10), ("once", 11, 11), ("twice", 12, 10)]
    assert given.one(f"SELECT count(*) FROM known_{feed}") == 8


@pytest.mark.parametrize(("tied", "moved", "stands"), [(10, 9, True), (10, 10, False), (9, 0, False), (11, 10, True)])
@pytest.mark.parametrize("feed", FEEDS)
def test_a_sequence_does_not_move_when_ten_keys_tie_and_fewer_move(
    duck: duckdb.DuckDBPyConnection, feed: str, tied: int, moved: int, stands: bool
) -> None:
    given, spec = Feed(duck, feed), contract(feed)
    column = next(name for name in spec.tracked if spec.field(name).type == "string")
    ties, moves = [f"tied {n}" for n in range(tied)], [f"moved {n}" for n in range(moved)]
    batch = [key_of(spec, name) | {column: "new", "_sequence": EARLY} for name in ties]
    batch += [key_of(spec, name) | {column: "new", "_sequence": LATER} for name in moves]
    batch += [key_of(spec, "late") | {column: "new", "_sequence": LATE}]
    batch += [key_of(spec, "same") | {column: "old", "_sequence": EARLY}]
    before = [(name, EARLY) for name in (*ties, *moves, "late", "same")] + [("late", LATER)]
    given.given(batch, [key_of(spec, name) | {column: "old", "_sequence": at} for name, at in before])
    [(keys, newer, again, late, inside)] = given.rows(compile_sql(known.facts(spec, has_met=True), "duckdb"))
    assert (keys, newer, again, late, inside) == (tied + moved + 2, moved, tied + 1, 1, 0)
    assert given.tied() == set(ties)
    assert known.stands_still(len(ties), int(str(newer))) is stands


@pytest.mark.parametrize("feed", FEEDS)
def test_an_event_is_late_repeated_or_parts_a_run(duck: duckdb.DuckDBPyConnection, feed: str) -> None:
    """Known of each key are two equal events, of EARLY and LATER, which are one version."""
    given, spec = Feed(duck, feed), contract(feed)
    column = next(name for name in spec.tracked if spec.field(name).type == "string")
    events = {
        "before": ("2025-01-15 09:00:00+00", "new"),
        "first again": (EARLY, "old"),
        "between, equal": (LATE, "old"),
        "between, other": (LATE, "new"),
        "last, tied": (LATER, "new"),
        "after": ("2025-01-15 13:00:00+00", "new"),
    }
    batch = [key_of(spec, name) | {"_sequence": at, column: value} for name, (at, value) in events.items()]
    run = {"valid_from": EARLY, "_sequence": LATER, column: "old"}
    given.given(batch, [key_of(spec, name) | run for name in events])
    [counts] = given.rows(compile_sql(known.facts(spec, has_met=True), "duckdb"))
    assert counts == (6, 1, 2, 3, 2)
    key = spec.key[0]
    late = given.rows(f"SELECT {key} FROM moments_{feed} WHERE {known.IS_LATE} ORDER BY 1")
    assert late == [("before",), ("between, equal",), ("between, other",)]
    again = given.rows(f"SELECT {key}, is_same_time, differs FROM again_{feed} ORDER BY 1")
    assert again == [
        ("between, equal", False, False),
        ("between, other", False, True),
        ("first again", True, False),
        ("last, tied", True, True),
    ]


def test_what_is_told_and_no_defect_is_what_the_score_leaves_out() -> None:
    spec = contract("customers")
    events = (known.late_event(spec), known.bisected_run(spec), known.repeated_event(spec))
    told = (*events, known.UNTRACKED_CHANGE, known.UNKNOWN_COLUMNS)
    assert {rule.code for rule in told} == NO_DEFECTS
    assert {rule.severity for rule in told} == {"low"}


def test_a_version_ends_by_its_end_or_by_a_delete_that_is_not_published_yet(duck: duckdb.DuckDBPyConnection) -> None:
    given = Feed(duck, "inventory")
    position: dict[str, object] = {"product_id": "P-1", "warehouse_id": "W-1"}
    versions: list[Row] = [position | {"valid_to": EARLY}, position | {"valid_to": None}]
    given.fill("published_inventory", history_table(given.contract).columns, versions)
    gone: list[Row] = [position | {"_op": "delete", "_sequence": LATE}, position | {"_op": "upsert"}]
    given.fill("earlier_inventory", stage_table(given.contract).columns, gone)
    given.fill("staged_inventory", stage_table(given.contract).columns, [])
    given.make("ended_inventory", known.ended(given.contract))
    hours = given.rows("SELECT hour(ended_at AT TIME ZONE 'UTC') FROM ended_inventory ORDER BY 1")
    assert hours == [(10,), (11,)]
