"""The history algorithm against its published vectors and against a plain reference."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import examples

from cartlake.core import history
from cartlake.core.contract import Contract, Field
from cartlake.core.dialect import compile_sql
from cartlake.core.tables import history_table

CONTRACT = Contract(
    feed="people",
    version="1.0.0",
    description="",
    path="people.yaml",
    folder="people_data",
    table="people",
    stage_table="people_stage",
    task="people_stage_load",
    key=("id",),
    sequence=("at",),
    sequence_then=(),
    fields=(
        Field("id", "string", required=True),
        Field("name", "string"),
        Field("number", "bigint", tracked=False),
        Field("at", "timestamp"),
    ),
    rules=(),
    relationships=(),
    file_pattern="people_{date}.csv",
    delimiter=None,
    encoding=None,
    decimal_mark=".",
    timezone="UTC",
    delivery="changes",
    observe=False,
    sequence_ahead_days=2,
    hash="",
)
KEEPING = replace(CONTRACT, fields=tuple(replace(f, ignore_null_updates=f.name == "name") for f in CONTRACT.fields))


START = 1_735_689_600_000_000  # 2025-01-01 00:00 UTC in microseconds


@dataclass(frozen=True)
class Event:
    """What a log row says; `at` and `day` count minutes and days, `record` is its place in its file."""

    at: int
    op: str = "upsert"
    name: str | None = None
    number: int = 0
    day: int = 1
    revision: int = 0
    key: str = "k"
    record: int = 0

    @property
    def row_hash(self) -> str:
        texts = [self.key, self.name, str(self.number), str(START + self.at * 60_000_000)]
        prefixed = [part for text in texts for part in (("-",) if text is None else (str(len(text)), text))]
        return hashlib.sha256(",".join(prefixed).encode()).hexdigest()

    @property
    def precedence(self) -> tuple[object, ...]:
        return self.day, self.revision, self.op == "delete", self.row_hash


Version = tuple[str, str | None, int, int, int | None, int]


def reference(events: Iterable[Event], ignore_nulls: bool = False) -> list[Version]:
    """(key, name, number, valid_from, valid_to, sequence) by walking each key's events as the document says."""
    versions: list[Version] = []
    events = list(events)
    for key in sorted({event.key for event in events}):
        standing: dict[int, Event] = {}
        for event in events:
            if event.key == key and (event.at not in standing or event.precedence > standing[event.at].precedence):
                standing[event.at] = event
        shown: Version | None = None
        before: str | None = None
        for at in sorted(standing):
            event = standing[at]
            if event.op == "delete":
                if shown:
                    versions.append((*shown[:4], at, shown[5]))
                shown = before = None
                continue
            name = before if ignore_nulls and event.name is None else event.name
            before = name
            if shown is None or shown[1] != name:
                if shown:
                    versions.append((*shown[:4], at, shown[5]))
                shown = (key, name, event.number, at, None, at)
            else:
                shown = (key, name, event.number, shown[3], None, at)
        if shown:
            versions.append(shown)
    return sorted(versions, key=lambda version: (version[0], version[3]))


def log_row(event: Event) -> str:
    at = f"TIMESTAMPTZ '2025-01-01 00:00:00+00' + INTERVAL ({event.at}) MINUTE"
    name = "NULL" if event.name is None else f"'{event.name}'"
    day = f"DATE '2025-01-01' + INTERVAL ({event.day}) DAY"
    return (
        f"('{event.key}', {name}, {event.number}, {at}, 'b', {day}, 'f', {event.record}, {event.revision},"
        f" '{event.op}', {at})"
    )


class Lake:
    """A history table kept by the SQL under test, batch by batch."""

    connection = duckdb.connect(config={"threads": "1"})  # one for all: a new one takes as long as a batch

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.run("SET timezone = 'UTC'")
        columns = 'id VARCHAR, name VARCHAR, number BIGINT, "at" TIMESTAMPTZ'
        lineage = "_batch_id VARCHAR, _batch_date DATE, _file_sha256 VARCHAR, _record BIGINT"
        stored = f"{columns}, valid_from TIMESTAMPTZ, valid_to TIMESTAMPTZ, is_current BOOLEAN, _sequence TIMESTAMPTZ"
        self.run(f"CREATE OR REPLACE TABLE history_before ({stored}, {lineage})")
        self.run(
            f"CREATE OR REPLACE TABLE log ({columns}, {lineage}, _revision BIGINT, _op VARCHAR, _sequence TIMESTAMPTZ)"
        )

    def run(self, sql: str) -> list[tuple[object, ...]]:
        return self.connection.execute(sql).fetchall()

    def make(self, name: str, sql: str) -> int:
        self.run(f"CREATE OR REPLACE TABLE {name} AS {compile_sql(sql, 'duckdb')}")
        return int(str(self.run(f"SELECT count(*) FROM {name}")[0][0]))

    def add(self, events: Sequence[Event]) -> int:
        """One batch; how many keys took the slow path."""
        self.run("CREATE OR REPLACE TABLE fresh AS SELECT * FROM log LIMIT 0")
        if events:
            self.run(f"INSERT INTO fresh VALUES {', '.join(map(log_row, events))}")
        self.run("CREATE OR REPLACE TABLE changed_events AS SELECT *, 1 AS _is_added FROM fresh")
        self.run(
            "CREATE OR REPLACE TABLE known_deletes AS SELECT id, _sequence AS deleted_at FROM log WHERE _op = 'delete'"
        )
        self.run("INSERT INTO log SELECT * FROM fresh")
        self.make("touched", history.touched_keys(self.contract))
        counts = ", ".join(f"count_if({history.TOUCHED_FACTS[each]}) AS {each}" for each in ("late", "repeated"))
        [(late, repeated)] = self.run(compile_sql(f"SELECT {counts} FROM touched", "duckdb"))
        is_any_late = int(str(late)) > 0
        self.make("open_versions", history.open_versions(self.contract))
        self.run("CREATE OR REPLACE TABLE logged_events AS SELECT * FROM log SEMI JOIN touched USING (id) LIMIT 0")
        self.run("INSERT INTO logged_events SELECT * FROM log WHERE id IN (SELECT id FROM touched WHERE is_late)")
        self.make("events", history.events(self.contract, is_any_late))
        self.make("computed", history.versions(self.contract, is_any_late or int(str(repeated)) > 0))
        self.make("stored", history.stored_versions(self.contract, is_any_late))
        walked = history.version_changes(self.contract, frozenset())
        first = history.first_versions(self.contract, "changed_events", "touched")
        self.make("changes", f"SELECT * FROM ({walked}) w UNION ALL {first}")
        table = history_table(self.contract)
        self.make("merged", history.after(table.column_names, table.key, "history_before", "changes"))
        self.run("CREATE OR REPLACE TABLE history_before AS SELECT * FROM merged")
        return int(str(late))

    def versions(self) -> list[Version]:
        minutes = "CAST((epoch_us({}) - epoch_us(TIMESTAMPTZ '2025-01-01 00:00:00+00')) // 60000000 AS BIGINT)"
        found = self.run(
            f"SELECT id, name, number, {minutes.format('valid_from')}, {minutes.format('valid_to')},"
            f" {minutes.format('_sequence')} FROM history_before ORDER BY id, valid_from"
        )
        return [tuple(row) for row in found]  # type: ignore[misc]


def shown(lake: Lake) -> list[tuple[str | None, int, int | None]]:
    return [(name, start, end) for _, name, _, start, end, _ in lake.versions()]


def up(at: int, name: str | None, number: int = 0, day: int = 1) -> Event:
    return Event(at, "upsert", name, number, day)


def gone(at: int) -> Event:
    return Event(at, "delete")


VECTORS = [
    ([up(10, "A"), up(20, "B")], [("A", 10, 20), ("B", 20, None)]),
    ([up(12, "ACTIVE"), up(10, "PENDING")], [("PENDING", 10, 12), ("ACTIVE", 12, None)]),
    ([up(17, "ACTIVE"), gone(20), up(18, "SUSP")], [("ACTIVE", 17, 18), ("SUSP", 18, 20)]),
    (
        [up(10, "A"), up(20, "B"), up(30, "C"), up(25, "D")],
        [("A", 10, 20), ("B", 20, 25), ("D", 25, 30), ("C", 30, None)],
    ),
    ([gone(20), up(10, "A")], [("A", 10, 20)]),
    ([up(10, "A"), gone(20), gone(30), up(25, "B")], [("A", 10, 20), ("B", 25, 30)]),
    ([up(10, "A"), gone(15), up(20, "A")], [("A", 10, 15), ("A", 20, None)]),
    ([up(5, "Al", 1), up(10, "Al", 2), up(15, "Al", 3), up(20, "Ch", 4)], [("Al", 5, 20), ("Ch", 20, None)]),
    (
        [up(5, "Al", 1), up(10, "Al", 2), up(15, "Al", 3), up(20, "Ch", 4), up(12, "Bob", 9)],
        [("Al", 5, 12), ("Bob", 12, 15), ("Al", 15, 20), ("Ch", 20, None)],
    ),
    ([up(10, "A"), up(10, "A")], [("A", 10, None)]),
    ([up(10, "A"), gone(10)], []),
    ([gone(10), up(10, "A")], []),
    ([up(10, None), up(20, None)], [(None, 10, None)]),
    ([up(10, "Portland"), gone(20), gone(15)], [("Portland", 10, 15)]),
    ([up(10, "Denver"), up(30, "Miami"), gone(25)], [("Denver", 10, 25), ("Miami", 30, None)]),
    ([up(10, "A", day=1), up(10, "B", day=2)], [("B", 10, None)]),
    ([up(10, "B", day=2), up(10, "A", day=1)], [("B", 10, None)]),
    ([up(10, "B", day=2), replace(up(10, "A", day=1), revision=1)], [("B", 10, None)]),
    ([gone(10), replace(up(10, "A"), revision=1)], [("A", 10, None)]),
]
KEEPING_VECTORS = [
    ([up(10, "A"), up(20, None)], [("A", 10, None)]),
    ([up(10, "A"), up(20, None), up(15, "B")], [("A", 10, 15), ("B", 15, None)]),
    ([up(10, "A"), gone(15), up(20, None)], [("A", 10, 15), (None, 20, None)]),
]


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "a batch per event"])
@pytest.mark.parametrize(
    ("contract", "events", "expected"),
    [(CONTRACT, *vector) for vector in VECTORS] + [(KEEPING, *vector) for vector in KEEPING_VECTORS],
)
def test_each_vector_gives_its_history(
    contract: Contract, events: list[Event], expected: list[tuple[str | None, int, int | None]], together: bool
) -> None:
    lake, so_far = Lake(contract), list[Event]()
    for batch in [events] if together else [[event] for event in events]:
        lake.add(batch)
        so_far += batch
        assert lake.versions() == reference(so_far, ignore_nulls=contract is KEEPING)
    assert shown(lake) == expected


def test_the_numbers_shown_are_those_of_the_newest_equal_event() -> None:
    lake = Lake(CONTRACT)
    lake.add([up(5, "Al", 1), up(10, "Al", 2), up(15, "Al", 3), up(20, "Ch", 4)])
    assert [(name, number) for _, name, number, *_ in lake.versions()] == [("Al", 3), ("Ch", 4)]
    lake.add([up(12, "Bob", 9)])
    assert [(name, number) for _, name, number, *_ in lake.versions()] == [("Al", 2), ("Bob", 9), ("Al", 3), ("Ch", 4)]


def test_a_key_in_order_is_not_recomputed_from_the_log() -> None:
    lake = Lake(CONTRACT)
    assert lake.add([up(10, "A")]) == 0
    assert lake.add([up(20, "B")]) == 0
    assert lake.add([up(15, "C")]) == 1


def test_an_event_at_the_time_of_an_earlier_one_is_late() -> None:
    lake = Lake(CONTRACT)
    lake.add([up(10, "A")])
    assert lake.add([up(10, "B", day=2)]) == 1


ONE_KEYS = st.lists(
    st.builds(
        Event,
        at=st.integers(1, 8),
        op=st.sampled_from(["upsert", "upsert", "upsert", "delete"]),
        name=st.sampled_from(["A", "B", None]),
        number=st.integers(0, 2),
        day=st.integers(1, 2),
    ),
    max_size=12,
)
# Keys do not see each other, and a batch takes as long for one as for many: so there are several.
EVENTS = st.lists(ONE_KEYS, max_size=8).map(
    lambda keys: [replace(event, key=f"k{number}") for number, events in enumerate(keys) for event in events]
)


@settings(max_examples=examples(70))
@given(data=st.data(), events=EVENTS, contract=st.sampled_from([CONTRACT, KEEPING]))
def test_any_order_and_partition_of_events_gives_the_reference(
    data: st.DataObject, events: list[Event], contract: Contract
) -> None:
    shuffled = data.draw(st.permutations(events))
    repeated = shuffled + data.draw(st.lists(st.sampled_from(shuffled), max_size=3)) if shuffled else []
    cuts = sorted(data.draw(st.sets(st.integers(0, len(repeated)), max_size=3)))
    lake = Lake(contract)
    for start, end in zip([0, *cuts], [*cuts, len(repeated)], strict=True):
        lake.add(repeated[start:end])
        assert lake.versions() == reference(repeated[:end], ignore_nulls=contract is KEEPING)
