"""The change feed: from publication to publication, the net change of each key, whatever was done to the files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from cartlake.engines.base import Row
from cartlake.errors import UsageError
from tests.pipeline.shop import Shop, a_day, customer, order, product, shipment, stock

LATER = "2025-03-02 09:00:00"
FEEDS = ("orders", "customers", "products", "inventory", "shipping")
MODELS = ("enriched_orders", "customer_totals", "product_totals", "daily_sales")


def told(shop: Shop, table: str, since: int | str | None, *columns: str) -> list[tuple[object, ...]]:
    return [(row["_change_type"], *(row[column] for column in columns)) for row in shop.lake.changes(table, since).rows]


def apply(rows: dict[tuple[object, ...], Row], shop: Shop, table: str, since: int | str | None) -> int:
    """A consumer of the feed: keeps a copy of the table; from which publication it goes on."""
    found = shop.lake.changes(table, since)
    for row in found.rows:
        key = tuple(row[name] for name in found.key)
        values = {name: value for name, value in row.items() if name == "_sequence" or not name.startswith("_")}
        if row["_change_type"] in ("delete", "update_preimage"):
            assert rows.pop(key) == values, "what leaves is what was there"
        else:
            assert key not in rows
            rows[key] = values
    return found.publication_id


def as_it_is(shop: Shop, table: str) -> dict[tuple[object, ...], Row]:
    rows: dict[tuple[object, ...], Row] = {}
    apply(rows, shop, table, None)
    return rows


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """b1, then b2: a customer moved, another came, an order was deleted; nothing of the products."""
    shop = Shop(tmp_path_factory.mktemp("feed") / "shop")
    shop.deliver("b1", **a_day(orders=[order(), order("O-2")]))
    shop.deliver(
        "b2",
        "2025-03-02",
        orders=[order("O-2", _op="D", created_timestamp=LATER), order("O-1", _op="", updated_timestamp=LATER)],
        customers=[customer(city="Peoria", created_timestamp=LATER), customer("C-2", created_timestamp=LATER)],
    )
    shop.run()
    yield shop
    shop.lake.close()


def test_the_feed_tells_what_a_publication_changed_with_the_row_before_and_after(traded: Shop) -> None:
    assert told(traded, "customers", "b1", "customer_id", "city", "is_current") == [
        ("update_preimage", "C-1", "Springfield", True),
        ("update_postimage", "C-1", "Springfield", False),
        ("insert", "C-1", "Peoria", True),
        ("insert", "C-2", "Springfield", True),
    ]
    assert told(traded, "enriched_orders", "b1", "order_id") == [
        ("update_preimage", "O-1"),
        ("update_postimage", "O-1"),
        ("delete", "O-2"),
    ]
    assert told(traded, "products", "b1") == []


def test_each_change_says_with_which_publication_it_became_visible(traded: Shop) -> None:
    publications = traded.rows("SELECT publication_id, published_at, tables['customers'] FROM publications ORDER BY 1")
    found = traded.lake.changes("customers", 0)
    seen = {(row["_publication_id"], row["_commit_timestamp"], row["_commit_version"]) for row in found.rows}
    assert seen == set(publications)
    assert found.publication_id == 2
    assert isinstance(found.rows[0]["_commit_timestamp"], datetime)


def test_without_a_beginning_the_feed_begins_with_all_rows(traded: Shop) -> None:
    count = traded.one("SELECT count(*) FROM customers")
    assert [change for (change,) in told(traded, "customers", None)] == ["insert"] * int(str(count))


def test_reading_nothing_new_is_no_error(traded: Shop) -> None:
    found = traded.lake.changes("customers", "b2")
    assert (found.rows, found.publication_id) == ((), 2)
    assert traded.lake.changes("customers", 2) == found


def test_an_empty_lake_has_an_empty_feed(shop: Shop) -> None:
    assert shop.lake.changes("orders").rows == ()
    assert shop.lake.changes("orders", 0).publication_id == 0


@pytest.mark.parametrize(
    ("table", "since", "said"),
    [
        ("custmers", None, "no stored table"),
        ("customer_analytics", None, "no stored table"),
        ("customers", 7, "no publication 7"),
        ("customers", "b9", "batch 'b9'"),
    ],
)
def test_an_unknown_table_or_beginning_is_refused(traded: Shop, table: str, since: int | str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        traded.lake.changes(table, since)
    assert refused.value.hint


def test_who_follows_the_feed_has_every_table_whatever_is_done_to_the_lake(shop: Shop) -> None:
    copies: dict[str, dict[tuple[object, ...], Row]] = {table: {} for table in (*FEEDS, *MODELS)}
    reached: dict[str, int] = dict.fromkeys(copies, 0)

    def follow() -> int:
        """How many changes there were."""
        before = {table: dict(copy) for table, copy in copies.items()}
        for table, copy in copies.items():
            reached[table] = apply(copy, shop, table, reached[table])
            assert copy == as_it_is(shop, table), table
        return sum(copies[table] != before[table] for table in copies)

    shop.trade_a_day()
    assert follow() == 9
    shop.deliver(
        "b2",
        "2025-03-02",
        orders=[order("O-2", created_timestamp=LATER)],
        products=[product(price="25.00", created_timestamp="2025-03-01 09:00:00")],
        inventory=[stock(_op="D", created_timestamp=LATER)],
        shipping=[shipment("S-2", "O-2", created_timestamp=LATER)],
    )
    shop.run()
    assert follow() > 5
    shop.lake.rebuild()
    assert follow() == 0, "a rebuild makes the same rows"
    shop.lake.rebuild(from_archive=True)
    assert follow() == 0
    shop.lake.rollback("b1")
    assert follow() > 5
    shop.lake.release("b2", "it was right")
    shop.run()
    assert follow() > 5
    shop.lake.reject("b2", "it was not")
    assert follow() > 5


def test_another_column_is_empty_in_the_rows_before_it_came(shop: Shop) -> None:
    shop.deliver("b1", **a_day(customers=[customer(birthplace="Oslo")]))
    shop.run()
    birthplace = ("{name: city, ", "{name: birthplace, logicalType: string}\n      - {name: city, ")
    shop.change_contract("customers", birthplace)
    shop.lake.rebuild(from_archive=True)
    assert told(shop, "customers", "b1", "birthplace") == [("update_preimage", None), ("update_postimage", "Oslo")]


def test_files_that_two_versions_share_are_not_read(traded: Shop) -> None:
    """The customers of b2 came in a file of their own; what both versions hold is no part of the comparison."""
    context = traded.lake._door.context()
    table = next(table for table in context.production_tables if table.name == "shipping")
    version = context.engine.version("shipping")
    with context.engine.scope():
        context.engine.differing(("before", "after"), table, (version, version))
        assert context.engine.rows("SELECT count(*) AS n FROM before")[0]["n"] == 0
