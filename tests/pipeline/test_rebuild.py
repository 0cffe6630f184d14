"""Production made again: the same tables, from the logs or from the archive, and the way out of changed contracts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import groupby
from pathlib import Path

import pytest

from cartlake.core.tables import LEDGER
from cartlake.errors import ContractError, FileRejected, UsageError
from cartlake.generate import FAULTS, ShopPlan, generate
from tests.pipeline.shop import Shop, a_day, customer, product

CITY_UNTRACKED = (
    "{name: city, logicalType: string,",
    "{name: city, logicalType: string, customProperties: [{property: tracked, value: false}],",
)
BIRTHPLACE = ("{name: city, ", "{name: birthplace, logicalType: string}\n      - {name: city, ")
DAY = len("trigger_2025_01_01")
COLOUR_NEEDED = ("{name: color, ", "{name: colour, logicalType: string, required: true}\n      - {name: color, ")


def spoil(shop: Shop) -> None:
    """Somebody wrote into the customers and the totals, and it was published."""
    context = shop.lake._door.context()
    engine, base = context.engine, context.ledger.latest_publication()
    tables = {table.name: table for table in context.production_tables}
    versions = {}
    with engine.scope():
        for name, sql in (
            ("customers", "SELECT * FROM spoilt WHERE customer_id <> 'C-1'"),
            ("customer_totals", "SELECT * FROM spoilt WHERE false"),
        ):
            engine.read("spoilt", tables[name], base.tables[name])
            engine.materialise("written", sql)
            versions[name] = engine.replace(tables[name], {}, "written")
    context.ledger.publish(
        replace(
            base,
            publication_id=base.publication_id + 1,
            batch_id=None,
            kind="maintenance",
            published_at=context.ledger.now(),
            tables=dict(base.tables) | versions,
        )
    )


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Two customers, one of them changing on each of three days; with an order."""
    shop = Shop(tmp_path_factory.mktemp("rebuild") / "shop")
    shop.deliver("b1", **a_day(customers=[customer(), customer("C-2")]))
    shop.deliver("b2", "2025-03-02", customers=[customer(city="Peoria", created_timestamp="2025-03-02 09:00:00")])
    shop.deliver(
        "b3", "2025-03-03", customers=[customer("C-2", city="Joliet", created_timestamp="2025-03-03 09:00:00")]
    )
    shop.run()
    yield shop
    shop.lake.close()


def test_what_somebody_else_wrote_into_tables_is_gone_after_a_rebuild(three_days: Shop) -> None:
    before = three_days.production()
    spoil(three_days)
    assert three_days.production() != before
    made = three_days.lake.rebuild()
    assert three_days.production() == before
    assert (made.publication.kind, made.publication.batch_id, made.files_read) == ("rebuild", None, 0)
    assert {"orders", "customers", "enriched_orders", "customer_totals"} <= set(made.tables)


def test_a_rebuild_of_one_table_takes_along_what_is_made_of_it(three_days: Shop) -> None:
    before = three_days.production()
    spoil(three_days)
    made = three_days.lake.rebuild(["customers"])
    assert set(made.tables) == {"customers", "enriched_orders", "customer_totals", "product_totals", "daily_sales"}
    assert three_days.production() == before


def test_a_rebuild_from_a_date_looks_at_the_keys_of_its_batches(three_days: Shop) -> None:
    before = three_days.production()
    spoil(three_days)
    three_days.lake.rebuild(["customers"], since=date(2025, 3, 3))
    assert three_days.rows("SELECT DISTINCT customer_id FROM customers") == [("C-2",)], "C-1 is of the days before"
    three_days.lake.rebuild(["customers"], since=date(2025, 3, 2))
    assert three_days.production() == before


def test_a_rebuild_of_what_is_no_stored_table_says_which_there_are(three_days: Shop) -> None:
    with pytest.raises(UsageError, match="customer_analytics") as caught:
        three_days.lake.rebuild(["customer_analytics"])
    assert "customer_totals" in str(caught.value.hint)
    with pytest.raises(UsageError, match="every accepted file"):
        three_days.lake.rebuild(["customers"], from_archive=True)


def test_a_table_that_was_removed_and_made_again_answers_for_no_earlier_publication(
    three_days: Shop, tmp_path: Path
) -> None:
    shop = Shop(tmp_path / "shop")
    shutil.copytree(three_days.project, shop.project, dirs_exist_ok=True)
    shutil.rmtree(shop.project / "lake" / "daily_sales")
    shop.lake.rebuild(["daily_sales"])
    assert shop.production() == three_days.production()
    shop.deliver("b4", "2025-03-04", customers=[customer(city="Alton", created_timestamp="2025-03-04 09:00:00")])
    shop.run()
    for batch in ("b1", "b2", "b3"):
        with pytest.raises(UsageError, match="no longer kept") as gone:
            shop.rows("SELECT * FROM daily_sales", at=batch)
        assert "a table was removed" in str(gone.value.hint)
    assert shop.one("SELECT count(*) FROM daily_sales") == shop.rows("SELECT count(*) FROM daily_sales", at="b4")[0][0]
    assert shop.lake.verify(deep=True).findings == ()
    shop.lake.close()


def test_the_ledger_contracts_and_archive_are_enough_to_make_a_lake_elsewhere(three_days: Shop, tmp_path: Path) -> None:
    elsewhere = Shop(tmp_path / "elsewhere")
    shutil.copytree(three_days.project / "archive", elsewhere.project / "archive")
    for table in LEDGER:
        shutil.copytree(three_days.project / "lake" / table.name, elsewhere.project / "lake" / table.name)
    made = elsewhere.lake.rebuild(from_archive=True)
    assert made.files_read == 7
    assert elsewhere.production() == three_days.production()
    assert elsewhere.rows("SELECT * EXCLUDE _ingested_at FROM customer_stage ORDER BY ALL") == three_days.rows(
        "SELECT * EXCLUDE _ingested_at FROM customer_stage ORDER BY ALL"
    )
    with pytest.raises(UsageError, match="no longer kept") as gone:
        elsewhere.rows("SELECT * FROM customers", at="b1")
    assert "before the lake moved" in str(gone.value.hint)
    with pytest.raises(UsageError, match="no longer kept"):
        elsewhere.lake.changes("customers", "b1")
    elsewhere.deliver("b4", "2025-03-04", customers=[customer(city="Alton", created_timestamp="2025-03-04 09:00:00")])
    assert [report.batch.status for report in elsewhere.run().batches] == ["published"]
    assert elsewhere.one("SELECT count(*) FROM customers WHERE customer_id = 'C-1'") == 3
    assert elsewhere.rows("SELECT count(*) FROM customers", at="b4") == [(5,)]
    elsewhere.lake.close()


def test_other_tracked_columns_are_carried_out_by_a_rebuild_from_the_log(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    shop.deliver("b2", "2025-03-02", customers=[customer(city="Peoria", created_timestamp="2025-03-02 09:00:00")])
    shop.run()
    assert shop.one("SELECT count(*) FROM customers") == 2
    shop.change_contract("customers", CITY_UNTRACKED)
    with pytest.raises(ContractError, match="tracked: city -> none") as caught:
        shop.run()
    assert str(caught.value.hint).endswith("`cartlake rebuild`.")
    shop.lake.rebuild(["orders"])
    assert shop.rows("SELECT city, is_current FROM customers") == [("Peoria", True)]
    assert shop.run().batches == ()
    shop.deliver("b3", "2025-03-03", customers=[customer(city="Austin", created_timestamp="2025-03-03 09:00:00")])
    shop.run()
    assert shop.rows("SELECT city FROM enriched_orders") == [("Austin",)], "orders show what the customer shows"


def test_another_column_needs_the_archive_which_serves_it(shop: Shop) -> None:
    old = customer(birthplace="Oslo")
    shop.deliver("b1", **a_day(customers=[old, customer("C-9", email="nobody")]))
    shop.deliver("b2", "2025-03-02", customers=[customer("C-2", created_timestamp="2025-03-02 09:00:00")])
    shop.run()
    shop.lake.reject("b2", "not ours")
    shop.change_contract("customers", BIRTHPLACE)
    with pytest.raises(ContractError) as caught:
        shop.lake.rebuild()
    assert "--from-archive" in str(caught.value.hint)
    shop.lake.rebuild(from_archive=True)
    assert shop.rows("SELECT customer_id, birthplace FROM customers") == [("C-1", "Oslo")], "b2 stays out"
    assert [row["reasons"] for row in shop.lake.quarantine()] == [["email_invalid"]]
    assert (
        shop.one("SELECT count(*) FROM batches WHERE rows_in <> rows_staged + rows_quarantined + rows_duplicate") == 0
    )
    shop.lake.retry("b2")
    assert [report.batch.status for report in shop.run().batches] == ["published"]
    assert shop.rows("SELECT customer_id, birthplace FROM customers ORDER BY 1") == [("C-1", "Oslo"), ("C-2", None)]


def test_nothing_changes_where_the_archive_lacks_a_file_or_the_contract_refuses_one(shop: Shop) -> None:
    shop.deliver("b1", **a_day(products=[product()]))
    shop.run()
    before = shop.production()
    own = shop.change_contract("products", COLOUR_NEEDED)
    with pytest.raises(FileRejected, match="today's contract of products refuses it") as caught:
        shop.lake.rebuild(from_archive=True)
    assert caught.value.file == "products_b1.csv"
    assert shop.production() == before
    own.unlink()
    shop.lake.close()
    [archived] = (shop.project / "archive" / "customer_data").rglob("*.csv")
    away = archived.rename(shop.project / "away.csv")
    with pytest.raises(UsageError, match="no longer has customers_b1"):
        shop.lake.rebuild(from_archive=True)
    away.rename(archived)
    assert shop.run().batches == (), "nothing is left to be done again"
    assert shop.production() == before


@pytest.mark.slow
def test_a_rebuild_that_died_is_made_again_with_whatever_contract_stands_then(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.trade_a_day()
    before = shop.production()
    own = shop.change_contract("customers", BIRTHPLACE)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cartlake.rebuild._publish", dies)
        with pytest.raises(KeyboardInterrupt):
            shop.lake.rebuild(from_archive=True)
    assert shop.production() == before, "people read what was published"
    with pytest.raises(ContractError):
        shop.run()
    own.unlink()
    shop.lake.close()
    with pytest.raises(ContractError) as caught:
        shop.run()
    assert caught.value.code == "rebuild_interrupted"
    shop.lake.rebuild(from_archive=True)
    assert shop.production() == before
    assert shop.run().batches == ()


def same_when_rebuilt(shop: Shop, after: str, *, from_archive: bool) -> None:
    incremental = shop.production()
    shop.lake.rebuild()
    assert shop.production() == incremental, f"after {after}: from the logs"
    if from_archive:
        shop.lake.rebuild(from_archive=True)
        assert shop.production() == incremental, f"after {after}: from the archive"


def piece_by_piece(project: Path, plan: ShopPlan, *, by_day: bool, archive_every: int) -> None:
    """A generated shop with every fault: a day's manifests arrive one by one, or together; held batches are released
    later."""
    shop = Shop(project)
    generate(project, plan)
    away = project / "later"
    shop.manifests.rename(away)
    shop.manifests.mkdir()
    arriving = groupby(sorted(path.name for path in away.iterdir()), lambda name: name[:DAY] if by_day else name)
    for number, (what, manifests) in enumerate(arriving, 1):
        for manifest in manifests:
            (away / manifest).rename(shop.manifests / manifest)
        if shop.run().batches:
            same_when_rebuilt(shop, what, from_archive=number % archive_every == 0)
    for batch_id, status in shop.statuses().items():
        if status == "held":
            shop.lake.release(batch_id, "a test")
    shop.run()
    same_when_rebuilt(shop, "the releases", from_archive=True)
    assert list(shop.statuses().values()).count("published") >= plan.days // 2
    shop.lake.close()


@pytest.mark.slow
@pytest.mark.ci
def test_a_week_of_a_small_faulty_shop_is_the_same_in_every_way(tmp_path: Path) -> None:
    week = ShopPlan(days=7, orders_per_day=4, customers=6, products=4, seed=11, faults=frozenset(FAULTS))
    piece_by_piece(tmp_path / "shop", week, by_day=True, archive_every=99)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_month_of_a_faulty_shop_is_the_same_in_every_way(tmp_path: Path) -> None:
    month = ShopPlan(days=30, orders_per_day=15, customers=25, products=15, seed=11, faults=frozenset(FAULTS))
    piece_by_piece(tmp_path / "shop", month, by_day=False, archive_every=5)
