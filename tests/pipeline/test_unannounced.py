"""Files that nobody announced, or that lie where nobody looks: each is told of, and can be announced once."""

from __future__ import annotations

import pytest

from cartlake.errors import UsageError
from tests.pipeline.shop import FOLDERS, Shop, order, product


def test_a_manifest_is_created_once_for_what_is_there(shop: Shop) -> None:
    shop.drop("orders", "orders_2025-03-01.csv", [order()])
    [made] = shop.lake.create_manifest()
    assert shop.lake.create_manifest() == []
    found = shop.lake.status()
    assert (found.unannounced, found.notices) == ((), (f"{made.name}: not read yet, the next run does",))
    assert [report.batch.status for report in shop.run().batches] == ["published"]
    assert shop.statuses() == {"2025-03-01-1": "published"}
    assert shop.lake.status().notices == ()


def test_exports_of_one_name_in_several_folders_are_told_of_and_announced_by_nobody(shop: Shop) -> None:
    shop.drop("orders", "export.csv", [order()])
    shop.drop("products", "export.csv", [product()])
    with pytest.raises(
        UsageError, match=r"orders_data/source/export\.csv, products_data/source/export\.csv"
    ) as refused:
        shop.lake.create_manifest()
    assert "name of its own" in str(refused.value.hint)
    assert list(shop.manifests.iterdir()) == []
    [told] = shop.run().notices
    assert "have one name" in told
    assert shop.lake.status().notices == (told,)


def test_files_beside_the_folders_where_files_land_are_told_of(shop: Shop) -> None:
    (shop.landing / "orders.csv").write_text("order_id\n")
    for number in range(7):
        (shop.landing / FOLDERS["orders"] / f"orders_{number}.csv").write_text("order_id\n")
    (shop.landing / "notes.md").write_text("ours")
    assert shop.run().notices == shop.lake.status().notices
    in_landing, in_orders = shop.lake.status().notices
    assert in_landing == "landing: orders.csv not looked at; files land in <feed's folder>/source"
    assert in_orders.startswith("landing/orders_data: orders_0.csv, ")
    assert "orders_4.csv and 2 more not looked at" in in_orders


def test_a_batch_says_where_the_file_lies_that_it_waits_for_if_no_contract_reads_that_folder(shop: Shop) -> None:
    folder = shop.landing / "auftraege" / "source"
    folder.mkdir(parents=True)
    (folder / "Orders.csv").write_text("order_id\n")
    shop.announce("b1", files=["orders.csv", "products.csv"])
    for _ in range(2):
        shop.run()
    [report] = shop.lake.batches()
    said = "orders.csv (lies in landing/auftraege/source, which no contract reads), products.csv"
    assert (report.batch.status, report.batch.reason) == ("waiting", f"waiting for {said}")
    shop.drop("products", "products.csv", [product()])
    (folder / "Orders.csv").unlink()
    shop.drop("orders", "orders.csv", [order()])
    shop.run()
    assert shop.statuses() == {"b1": "published"}


def test_a_refused_manifest_is_told_by_the_run_and_forgotten_once_it_is_gone(shop: Shop) -> None:
    shop.drop("orders", "orders.csv", [order()])
    wrong = shop.announce("b1", "01.03.2025", ["orders.csv"])
    [told] = shop.run().notices
    assert told.startswith("b1.json is refused: ")
    assert shop.run().notices == ()
    assert list(shop.statuses().values()) == ["failed"]
    wrong.unlink()
    shop.announce("b1", files=["orders.csv"])
    shop.run()
    assert sorted(shop.statuses().values()) == ["published", "rejected"]


def test_what_a_manifest_says_of_its_files_under_unknown_keys_is_told_once(shop: Shop) -> None:
    shop.drop("orders", "orders.csv", [order()])
    shop.announce("b1", files=["orders.csv"], details=[{"name": "orders.csv", "row_count": 7, "md5": "x", "rows": 1}])
    told = "b1.json: of its files nothing reads md5, row_count; known are bytes, rows, sha256"
    assert shop.run().notices == (told,)
    assert shop.statuses() == {"b1": "published"}
    assert shop.run().notices == ()
