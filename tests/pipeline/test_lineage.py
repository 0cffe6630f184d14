"""From a row to the files and lines that it came from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cartlake.errors import UsageError
from cartlake.lineage import RowLineage
from tests.pipeline.shop import Shop, a_day, customer, order, product, shipment, stock


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A customer and a product that change before and after the order, stock in two warehouses, two shipments."""
    made = Shop(tmp_path_factory.mktemp("followed") / "shop")
    made.deliver(
        "b1",
        **a_day(
            customers=[customer("C-0", address="12 Long\nRoad"), customer(), customer("C-2")],
            inventory=[stock(), stock("P-1", "W-2")],
            orders=[order("O-0"), order(created_timestamp="2025-03-01 12:00:00")],
        ),
    )
    made.deliver(
        "b2",
        "2025-03-02",
        customers=[customer(city="Peoria", created_timestamp="2025-03-02 08:00:00")],
        products=[product("P-2"), product(price="21.00", created_timestamp="2025-03-01 11:00:00")],
        inventory=[stock(stock_quantity="9", created_timestamp="2025-03-02 08:00:00")],
        shipping=[shipment("S-2"), shipment("S-3", "O-9"), shipment("S-1", created_timestamp="2025-03-02 09:00:00")],
    )
    made.run()
    yield made
    made.lake.close()


def places(row: RowLineage) -> list[tuple[str, str | None, int | None, str]]:
    return [(origin.table, origin.source_file, origin.line, origin.batch_id) for origin in row.origins]


def test_an_enriched_order_names_the_versions_that_it_shows(shop: Shop) -> None:
    [row] = shop.lake.row_lineage("enriched_orders", ["O-1", "1"])
    assert row.key == {"order_id": "O-1", "order_line": 1}
    assert places(row) == [
        ("orders", "orders_b1.csv", 3, "b1"),
        ("customers", "customers_b1.csv", 4, "b1"),
        ("products", "products_b2.csv", 3, "b2"),
        ("inventory", "inventory_b1.csv", 2, "b1"),
        ("inventory", "inventory_b1.csv", 3, "b1"),
        ("shipping", "shipping_b2.csv", 4, "b2"),
        ("shipping", "shipping_b2.csv", 2, "b2"),
    ], "the price as of the order, the city before the move, shipments as they are now"


def test_a_history_names_the_origin_of_every_version_also_behind_a_line_break(shop: Shop) -> None:
    [row] = shop.lake.row_lineage("customers", ["C-1"])
    assert places(row) == [("customers", "customers_b1.csv", 4, "b1"), ("customers", "customers_b2.csv", 2, "b2")]
    assert row.origins[0].valid_to == row.origins[1].valid_from
    assert [version.line for version in shop.lake.history("customers", ["C-1"])] == [4, 2]
    archived = shop.project / "archive" / str(row.origins[0].archive_path)
    assert archived.read_text().splitlines()[3].startswith("C-1,")


def test_a_key_that_is_cut_short_names_all_its_rows(shop: Shop) -> None:
    rows = shop.lake.row_lineage("inventory", ["P-1"])
    assert [row.key["warehouse_id"] for row in rows] == ["W-1", "W-2"]
    assert [len(row.origins) for row in rows] == [2, 1]


def test_a_line_is_not_guessed_when_the_archive_has_the_file_no_longer(shop: Shop) -> None:
    [row] = shop.lake.row_lineage("customers", ["C-2"])
    archived = shop.project / "archive" / str(row.origins[0].archive_path)
    kept = archived.read_bytes()
    archived.unlink()
    [row] = shop.lake.row_lineage("customers", ["C-2"])
    archived.write_bytes(kept)
    assert places(row) == [("customers", "customers_b1.csv", None, "b1")]


@pytest.mark.parametrize(
    ("table", "key", "said"),
    [
        ("daily_sales", ["2025-03-01"], "not followed"),
        ("enriched_orders", ["O-7"], "has no order_id O-7"),
        ("enriched_orders", ["O-1", "1", "2"], "the key of enriched_orders is order_id, order_line"),
        ("customers", ["C-7"], "has no customer_id C-7"),
    ],
)
def test_what_cannot_be_followed_is_said(shop: Shop, table: str, key: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        shop.lake.row_lineage(table, key)


@pytest.mark.parametrize(
    ("target", "hint"), [("enriched_order", "enriched_orders"), ("orders.ammount", "order_amount")]
)
def test_an_unknown_table_or_column_names_close_ones(shop: Shop, target: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        shop.lake.lineage(target)
    assert hint in str(refused.value.hint)


def test_a_model_of_the_project_is_followed_too(shop: Shop) -> None:
    models = shop.project / "models"
    models.mkdir()
    (models / "towns.sql").write_text("SELECT city, count(*) AS people FROM customers WHERE is_current GROUP BY city")
    twin = "kind: view\ndescription: x\ngrain: x\nkey: [city]\ncolumns: {city: string, people: bigint}\ncases: []\n"
    (models / "towns.yml").write_text(twin)
    shop.lake.close()
    graph = shop.lake.lineage("towns.city")
    assert [(flow.from_relation, flow.how) for flow in graph.sources("towns", "city")] == [("customers", "copied")]
    assert shop.lake.lineage("towns").relation("towns").reads == ("customers",)
