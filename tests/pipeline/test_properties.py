"""The tables are a function of the delivered files and their dates: not of order, runs, repetitions or decisions."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartlake.lake import Lake
from cartlake.settings import load_settings
from tests.conftest import examples
from tests.pipeline.reference import Delivery, Row, production
from tests.pipeline.shop import Shop, customer, order, product, shipment, stock

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

START = datetime(2025, 3, 1, 6)


def land(shop: Shop, delivery: Delivery, batch_id: str) -> None:
    names = []
    for feed, rows in delivery.feeds.items():
        names.append(f"{feed}_{batch_id}.csv")
        shop.drop(feed, names[-1], rows)
    shop.announce(batch_id, delivery.day.isoformat(), names, revision=delivery.revision)


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


FEEDS = {
    "orders": order_rows,
    "customers": customer_rows,
    "products": product_rows,
    "inventory": stock_rows,
    "shipping": shipment_rows,
}


@st.composite
def deliveries(draw: st.DrawFn, names: str, most_feeds: int) -> list[Delivery]:
    """Each with some of the feeds: an event, its date and revision stay what they are, in whatever batch it comes."""
    made = []
    for name in names:
        feeds = draw(st.lists(st.sampled_from(sorted(FEEDS)), min_size=1, max_size=most_feeds, unique=True))
        rows = {feed: draw(FEEDS[feed]) for feed in feeds}
        day = date(2025, 3, draw(st.integers(1, 3)))
        made.append(Delivery(name, day, draw(st.integers(0, 1)), rows))
    return made


# What happens once a delivery landed. Orphans hold a batch, so that many are held on the way.
STEPS = ("nothing", "run", "land again", "reject", "retry", "roll back", "release")
courses = st.lists(st.sampled_from(STEPS), min_size=3, max_size=3)


def follow(shop: Shop, delivery: Delivery, step: str) -> None:
    land(shop, delivery, delivery.name)
    if step == "nothing":
        return
    shop.run()
    statuses = shop.statuses()
    published = sorted(batch_id for batch_id, status in statuses.items() if status == "published")
    if step == "land again":
        land(shop, delivery, f"{delivery.name}-again")
    elif step == "reject":
        shop.lake.reject(delivery.name, "a test")
    elif step == "retry":
        shop.lake.retry(delivery.name)
        shop.run()
    elif step == "roll back" and published:
        shop.lake.rollback(published[0])
    elif step == "release" and statuses[delivery.name] == "held":
        shop.lake.release(delivery.name, "a test")
        shop.run()


def require_as_accepted(shop: Shop, delivered: Sequence[Delivery]) -> None:
    """Production is what the published deliveries make of it, whatever happened on the way."""
    published = {name.removesuffix("-again") for name, status in shop.statuses().items() if status == "published"}
    accepted = [delivery for delivery in delivered if delivery.name in published]
    for table, expected in production(shop.lake._door.context().contracts, accepted).items():
        found = shop.lake.query(f"SELECT * FROM {table}")[1]
        shown = sorted(expected[0] if expected else ())
        assert _values(found, shown) == _values(expected, shown), table
    as_of = shop.lake.status().publication.as_of_date
    assert as_of == max((delivery.day for delivery in accepted), default=as_of)


def _values(rows: Sequence[Mapping[str, object]], shown: Sequence[str]) -> list[tuple[object, ...]]:
    return sorted((tuple(row[name] for name in shown) for row in rows), key=repr)


@pytest.fixture(scope="module")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tables exist; making them takes longer than copying them."""
    project = tmp_path_factory.mktemp("empty") / "shop"
    with Shop(project).lake as lake:
        lake.batches()
    return project


def live(shop: Shop, delivered: Sequence[Delivery], course: Sequence[str], decisions: Sequence[str]) -> None:
    """One way for deliveries to become tables; at the end each held batch is released or rejected."""
    for delivery, step in zip(delivered, course, strict=False):
        follow(shop, delivery, step)
        require_as_accepted(shop, delivered)
    held = [batch_id for batch_id, status in shop.statuses().items() if status == "held"]
    for batch_id, decision in zip(held, decisions, strict=False):
        getattr(shop.lake, decision)(batch_id, "a test")
    shop.run()
    require_as_accepted(shop, delivered)
    shop.lake.rebuild()
    require_as_accepted(shop, delivered)


SLOWLY = (HealthCheck.too_slow, HealthCheck.data_too_large)
DECISIONS = st.lists(st.sampled_from(["release", "release", "reject"]), min_size=6, max_size=6)


def example(empty_lake: Path) -> Iterator[Shop]:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder) / "shop", gate={"hold_on": "high"})
        shutil.copytree(empty_lake / "lake", shop.project / "lake")
        yield shop
        shop.lake.close()


@pytest.mark.timeout(1800)
@settings(max_examples=examples(20), suppress_health_check=SLOWLY)
@given(delivered=deliveries("ab", 2), course=courses, decisions=DECISIONS)
def test_production_is_what_a_plain_reference_makes_of_the_published_deliveries(
    empty_lake: Path, delivered: list[Delivery], course: list[str], decisions: list[str]
) -> None:
    for shop in example(empty_lake):
        live(shop, delivered, course, decisions)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@settings(max_examples=examples(10), suppress_health_check=SLOWLY)
@given(delivered=deliveries("abc", 4), course=courses, decisions=DECISIONS)
def test_production_is_that_of_the_reference_for_more_deliveries(
    empty_lake: Path, delivered: list[Delivery], course: list[str], decisions: list[str]
) -> None:
    for shop in example(empty_lake):
        live(shop, delivered, course, decisions)


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.timeout(7200)
@settings(max_examples=examples(5), suppress_health_check=SLOWLY)
@given(delivered=deliveries("ab", 2), course=courses, decisions=DECISIONS)
def test_production_on_spark_is_that_of_the_reference(
    empty_lake: Path, spark_session: SparkSession, delivered: list[Delivery], course: list[str], decisions: list[str]
) -> None:
    for shop in example(empty_lake):
        given_settings = load_settings(shop.project, {}, {"engine": {"name": "spark"}, "gate": {"hold_on": "high"}})
        shop.lake = Lake(settings=given_settings, spark=spark_session)
        live(shop, delivered, course, decisions)
