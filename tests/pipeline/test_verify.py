"""What is damaged is found and named, and what is named as its repair repairs it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cartlake.core.table import Table
from cartlake.core.tables import QUARANTINE, stage_table
from cartlake.errors import EngineError
from cartlake.lake import Lake
from cartlake.project import load_contracts
from cartlake.verify import Finding
from tests.pipeline.shop import Shop, a_day, customer, order, product


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two published batches, to be copied."""
    shop = Shop(tmp_path_factory.mktemp("verify") / "shop")
    shop.deliver("b1", **a_day(orders=[order("O-1"), order("O-2", order_amount="?")]))
    shop.run()
    shop.deliver(
        "b2",
        "2025-03-02",
        customers=[customer("C-2"), customer(city="Peoria", created_timestamp="2025-03-02 08:00:00")],
    )
    shop.run()
    shop.lake.close()
    return shop.project


@pytest.fixture
def copied(traded: Path, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "made")
    shutil.rmtree(made.project)
    shutil.copytree(traded, made.project)
    yield made
    made.lake.close()


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])


def newest_file(shop: Shop, table: str) -> Path:
    """A data file of the table's newest version."""
    folder = shop.project / "lake" / table
    for commit in sorted((folder / "_delta_log").glob("*.json"), reverse=True):
        for line in commit.read_text().splitlines():
            if "add" in json.loads(line):
                return Path(folder / json.loads(line)["add"]["path"])
    raise AssertionError("the table is empty")


def archived(shop: Shop, pattern: str) -> Path:
    return next((shop.project / "archive").rglob(pattern))


def newest_commit(shop: Shop, table: str) -> Path:
    return max((shop.project / "lake" / table / "_delta_log").glob("*.json"))


def tell_other_bounds(shop: Shop) -> None:
    """A flipped bit in the log: a later run would not look for C-2 in this file."""
    commit = newest_commit(shop, "customers")
    commit.write_text(commit.read_text().replace(r"\"C-2\"", r"\"C-3\""))


def lose_rows(shop: Shop) -> None:
    """Somebody else emptied the log, in a commit and a publication of its own."""
    orders = next(contract for contract in load_contracts(shop.project) if contract.feed == "orders")
    with shop.lake._door.locked() as context:
        context.engine.replace(stage_table(orders), {}, None)
        context.engine.replace(QUARANTINE, {}, None)
    shop.lake.rebuild()


DAMAGE: dict[str, tuple[Callable[[Shop], object], str, str]] = {
    "a flipped bit in an archived file": (
        lambda shop: flip(archived(shop, "customers_b1*")),
        "archive",
        "customers_b1",
    ),
    "an archived file that is gone": (lambda shop: archived(shop, "orders_b1*").unlink(), "archive", "orders_b1"),
    "a flipped bit in a manifest": (lambda shop: flip(archived(shop, "b1*.json")), "archive", "b1"),
    "a flipped bit in a history": (lambda shop: flip(newest_file(shop, "customers")), "tables", "customers"),
    "a data file that is gone": (lambda shop: newest_file(shop, "daily_sales").unlink(), "tables", "daily_sales"),
    "a flipped bit in a staging log": (lambda shop: flip(newest_file(shop, "orders_stage")), "tables", "orders_stage"),
    "half a commit": (lambda shop: newest_commit(shop, "customers").write_text('{"add": {'), "tables", "customers"),
    "other bounds in the log": (tell_other_bounds, "tables", "customers"),
    "a table that is gone": (lambda shop: shutil.rmtree(shop.project / "lake" / "products"), "tables", "products"),
    "a flipped bit in the ledger": (lambda shop: flip(newest_file(shop, "publications")), "ledger", "publications"),
    "half a commit of the ledger": (
        lambda shop: newest_commit(shop, "ledger_files").write_text("{"),
        "ledger",
        "files",
    ),
    "rows that are gone": (lose_rows, "counts", "orders_b1"),
}


def test_a_lake_that_is_whole_has_no_findings_and_everything_was_looked_at(copied: Shop) -> None:
    found = copied.lake.verify()
    assert found.findings == ()
    assert found.looked_at == {"ledger": 13, "archive": 8, "tables": 14, "counts": 6, "production": 9}


def test_a_lake_that_was_never_run_is_whole(shop: Shop) -> None:
    assert shop.lake.verify().findings == ()
    assert shop.run().batches == (), "its tables are made all the same"


@pytest.mark.parametrize(("damage", "area", "name"), DAMAGE.values(), ids=DAMAGE.keys())
def test_what_is_damaged_is_named(copied: Shop, damage: Callable[[Shop], object], area: str, name: str) -> None:
    damage(copied)
    copied.lake.close()
    findings = copied.lake.verify().findings
    assert findings, "nothing was found"
    assert [one for one in findings if one.area != area or name not in one.name] == []
    assert "ada@example.com" not in str(findings)


GONE = {
    "the log": (lambda shop: shutil.rmtree(shop.project / "lake" / "daily_sales"), "daily_sales"),
    "a data file": (lambda shop: newest_file(shop, "daily_sales").unlink(), "query"),
    "half a data file": (lambda shop: os.truncate(newest_file(shop, "daily_sales"), 200), "query"),
}


@pytest.mark.parametrize(("lose", "said"), GONE.values(), ids=GONE.keys())
def test_whoever_reads_a_damaged_table_is_sent_to_verify(
    copied: Shop, lose: Callable[[Shop], object], said: str
) -> None:
    lose(copied)
    copied.lake.close()
    with pytest.raises(EngineError) as refused:
        copied.lake.query("SELECT * FROM daily_sales")
    assert said in refused.value.message
    assert "`cartlake verify`" in str(refused.value.hint)


def test_a_table_that_is_gone_in_many_versions_is_one_finding(copied: Shop) -> None:
    shutil.rmtree(copied.project / "lake" / "customers")
    copied.lake.close()
    [found] = copied.lake.verify().findings
    assert found.problem == "2 versions, from 1 to 2, cannot be opened"


REPAIRABLE = ("a flipped bit in a history", "a data file that is gone", "a flipped bit in a staging log")


@pytest.mark.parametrize("kind", REPAIRABLE)
def test_the_repair_that_is_named_repairs_it(copied: Shop, kind: str) -> None:
    before = copied.production()
    DAMAGE[kind][0](copied)
    copied.lake.close()
    repair = repairs(copied.lake.verify().findings)
    copied.lake.rebuild(from_archive="--from-archive" in repair)
    assert [
        one for one in copied.lake.verify().findings if "only in what was published earlier" not in one.problem
    ] == []
    assert copied.production() == before


def test_damage_to_what_was_published_earlier_does_not_keep_the_rest_from_being_looked_at(copied: Shop) -> None:
    folder = copied.project / "lake" / "customers"
    [earlier] = set(folder.glob("*.parquet")) - {newest_file(copied, "customers")}
    flip(earlier)
    found = copied.lake.verify()
    assert [(one.name, "published earlier" in one.problem) for one in found.findings] == [("customers", True)]
    assert found.looked_at["production"] == 9


def repairs(findings: tuple[Finding, ...]) -> str:
    [repair] = {finding.repair for finding in findings}
    return repair


def test_rows_that_are_gone_are_brought_back_from_the_archive(copied: Shop) -> None:
    before = copied.production()
    lose_rows(copied)
    assert repairs(copied.lake.verify().findings) == "cartlake batch retry b1, then cartlake run"
    copied.lake.retry("b1")
    copied.run()
    assert copied.lake.verify().findings == ()
    assert copied.production() == before


LEDGER = {
    "publications": "it lacks published batches: b1 and 1 more",
    "ledger_batches": "it lacks published batches: b1 and 1 more",
    "ledger_batch_files": "it lacks the files of published batches: b1 and 1 more",
    "ledger_files": "it lacks files that were loaded: customers_b1.csv and 5 more",
}


@pytest.mark.parametrize(("table", "said"), LEDGER.items(), ids=LEDGER.keys())
def test_without_a_table_of_the_ledger_nothing_is_written(copied: Shop, tmp_path: Path, table: str, said: str) -> None:
    before, folder = copied.production(), copied.project / "lake" / table
    copied.lake.close()
    folder.rename(tmp_path / "backup")
    looks: list[Callable[[], object]] = [copied.run, copied.lake.rebuild, lambda: copied.rows("SELECT * FROM orders")]
    for look in looks:
        with pytest.raises(EngineError, match=table) as refused:
            look()
        assert str(refused.value.hint).startswith("Bring the table's folder back from a backup")
        assert "archive" not in str(refused.value.hint)
    looks = [lambda: copied.lake.rebuild(from_archive=True), copied.run, lambda: copied.lake.reject("b2")]
    for look in looks:  # from the first on the table is there again, and empty
        with pytest.raises(EngineError, match=said):
            look()
    looked = copied.lake.verify()
    assert looked.looked_at == {"ledger": 13}
    [found] = looked.findings
    assert (found.name, found.problem) == (table, said)
    shutil.rmtree(folder)
    (tmp_path / "backup").rename(folder)
    copied.lake.close()
    assert copied.production() == before
    assert copied.lake.verify(deep=True).findings == ()


@pytest.mark.parametrize("table", LEDGER)
def test_with_a_table_of_the_ledger_of_an_earlier_day_nothing_is_written(
    copied: Shop, tmp_path: Path, table: str
) -> None:
    """Also where the day since brought what the day before had: it was loaded for its own date."""
    folder = copied.project / "lake" / table
    shutil.copytree(folder, tmp_path / "backup")
    copied.deliver("b3", "2025-03-03", products=[product()])
    copied.run()
    copied.lake.close()
    shutil.rmtree(folder)
    (tmp_path / "backup").rename(folder)
    with pytest.raises(EngineError, match=f"the table {table} was removed or is of another time"):
        copied.run()


@pytest.mark.parametrize("table", ["ledger_decisions", "quarantine"])
def test_a_table_of_the_ledger_that_tables_can_be_made_without_is_not_made_anew_unasked(
    copied: Shop, table: str
) -> None:
    before = copied.production()
    copied.lake.close()
    shutil.rmtree(copied.project / "lake" / table)
    looks: list[Callable[[], object]] = [copied.run, copied.lake.rebuild, lambda: copied.rows("SELECT * FROM orders")]
    for look in looks:
        with pytest.raises(EngineError, match=f"gone from the ledger: {table}") as refused:
            look()
        assert "Without one `cartlake rebuild --from-archive`" in str(refused.value.hint)
    assert [found.name for found in copied.lake.verify().findings] == [table]
    copied.lake.rebuild(from_archive=True)
    assert copied.production() == before
    assert copied.lake.verify(deep=True).findings == ()


@pytest.mark.parametrize(
    ("table", "repair"), [("customers", "cartlake rebuild"), ("orders_stage", "cartlake rebuild --from-archive")]
)
def test_without_a_table_that_is_published_nothing_is_loaded_until_it_is_made_anew(
    copied: Shop, table: str, repair: str
) -> None:
    """A log without what came before would take versions out of the history with the next late record."""
    before = copied.production()
    copied.lake.close()
    shutil.rmtree(copied.project / "lake" / table)
    copied.deliver("b3", "2025-03-03", customers=[customer("C-3")])
    for _ in range(2):  # the table is there again then, and empty
        with pytest.raises(EngineError, match=table) as refused:
            copied.run()
        assert f"`{repair}`" in str(refused.value.hint)
        copied.lake.close()
    assert repairs(copied.lake.verify().findings) == repair
    if table == "orders_stage":
        with pytest.raises(EngineError, match=table):
            copied.lake.rebuild()  # of nothing, there would be no orders
    copied.lake.rebuild(from_archive="archive" in repair)
    assert copied.production() == before
    [report] = copied.run().batches
    assert report.batch.status == "published"
    assert copied.lake.verify(deep=True).findings == ()


def test_a_batch_that_came_after_the_backup_of_the_lake_is_told_and_can_be_dropped_again(copied: Shop) -> None:
    lake = copied.project / "lake"
    copied.lake.close()
    shutil.copytree(lake, copied.project / "backup")
    copied.deliver("b3", "2025-03-03", customers=[customer("C-3")])
    copied.run()
    after = copied.production()
    copied.lake.close()
    shutil.rmtree(lake)
    (copied.project / "backup").rename(lake)
    [found] = copied.lake.verify().findings
    assert (found.area, found.problem) == ("archive", "the ledger knows nothing of its batch b3")
    assert Path(found.name).name.startswith("b3.")
    copied.deliver("b3", "2025-03-03", customers=[customer("C-3")])
    copied.run()
    assert copied.lake.verify(deep=True).findings == ()
    assert copied.production() == after


def test_somebody_elses_rows_in_a_published_table_are_found(copied: Shop) -> None:
    """The same version of a customer twice: published by hand, as no merge would let it through."""
    with Lake(copied.project) as lake, lake._door.locked() as context:
        [table] = [table for table in context.production_tables if table.name == "customers"]
        base = context.ledger.latest_publication()
        with context.engine.scope():
            context.engine.read("again", table)
            version = context.engine.append(table, "again")
        object.__setattr__(base, "tables", dict(base.tables) | {"customers": version})
        object.__setattr__(base, "publication_id", base.publication_id + 1)
        context.ledger.publish(base)
    found = copied.lake.verify().findings
    assert {(one.area, one.name, one.repair) for one in found} == {
        ("production", "customers", "cartlake rebuild customers")
    }
    copied.lake.rebuild(["customers"])
    assert copied.lake.verify().findings == ()


def with_values(table: Table, **values: str) -> str:
    """The columns of the table, some with another value."""
    return ", ".join(f"'{values[name]}' AS {name}" if name in values else name for name in table.column_names)


def publish_other_customers(shop: Shop) -> None:
    """Both versions of C-1 live elsewhere, and C-2 is called C-9: whole in keys and intervals, published by hand."""
    with Lake(shop.project) as lake, lake._door.locked() as context:
        [table] = [table for table in context.production_tables if table.name == "customers"]
        base = context.ledger.latest_publication()
        with context.engine.scope():
            context.engine.read("published", table, base.tables["customers"])
            moved = f"SELECT {with_values(table, city='Duluth')} FROM published WHERE customer_id <> 'C-2'"
            renamed = f"SELECT {with_values(table, customer_id='C-9')} FROM published WHERE customer_id = 'C-2'"
            context.engine.materialise("others", f"{moved} UNION ALL {renamed}")
            version = context.engine.replace(table, {}, "others")
        tables = dict(base.tables) | {"customers": version}
        context.ledger.publish(replace(base, publication_id=base.publication_id + 1, tables=tables))


def test_a_lake_that_is_whole_is_what_a_rebuild_would_make_of_it(copied: Shop) -> None:
    lake = copied.project / "lake"
    before = sorted(path for path in lake.rglob("*") if path.is_file())
    found = copied.lake.verify(deep=True)
    assert (found.findings, found.looked_at["rebuilt"]) == ((), 9)
    assert sorted(path for path in lake.rglob("*") if path.is_file()) == before, "nothing was written"


def test_a_table_that_is_not_what_its_log_says_is_named_and_repaired(copied: Shop) -> None:
    before = copied.production()
    publish_other_customers(copied)
    assert copied.lake.verify().findings == (), "all of it is whole in itself"
    found = [one for one in copied.lake.verify(deep=True).findings if one.name == "customers"]
    assert [one.problem for one in found] == ["1 rows are missing", "1 rows should not be there", "2 rows differ"]
    assert {(one.area, one.repair) for one in found} == {("rebuilt", "cartlake rebuild customers")}
    assert "Duluth" not in str(found)
    copied.lake.rebuild(["customers"])
    assert copied.lake.verify(deep=True).findings == ()
    assert copied.production() == before


def test_while_a_log_is_damaged_nothing_is_computed_from_it(copied: Shop) -> None:
    flip(newest_file(copied, "orders_stage"))
    found = copied.lake.verify(deep=True)
    assert [one.name for one in found.findings if one.area == "tables"] == ["orders_stage"]
    assert found.looked_at["rebuilt"] == 0


def test_a_repair_that_waits_for_its_run_is_told_and_no_difference(copied: Shop) -> None:
    copied.lake.retry("b1")
    [found] = [one for one in copied.lake.verify(deep=True).findings if one.area == "rebuilt"]
    assert (found.name, found.repair) == ("b1", "cartlake run")
    copied.run()
    assert copied.lake.verify(deep=True).findings == ()


def test_tables_of_another_contract_are_told_and_not_compared(copied: Shop) -> None:
    copied.change_contract(
        "customers", ("{name: city, ", "{name: birthplace, logicalType: string}\n      - {name: city, ")
    )
    [found] = [one for one in copied.lake.verify(deep=True).findings if one.area == "rebuilt"]
    assert (found.name, found.repair) == ("customers", "cartlake rebuild --from-archive")
