"""Contracts, models and settings that change after the tables exist."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cartlake.errors import ContractError
from cartlake.settings import load_settings
from tests.pipeline.shop import TASKS, Shop, a_day, customer, order, product

LOGIN = {"last_login": "2025-02-28"}
MANY_BROKEN = [customer(f"C-{n}", email="?", **LOGIN) for n in range(25)]


CITY = "{name: city, "
BIRTHPLACE = (CITY, "{name: birthplace, logicalType: string}\n      - {name: city, ")
ZIP_AS_NUMBER = ("{name: zip_code, logicalType: string", "{name: zip_code, logicalType: integer")
CITY_UNTRACKED = (
    "{name: city, logicalType: string,",
    "{name: city, logicalType: string, customProperties: [{property: tracked, value: false}],",
)
CITY_KEPT = (
    "{name: city, logicalType: string,",
    "{name: city, logicalType: string, customProperties: [{property: ignoreNullUpdates, value: true}],",
)
CREATED_ONLY = ("value: [updated_timestamp, created_timestamp]", "value: created_timestamp")
LOGIN_AS_DATE = ("{name: last_login, logicalType: timestamp", "{name: last_login, logicalType: date")
KEY_OF_TWO = (
    "{name: email, logicalType: string, required: true,",
    "{name: email, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 2,",
)
IN_NEW_YORK = ("customProperties:\n", "customProperties:\n  - {property: timezone, value: America/New_York}\n")
KEY_LOWERED = (
    "primaryKey: true",
    "primaryKey: true, customProperties: [{property: canonical, value: lower}]",
)
FULL_EXTRACTS = (
    "{property: sequenceBy, value: [updated_timestamp, created_timestamp]}",
    "{property: delivery, value: snapshot}",
)


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A day is published, and a batch waits that nobody may load."""
    shop = Shop(tmp_path_factory.mktemp("traded") / "shop")
    shop.trade_a_day()
    shop.deliver("b2", "2025-03-02", orders=[order("O-2")])
    yield shop
    shop.lake.close()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (BIRTHPLACE, "column birthplace: none -> string"),
        (ZIP_AS_NUMBER, "column zip_code: string -> bigint"),
        (CITY_UNTRACKED, "tracked: city -> none"),
        (CITY_KEPT, "ignore null updates: none -> city"),
        (CREATED_ONLY, "sequence: updated_timestamp, created_timestamp -> created_timestamp"),
        (KEY_OF_TWO, "key: customer_id -> customer_id, email"),
        (IN_NEW_YORK, "timezone: UTC -> America/New_York"),
        (KEY_LOWERED, "spelling of the key: none -> customer_id lower"),
        (FULL_EXTRACTS, "delivery: changes -> snapshot"),
    ],
)
def test_another_shape_of_a_feed_in_production_is_refused_with_the_way_out(
    traded: Shop, changed: tuple[str, str], said: str
) -> None:
    with another_contract(traded, changed), pytest.raises(ContractError) as caught:
        traded.run()
    assert caught.value.code == "contract_changed"
    assert said in caught.value.message
    assert "customers" in caught.value.message
    assert caught.value.file == "contracts/customers.yaml"
    assert "`cartlake rebuild" in str(caught.value.hint)


@contextmanager
def another_contract(shop: Shop, *changes: tuple[str, str]) -> Iterator[None]:
    """The shop's customers have a contract with these changes, for a while."""
    contract = shop.change_contract("customers", *changes)
    try:
        yield
    finally:
        contract.unlink()
        shop.lake.close()


def test_after_a_refused_shape_people_read_what_was_published_and_the_old_contract_publishes_what_waits(
    shop: Shop,
) -> None:
    shop.trade_a_day()
    before = shop.production()
    shop.deliver("b2", "2025-03-02", orders=[order("O-2")])
    with another_contract(shop, BIRTHPLACE):
        with pytest.raises(ContractError):
            shop.run()
        assert shop.production() == before
    assert [(r.batch.batch_id, r.batch.status) for r in shop.run().batches] == [("b2", "published")]


def test_with_another_lake_folder_the_archived_files_can_be_dropped_again(shop: Shop) -> None:
    shop.trade_a_day()
    shop.change_contract("customers", BIRTHPLACE)
    settings = load_settings(shop.project, {}, {"engine": {"lake": "lake2"}})
    shop.lake = type(shop.lake)(shop.project, settings=settings)
    for path in (shop.project / "archive").rglob("*.csv"):
        path.rename(shop.landing / path.parent.parent.name / "source" / path.name)
    shop.lake.create_manifest()
    assert [r.batch.status for r in shop.run().batches] == ["published"]
    assert shop.rows("SELECT customer_id, birthplace FROM customers") == [("C-1", None)]


def test_rules_and_the_order_of_columns_may_change_at_any_time(shop: Shop) -> None:
    shop.trade_a_day()
    state = "      - {name: state, logicalType: string}\n"
    city = f"      - {CITY}"
    shop.change_contract("customers", (state, ""), (city, state + city))
    told = [shop.run()]
    shop.deliver("b2", "2025-03-02", customers=[customer("C-2")])
    told.append(shop.run())
    for report in told:
        [notice] = report.notices
        assert notice.startswith("the contract of customers is another one than before: its rules")
        assert "read the 1 of before again" in notice
    assert [r.batch.status for r in told[1].batches] == ["published"]
    assert shop.run().notices == (), "the last file was read by this contract"
    assert shop.rows("SELECT customer_id, state, city FROM customers ORDER BY 1") == [
        ("C-1", "IL", "Springfield"),
        ("C-2", "IL", "Springfield"),
    ]


def test_a_contract_may_change_as_long_as_nothing_of_its_feed_is_in_production(shop: Shop) -> None:
    shop.deliver("b0", products=[product()])
    shop.deliver("b1", customers=[*MANY_BROKEN, customer("C-77", **LOGIN)])
    shop.run()
    assert shop.statuses() == {"b0": "published", "b1": "held"}
    shop.change_contract("customers", BIRTHPLACE, LOGIN_AS_DATE, KEY_OF_TWO)
    shop.lake.release("b1", "known")
    assert [r.batch.status for r in shop.run().batches] == ["published"]
    assert shop.rows("SELECT customer_id, last_login, birthplace FROM customers") == [("C-77", date(2025, 2, 28), None)]
    assert shop.one("SELECT count(*) FROM customer_stage WHERE last_login = DATE '2025-02-28'") == 1
    assert shop.one("SELECT count(*) FROM quarantine") == 25


def test_what_another_batch_had_staged_under_the_contract_before_is_staged_again(shop: Shop) -> None:
    rows = [*MANY_BROKEN, customer("C-77", **LOGIN)]
    shop.deliver("b1", customers=rows)
    shop.run()
    shop.lake.reject("b1", "wrong contract")
    shop.change_contract("customers", LOGIN_AS_DATE)
    shop.drop("customers", "again.csv", rows)
    shop.announce("b2", files=["again.csv"])
    shop.run()
    assert shop.rows("SELECT customer_id, last_login, _batch_id FROM customers") == [("C-77", date(2025, 2, 28), "b2")]


def test_a_run_that_has_staged_under_the_contract_before_begins_again(shop: Shop) -> None:
    shop.deliver("b1", **a_day(customers=[customer(**LOGIN)]))
    for task in TASKS[:5]:
        shop.lake.task(task, run_id="r1")
    shop.change_contract("customers", LOGIN_AS_DATE)
    for task in TASKS[5:]:
        shop.lake.task(task, run_id="r1")
    assert shop.statuses() == {"b1": "ready"}
    assert shop.one("SELECT count(*) FROM publications") == 0
    shop.run()
    assert shop.rows("SELECT customer_id, last_login FROM customers") == [("C-1", date(2025, 2, 28))]


def test_a_lake_that_somebody_only_looked_at_knows_what_its_tables_were_made_with(shop: Shop) -> None:
    shop.lake.batches()
    shop.change_contract("customers", BIRTHPLACE)
    shop.deliver("b1", **a_day())
    shop.run()
    assert shop.rows("SELECT customer_id, birthplace FROM customers") == [("C-1", None)]


# stored models


def with_settings(shop: Shop, **sections: dict[str, object]) -> None:
    shop.lake.close()
    shop.lake = type(shop.lake)(shop.project, settings=load_settings(shop.project, {}, sections))


def test_another_margin_holds_for_all_orders_from_the_next_publication_on(shop: Shop, tmp_path: Path) -> None:
    second = {"orders": [order("O-2", customer_id="C-2", created_timestamp="2025-03-02 12:00:00")]}
    shop.trade_a_day()
    assert shop.one("SELECT total_profit FROM customer_totals") == Decimal("6.0000")
    with_settings(shop, business={"profit_margin_rate": "0.5", "timezone": "Asia/Tokyo"})
    assert shop.one("SELECT total_profit FROM customer_totals") == Decimal("6.0000")
    shop.deliver("b2", "2025-03-02", **second)
    shop.run()
    scratch = Shop(tmp_path / "scratch", business={"profit_margin_rate": "0.5", "timezone": "Asia/Tokyo"})
    scratch.deliver("b1", **a_day())
    scratch.deliver("b2", "2025-03-02", **second)
    scratch.run()
    assert shop.one("SELECT total_profit FROM customer_totals WHERE customer_id = 'C-1'") == Decimal("10.0000")
    assert shop.one("SELECT time_of_day FROM enriched_orders WHERE order_id = 'O-1'") == "Evening"
    assert shop.production() == scratch.production()
    assert shop.rows("SELECT total_profit FROM customer_totals", at="b1") == [(Decimal("6.0000"),)]
    for each in (shop, scratch):
        each.lake.rollback("b1")
    assert shop.one("SELECT total_profit FROM customer_totals") == Decimal("10.0000"), (
        "also of what was there before it"
    )
    assert shop.production() == scratch.production()
    scratch.lake.close()


def test_a_run_without_batches_tells_of_tables_that_other_settings_have_made(shop: Shop) -> None:
    shop.trade_a_day()
    assert shop.run().notices == ()
    with_settings(shop, business={"not_sale_statuses": ("pending",)})
    report = shop.run()
    [told] = report.notices
    assert report.batches == ()
    assert told.startswith("not made with today's settings and SQL: enriched_orders, ")
    assert "cartlake rebuild" in told
    assert shop.lake.status().notices == (told,)
    shop.deliver("b2", "2025-03-02", products=[product("P-2")])
    assert shop.run().notices == shop.lake.status().notices == ()


def test_task_by_task_a_setting_that_changes_in_between_holds_for_the_whole_publication(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    for task in TASKS[:7]:
        shop.lake.task(task, run_id="r1")
    with_settings(shop, business={"profit_margin_rate": "0.5"})
    shop.lake.task("final_merge_operation", run_id="r1")
    assert shop.one("SELECT total_profit FROM customer_totals") == Decimal("10.0000")


TWIN = """kind: table
description: x
grain: customer
key: [customer_id]
columns:
  customer_id: string
{columns}cases: []
"""


def own_model(shop: Shop, sql: str, **columns: str) -> None:
    folder = shop.project / "models"
    folder.mkdir(exist_ok=True)
    (folder / "spenders.sql").write_text(sql)
    listed = "".join(f"  {name}: {kind}\n" for name, kind in columns.items())
    (folder / "spenders.yml").write_text(TWIN.format(columns=listed))
    shop.lake.close()


def test_a_stored_model_with_other_sql_and_columns_is_computed_anew(shop: Shop) -> None:
    own_model(shop, "SELECT customer_id, total_orders AS orders FROM customer_totals", orders="bigint")
    shop.deliver("b1", **a_day())
    shop.run()
    assert shop.rows("SELECT customer_id, orders FROM spenders") == [("C-1", 1)]
    spent = "SELECT customer_id, total_spent AS spent, 'x' AS mark FROM customer_totals"
    own_model(shop, spent, spent="decimal(28,2)", mark="string")
    assert shop.rows("SELECT customer_id, orders FROM spenders") == [("C-1", 1)], "as it was published"
    shop.deliver("b2", "2025-03-02", products=[product("P-2")])
    shop.run()
    assert shop.rows("SELECT customer_id, spent, mark FROM spenders") == [("C-1", Decimal("20.00"), "x")]
    assert shop.rows("SELECT customer_id, orders FROM spenders", at="b1") == [("C-1", 1)]


def test_a_stored_model_may_change_its_columns_before_anything_is_in_it(shop: Shop) -> None:
    nobody = "SELECT customer_id, total_orders AS orders FROM customer_totals WHERE total_orders > 1"
    own_model(shop, nobody, orders="bigint")
    shop.deliver("b1", **a_day())
    shop.run()
    own_model(shop, nobody.replace("orders AS orders", "spent AS spent"), spent="decimal(28,2)")
    shop.deliver("b2", "2025-03-02", products=[product("P-2")])
    shop.run()
    shop.deliver("b3", "2025-03-03", orders=[order("O-2")])
    shop.run()
    assert shop.rows("SELECT customer_id, spent FROM spenders") == [("C-1", Decimal("40.00"))]
