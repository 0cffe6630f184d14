"""The verbs of the protocol, the same on every engine."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from cartlake.core.table import Column, Table
from cartlake.engines.base import Compaction, Engine, Removal
from cartlake.errors import EngineError, TableForeign, TableMissing, UsageError
from cartlake.settings import Settings

COLUMNS = (
    Column("customer_id", "string"),
    Column("city", "string"),
    Column("spent", "decimal(18,2)"),
    Column("orders", "bigint"),
    Column("born", "date"),
    Column("seen_at", "timestamp"),
    Column("is_gold", "boolean"),
    Column("_rescued", "map<string,string>"),
)
CUSTOMERS = Table("customers", COLUMNS, key=("customer_id",))
EVENT = (Column("order_id", "string"), Column("_batch_date", "date"))
LOG = Table("orders_stage", EVENT, key=("order_id", "_batch_date"), partition_by=("_batch_date",))
SEEN = datetime(2025, 3, 30, 2, 30, 0, 123456, tzinfo=UTC)
ADA: tuple[object, ...] = ("C-1", "Bonn", Decimal("12.30"), 3, date(1990, 5, 5), SEEN, True, {"fax": "no"})
BOB: tuple[object, ...] = (
    "C-2",
    "",
    Decimal("-0.01"),
    2**53 + 1,
    date(1900, 1, 1),
    datetime(1970, 1, 1, tzinfo=UTC),
    False,
    {},
)
NOBODY: tuple[object, ...] = ("C-3", None, None, None, None, None, None, None)

Rows = Sequence[Sequence[object]]


def put(engine: Engine, table: Table, rows: Rows) -> int:
    engine.values("rows", table.columns, rows)
    return engine.append(table, "rows")


def stored(engine: Engine, table: Table, version: int | None = None) -> list[tuple[object, ...]]:
    engine.read("stored", table, version)
    rows = engine.rows(f"SELECT * FROM stored ORDER BY {table.columns[0].name}")
    return [tuple(row[name] for name in table.column_names) for row in rows]


def change(kind: str, customer: Sequence[object]) -> tuple[object, ...]:
    return (*customer, kind)


def merge(engine: Engine, *changes: tuple[object, ...]) -> int:
    engine.values("changes", (*COLUMNS, Column("_change", "string")), changes)
    return engine.merge(CUSTOMERS, "changes")


def moved(customer: Sequence[object], city: str) -> tuple[object, ...]:
    return (customer[0], city, *customer[2:])


# --- tables


def test_signatures_are_those_of_the_protocol(engine: Engine) -> None:
    verbs = {name: verb for name, verb in vars(Engine).items() if inspect.isfunction(verb) and name[0] != "_"}
    assert len(verbs) > 15
    for name, verb in verbs.items():
        assert inspect.signature(getattr(type(engine), name)) == inspect.signature(verb), name


def test_a_table_has_version_0_no_rows_and_our_properties(engine: Engine, settings: Settings) -> None:
    engine.create(CUSTOMERS)
    engine.create(CUSTOMERS)
    assert (engine.version("customers"), stored(engine, CUSTOMERS)) == (0, [])
    table = DeltaTable(settings.lake_folder / "customers")
    made = table.metadata().configuration
    assert made["cartlake.layout"] == "1"
    assert made["delta.enableChangeDataFeed"] == "true"
    assert made["delta.enableDeletionVectors"] == "false"
    assert "delta.columnMapping.mode" not in made
    assert table.protocol().min_reader_version == 1


def test_a_missing_table_is_told_by_its_name(engine: Engine) -> None:
    with pytest.raises(TableMissing, match="there is no table customers"):
        engine.version("customers")


@pytest.mark.parametrize(("layout", "code"), [(None, "table_foreign"), ("2", "table_newer")])
def test_a_table_that_is_not_ours_is_left_alone(
    engine: Engine, settings: Settings, layout: str | None, code: str
) -> None:
    from cartlake.engines.embedded.schema import delta_schema

    theirs = DeltaTable.create(
        settings.lake_folder / "customers",
        schema=delta_schema(CUSTOMERS),
        configuration={"cartlake.layout": layout} if layout else None,
        raise_if_key_not_exists=False,
    )
    with pytest.raises(TableForeign) as refused:
        engine.version("customers")
    assert refused.value.code == code
    assert refused.value.hint
    theirs.update_incremental()
    assert theirs.version() == 0


def test_every_type_comes_back_as_it_went_in(engine: Engine) -> None:
    engine.create(CUSTOMERS)
    assert put(engine, CUSTOMERS, [ADA, BOB, NOBODY]) == 1
    assert stored(engine, CUSTOMERS) == [ADA, BOB, NOBODY]


def test_an_empty_append_commits_nothing(engine: Engine) -> None:
    engine.create(CUSTOMERS)
    assert put(engine, CUSTOMERS, []) == 0
    assert put(engine, CUSTOMERS, [ADA]) == 1
    assert put(engine, CUSTOMERS, [ADA]) == 2
    assert engine.version("customers") == 2
    assert stored(engine, CUSTOMERS) == [ADA, ADA]
    assert stored(engine, CUSTOMERS, 1) == [ADA]


def test_a_number_is_given_once(engine: Engine) -> None:
    runs = Table("ledger_runs", (Column("run_id", "string"), Column("turn", "bigint")))
    engine.create(runs)
    turns = [("r1", 1), ("r2", 1), ("r3", 2), ("r4", 1), ("r5", 4)]
    taken = []
    for turn in turns:
        engine.values("next", runs.columns, [turn])
        taken.append(engine.append_next(runs, "next", "turn"))
    assert taken == [True, False, True, False, True]
    assert stored(engine, runs) == [("r1", 1), ("r3", 2), ("r5", 4)]


def test_a_slice_is_replaced_and_no_other_row(engine: Engine) -> None:
    engine.create(LOG)
    rows = [("O-1", date(2025, 3, 1)), ("O-2", date(2025, 3, 1)), ("O-1", date(2025, 3, 2))]
    put(engine, LOG, rows)
    where = {"_batch_date": ["2025-03-01"], "order_id": ["O-1"]}
    engine.values("again", LOG.columns, [rows[0]])
    version = engine.replace(LOG, where, "again")
    assert sorted(map(str, stored(engine, LOG))) == sorted(map(str, rows))
    engine.values("nothing", LOG.columns, [])
    assert engine.replace(LOG, where, "nothing") == version + 1
    assert sorted(map(str, stored(engine, LOG))) == sorted(map(str, rows[1:]))
    assert engine.replace(LOG, where, "nothing") == version + 1, "nothing to take away, nothing to put in"
    engine.values("all", LOG.columns, rows[:1])
    engine.replace(LOG, {}, "all")
    assert stored(engine, LOG) == rows[:1]
    engine.replace(LOG, {}, None)
    assert stored(engine, LOG) == []


def test_a_table_that_is_replaced_whole_takes_the_columns_of_today(engine: Engine) -> None:
    engine.create(LOG)
    put(engine, LOG, [("O-1", date(2025, 3, 1))])
    today = Table("orders_stage", (*EVENT, Column("note", "string")), partition_by=("_batch_date",))
    rows = [("O-2", date(2025, 3, 2), "late")]
    engine.values("all", today.columns, rows)
    engine.replace(today, {}, "all")
    assert stored(engine, today) == rows
    assert stored(engine, LOG, 1) == [("O-1", date(2025, 3, 1))]


def test_a_slice_with_a_quote_or_a_variable_in_its_name_is_only_text(engine: Engine) -> None:
    engine.create(CUSTOMERS)
    odd = [moved(ADA, "O'Fallon \\ ${spark.master}"), moved(BOB, 'Saint "Louis"')]
    put(engine, CUSTOMERS, odd)
    for row in odd:
        engine.read("there", CUSTOMERS, where={"city": [str(row[1])]})
        assert [found["city"] for found in engine.rows("SELECT city FROM there")] == [row[1]]


def test_changes_are_merged_in_one_commit(engine: Engine) -> None:
    engine.create(CUSTOMERS)
    assert merge(engine, change("insert", ADA), change("insert", BOB)) == 1
    new = ("C-4", *ADA[1:])
    assert merge(engine, change("update", moved(ADA, "Köln")), change("delete", BOB), change("insert", new)) == 2
    assert stored(engine, CUSTOMERS) == [moved(ADA, "Köln"), new]
    assert stored(engine, CUSTOMERS, 1) == [ADA, BOB]


def test_a_table_without_changed_rows_is_not_merged(engine: Engine) -> None:
    engine.create(CUSTOMERS)
    merge(engine, change("insert", ADA))
    assert merge(engine) == 1
    assert engine.version("customers") == 1


def test_a_value_may_become_null_and_null_a_value(engine: Engine) -> None:
    engine.create(CUSTOMERS)
    merge(engine, change("insert", ADA), change("insert", NOBODY))
    empty, full = ("C-1", *NOBODY[1:]), ("C-3", *ADA[1:])
    merge(engine, change("update", empty), change("update", full))
    assert stored(engine, CUSTOMERS) == [empty, full]


def test_a_restored_table_holds_what_it_held(engine: Engine) -> None:
    engine.create(CUSTOMERS)
    put(engine, CUSTOMERS, [ADA])
    put(engine, CUSTOMERS, [BOB])
    assert engine.restore("customers", 2) == 2, "the newest version is as it is"
    assert engine.restore("customers", 1) == 3
    assert stored(engine, CUSTOMERS) == [ADA]


def test_the_newest_commits_are_told_with_time_and_operation(engine: Engine) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    engine.create(CUSTOMERS)
    put(engine, CUSTOMERS, [ADA])
    put(engine, CUSTOMERS, [BOB])
    engine.restore("customers", 1)
    found = engine.commits("customers", 3)
    assert [commit.version for commit in found] == [3, 2, 1]
    assert [commit.operation for commit in found] == ["RESTORE", "WRITE", "WRITE"]
    assert began <= found[-1].at <= found[0].at <= datetime.now(UTC) + timedelta(seconds=1)
    with pytest.raises(TableMissing):
        engine.commits("orders", 3)


def test_two_versions_differ_in_what_a_merge_changed(engine: Engine) -> None:
    engine.create(CUSTOMERS)
    put(engine, CUSTOMERS, [ADA])
    before = put(engine, CUSTOMERS, [BOB])
    after = merge(engine, change("update", moved(ADA, "Paris")))
    engine.differing(("was", "is"), CUSTOMERS, (before, after))
    found = {name: engine.rows(f"SELECT customer_id, city FROM {name} ORDER BY 1") for name in ("was", "is")}
    same = [] if engine.target == "duckdb" else [{"customer_id": "C-2", "city": ""}]  # Bob's file stands in both
    assert found["was"] == [{"customer_id": "C-1", "city": "Bonn"}, *same]
    assert found["is"] == [{"customer_id": "C-1", "city": "Paris"}, *same]


def test_a_commit_of_another_process_is_seen(engine: Engine, settings: Settings) -> None:
    engine.create(CUSTOMERS)
    put(engine, CUSTOMERS, [ADA])
    engine.read("before", CUSTOMERS)
    DeltaTable(settings.lake_folder / "customers").delete()
    assert engine.version("customers") == 2
    assert stored(engine, CUSTOMERS) == []
    assert engine.rows("SELECT count(*) AS n FROM before") == [{"n": 1}], "what is named stays at its version"


# --- upkeep


def worn(engine: Engine) -> int:
    """A log with eight small files of one day and one of another; its newest version."""
    engine.create(LOG)
    for number in range(9):
        put(engine, LOG, [(f"O-{number}", date(2025, 3, 1 if number < 8 else 2))])
    return engine.version(LOG.name)


def test_many_small_files_become_few_and_hold_the_same_rows(engine: Engine, settings: Settings) -> None:
    version, rows = worn(engine), stored(engine, LOG)
    assert engine.optimize(LOG, dry_run=True) == Compaction(version, 8, 1)
    assert engine.version(LOG.name) == version
    assert engine.optimize(LOG) == Compaction(version + 1, 8, 1)
    assert stored(engine, LOG) == rows
    assert engine.optimize(LOG) == Compaction(version + 1), "few files are left alone"
    table = DeltaTable(settings.lake_folder / LOG.name)
    assert len(table.file_uris()) == 2
    assert table.load_cdf(version + 1, version + 1).read_all().num_rows == 0, "to readers of changes nothing changed"


def test_what_no_later_version_needs_is_gone_and_the_rest_can_be_read(engine: Engine, settings: Settings) -> None:
    version, rows = worn(engine), stored(engine, LOG)
    folder = settings.lake_folder / LOG.name
    engine.optimize(LOG)
    put(engine, LOG, [("O-9", date(2025, 3, 2))])
    (folder / "died-before-its-commit.parquet").write_bytes(b"never committed")
    assert engine.vacuum(LOG.name, version, dry_run=True) == Removal(1, 15), "the version before needs all else"
    there = engine.vacuum(LOG.name, version + 1, dry_run=True)
    assert (there.files, there.bytes > 1000) == (9, True)
    assert engine.vacuum(LOG.name, version + 1) == there
    assert engine.vacuum(LOG.name, version + 1) == Removal(0, 0)
    assert len(list(folder.rglob("*.parquet"))) == 3
    assert stored(engine, LOG, version + 1) == rows
    assert stored(engine, LOG) == [*rows, ("O-9", date(2025, 3, 2))]


def test_the_version_of_a_moment(engine: Engine) -> None:
    engine.create(CUSTOMERS)
    put(engine, CUSTOMERS, [ADA])
    time.sleep(0.05)
    between = datetime.now(UTC)
    time.sleep(0.05)
    put(engine, CUSTOMERS, [BOB])
    assert engine.version_at("customers", between) == 1
    assert engine.version_at("customers", between + timedelta(days=1)) == 2
    assert engine.version_at("customers", between - timedelta(days=1)) == 0


# --- relations


def test_a_definition_follows_what_it_reads_and_a_result_does_not(engine: Engine) -> None:
    columns = (Column("n", "bigint"),)
    engine.values("numbers", columns, [[1], [2]])
    engine.define("doubled", "SELECT n * 2 AS n FROM numbers WHERE n > :least", {"least": 0})
    assert engine.materialise("kept", "SELECT n FROM doubled") == 2
    engine.values("numbers", columns, [[5]])
    assert engine.rows("SELECT n FROM doubled") == [{"n": 10}]
    assert engine.rows("SELECT n FROM kept ORDER BY n") == [{"n": 2}, {"n": 4}]
    assert engine.materialise("kept", "SELECT n FROM doubled WHERE n > 100") == 0
    assert engine.rows("SELECT n FROM kept") == []


def test_of_a_result_it_is_told_how_many_rows_meet_a_condition(engine: Engine) -> None:
    engine.values("numbers", (Column("n", "bigint"),), [[1], [None], [3], [-3]])
    conditions = {"all": "TRUE", "not NULL": "n IS NOT NULL", "n": "n > 0", "none": "n > 3"}
    found = engine.tally("kept", "SELECT n FROM numbers WHERE n IS NULL OR n > :least", conditions, {"least": -2})
    assert found == {"all": 3, "not NULL": 2, "n": 2, "none": 0}
    assert engine.rows("SELECT n FROM kept ORDER BY n NULLS FIRST") == [{"n": None}, {"n": 1}, {"n": 3}]
    assert engine.tally("kept", "SELECT n FROM numbers WHERE n > 9", conditions) == dict.fromkeys(conditions, 0)
    assert engine.rows("SELECT n FROM kept") == []


@pytest.mark.parametrize("copies", [0, 1, 1_000])
def test_a_result_is_what_was_computed_whether_it_has_few_rows_or_many(engine: Engine, copies: int) -> None:
    engine.values("given", COLUMNS, [ADA, BOB, NOBODY])
    engine.values("copies", (Column("n", "bigint"),), [[n] for n in range(copies)])
    assert engine.materialise("kept", "SELECT g.*, n FROM given g CROSS JOIN copies c") == 3 * copies
    shown = ", ".join(column.name for column in COLUMNS)
    assert engine.rows("SELECT count(DISTINCT n) AS n FROM kept") == [{"n": copies}]
    first = engine.rows(f"SELECT {shown} FROM kept WHERE n = 0 ORDER BY customer_id")
    assert [tuple(row.values()) for row in first] == ([ADA, BOB, NOBODY] if copies else [])


def test_relations_are_gone_after_their_scope(engine: Engine) -> None:
    with engine.scope():
        engine.values("secret", (Column("n", "bigint"),), [[1]])
        engine.materialise("kept", "SELECT n FROM secret")
    for name in ("secret", "kept"):
        with pytest.raises(EngineError):
            engine.rows(f"SELECT * FROM {name}")


def test_a_name_may_be_one_that_a_query_uses_for_a_part_of_itself(engine: Engine) -> None:
    engine.values("orders", (Column("n", "bigint"),), [[1], [2]])
    engine.define("late", "WITH orders AS (SELECT n FROM orders WHERE n > 1) SELECT n FROM orders")
    assert engine.rows("SELECT l.n, o.n AS m FROM late l JOIN orders o ON l.n = o.n") == [{"n": 2, "m": 2}]


def test_an_error_shows_no_cell(engine: Engine) -> None:
    engine.values("people", (Column("email", "string"),), [["ada@example.com"]])
    with pytest.raises(EngineError) as failed:
        engine.rows("SELECT CAST(email AS bigint) AS n FROM people")
    assert "example" not in str(failed.value)
    engine.values("sums", (Column("n", "decimal(38,0)"),), [[Decimal(98765432109876543210)]])
    with pytest.raises(EngineError) as failed:
        engine.rows("SELECT CAST(n AS decimal(3,0)) AS n FROM sums")
    assert "98765" not in str(failed.value)


# --- a person's own query


def test_a_persons_select_gives_columns_and_rows(engine: Engine) -> None:
    engine.values("orders", (Column("order_id", "string"), Column("n", "bigint")), [["O-1", 1], ["O-2", 2]])
    sql = "WITH big AS (SELECT * FROM orders WHERE n > 1) SELECT order_id, n + 1 AS m FROM big;"
    assert engine.select(sql, ["orders"]) == (["order_id", "m"], [{"order_id": "O-2", "m": 3}])


def test_a_persons_select_comes_in_pieces_and_as_a_parquet_file_too(engine: Engine, tmp_path: Path) -> None:
    columns = (Column("n", "bigint"), Column("at", "timestamp"), Column("price", "decimal(9,2)"), Column("day", "date"))
    row = [1, datetime(2025, 3, 1, 12, tzinfo=UTC), Decimal("1.10"), date(2025, 3, 1)]
    engine.values("orders", columns, [row, [2, None, None, None]])
    names, chunks = engine.pieces("SELECT * FROM orders ORDER BY n", ["orders"])
    streamed = [found for chunk in chunks for found in chunk]
    assert (names, streamed) == engine.select("SELECT * FROM orders ORDER BY n", ["orders"])
    path, rows = engine.parquet("SELECT * FROM orders WHERE n = 1", ["orders"])
    path.rename(tmp_path / "orders.parquet")
    with duckdb.connect() as database:
        database.execute("SET timezone = 'UTC'")
        sql = f"SELECT n, epoch_us(x.at), price, day FROM '{tmp_path}/orders.parquet' AS x"
        found = database.execute(sql).fetchall()
    assert (rows, found) == (1, [(1, 1740830400000000, Decimal("1.10"), date(2025, 3, 1))])


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE orders",
        "SELECT 1; SELECT 2",
        "INSERT INTO orders SELECT 1",
        "SELECT * FROM customers",
        "SELECT * FROM other.orders",
        "SELECT * FROM range(3)",
        "SELECT FROM WHERE",
    ],
)
def test_anything_but_one_select_over_the_relations_is_refused(engine: Engine, sql: str) -> None:
    engine.values("orders", (Column("n", "bigint"),), [[1]])
    with pytest.raises(UsageError):
        engine.select(sql, ["orders"])
