"""Files that vanish, reappear or are shared; decisions and deaths at odd moments; models that are not by key."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cartlake import failpoints
from cartlake.engines.embedded import EmbeddedEngine
from cartlake.errors import ConfigError, EngineError, ModelError, UsageError
from cartlake.ledger import Ledger
from tests.pipeline.shop import TASKS, UNKNOWN_CURRENCY_WARNS, Shop, a_day, customer, order, product, shipment, stock


def test_a_batch_whose_file_vanishes_before_it_is_loaded_waits_for_it(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    shop.lake.task(TASKS[0], run_id="r1")
    (shop.landing / "customer_data" / "source" / "customers_b1.csv").unlink()
    for task in TASKS[1:]:
        shop.lake.task(task, run_id="r1")
    [report] = shop.lake.batches()
    assert (report.batch.status, report.batch.waiting_for) == ("waiting", ("customers_b1.csv",))
    shop.drop("customers", "customers_b1.csv", [customer()])
    assert [r.batch.status for r in shop.run().batches] == ["published"]
    assert shop.one("SELECT count(*) FROM customers") == 1


def test_landing_files_stay_until_their_load_is_in_the_ledger(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.deliver("b1", **a_day())
    shop.lake.batches()
    real = EmbeddedEngine.append

    def failing(self: EmbeddedEngine, table: Any, relation: str) -> int:
        if table.name == "ledger_batch_files":
            raise EngineError("engine_failed", "the disk is full")
        return real(self, table, relation)

    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedEngine, "append", failing)
        with pytest.raises(EngineError):
            shop.run()
    assert len(list(shop.landing.rglob("*.csv"))) == 5
    [report] = shop.run().batches
    assert (report.batch.status, report.counts.rows_in) == ("published", 5)


def test_a_retry_reads_what_was_claimed_and_leaves_what_lies_in_landing(shop: Shop) -> None:
    shop.drop("products", "products.csv", [product("P-1")])
    shop.announce("b1", files=["products.csv"])
    shop.run()
    shop.drop("products", "products.csv", [product("P-9")])
    shop.lake.retry("b1")
    shop.run()
    assert shop.rows("SELECT product_id FROM products") == [("P-1",)]
    shop.announce("b2", "2025-03-02", files=["products.csv"])
    shop.run()
    assert shop.rows("SELECT product_id FROM products ORDER BY 1") == [("P-1",), ("P-9",)]


def test_a_retried_batch_that_never_had_its_files_waits_for_them(shop: Shop) -> None:
    shop.drop("products", "products.csv", [product("P-1")])
    shop.announce("b1", files=["products.csv", "customers.csv"])
    shop.run()
    shop.lake.reject("b1", "never sent")
    shop.run()
    report = shop.lake.retry("b1")
    assert (report.batch.status, report.batch.waiting_for) == ("waiting", ("products.csv", "customers.csv"))
    shop.run()
    [report] = shop.lake.batches()
    assert (report.batch.status, report.batch.waiting_for) == ("waiting", ("customers.csv",))
    shop.drop("customers", "customers.csv", [customer()])
    assert [(r.batch.status, r.counts.rows_staged) for r in shop.run().batches] == [("published", 2)]


def test_a_retried_batch_that_lost_a_file_on_its_way_waits_for_it_too(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    shop.lake.task(TASKS[0], run_id="r1")
    (shop.landing / "customer_data" / "source" / "customers_b1.csv").unlink()
    for task in TASKS[1:]:
        shop.lake.task(task, run_id="r1")
    shop.lake.reject("b1", "it will not come")
    assert shop.lake.retry("b1").batch.waiting_for == ("customers_b1.csv",)
    assert shop.run().batches == ()
    for task in TASKS:
        shop.lake.task(task, batch_id="b1")
    assert shop.statuses() == {"b1": "waiting"}
    shop.drop("customers", "customers_b1.csv", [customer()])
    assert [(r.batch.status, r.counts.rows_staged) for r in shop.run().batches] == [("published", 5)]


def test_a_refused_manifest_cannot_be_retried_and_stops_no_run(shop: Shop) -> None:
    (shop.landing / "trigger_file").mkdir(parents=True, exist_ok=True)
    (shop.landing / "trigger_file" / "bad.json").write_text('{"batch_date": "2025-13-01", "expected_files": ["a.csv"]}')
    shop.run()
    [report] = shop.lake.batches()
    with pytest.raises(UsageError, match="its manifest was refused; correct it and drop it again"):
        shop.lake.retry(report.batch.batch_id)
    shop.deliver("b1", **a_day())
    assert [r.batch.status for r in shop.run().batches] == ["published"]


def test_a_replaced_manifest_takes_its_files_with_it(shop: Shop) -> None:
    shop.drop("customers", "c1.csv", [customer("C-1")])
    shop.announce("b1", files=["c1.csv"])
    shop.run()
    shop.lake.reject("b1", "wrong list")
    shop.drop("customers", "c3.csv", [customer("C-3")])
    shop.announce("b1", files=["c3.csv"], trigger_timestamp="2025-03-01T10:00:00")
    [report] = shop.run().batches
    assert (report.batch.status, report.counts.rows_in) == ("published", 1)
    assert shop.rows("SELECT customer_id FROM customers") == [("C-3",)]
    assert shop.one("SELECT sum(rows_in) FROM batches") == 1


def test_a_repair_is_not_lost_when_something_else_is_published_first(shop: Shop) -> None:
    contract = shop.change_contract("orders", UNKNOWN_CURRENCY_WARNS)
    shop.deliver("b1", **a_day(orders=[order("O-1"), order("O-2", currency="XYZ")]))
    shop.deliver("b2", "2025-03-02", customers=[customer("C-2")])
    shop.run()
    assert shop.one("SELECT count(*) FROM orders") == 2
    contract.unlink()
    shop.lake.close()
    shop.lake.retry("b1")
    shop.lake.task(TASKS[0], batch_id="b1")
    shop.lake.reject("b2", "not ours")
    shop.run()
    assert shop.rows("SELECT order_id FROM orders") == [("O-1",)]


def test_a_file_that_two_batches_share_is_repaired_in_both(shop: Shop) -> None:
    rows = [order("O-1"), order("O-2", currency="XYZ")]
    shop.deliver("b1", **a_day(orders=rows))
    shop.run()
    shop.drop("orders", "again.csv", rows)
    shop.drop("orders", "bad.csv", [order(f"B-{n}", order_amount="?") for n in range(60)])
    shop.announce("b2", files=["again.csv", "bad.csv"])
    shop.run()
    assert shop.statuses()["b2"] == "held"
    shop.change_contract("orders", UNKNOWN_CURRENCY_WARNS)
    shop.lake.retry("b2")
    shop.run()
    shop.run()
    assert shop.rows("SELECT order_id FROM orders ORDER BY 1") == [("O-1",), ("O-2",)]


def test_a_batch_interrupted_right_after_its_publication_is_published(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("b1", **a_day())
    shop.lake.batches()
    real = Ledger.publish

    def interrupted(self: Ledger, publication: Any) -> None:
        real(self, publication)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "publish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            shop.run()
    assert shop.statuses() == {"b1": "published"}
    assert shop.run().batches == ()


def test_the_same_content_twice_in_one_batch_is_staged_once_and_counted_so(shop: Shop) -> None:
    shop.drop("customers", "c1.csv", [customer()])
    shop.drop("customers", "c2.csv", [customer()])
    shop.announce("b1", files=["c1.csv", "c2.csv"])
    [report] = shop.run().batches
    assert vars(report.counts) == {"rows_in": 2, "rows_staged": 1, "rows_quarantined": 0, "rows_duplicate": 1}
    assert shop.one("SELECT count(*) FROM customer_stage") == 1


def test_what_a_manifest_says_of_a_repeated_file_is_checked_too(shop: Shop) -> None:
    shop.drop("customers", "c.csv", [customer()])
    shop.announce("b1", files=["c.csv"])
    shop.run()
    shop.drop("customers", "c.csv", [customer()])
    shop.announce("b2", details=[{"name": "c.csv", "rows": 99}])
    [report] = shop.run().batches
    assert report.batch.status == "failed"
    assert "the manifest says 99" in str(report.batch.reason)


def test_all_rejected_files_of_a_batch_are_named_at_once_and_all_must_come_again(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders="nonsense\n1\n", customers="nonsense\n1\n"))
    [report] = shop.run().batches
    assert set(report.batch.waiting_for) == {"orders_b1.csv", "customers_b1.csv"}
    shop.drop("orders", "orders_b1.csv", [order()])
    assert shop.run().batches == ()
    shop.drop("customers", "customers_b1.csv", [customer()])
    assert [r.batch.status for r in shop.run().batches] == ["published"]


MODEL = """kind: {kind}
description: x
grain: customer
key: [customer_id]
columns:
  customer_id: string
  place: bigint
cases: []
"""


def add_model(shop: Shop, sql: str, kind: str = "table") -> None:
    folder = shop.project / "models"
    folder.mkdir(exist_ok=True)
    (folder / "ranks.sql").write_text(sql)
    (folder / "ranks.yml").write_text(MODEL.format(kind=kind))


def test_a_stored_model_of_ones_own_is_computed_from_everything(shop: Shop) -> None:
    place = "row_number() OVER (ORDER BY total_spent DESC, customer_id)"
    add_model(shop, f"SELECT customer_id, {place} AS place FROM customer_totals")
    shop.deliver("b1", **a_day(orders=[order("O-1"), order("O-2", customer_id="C-2", order_amount="50.00")]))
    shop.run()
    assert shop.rows("SELECT customer_id, place FROM ranks ORDER BY place") == [("C-2", 1), ("C-1", 2)]
    shop.deliver("b2", "2025-03-02", orders=[order("O-3", order_amount="500.00")])
    shop.run()
    assert shop.rows("SELECT customer_id, place FROM ranks ORDER BY place") == [("C-1", 1), ("C-2", 2)]


def test_a_stored_model_over_a_view_is_refused_with_its_file(shop: Shop) -> None:
    add_model(shop, "SELECT customer_id, total_orders AS place FROM customer_analytics")
    with pytest.raises(ModelError, match="customer_analytics") as caught:
        shop.lake.batches()
    assert caught.value.file == "models/ranks.sql"


def test_a_table_that_died_while_it_was_made_is_made_again(shop: Shop) -> None:
    (shop.project / "lake" / "orders" / "_delta_log").mkdir(parents=True)
    shop.deliver("b1", **a_day())
    assert [r.batch.status for r in shop.run().batches] == ["published"]


def test_stock_of_several_warehouses_as_of_the_order(shop: Shop) -> None:
    orders = [order(), order("O-2", created_timestamp="2025-03-02 08:00:00")]
    shop.deliver("b1", "2025-03-02", **a_day(orders=orders, inventory=[stock("P-1", "W-1"), stock("P-1", "W-2")]))
    later = stock("P-1", "W-2", stock_quantity="1", available_quantity="-1", created_timestamp="2025-03-02 08:00:00")
    more = stock("P-1", "W-1", stock_quantity="99", available_quantity="97", created_timestamp="2025-03-02 09:00:00")
    changed = [later | {"reserved_quantity": "0", "available_quantity": "1"}, more]
    shop.deliver("b2", "2025-03-02", inventory=changed, shipping=[shipment("S-2")])
    shop.run()
    shown = "inventory_stock_quantity, price_difference, shipping_count"
    found = shop.rows(f"SELECT {shown} FROM enriched_orders ORDER BY order_id")
    assert found == [(20, Decimal("0.00"), 2), (11, Decimal("0.00"), 0)]


@pytest.fixture(scope="module")
def unused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop in which nothing happened yet, to be asked."""
    made = Shop(tmp_path_factory.mktemp("unused") / "shop")
    yield made
    made.lake.close()


@pytest.mark.parametrize(
    "sql",
    [
        "COPY orders TO 'x.csv'",
        "SELECT 1; SELECT 2",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        'SELECT * FROM (WITH "/etc/passwd" AS (SELECT 1) SELECT 1) a, "/etc/passwd" b',
        "SELECT (WITH duckdb_tables AS (SELECT 1 AS n) SELECT n FROM duckdb_tables), d.* FROM duckdb_tables d",
        "WITH a AS (SELECT * FROM sqlite_master), sqlite_master AS (SELECT 1 AS n) SELECT * FROM a, sqlite_master",
        "SELECT getenv('HOME')",
        "ATTACH 'x.db'",
        "PRAGMA database_list",
    ],
)
def test_a_query_is_one_select_over_published_names(unused: Shop, sql: str) -> None:
    with pytest.raises(UsageError):
        unused.lake.query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH one AS (SELECT 1 AS n), two AS (SELECT n + 1 AS n FROM one) SELECT * FROM TWO",
        "WITH RECURSIVE up AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM up WHERE n < 2) SELECT max(n) AS n FROM up",
        "WITH orders AS (SELECT count(*) + 2 AS n FROM orders) SELECT n FROM (SELECT * FROM orders) o",
    ],
)
def test_a_query_may_name_its_parts(unused: Shop, sql: str) -> None:
    assert unused.one(sql) == 2


@pytest.mark.parametrize(
    "end", [" -- all of them", ";", " ; -- all of them", "; /* all;\n of */ -- them", ";;\n", "\n-- all\n;\n-- of them"]
)
def test_a_query_may_end_in_semicolons_and_comments(unused: Shop, end: str) -> None:
    assert unused.one(f"SELECT count(*) FROM orders{end}") == 0


def test_times_within_lists_structs_and_maps_are_utc_like_all_others(shop: Shop) -> None:
    shop.deliver("b1", customers=[customer()])
    shop.run()
    [row] = shop.rows("SELECT list(valid_from), {'at': max(valid_from)}, map {1: max(valid_from)} FROM customers")
    at = datetime(2025, 3, 1, 8, tzinfo=UTC)
    assert row == ([at], {"at": at}, {1: at})


@pytest.mark.posix
@pytest.mark.parametrize("name", ["it's", 'a "lake"', "50% off", "a*[b]?", "k=v"])
def test_a_project_folder_may_have_signs_in_its_name(tmp_path: Path, name: str) -> None:
    made = Shop(tmp_path / name)
    made.deliver("b1", customers=[customer()])
    made.run()
    assert made.rows("SELECT customer_id FROM customers") == [("C-1",)]
    made.lake.close()


@pytest.mark.posix
@pytest.mark.parametrize("name", ["two\nlines", "a\tb", "back\\slash", "100%20"])
def test_a_folder_whose_name_no_table_can_have_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    made = Shop(tmp_path / name)
    with pytest.raises(ConfigError, match="cannot hold Delta tables") as caught:
        made.run()
    assert (caught.value.code, caught.value.exit_code) == ("lake_path", 3)
    assert not (made.project / "lake").exists()


def test_a_project_where_nothing_can_be_written_can_be_looked_at(shop: Shop) -> None:
    shop.trade_a_day()
    shop.run()
    shop.lake.close()
    state = shop.project / ".cartlake"
    shutil.rmtree(state)
    state.write_bytes(b"")  # as good as a read-only disk, for root too
    assert shop.one("SELECT count(*) FROM orders") == 1
    assert shop.lake.verify().findings == ()
    with pytest.raises(EngineError, match="cannot be written to") as refused:
        shop.run()
    assert refused.value.code == "lock_failed"
    shop.lake.close()
    state.unlink()
    assert shop.run().batches == ()


def test_one_name_in_the_folders_of_two_feeds_is_told_of_where_quiet_files_announce_themselves(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", landing={"trigger": "quiet", "quiet_seconds": 0.001})
    shop.drop("orders", "export.csv", [order()])
    shop.drop("customers", "export.csv", [customer()])
    [told] = shop.run().notices
    assert told.startswith("orders_data/source/export.csv, customer_data/source/export.csv have one name")
    shop.lake.close()


def test_a_quiet_file_that_cannot_be_removed_makes_one_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: str) -> None:
        if place == "landing: remove":
            raise PermissionError

    shop = Shop(tmp_path / "shop", landing={"trigger": "quiet", "quiet_seconds": 0.001})
    monkeypatch.setattr(failpoints, "on_reach", refuse)
    shop.drop("customers", "customers.csv", [customer()])
    runs = [len(shop.run().batches) for _ in range(3)]
    assert runs == [1, 0, 0]
    shop.drop("customers", "customers.csv", [customer(city="Peoria")])
    assert [len(shop.run().batches) for _ in range(2)] == [1, 0]
    assert shop.one("SELECT city FROM customers") == "Peoria"
    shop.lake.close()
