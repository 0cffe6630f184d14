"""Where a file is: before it came, when it has come, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from cartlake.errors import UsageError
from cartlake.lake import Lake
from tests.pipeline.shop import Shop, customer, order, product

NOW = datetime(2025, 3, 2, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A published batch, one that brings the same content again, a failed one, one that waits, and a file that nobody
    announced."""
    made = Shop(tmp_path_factory.mktemp("found") / "shop")
    made.lake = Lake(made.project, settings=made.lake.settings, clock=lambda: NOW)
    sold = [order(), order("O-2", currency="XYZ"), order()]
    made.deliver("b1", orders=sold, customers=[customer()])
    made.run()
    made.deliver("b2", orders=sold)
    made.deliver("b3", "2025-03-02", products="colour,shape\nred,round\n")
    made.announce("b4", "2025-03-03", ["orders_b4.csv", "customers_b4.csv"])
    made.drop("customers", "customers_b4.csv", [customer("C-4")])
    made.drop("products", "Products (1).csv", [product()])
    made.run()
    yield made
    made.lake.close()


def test_a_file_tells_when_it_came_which_batches_have_it_and_where_its_rows_and_its_copy_are(shop: Shop) -> None:
    [found] = shop.lake.files("orders_b1")
    assert (found.status, found.feed, str(found.batch_date)) == ("staged", "orders", "2025-03-01")
    assert found.came_at is not None
    assert found.came_at.replace(microsecond=0) == NOW
    counted = {
        each.batch_id: (each.rows_in, each.rows_staged, each.rows_quarantined, each.rows_duplicate)
        for each in found.announced
    }
    assert counted == {"b1": (3, 1, 1, 1), "b2": (3, 0, 0, 3)}, "the second time all are repetitions"
    assert {each.batch_status for each in found.announced} == {"published"}
    assert found.path is not None
    assert len(found.path.read_bytes()) == found.bytes


def test_a_file_is_found_by_any_of_its_names_and_by_its_hash(shop: Shop) -> None:
    [found] = shop.lake.files("ORDERS_B1")
    assert shop.lake.files("orders_b2.csv") == [found], "the same content under another name"
    assert found.sha256 is not None
    assert shop.lake.files(found.sha256[:12]) == [found]


def test_a_rejected_file_says_why(shop: Shop) -> None:
    [found] = shop.lake.files("products_b3.csv")
    assert (found.status, found.announced[0].batch_status) == ("rejected", "failed")
    assert "header" in str(found.reason)


def test_what_has_not_come_and_what_nobody_named_are_told_apart(shop: Shop) -> None:
    [awaited] = shop.lake.files("orders_b4.csv")
    assert (awaited.status, awaited.came_at, awaited.announced[0].batch_id) == ("awaited", None, "b4")
    [landed] = shop.lake.files("customers_b4.csv")
    assert (landed.status, landed.announced[0].batch_status) == ("landed", "waiting")
    [unannounced] = shop.lake.files("(1)")
    assert (unannounced.status, unannounced.announced, unannounced.feed) == ("landed", (), "products")


def test_all_files_are_listed_the_open_ones_first(shop: Shop) -> None:
    statuses = [each.status for each in shop.lake.files()]
    assert statuses == ["awaited", "landed", "landed", "rejected", "staged", "staged"]


def test_a_copy_that_is_gone_is_not_promised(shop: Shop) -> None:
    [found] = shop.lake.files("customers_b1.csv")
    assert found.path is not None
    kept = found.path.read_bytes()
    found.path.unlink()
    [gone] = shop.lake.files("customers_b1.csv")
    found.path.write_bytes(kept)
    assert (gone.path, gone.status) == (None, "staged")


def test_a_name_that_never_came_names_close_ones(shop: Shop) -> None:
    with pytest.raises(UsageError) as refused:
        shop.lake.files("order_b1.csv")
    assert "orders_b1.csv" in str(refused.value.hint)
