"""Maintenance: few files, nothing that is still needed gone, everything that went recorded, and nobody disturbed."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cartlake.core.entries import MaintenanceStep
from cartlake.core.table import BIGINT, STRING, TEXT_MAP, Column, Table
from cartlake.engines.embedded import EmbeddedEngine
from cartlake.errors import EngineError, Locked, UsageError
from cartlake.lake import Lake, running
from cartlake.settings import Settings, load_settings
from tests.pipeline.shop import TASKS, Shop, a_day, customer, order, product

DAYS = range(1, 10)


class Killed(BaseException):
    """Not an Exception: nothing may catch it, as nothing catches a kill."""


@pytest.fixture(scope="module")
def nine_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after nine small days: each brings a customer and another price of a lamp; one record is bad."""
    shop = Shop(tmp_path_factory.mktemp("worn") / "shop")
    for day in DAYS:
        lamp = product(price=f"{day}.00", created_timestamp=f"2025-03-{day:02} 08:00:00")
        new = customer(f"C-{day}", email="no address" if day == 1 else "ada@example.com")
        shop.deliver(f"b{day}", f"2025-03-{day:02}", customers=[new], products=[lamp])
    shop.run()
    shop.lake.close()
    return shop.project


@pytest.fixture
def worn(nine_days: Path, tmp_path: Path) -> Iterator[Shop]:
    """A copy of it, as old as it is."""
    made = Shop(tmp_path / "empty")
    made.lake.close()
    made.project = tmp_path / "shop"
    made.landing = made.project / "landing"
    made.manifests = made.landing / "trigger_file"
    shutil.copytree(nine_days, made.project)
    made.lake = Lake(made.project)
    yield made
    made.lake.close()


def at_day(shop: Shop, days: int, **maintain: object) -> Lake:
    """The shop's lake so many days from now, under these settings."""
    shop.lake.close()
    settings = load_settings(shop.project, {}, {"maintain": maintain})
    shop.lake = Lake(settings=settings, clock=lambda: datetime.now(UTC) + timedelta(days=days))
    return shop.lake


def by_name(steps: list[MaintenanceStep], action: str) -> dict[str, MaintenanceStep]:
    return {step.name: step for step in steps if step.action == action}


def files(project: Path) -> set[str]:
    return {path.relative_to(project).as_posix() for path in (project / "lake").rglob("*") if path.is_file()}


def price(shop: Shop, batch_id: str) -> object:
    [(found,)] = shop.rows("SELECT CAST(price AS INTEGER) AS price FROM products WHERE is_current", at=batch_id)
    return found


def test_many_small_files_become_few_and_readers_see_the_same_rows(worn: Shop) -> None:
    before = worn.production()
    compacted = by_name(worn.lake.maintain(), "compact")
    assert compacted["customers"].files_removed >= 8
    assert compacted["customers"].files_added == 1
    assert worn.production() == before
    last = "SELECT kind, batch_id FROM publications ORDER BY publication_id DESC LIMIT 1"
    assert worn.rows(last) == [("maintenance", None)]
    assert worn.lake.maintain() == []


def test_the_next_batch_is_merged_into_what_was_compacted(worn: Shop) -> None:
    worn.lake.maintain()
    worn.deliver(
        "b10", "2025-03-10", customers=[customer("C-2", city="Peoria", created_timestamp="2025-03-10 08:00:00")]
    )
    worn.run()
    assert worn.rows("SELECT valid_to IS NULL AS o, count(*) FROM customers GROUP BY o ORDER BY o") == [
        (False, 1),
        (True, 8),
    ]
    assert (price(worn, "b9"), price(worn, "b10")) == (9, 9)


def test_a_dry_run_says_what_would_be_done_and_does_nothing(worn: Shop) -> None:
    lake = at_day(worn, 200, quarantine_days=30, archive_days=30)
    before = files(worn.project)
    planned = lake.maintain(dry_run=True)
    assert {step.action for step in planned} == {"compact", "remove_files", "remove_rows"}
    assert files(worn.project) == before
    done = lake.maintain()
    assert [vars(step) | {"version": None} for step in planned] == [vars(step) | {"version": None} for step in done]
    assert files(worn.project) != before


def test_publications_within_the_retention_can_still_be_read(worn: Shop) -> None:
    at_day(worn, 80).maintain()
    assert [price(worn, f"b{day}") for day in DAYS] == list(DAYS)


def test_what_is_older_goes_and_a_query_for_it_says_so(worn: Shop) -> None:
    before = files(worn.project)
    steps = at_day(worn, 200).maintain()
    removed = by_name(steps, "remove_files")["products"]
    gone = [file for file in before - files(worn.project) if file.startswith("lake/products/")]
    assert removed.files_removed == len(gone) == 8
    with pytest.raises(UsageError, match="no longer kept") as refused:
        price(worn, "b1")
    assert "keep_days" in str(refused.value.hint)
    assert price(worn, "b9") == 9
    assert worn.one("SELECT count(*) FROM products_stage") == 9


def test_every_step_is_a_row_that_people_can_query(worn: Shop) -> None:
    steps = at_day(worn, 200, archive_days=30).maintain()
    rows = worn.rows("SELECT name, action, version, files_removed, bytes_removed FROM maintenance ORDER BY recorded_at")
    assert rows == [(s.name, s.action, s.version, s.files_removed, s.bytes_removed) for s in steps]


def test_a_reader_is_not_disturbed(worn: Shop) -> None:
    """It asks all the time, with a list of files from before and with fresh ones."""
    errors: list[Exception] = []
    counts: set[object] = set()
    stop = threading.Event()

    def read() -> None:
        question = "SELECT (SELECT count(*) FROM customers) AS c, (SELECT count(*) FROM products_stage) AS s"
        with Lake(worn.project) as early:
            while not stop.is_set():
                try:
                    with Lake(worn.project) as fresh:
                        counts.update(tuple(row.values()) for lake in (early, fresh) for row in lake.query(question)[1])
                except Exception as error:
                    errors.append(error)
                    return

    reader = threading.Thread(target=read)
    reader.start()
    removed = by_name(at_day(worn, 200).maintain(), "remove_files")
    stop.set()
    reader.join()
    assert "products" in removed
    assert errors == []
    assert counts == {(8, 9)}


@pytest.mark.parametrize("call", [("optimize", 7), ("append", 1), ("append", 2), ("optimize", 20), ("unlink", 3)])
def test_after_a_kill_everything_can_be_read_and_the_next_one_finishes(
    worn: Shop, call: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after so many tables were compacted, at the publication, at the record, while files are removed."""
    verb, number = call
    before = worn.production()
    lake = at_day(worn, 200)
    with monkeypatch.context() as patched:
        kill_at(patched, Path if verb == "unlink" else EmbeddedEngine, verb, number)
        with pytest.raises(Killed):
            lake.maintain()
    at_day(worn, 200)
    recorded = worn.one("SELECT count(*) FROM maintenance WHERE action = 'remove_files'")
    assert recorded or verb != "unlink"
    assert worn.production() == before
    assert price(worn, "b9") == 9
    worn.lake.maintain()
    assert by_name(worn.lake.maintain(), "compact") == {}
    assert worn.production() == before
    worn.deliver("b10", "2025-03-10", customers=[customer("C-10")])
    worn.run()
    assert worn.one("SELECT count(*) FROM customers") == 9


def kill_at(patched: pytest.MonkeyPatch, owner: type, name: str, number: int) -> None:
    real, count = getattr(owner, name), [0]

    def dying(self: object, *given: Any, **more: Any) -> object:
        count[0] += not str(self).endswith(".tmp")  # what a commit removes after itself is no step of its own
        if count[0] >= number and "lock" not in str(self):
            raise Killed
        return real(self, *given, **more)

    patched.setattr(owner, name, dying)


def test_what_killed_writes_left_is_removed(worn: Shop) -> None:
    table = worn.project / "lake" / "customers"
    left = [table / "0c7a.parquet", table / "_delta_log" / f"{99:020}.json#1"]
    for path in left:
        path.write_bytes(b"half")
    removed = by_name(worn.lake.maintain(), "remove_files")
    assert removed["customers"].files_removed == 2
    assert [path for path in left if path.exists()] == []


def test_changes_that_wait_for_their_merge_are_merged_all_the_same(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    loads = ("orders", "customer", "products", "inventory", "shipping")
    for task in (*(f"{feed}_stage_load" for feed in loads), "data_validation", "data_enrichment"):
        shop.lake.task(task, run_id="job-1")
    left = shop.project / "lake" / "prepared_orders" / "half.parquet"
    left.write_bytes(b"half")
    shop.lake.maintain()
    assert not left.exists()
    shop.lake.task("final_merge_operation", run_id="job-1")
    assert shop.statuses() == {"b1": "published"}
    assert shop.one("SELECT count(*) FROM enriched_orders") == 1


def test_archived_files_go_only_where_the_policy_says_so_and_no_open_batch_names_them(shop: Shop) -> None:
    shop.deliver("good", customers=[customer()])
    shop.deliver("bad", orders="colour,shape\nred,round\n")
    shop.run()
    assert at_day(shop, 4000).maintain(dry_run=True) == []
    steps = at_day(shop, 60, archive_days=50).maintain()
    assert by_name(steps, "remove_files")["archive/customer_data"].files_removed == 1
    left = [path.name.partition(".")[0] for path in (shop.project / "archive").rglob("*.csv")]
    assert left == ["orders_bad"]
    with pytest.raises(UsageError, match="no longer has customers_good"):
        shop.lake.retry("good")


def test_quarantined_records_go_only_where_the_policy_says_so_and_stay_counted(shop: Shop) -> None:
    shop.deliver("b1", orders=[order(), order("O-2", order_amount="?")], customers=[customer(email="none")])
    shop.run()
    assert by_name(at_day(shop, 60).maintain(), "remove_rows") == {}
    assert at_day(shop, 60, quarantine_days=90).maintain() == []
    steps = at_day(shop, 60, quarantine_days=50).maintain()
    assert sum(step.rows_removed for step in steps) == 2
    assert shop.one("SELECT count(*) FROM quarantine") == 0
    assert shop.rows("SELECT rows_in, rows_quarantined FROM batches") == [(3, 2)]
    at_day(shop, 62).maintain()
    held = b"".join(path.read_bytes() for path in (shop.project / "lake/quarantine").rglob("*.parquet"))
    assert b"O-2" not in held


def test_maintenance_waits_for_nobody_who_works_on_the_lake(worn: Shop) -> None:
    with Lake(worn.project) as other, other._door.locked(), pytest.raises(Locked):
        worn.lake.maintain()


# the engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EmbeddedEngine]:
    made = EmbeddedEngine(Settings(project=tmp_path))
    yield made
    made.close()


NOTES = Table(
    "notes",
    (Column("n", BIGINT), Column("feed", STRING), Column("more", TEXT_MAP)),
    key=("n",),
    partition_by=("feed",),
)


def append(engine: EmbeddedEngine, numbers: range) -> None:
    for number in numbers:
        with engine.scope():
            row: Mapping[str, object] = {"colour": "red"}
            engine.values("rows_", NOTES.columns, [(number, "orders" if number % 3 else "customers", row)])
            engine.append(NOTES, "rows_")


def numbers_at(engine: EmbeddedEngine, version: int | None) -> list[object]:
    with engine.scope():
        engine.read("seen", NOTES, version)
        return [(row["n"], row["more"]) for row in engine.rows("SELECT n, more FROM seen ORDER BY n")]


def test_files_are_joined_within_their_partition_and_to_change_feeds_nothing_changed(
    engine: EmbeddedEngine, tmp_path: Path
) -> None:
    engine.create(NOTES)
    append(engine, range(12))
    before = numbers_at(engine, None)
    assert engine.optimize(NOTES, dry_run=True).files_removed == 8
    made = engine.optimize(NOTES)
    assert (made.version, made.files_removed, made.files_added) == (13, 8, 1)
    assert numbers_at(engine, None) == before
    commit = (tmp_path / "lake/notes/_delta_log" / f"{13:020}.json").read_text().splitlines()
    actions = [action for line in commit for kind, action in json.loads(line).items() if kind in ("add", "remove")]
    assert [action["dataChange"] for action in actions] == [False] * 9


def test_versions_from_the_oldest_on_are_read_from_a_checkpoint_and_earlier_ones_are_not(
    engine: EmbeddedEngine, tmp_path: Path
) -> None:
    engine.create(NOTES)
    append(engine, range(30))
    with engine.scope():
        engine.values("none", NOTES.columns, [])
        engine.replace(NOTES, {"feed": ["orders"]}, "none")
    before = {version: numbers_at(engine, version) for version in (25, 30, 31)}
    planned = engine.vacuum("notes", 25, dry_run=True)
    assert engine.vacuum("notes", 25) == planned
    assert planned.files == 20
    assert engine.vacuum("notes", 25).files == 0
    assert {version: numbers_at(engine, version) for version in before} == before
    engine.vacuum("notes", 31)
    with pytest.raises(EngineError):
        numbers_at(engine, 25)
    fresh = EmbeddedEngine(Settings(project=tmp_path))
    assert numbers_at(fresh, None) == before[31]
    append(fresh, range(40, 41))
    assert len(numbers_at(fresh, None)) == 11
    fresh.close()


def test_the_version_of_a_moment_is_the_newest_commit_before_it(engine: EmbeddedEngine) -> None:
    engine.create(NOTES)
    append(engine, range(3))
    now = datetime.now(UTC)
    assert engine.version_at("notes", now + timedelta(seconds=1)) == 3
    assert engine.version_at("notes", now - timedelta(days=1)) == 0


def test_a_run_says_when_maintenance_is_due(worn: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(day: int) -> list[str]:
        worn.deliver(f"b{day}", f"2025-03-{day}", customers=[customer(f"C-{day}")])
        return [notice.split(":")[0] for notice in worn.run().notices]

    monkeypatch.setattr(running, "MANY_PUBLICATIONS", 11)
    assert said(10) == []
    assert said(11) == ["11 publications since the last `cartlake maintain`"]
    by_task = [worn.lake.task(task, run_id="job-1").notices for task in TASKS]
    assert "11 publications" in by_task[-1][0]
    assert not any(by_task[:-1])
    worn.lake.maintain()
    assert said(12) == []
