"""The tables are a function of the delivered files and their dates: not of order, runs, repetitions or decisions."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pipeline.shop import Rows, Shop, customer, order, product, shipment, stock

START = datetime(2025, 3, 1, 6)
Row = dict[str, object]


@dataclass(frozen=True)
class Delivery:
    """Files that stay what they are, with the date and revision that travel with them."""

    name: str
    day: date
    revision: int
    feeds: Mapping[str, Rows]

    def land(self, shop: Shop, batch_id: str) -> None:
        names = []
        for feed, rows in self.feeds.items():
            names.append(f"{feed}_{batch_id}.csv")
            shop.drop(feed, names[-1], rows)
        shop.announce(batch_id, self.day.isoformat(), names, revision=self.revision)


# Few times and few keys, so that ties, late rows, late parents and returns after deletes are the rule.
moments = st.integers(0, 7).map(lambda n: str(START + timedelta(hours=9 * n)))
operations = st.sampled_from(["", "", "", "", "D"])


def rows_of(*parts: st.SearchStrategy[Row]) -> st.SearchStrategy[list[Row]]:
    return st.lists(st.tuples(*parts, moments, operations).map(_joined), min_size=1, max_size=4)


def _joined(parts: tuple[object, ...]) -> Row:
    *rows, moment, operation = parts
    joined: Row = {}
    for row in rows:
        assert isinstance(row, dict)
        joined |= row
    return joined | {"created_timestamp": moment, "_op": operation}


def changing(**columns: list[object]) -> st.SearchStrategy[Row]:
    return st.fixed_dictionaries({name: st.sampled_from(values) for name, values in columns.items()})


customers, products, orders_ids = ["C-1", "C-2"], ["P-1", "P-2"], ["O-1", "O-2", "O-3"]
order_rows = rows_of(
    st.sampled_from(orders_ids).map(order),
    changing(
        customer_id=[*customers],
        product_id=["", *products],
        order_amount=["20.00", "35.50"],
        currency=["USD", "USD", "EUR"],
        order_status=["pending", "shipped", "cancelled"],
        order_line=["1", "1", "2"],
        order_date=["2025-03-01", "2025-03-02", ""],
    ),
)
customer_rows = rows_of(
    st.sampled_from(customers).map(customer),
    changing(customer_tier=["gold", "premium"], last_login=["2025-02-28 10:00:00", "2025-02-27 10:00:00"]),
)
product_rows = rows_of(
    st.sampled_from(products).map(product), changing(price=["20.00", "25.00"], category=["Home", "Garden"])
)
stock_rows = rows_of(
    st.tuples(st.sampled_from(products), st.sampled_from(["W-1", "W-2"])).map(lambda key: stock(*key)),
    changing(stock_quantity=["10", "4"], available_quantity=["8", ""]),
)
shipment_rows = rows_of(
    st.tuples(st.sampled_from(["S-1", "S-2", "S-3"]), st.sampled_from(orders_ids)).map(lambda key: shipment(*key)),
    changing(shipping_cost=["5.00", "7.25"], shipping_status=["shipped", "delivered"], currency=["USD", "EUR"]),
)


@st.composite
def deliveries(draw: st.DrawFn, names: str) -> list[Delivery]:
    feeds = {
        "orders": order_rows,
        "customers": customer_rows,
        "products": product_rows,
        "inventory": stock_rows,
        "shipping": shipment_rows,
    }
    made = []
    for name in names:
        left_out = draw(st.sampled_from([None, None, "customers", "shipping", "orders"]))
        rows = {feed: draw(drawn) for feed, drawn in feeds.items() if feed != left_out}
        day = date(2025, 3, draw(st.integers(1, 3)))
        made.append(Delivery(name, day, draw(st.integers(0, 1)), rows))
    return made


# What happens once a delivery landed. Whatever it is, in the end its records are accepted.
STEPS = ("nothing", "run", "run and land again", "reject and land again", "retry")


@st.composite
def courses(draw: st.DrawFn, length: int) -> list[tuple[int, str]]:
    return [(place, draw(st.sampled_from(STEPS))) for place in draw(st.permutations(range(length)))]


def follow(shop: Shop, delivery: Delivery, step: str) -> None:
    delivery.land(shop, delivery.name)
    if step == "nothing":
        return
    shop.run()
    require_totals_are_a_recount(shop)
    if step == "retry":
        shop.lake.retry(delivery.name)
        shop.run()
    if step == "reject and land again":
        shop.lake.reject(delivery.name, "a test")
    if step.endswith("land again"):
        delivery.land(shop, f"{delivery.name}-again")


def require_totals_are_a_recount(shop: Shop) -> None:
    """What moves with every batch, beside what is counted afresh from all order lines."""
    for table, key in (("customer_totals", "customer_id"), ("product_totals", "product_id")):
        counted = f"SELECT {key}, count(DISTINCT order_id) FILTER (is_reporting_currency)"
        sums = ", coalesce(sum(order_amount) FILTER (is_reporting_currency), 0)"
        extremes = ", min(order_date) FILTER (is_reporting_currency), max(order_date) FILTER (is_reporting_currency)"
        total = "total_spent" if table == "customer_totals" else "total_revenue"
        afresh = f"{counted}{sums}{extremes} FROM enriched_orders WHERE is_sale AND {key} IS NOT NULL GROUP BY {key}"
        kept = f"SELECT {key}, total_orders, {total}, first_order_date, last_order_date FROM {table}"
        _require_same(shop, kept, afresh)
    days = (
        "SELECT order_date, count(DISTINCT order_id) FILTER (is_reporting_currency),"
        " coalesce(sum(order_amount) FILTER (is_reporting_currency), 0),"
        " count(DISTINCT customer_id) FILTER (is_reporting_currency)"
        " FROM enriched_orders WHERE is_sale GROUP BY order_date"
    )
    _require_same(shop, "SELECT order_date, total_orders, total_revenue, unique_customers FROM daily_sales", days)


def _require_same(shop: Shop, kept: str, afresh: str) -> None:
    assert sorted(map(repr, shop.rows(kept))) == sorted(map(repr, shop.rows(afresh)))


@pytest.fixture(scope="module")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tables exist; making them takes longer than copying them."""
    project = tmp_path_factory.mktemp("empty") / "shop"
    with Shop(project).lake as lake:
        lake.batches()
    return project


def compare(empty_lake: Path, delivered: list[Delivery], course: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shops = []
        for name in ("whole", "piecewise"):
            shops.append(Shop(Path(folder) / name))
            shutil.copytree(empty_lake / "lake", shops[-1].project / "lake")
        whole, piecewise = shops
        with whole.lake, piecewise.lake:
            for delivery in delivered:
                delivery.land(whole, delivery.name)
            whole.run()
            for place, step in course:
                follow(piecewise, delivered[place], step)
            piecewise.run()
            require_totals_are_a_recount(piecewise)
            assert set(whole.statuses().values()) == {"published"}
            assert whole.production() == piecewise.production()


SLOWLY = (HealthCheck.too_slow, HealthCheck.data_too_large)


@settings(max_examples=4, suppress_health_check=SLOWLY)
@given(delivered=deliveries("ab"), course=courses(2))
def test_any_course_of_the_same_deliveries_makes_the_same_tables(
    empty_lake: Path, delivered: list[Delivery], course: list[tuple[int, str]]
) -> None:
    compare(empty_lake, delivered, course)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=100, suppress_health_check=SLOWLY)
@given(delivered=deliveries("abc"), course=courses(3))
def test_any_course_of_more_deliveries_makes_the_same_tables(
    empty_lake: Path, delivered: list[Delivery], course: list[tuple[int, str]]
) -> None:
    compare(empty_lake, delivered, course)
