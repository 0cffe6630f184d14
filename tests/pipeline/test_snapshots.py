"""Feeds that deliver full extracts: a key that is not in one any more is deleted, and what guards that."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartlake.lake import Lake
from cartlake.settings import load_settings
from tests.pipeline.shop import Rows, Shop, customer, product

SNAPSHOT = (
    "  - {property: sequenceBy, value: [updated_timestamp, created_timestamp]}\n",
    "  - {property: delivery, value: snapshot}\n",
)
EVERY_SHARE = (
    "    quality:\n",
    "    quality:\n      - {type: custom, engine: cartlake,"
    " implementation: {name: snapshot_deletes_many, threshold: 1}}\n",
)
TEN = [f"P-{n}" for n in range(10)]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "shop")
    shop.change_contract("products", SNAPSHOT)
    return shop


def products(keys: Iterable[str], **changes: object) -> list[dict[str, object]]:
    return [product(key, **changes) for key in keys]


def versions(shop: Shop, key: str) -> list[tuple[object, ...]]:
    """From which to which day of March versions of a product hold."""
    found = shop.rows(f"SELECT valid_from, valid_to FROM products WHERE product_id = '{key}' ORDER BY valid_from")
    return [tuple(at.day if isinstance(at, datetime) else None for at in row) for row in found]


def extract(shop: Shop, day: int, rows: Rows, **more: Any) -> None:
    """The products of a day of March."""
    shop.drop("products", f"products_{day}.csv", rows)
    shop.announce(f"b{day}", f"2025-03-{day:02}", [f"products_{day}.csv"], **more)


def test_a_key_that_a_snapshot_lacks_is_deleted_at_its_time_whenever_it_arrives(shop: Shop) -> None:
    more = [f"Q-{n}" for n in range(6)]
    for day, keys in ((1, TEN), (2, [*TEN[1:], "X-1"]), (4, TEN[:9])):
        extract(shop, day, products([*keys, *more]))
        shop.run()
    assert (versions(shop, "P-0"), versions(shop, "P-9")) == ([(1, 2), (4, None)], [(1, 4)])
    assert versions(shop, "P-5") == [(1, None)]
    assert shop.failed_rules("b2")["snapshot_keys_absent"] == 1
    extract(shop, 3, products([*TEN[:8], *more]))  # late: P-8 was away for a day, P-9 went earlier
    shop.run()
    assert (versions(shop, "P-0"), versions(shop, "P-9")) == ([(1, 2), (3, None)], [(1, 3)])
    assert (versions(shop, "P-8"), versions(shop, "X-1")) == ([(1, 3), (4, None)], [(2, 3)])
    shop.lake.reject("b2", "it was a test system's")
    assert versions(shop, "X-1") == [], "no other snapshot has it"
    assert (versions(shop, "P-0"), versions(shop, "P-9")) == ([(1, None)], [(1, 3)])
    before = shop.production()
    shop.lake.rebuild(from_archive=True)
    assert shop.production() == before


def test_a_record_in_quarantine_is_present_and_one_without_a_key_leaves_every_key_there(shop: Shop) -> None:
    extract(shop, 1, products(TEN))
    extract(shop, 2, [*products(TEN[2:]), product("P-0", price="?")])
    extract(shop, 3, [*products(TEN[3:]), product("", price="?")])
    extract(shop, 4, products(TEN[4:]))
    shop.run()
    assert versions(shop, "P-0") == [(1, 4)]  # present on the 2nd, and nobody can say on the 3rd
    assert versions(shop, "P-1") == [(1, 2)]
    assert (versions(shop, "P-2"), versions(shop, "P-3")) == ([(1, 4)], [(1, 4)])
    assert shop.failed_rules("b3")["snapshot_not_whole"] == 1
    [count] = shop.rows("SELECT rows_in, rows_staged, rows_quarantined FROM batches WHERE batch_id = 'b2'")
    assert count == (9, 8, 1)
    assert shop.lake.verify(deep=True).findings == ()


def test_once_the_key_of_a_record_is_repaired_the_snapshot_tells_what_is_absent(shop: Shop) -> None:
    extract(shop, 1, products(TEN))
    extract(shop, 2, [*products(TEN[2:]), product("", price="19.00")])
    shop.run()
    assert versions(shop, "P-1") == [(1, None)]
    [record] = shop.lake.quarantine()
    shop.lake.fix_record(str(record["id"]), {"product_id": "P-0"}, why="its label was torn", actor="kim")
    shop.run()
    assert (versions(shop, "P-0"), versions(shop, "P-1")) == ([(1, 2), (2, None)], [(1, 2)])


def test_once_a_record_without_a_key_is_discarded_the_snapshot_tells_what_is_absent_and_no_more_once_it_is_open(
    shop: Shop,
) -> None:
    extract(shop, 1, products(TEN))
    extract(shop, 2, [*products(TEN[1:]), product("")])
    shop.run()
    [record] = [str(row["id"]) for row in shop.lake.quarantine()]
    assert shop.lake.discard([record], why="a line of a total").batches == ("b2",)
    shop.run()
    assert versions(shop, "P-0") == [(1, 2)]
    assert shop.lake.replay(ids=[record], why="it may be a product after all").batches == ("b2",)
    shop.run()
    assert versions(shop, "P-0") == [(1, None)]
    shop.lake.rebuild(from_archive=True)
    assert versions(shop, "P-0") == [(1, None)]


def test_a_batch_that_lacks_a_file_is_no_snapshot(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", landing={"wait_for_files": 0, "on_missing": "partial"})
    shop.change_contract("products", SNAPSHOT)
    extract(shop, 1, products(TEN))
    shop.drop("products", "products_2.csv", products(TEN[1:]))
    shop.announce("b2", "2025-03-02", ["products_2.csv", "products_more_2.csv"])
    shop.run()
    assert shop.statuses() == {"b1": "published", "b2": "published"}
    assert versions(shop, "P-0") == [(1, None)]
    assert shop.failed_rules("b2")["snapshot_not_whole"] == 1


def test_what_may_be_no_snapshot_is_held_until_somebody_decides(shop: Shop) -> None:
    """One that lacks many keys, a second one of the same time, and one whose time cannot be right."""
    extract(shop, 1, products(TEN))
    extract(shop, 2, products(TEN[3:]))
    shop.drop("products", "again.csv", products(TEN, price="21.00"))
    shop.announce("again", "2025-03-01", ["again.csv"], trigger_timestamp="2025-03-01T00:00:00Z")
    extract(shop, 5, products(TEN, price="22.00"), trigger_timestamp="2035-03-05T06:00:00Z")
    shop.run()
    held = {batch_id for batch_id, status in shop.statuses().items() if status == "held"}
    assert held in ({"b2", "again", "b5"}, {"b2", "b1", "b5"})
    first, second = sorted(held & {"b1", "again"} | {"b2"})[0], "b2"
    assert shop.failed_rules(first)["snapshot_same_time"] == 1
    assert shop.failed_rules(second)["snapshot_deletes_many"] == 3
    assert shop.failed_rules("b5")["batch_time_ahead"] == 1
    shop.lake.release("b2", "a clearance sale", actor="kim")
    shop.run()
    assert (versions(shop, "P-0"), versions(shop, "P-3")) == ([(1, 2)], [(1, None)])


def test_the_same_content_at_another_time_of_the_day_is_another_snapshot(shop: Shop) -> None:
    morning, evening = "2025-03-01T06:00:00Z", "2025-03-01T18:00:00Z"
    for batch_id, keys, time in (("a", TEN, morning), ("b", TEN[1:], "2025-03-01T12:00:00Z"), ("c", TEN, evening)):
        shop.drop("products", f"{batch_id}.csv", products(keys))
        shop.announce(batch_id, "2025-03-01", [f"{batch_id}.csv"], trigger_timestamp=time)
        shop.run()
    found = shop.rows("SELECT valid_from, valid_to FROM products WHERE product_id = 'P-0' ORDER BY valid_from")
    assert [tuple(at.hour if isinstance(at, datetime) else None for at in row) for row in found] == [
        (6, 12),
        (18, None),
    ]
    assert shop.rows("SELECT rows_staged, rows_duplicate FROM batches WHERE batch_id = 'c'") == [(10, 0)]
    extract(shop, 2, products(TEN))
    shop.drop("customers", "c.csv", [customer()])
    shop.announce("d", "2025-03-03", ["c.csv"])  # no products: no snapshot of them
    shop.run()
    assert shop.one("SELECT count(*) FROM products WHERE is_current") == 10


# --- the tables are a function of the accepted snapshots


@dataclass(frozen=True)
class Extract:
    """What a batch says of each key: a price, `?` (quarantined), or nothing; and whether a record has no key at all."""

    name: str
    day: int
    prices: dict[str, str]
    is_keyless: bool

    @property
    def at(self) -> datetime:
        return datetime(2025, 3, 1, tzinfo=UTC) + timedelta(days=self.day)

    def land(self, shop: Shop, batch_id: str) -> None:
        rows = [product(key, price=price) for key, price in self.prices.items()]
        rows += [product("")] if self.is_keyless else []
        shop.drop("products", f"{batch_id}.csv", rows or "product_id,price,product_name,category\n")
        shop.announce(batch_id, str(self.at.date()), [f"{batch_id}.csv"])


Version = tuple[str, Decimal, datetime, datetime | None]


def reference(extracts: Iterable[Extract]) -> list[Version]:
    """The versions that a plain walk through the extracts makes, whatever order they came in."""
    found: list[Version] = []
    ordered = sorted(extracts, key=lambda extract: extract.day)
    for key in sorted({key for extract in ordered for key in extract.prices}):
        shown: tuple[Decimal, datetime] | None = None
        for extract in ordered:
            price = extract.prices.get(key)
            is_gone = price is None and not extract.is_keyless
            is_new = price not in (None, "?") and (shown is None or shown[0] != Decimal(str(price)))
            if shown and (is_gone or is_new):
                found.append((key, *shown, extract.at))
                shown = None
            if is_new:
                shown = Decimal(str(price)), extract.at
        if shown:
            found.append((key, *shown, None))
    return found


@st.composite
def extracts(draw: st.DrawFn, count: int) -> list[Extract]:
    days = draw(st.permutations(range(count)))
    prices = st.dictionaries(st.sampled_from(["P-1", "P-2", "P-3"]), st.sampled_from(["20.00", "25.00", "?"]))
    rare = st.integers(0, 3).map(lambda n: n == 0)
    return [Extract(f"b{n}", day, draw(prices), draw(rare)) for n, day in enumerate(days)]


STEPS = ("nothing", "run", "run and land again", "reject and land again", "retry", "roll back to it")


@pytest.fixture(scope="module")
def empty_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tables exist, and whose gate lets every snapshot through."""
    shop = Shop(tmp_path_factory.mktemp("empty") / "shop")
    shop.change_contract("products", SNAPSHOT, EVERY_SHARE)
    with shop.lake as lake:
        lake.batches()
    return shop.project


def follow(shop: Shop, extract: Extract, step: str) -> None:
    extract.land(shop, extract.name)
    if step == "nothing":
        return
    shop.run()
    if step == "retry":
        shop.lake.retry(extract.name)
    if step == "reject and land again":
        shop.lake.reject(extract.name, "a test")
    if step == "roll back to it":
        for report in shop.lake.rollback(extract.name, actor="kim"):
            shop.lake.release(report.batch.batch_id, "a test", actor="kim")
    if step.endswith("land again"):
        extract.land(shop, f"{extract.name}-again")


def compare(empty_shop: Path, delivered: Sequence[Extract], steps: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder) / "shop")
        for part in ("lake", "contracts"):
            shutil.copytree(empty_shop / part, shop.project / part)
        with shop.lake:
            for extract, step in zip(delivered, steps, strict=True):
                follow(shop, extract, step)
            shop.run()
            assert set(shop.statuses().values()) <= {"published", "rejected"}
            shown = "SELECT product_id, price, valid_from, valid_to FROM products ORDER BY product_id, valid_from"
            assert shop.rows(shown) == reference(delivered)
            before = shop.production()
            shop.lake.rebuild(["products"])
            assert shop.production() == before


SLOWLY = (HealthCheck.too_slow, HealthCheck.data_too_large)


@settings(max_examples=3, suppress_health_check=SLOWLY)
@given(extracts(3), st.lists(st.sampled_from(STEPS), min_size=3, max_size=3))
def test_any_course_of_the_same_snapshots_makes_the_versions_of_a_plain_walk(
    empty_shop: Path, delivered: list[Extract], steps: list[str]
) -> None:
    compare(empty_shop, delivered, steps)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=60, suppress_health_check=SLOWLY)
@given(extracts(5), st.lists(st.sampled_from(STEPS), min_size=5, max_size=5))
def test_any_course_of_more_snapshots_makes_the_versions_of_a_plain_walk(
    empty_shop: Path, delivered: list[Extract], steps: list[str]
) -> None:
    compare(empty_shop, delivered, steps)


@pytest.mark.parametrize(
    ("day", "zone", "has_time"),
    [
        ("2025-06-01", "UTC", True),
        ("2025-05-31", "UTC", False),
        ("2025-06-02", "Pacific/Auckland", True),
        ("2025-03-01", "Europe/Berlin", False),
    ],
)
def test_a_manifest_that_is_made_for_a_past_day_gives_its_snapshot_the_start_of_that_day(
    shop: Shop, day: str, zone: str, has_time: bool
) -> None:
    now = datetime(2025, 6, 1, 15, 0, tzinfo=UTC)  # 3 a.m. of the 2nd in Auckland
    settings = load_settings(shop.project, {}, {"business": {"timezone": zone}})
    shop.drop("products", f"products_{day}.csv", products(TEN))
    with Lake(shop.project, settings=settings, clock=lambda: now) as lake:
        [written] = lake.create_manifest()
        assert ("trigger_timestamp" in json.loads(written.read_text())) == has_time
        assert [one.batch.status.value for one in lake.run().batches] == ["published"]
        [valid_from] = lake.query("SELECT DISTINCT valid_from FROM products")[1]
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    assert (valid_from["valid_from"] == start) != has_time
