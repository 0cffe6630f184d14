"""What a batch's full extract is worth, and which keys a chain of them deletes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bareduck import bare_duck
from tests.core.test_history import CONTRACT

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.contract import CrossRule
from cartlake.core.dialect import compile_sql
from cartlake.core.entries import BatchFile
from cartlake.core.manifest import ExpectedFile
from cartlake.core.snapshots import SnapshotFacts, absences, judge, judge_time, snapshot_times

PEOPLE = replace(CONTRACT, delivery="snapshot", sequence=())
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def batch(batch_id: str = "b1", names: Iterable[str] = ("people.csv",), at: datetime | None = None) -> Batch:
    return Batch(
        batch_id=batch_id,
        batch_date=date(2025, 3, 1),
        status=BatchStatus.PUBLISHED,
        files=tuple(ExpectedFile(name) for name in names),
        manifest_name="trigger.json",
        manifest_sha256="",
        manifest_text="{}",
        revision=None,
        source_system=None,
        triggered_at=at,
        recorded_at=NOON,
    )


def file(batch_id: str, name: str = "people.csv", feed: str = "people", status: str = "staged") -> BatchFile:
    return BatchFile(batch_id, feed, name, f"sha of {name}", date(2025, 3, 1), status, None, 1, 1, 0, 0)


def times(batches: Iterable[Batch], files: Iterable[BatchFile]) -> dict[datetime, bool]:
    known = {one.batch_id: one for one in batches}
    return snapshot_times("people", files, known, set(known) - {"held"})


def test_a_snapshot_stands_at_the_time_of_its_trigger_or_at_the_start_of_its_date() -> None:
    midnight = NOON.replace(hour=0)
    found = times([batch("b1"), batch("b2", at=NOON)], [file("b1"), file("b2")])
    assert found == {midnight: True, NOON: True}


def test_a_snapshot_is_whole_if_every_file_of_its_batch_was_staged() -> None:
    names = ("people.csv", "Orders.csv")
    whole, lacking = batch("b1", names, NOON), batch("b1", (*names, "more.csv"), NOON)
    files = [file("b1"), file("b1", "orders.csv", "orders")]
    assert (times([whole], files), times([lacking], files)) == ({NOON: True}, {NOON: False})
    assert times([whole], [files[0], replace(files[1], status="rejected")]) == {NOON: False}
    assert times([whole], files[1:]) == {}  # none of its files is of this feed
    assert times([batch("held", names, NOON)], [file("held")]) == {}


def test_at_one_time_one_whole_batch_is_enough() -> None:
    batches = [batch("b1", ("people.csv", "more.csv"), NOON), batch("b2", ("people.csv",), NOON)]
    assert times(batches, [file("b1"), file("b2")]) == {NOON: True}


@pytest.mark.parametrize(
    ("facts", "failed"),
    [
        (SnapshotFacts(True, False, 10, 0, 0), {}),
        (SnapshotFacts(True, False, 10, 2, 0), {"snapshot_keys_absent": 2}),
        (SnapshotFacts(True, False, 10, 3, 0), {"snapshot_keys_absent": 3, "snapshot_deletes_many": 3}),
        (SnapshotFacts(False, False, 10, 3, 0), {"snapshot_not_whole": 1}),
        (SnapshotFacts(True, False, 10, 3, 2), {"snapshot_not_whole": 2}),
        (SnapshotFacts(True, True, 0, 0, 0), {"snapshot_same_time": 1}),
    ],
)
def test_the_rules_say_what_is_odd_about_a_snapshot(facts: SnapshotFacts, failed: dict[str, int]) -> None:
    results = judge(PEOPLE, facts, "Al, Bo")
    assert {result.rule: result.rows_failed for result in results if result.rows_failed} == failed


def test_the_share_of_keys_that_may_go_is_the_contracts() -> None:
    rules = (CrossRule("snapshot_deletes_many", 1, threshold=Decimal("0.5")),)
    many = {share: judge(replace(PEOPLE, cross_rules=rules), SnapshotFacts(True, False, 10, share, 0), "")[-1]
            for share in (5, 6)}  # fmt: skip
    assert (many[5].outcome, many[6].outcome) == ("passed", "failed")


@pytest.mark.parametrize(("days", "outcome"), [(3, "failed"), (2.999, "passed"), (-900, "passed")])
def test_a_batch_may_not_be_far_later_than_its_date(days: float, outcome: str) -> None:
    late = batch(at=NOON.replace(hour=0) + timedelta(days=days))
    assert judge_time(PEOPLE, late).outcome == outcome


# --- absence

Seen = tuple[str, int, str]  # key ("" cannot be read), day, operation


def reference(seen: list[Seen], whole: set[int]) -> set[tuple[str, int]]:
    """(key, day) of each delete: the first whole day after the key was there on which it is not."""
    silent = {day for key, day, op in seen if op == "present" and not key}
    found = set()
    for key in {key for key, _, op in seen if key and op != "delete"}:
        there = {day for other, day, op in seen if other == key and op != "delete"}
        is_open = False
        for day in range(10):
            if day in there:
                is_open = True
            elif is_open and day in whole and day not in silent:
                found.add((key, day))
                is_open = False
    return found


seen_keys = st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 6), st.sampled_from(["upsert", "present"]))
unreadable = st.tuples(st.just(""), st.integers(0, 6), st.just("present"))
deletes = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 6), st.just("delete"))


@given(
    st.lists(st.one_of(seen_keys, seen_keys, seen_keys, unreadable, deletes), max_size=15), st.sets(st.integers(0, 8))
)
def test_a_key_is_deleted_by_the_first_whole_snapshot_that_lacks_it(seen: list[Seen], whole: set[int]) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    found = compile_sql(f"SELECT id, _sequence, _op FROM ({absences(PEOPLE)}) a", "duckdb")
    with bare_duck() as duck:
        duck.execute("CREATE TABLE snapshot_log (id VARCHAR, _sequence TIMESTAMPTZ, _op VARCHAR)")
        duck.execute('CREATE TABLE whole_snapshots ("at" TIMESTAMPTZ)')
        for key, day, op in seen:
            duck.execute("INSERT INTO snapshot_log VALUES (?, ?, ?)", [key or None, start + timedelta(day), op])
        for day in whole:
            duck.execute("INSERT INTO whole_snapshots VALUES (?)", [start + timedelta(day)])
        rows = duck.execute(f"SELECT id, timezone('UTC', _sequence), _op FROM ({found})").fetchall()
    assert all(op == "delete" for _, _, op in rows)
    assert sorted((key, (at.replace(tzinfo=UTC) - start).days) for key, at, _ in rows) == sorted(reference(seen, whole))
