from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import statistics
import subprocess
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartlake.errors import UsageError
from cartlake.generate import FAULTS, DayReport, ShopPlan, faults_named, generate

FOLDERS = {
    "orders": "orders_data",
    "customers": "customer_data",
    "products": "products_data",
    "inventory": "inventory_data",
    "shipping": "shipping_data",
}
KEYS = {
    "orders": ("order_id", "order_line"),
    "customers": ("customer_id",),
    "products": ("product_id",),
    "inventory": ("product_id", "warehouse_id"),
    "shipping": ("shipping_id", "order_id"),
}
FIRST_DAY = date(2025, 1, 1)
PLAN = ShopPlan(days=10, orders_per_day=60, customers=90, products=60, seed=11)
SMALL = ShopPlan(days=5, orders_per_day=30, customers=40, products=30, seed=3)
Record = dict[str, str]


def path_of(directory: Path, feed: str, day: date, suffix: str = "") -> Path:
    return directory / "landing" / FOLDERS[feed] / "source" / f"{feed}_{day:%Y_%m_%d}{suffix}.csv"


def records(path: Path) -> list[Record]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


class Shop:
    """The files of a shop, read with the csv module only."""

    def __init__(self, directory: Path, plan: ShopPlan) -> None:
        self.directory = directory
        self.plan = plan
        self.days = [plan.start + timedelta(days=n) for n in range(plan.days)]
        self.files = {
            (feed, day): records(path_of(directory, feed, day)) for feed in FOLDERS for day in self.days
        }  # fmt: skip

    def lines(self, feed: str, day: date) -> list[str]:
        return path_of(self.directory, feed, day).read_bytes().decode().splitlines(keepends=True)

    def rows(self, feed: str, until: date | None = None) -> list[Record]:
        return [row for day in self.days if until is None or day <= until for row in self.files[feed, day]]

    def lives(self, feed: str, until: date | None = None) -> dict[tuple[str, ...], list[Record]]:
        """The events of each key in the order of their time."""
        lives: dict[tuple[str, ...], list[Record]] = defaultdict(list)
        for row in sorted(self.rows(feed, until), key=lambda row: row["updated_timestamp"]):
            lives[tuple(row[column] for column in KEYS[feed])].append(row)
        return lives

    def current(self, feed: str, until: date) -> dict[tuple[str, ...], Record]:
        return {key: life[-1] for key, life in self.lives(feed, until).items() if not life[-1].get("_op")}


def as_of(life: list[Record], time: str) -> Record:
    place = bisect_right([event["updated_timestamp"] for event in life], time)
    return life[max(place - 1, 0)]


def generated(directory: Path, plan: ShopPlan) -> Shop:
    generate(directory, plan)
    return Shop(directory, plan)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return generated(tmp_path_factory.mktemp("shop"), PLAN)


def content(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def digest(directory: Path) -> str:
    sha = hashlib.sha256()
    for name, held in sorted(content(directory).items()):
        sha.update(f"{name} {len(held)}\n".encode() + held)
    return sha.hexdigest()


# -- the same bytes


def test_the_same_plan_gives_the_same_bytes_and_another_seed_gives_others(tmp_path: Path) -> None:
    plan = replace(SMALL, faults=frozenset(FAULTS))
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate(tmp_path / name, replace(plan, seed=seed))
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a") != content(tmp_path / "c")


def test_the_bytes_are_those_that_every_machine_and_python_version_generates(tmp_path: Path) -> None:
    generate(tmp_path, replace(SMALL, faults=frozenset(FAULTS)))
    assert digest(tmp_path) == "4d92e058937e665a3d8b9d9002bb7ce376433cb413e0108b6028f084dcfcc152"


def test_the_bytes_do_not_depend_on_the_hash_seed_of_the_process(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from cartlake.generate import *;"
        "generate(Path(sys.argv[1]), ShopPlan(3, 20, 30, 20, 5, faults=frozenset(FAULTS)))"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", program, str(tmp_path / seed)], check=True, env=environment)
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_generating_twice_into_one_directory_changes_nothing(tmp_path: Path) -> None:
    generate(tmp_path, SMALL)
    before = content(tmp_path)
    generate(tmp_path, SMALL)
    assert content(tmp_path) == before


def test_a_longer_story_begins_with_the_shorter_one(tmp_path: Path) -> None:
    generate(tmp_path / "short", replace(SMALL, days=3))
    generate(tmp_path / "long", SMALL)
    assert content(tmp_path / "short").items() <= content(tmp_path / "long").items()


# -- files and manifests


def test_files_and_manifests_stand_in_the_landing_layout_and_nothing_else_is_left(tmp_path: Path) -> None:
    generate(tmp_path, ShopPlan(1, 5, 5, 5, 1, start=date(2025, 1, 15)))
    assert sorted(content(tmp_path)) == [
        "landing/customer_data/source/customers_2025_01_15.csv",
        "landing/inventory_data/source/inventory_2025_01_15.csv",
        "landing/orders_data/source/orders_2025_01_15.csv",
        "landing/products_data/source/products_2025_01_15.csv",
        "landing/shipping_data/source/shipping_2025_01_15.csv",
        "landing/trigger_file/trigger_2025_01_15.json",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["landing"]


def assert_manifest_is_true(directory: Path, manifest: Path) -> None:
    told = json.loads(manifest.read_text(encoding="utf-8"))
    assert told["data_files_ready"] is True
    assert {file["name"] for file in told["files"]} <= set(told["expected_files"])
    for file in told["files"]:
        held = path_of(directory, file["name"].split("_")[0], FIRST_DAY).with_name(file["name"]).read_bytes()
        assert file == {
            "name": file["name"],
            "rows": held.count(b"\n") - 1,
            "bytes": len(held),
            "sha256": hashlib.sha256(held).hexdigest(),
        }


def test_manifests_name_rows_bytes_and_hashes_of_the_files_that_are_there(tmp_path: Path) -> None:
    def check(report: DayReport) -> None:
        for manifest in report.manifests:
            assert_manifest_is_true(tmp_path, manifest)

    reports = generate(tmp_path, replace(SMALL, faults=frozenset(FAULTS)), check)
    assert (
        sum(len(report.manifests) for report in reports) == 5 + 5 + 5 + 2 + 2
    )  # daily, copy, missing, fix, fixed again


def test_every_file_and_manifest_appears_whole_and_a_manifest_after_all_its_files(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from cartlake.generate import *;"
        "note = lambda event, given: event in ('os.rename', 'open') and print(event, *map(str, given), sep='|');"
        "sys.addaudithook(note);"
        "generate(Path(sys.argv[1]), ShopPlan(4, 20, 30, 20, 5, faults=frozenset(FAULTS)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=True, env=environment, capture_output=True, text=True
    )
    events = [line.split("|") for line in run.stdout.splitlines()]
    landing = str(tmp_path / "landing")
    assert not [event for event in events if event[0] == "open" and event[1].startswith(landing)]
    there: set[str] = set()
    for _, _, target in (event[:3] for event in events if event[0] == "os.rename" and event[2].startswith(landing)):
        if target.endswith(".json"):
            announced = set(json.loads(Path(target).read_text(encoding="utf-8"))["expected_files"])
            assert {name for name in announced if "never_sent" not in name} <= there
        there.add(Path(target).name)
    assert len([name for name in there if name.endswith(".json")]) == 4 * 3 + 2


def test_a_manifest_has_the_shape_of_the_shops_own(tmp_path: Path) -> None:
    generate(tmp_path, replace(SMALL, days=1))
    told = json.loads((tmp_path / "landing/trigger_file/trigger_2025_01_01.json").read_text(encoding="utf-8"))
    assert told["trigger_id"] == "batch_2025_01_01_001"
    assert told["batch_date"] == "2025-01-01"
    assert told["trigger_timestamp"] == "2025-01-02T01:00:00Z"
    assert told["expected_files"] == [f"{feed}_2025_01_01.csv" for feed in FOLDERS]


def test_each_day_is_reported_when_it_is_there_and_the_next_is_not(tmp_path: Path) -> None:
    seen: list[tuple[date, int]] = []

    def look(report: DayReport) -> None:
        assert all(path.exists() for path in report.manifests)
        seen.append((report.day, len(list((tmp_path / "landing/trigger_file").iterdir()))))

    reports = generate(tmp_path, replace(SMALL, days=3), look)
    assert seen == [(FIRST_DAY + timedelta(days=n), n + 1) for n in range(3)]
    assert [report.day for report in reports] == [day for day, _ in seen]
    for report in reports:
        assert report.rows == sum(file.rows for file in report.files) > 0
        assert report.bytes == sum(path_of(tmp_path, f.feed, report.day).stat().st_size for f in report.files)
        assert report.faults == ()


# -- a consistent story


def assert_references_hold(shop: Shop) -> None:
    """Every order knows its customer, product and parcel, and every parcel its order, when its batch arrives."""
    for day in shop.days:
        customers, products = shop.current("customers", day), shop.current("products", day)
        orders = {row["order_id"] for row in shop.rows("orders", day)}
        parcels = {row["order_id"] for row in shop.rows("shipping", day)}
        for row in shop.files["orders", day]:
            assert (row["customer_id"],) in customers
            assert (row["product_id"],) in products
            assert row["order_id"] in parcels
        assert {row["order_id"] for row in shop.files["shipping", day]} <= orders
        placed = [row for row in shop.files["orders", day] if row["created_timestamp"] == row["updated_timestamp"]]
        assert {row["order_id"] for row in placed} <= {row["order_id"] for row in shop.files["shipping", day]}


def assert_parents_are_older(shop: Shop) -> None:
    customers, products = shop.lives("customers"), shop.lives("products")
    for row in shop.rows("orders"):
        assert customers[row["customer_id"],][0]["updated_timestamp"] <= row["created_timestamp"]
        assert products[row["product_id"],][0]["updated_timestamp"] <= row["created_timestamp"]


def assert_amounts_are_price_times_quantity(shop: Shop) -> None:
    products = shop.lives("products")
    for row in shop.rows("orders"):
        product = as_of(products[row["product_id"],], row["created_timestamp"])
        amount = Decimal(row["order_amount"])
        assert amount == int(row["quantity"]) * Decimal(product["price"])
        assert 1 <= amount <= 10_000
        assert row["quantity"] == "1" or Decimal(product["price"]) < 400
        assert row["order_date"] == row["created_timestamp"][:10]


def assert_orders_go_where_the_customer_lives(shop: Shop) -> None:
    customers = shop.lives("customers")
    for row in shop.rows("orders"):
        customer = as_of(customers[row["customer_id"],], row["created_timestamp"])
        assert row["shipping_address"].startswith(f"{customer['address']}, {customer['city']}, {customer['state']} ")


def assert_stock_is_the_sum_of_its_positions(shop: Shop) -> None:
    for day in shop.days:
        sums: Counter[str] = Counter()
        positions = shop.current("inventory", day)
        for row in positions.values():
            stock, reserved = int(row["stock_quantity"]), int(row["reserved_quantity"])
            assert int(row["available_quantity"]) == stock - reserved >= 0 <= reserved
            sums[row["product_id"]] += stock
        products = shop.current("products", day)
        assert {key: int(row["stock_quantity"]) for (key,), row in products.items()} == dict(sums)
        assert {key for (key,) in products} == {key for key, _ in positions}


def pieces_by(shop: Shop, day: date, *statuses: str) -> Counter[str]:
    """Pieces of each product whose order had one of the statuses by the end of the day."""
    pieces: Counter[str] = Counter()
    for life in shop.lives("orders").values():
        by_then = {event["order_status"] for event in life if event["updated_timestamp"][:10] <= day.isoformat()}
        if by_then & set(statuses):
            pieces[life[0]["product_id"]] += int(life[0]["quantity"])
    return pieces


def assert_reserved_is_what_is_ordered_and_neither_sent_nor_cancelled(shop: Shop) -> None:
    # On the last day also what is ordered too late to be delivered in the story: left out.
    for day in shop.days[:-1]:
        ordered, gone = pieces_by(shop, day, "pending", "confirmed"), pieces_by(shop, day, "shipped", "cancelled")
        reserved: Counter[str] = Counter()
        for (product, _), row in shop.current("inventory", day).items():
            reserved[product] += int(row["reserved_quantity"])
        assert reserved == ordered - gone


def assert_stock_moves_by_what_is_sent_and_returned_unless_restocked(shop: Shop) -> None:
    for before, day in zip(shop.days, shop.days[1:], strict=False):
        restocked = {
            product
            for (product, _), row in shop.current("inventory", day).items()
            if row["last_restocked"] == day.isoformat()
        }
        then, now = shop.current("products", before), shop.current("products", day)
        sent = pieces_by(shop, day, "shipped") - pieces_by(shop, before, "shipped")
        returned = pieces_by(shop, day, "returned") - pieces_by(shop, before, "returned")
        for (product,) in now.keys() & then.keys():
            if product not in restocked:
                change = int(now[product,]["stock_quantity"]) - int(then[product,]["stock_quantity"])
                assert change == returned[product] - sent[product]


def assert_an_order_is_delivered_after_its_parcels(shop: Shop) -> None:
    for status in ("shipped", "delivered"):
        parcels: dict[str, str] = defaultdict(str)
        for row in shop.rows("shipping"):
            if row["shipping_status"] == status:
                parcels[row["order_id"]] = max(parcels[row["order_id"]], row["updated_timestamp"])
        for row in shop.rows("orders"):
            if row["order_status"] == status:
                assert "" < parcels[row["order_id"]] < row["updated_timestamp"]


def assert_positions_are_empty_or_their_product_goes_too_when_they_are_deleted(shop: Shop) -> None:
    for (product_id, _), life in shop.lives("inventory").items():
        if life[-1]["_op"]:
            product = shop.lives("products")[product_id,][-1]
            assert life[-2]["stock_quantity"] == "0" or product["_op"] == "D"


def assert_times_are_sound(shop: Shop) -> None:
    for feed in FOLDERS:
        for life in shop.lives(feed).values():
            times = [event["updated_timestamp"] for event in life]
            assert len(set(times)) == len(times)
            assert len({event["created_timestamp"] for event in life}) == 1
        for day in shop.days:
            for row in shop.files[feed, day]:
                assert row["created_timestamp"] <= row["updated_timestamp"] <= f"{day} 23:59:59"


def assert_ids_are_not_recycled(shop: Shop) -> None:
    for feed, identity, owner in (
        ("shipping", "shipping_id", "order_id"),
        ("inventory", "inventory_id", "product_id"),
        ("orders", "order_id", "customer_id"),
    ):
        owners: dict[str, str] = {}
        for row in shop.rows(feed):
            assert owners.setdefault(row[identity], row[owner]) == row[owner]


def assert_discontinued_products_are_not_ordered(shop: Shop) -> None:
    for day in shop.days:
        gone = {key for (key,), row in shop.current("products", day).items() if row["discontinued"] == "true"}
        assert not gone & {row["product_id"] for row in shop.files["orders", day]}


def assert_rows_keep_the_row_rules(shop: Shop) -> None:
    for row in shop.rows("customers"):
        assert re.fullmatch(r"[a-z.0-9]+@example\.(com|org|net)", row["email"])
        assert re.fullmatch(r"(\+\d\d? )?555-\d{4}", row["phone"])
        assert row["date_of_birth"] < row["registration_date"] <= row["last_login"] <= row["updated_timestamp"]
        assert row["customer_tier"] in {"bronze", "silver", "gold", "premium"}
    for row in shop.rows("products"):
        if not row["_op"]:
            assert Decimal(row["price"]) > 0 < Decimal(row["weight_kg"])
            assert re.fullmatch(r"\d+x\d+x\d+", row["dimensions_cm"])
            assert row["launch_date"] <= row["updated_timestamp"]
    for row in shop.rows("shipping"):
        assert 0 <= Decimal(row["shipping_cost"]) <= 100
        assert Decimal(row["package_weight"]) > 0 <= Decimal(row["insurance_value"])
        delivered = row["shipping_status"] == "delivered"
        assert row["actual_delivery"] == (row["updated_timestamp"][:10] if delivered else "")
    for feed in ("orders", "products", "shipping"):
        assert {row["currency"] for row in shop.rows(feed) if not row.get("_op")} <= {"USD"}


def assert_statuses_progress(shop: Shop) -> None:
    ways = {
        "orders": ("pending", "confirmed", "shipped", "delivered", "returned"),
        "shipping": ("processing", "shipped", "in_transit", "delivered"),
    }
    for feed, way in ways.items():
        for life in shop.lives(feed).values():
            statuses = [event[f"{feed.removesuffix('s') if feed == 'orders' else feed}_status"] for event in life]
            if statuses[-1] == "cancelled":
                assert set(statuses[:-1]) <= set(way[:2])
            else:
                assert [way.index(status) for status in statuses] == sorted({way.index(s) for s in statuses})


def assert_each_file_has_its_new_orders(shop: Shop) -> None:
    known: set[str] = set()
    for day in shop.days:
        orders = {row["order_id"] for row in shop.files["orders", day]}
        assert len(orders - known) == shop.plan.orders_per_day
        known |= orders


CLAIMS = (
    assert_references_hold,
    assert_parents_are_older,
    assert_amounts_are_price_times_quantity,
    assert_orders_go_where_the_customer_lives,
    assert_stock_is_the_sum_of_its_positions,
    assert_reserved_is_what_is_ordered_and_neither_sent_nor_cancelled,
    assert_stock_moves_by_what_is_sent_and_returned_unless_restocked,
    assert_an_order_is_delivered_after_its_parcels,
    assert_positions_are_empty_or_their_product_goes_too_when_they_are_deleted,
    assert_times_are_sound,
    assert_ids_are_not_recycled,
    assert_discontinued_products_are_not_ordered,
    assert_rows_keep_the_row_rules,
    assert_statuses_progress,
    assert_each_file_has_its_new_orders,
)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__.removeprefix("assert_"))
def test_in_a_clean_shop(shop: Shop, claim: object) -> None:
    assert callable(claim)
    claim(shop)


@settings(max_examples=15, deadline=None)
@given(
    plan=st.builds(
        ShopPlan,
        days=st.integers(1, 9),
        orders_per_day=st.integers(0, 60),
        customers=st.integers(1, 40),
        products=st.integers(1, 60),
        seed=st.integers(),
        start=st.dates(date(2020, 2, 25), date(2030, 1, 1)),
    )
)
def test_every_small_shop_is_consistent(tmp_path_factory: pytest.TempPathFactory, plan: ShopPlan) -> None:
    small = generated(tmp_path_factory.mktemp("small"), plan)
    for claim in CLAIMS:
        claim(small)


def test_the_first_day_delivers_everything_and_later_days_only_what_changed(shop: Shop) -> None:
    first = shop.days[0]
    assert {row["customer_id"] for row in shop.files["customers", first]} == {str(1001 + n) for n in range(90)}
    assert {f"P{n:05d}" for n in range(1, 61)} <= {row["product_id"] for row in shop.files["products", first]}
    for day in shop.days[1:]:
        assert len(shop.files["customers", day]) < 15


def test_in_ten_days_everything_happens_that_a_shop_lives_through(tmp_path: Path) -> None:
    shop = generated(tmp_path, ShopPlan(10, 100, 400, 100, 5))
    lives = {feed: list(shop.lives(feed).values()) for feed in FOLDERS}

    def changes(feed: str, column: str) -> int:
        return sum(len({event[column] for event in life if not event.get("_op")}) > 1 for life in lives[feed])

    for feed, column in (
        ("customers", "address"),
        ("customers", "customer_tier"),
        ("customers", "email"),
        ("products", "price"),
        ("products", "discontinued"),
        ("inventory", "last_restocked"),
    ):
        assert changes(feed, column), column
    assert {life[-1]["order_status"] for life in lives["orders"]} >= {"delivered", "cancelled", "returned"}
    launched = {life[0]["product_id"] for life in lives["products"] if life[0]["launch_date"] > "2025"}
    assert launched & {row["product_id"] for row in shop.rows("orders")}
    registered = {life[0]["customer_id"] for life in lives["customers"] if life[0]["registration_date"] > "2025"}
    assert registered & {row["customer_id"] for row in shop.rows("orders")}
    assert {row["_op"] for row in shop.rows("products")} == {row["_op"] for row in shop.rows("inventory")} == {"", "D"}
    assert {row["order_line"] for row in shop.rows("orders")} == {"1", "2", "3", "4"}
    parcels = {row["shipping_id"]: row["order_id"] for row in shop.rows("shipping")}
    assert set(Counter(parcels.values()).values()) == {1, 2}
    houses = Counter(product for product, _ in shop.current("inventory", shop.days[0]))
    assert set(houses.values()) == {1, 2, 3}


def test_some_orders_of_yesterday_arrive_today_with_their_own_times(shop: Shop) -> None:
    late = [
        row
        for day in shop.days
        for row in shop.files["orders", day]
        if row["created_timestamp"] == row["updated_timestamp"] and row["order_date"] < day.isoformat()
    ]
    assert {row["order_date"] for row in late} == {day.isoformat() for day in shop.days[:-1]}


def test_an_address_of_yesterday_is_corrected_today_in_the_same_city(tmp_path: Path) -> None:
    shop = generated(tmp_path, ShopPlan(4, 0, 2000, 1, 5))
    corrected = 0
    for life in shop.lives("customers").values():
        for before, moved, after in zip(life, life[1:], life[2:], strict=False):
            days = (date.fromisoformat(event["updated_timestamp"][:10]) for event in (moved, after))
            is_next_day = next(days) + timedelta(days=1) == next(days)
            changed = before["address"] != moved["address"] != after["address"]
            corrected += is_next_day and changed and moved["city"] == after["city"]
    assert corrected >= 5


def test_a_customer_changes_or_is_corrected_at_most_once_a_day(tmp_path: Path) -> None:
    shop = generated(tmp_path, ShopPlan(4, 0, 20_000, 1, 5))
    for day in shop.days:
        rows = shop.files["customers", day]
        assert len({row["customer_id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("seed", range(4))
def test_stock_is_there_however_much_is_sold_on_a_day(tmp_path: Path, seed: int) -> None:
    assert_stock_is_the_sum_of_its_positions(generated(tmp_path, ShopPlan(1, 3000, 20, 60, seed)))


def test_most_orders_are_placed_by_day_and_some_at_every_hour(tmp_path: Path) -> None:
    shop = generated(tmp_path, ShopPlan(1, 1000, 50, 50, 2))
    hours = Counter(int(row["created_timestamp"][11:13]) for row in shop.rows("orders") if row["order_line"] == "1")
    assert set(hours) == set(range(24))
    assert sum(hours[hour] for hour in range(9, 21)) > 700
    assert hours[3] < 50


def test_no_ordinary_day_looks_like_an_anomaly_of_mass(tmp_path: Path) -> None:
    reports = generate(tmp_path, ShopPlan(28, 150, 1500, 300, 9))
    for feed in FOLDERS:
        rows = [next(file.rows for file in report.files if file.feed == feed) for report in reports]
        for n in range(7, len(rows)):
            middle = statistics.median(rows[:n])
            spread = statistics.median(abs(count - middle) for count in rows[:n])
            assert 0.6745 * abs(rows[n] - middle) <= 3.5 * max(spread, 1, middle / 100), (feed, n, rows)


# -- what is refused


def test_an_unknown_fault_is_refused_with_the_closest_names() -> None:
    with pytest.raises(UsageError, match="no fault named 'orfans'") as caught:
        replace(SMALL, faults=faults_named("orfans,ties"))
    assert caught.value.code == "fault_unknown"
    assert caught.value.hint == "Did you mean `orphans`?"


def test_faults_are_named_one_by_one_or_all_together() -> None:
    assert faults_named("all") == frozenset(FAULTS)
    assert faults_named(" ties, drift ") == {"ties", "drift"}
    assert faults_named("") == frozenset()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"days": 0}, "--days is 0, the least is 1"),
        ({"orders_per_day": -1}, "--orders-per-day is -1, the least is 0"),
        ({"customers": 0}, "--customers is 0, the least is 1"),
        ({"products": 0}, "--products is 0, the least is 1"),
        ({"start": date(1899, 1, 1)}, "--start is 1899-01-01, not between 2000-01-01 and 2200-01-01"),
    ],
)
def test_a_plan_out_of_range_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        replace(SMALL, **change)
    assert caught.value.exit_code == 2


# -- faults


FAULTY = ShopPlan(days=5, orders_per_day=30, customers=60, products=30, seed=21)
LAST = FIRST_DAY + timedelta(days=4)


class Faulty:
    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.landed: dict[tuple[date, str], bytes] = {}
        self.reports = generate(directory, replace(FAULTY, faults=frozenset({name})), self._keep)
        self.counts = {r.day: sum(f.count for f in r.faults) for r in self.reports}
        for report in self.reports:
            assert {fault.name for fault in report.faults} <= {name}
            expected = {name for m in report.manifests for name in json.loads(m.read_text())["expected_files"]}
            assert {file for fault in report.faults for file in fault.files} <= expected

    def _keep(self, report: DayReport) -> None:
        for file in report.files:
            path = path_of(self.directory, file.feed, report.day).with_name(file.name)
            self.landed[report.day, file.name] = path.read_bytes()

    def held(self, feed: str, day: date) -> bytes:
        return self.landed[day, f"{feed}_{day:%Y_%m_%d}.csv"]

    def added(self, clean: Shop, feed: str, day: date) -> list[str]:
        """The lines on top of the clean ones, which stand before them as they are."""
        lines = self.held(feed, day).decode().splitlines(keepends=True)
        before = clean.lines(feed, day)
        assert lines[: len(before)] == before
        return lines[len(before) :]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return generated(tmp_path_factory.mktemp("clean"), FAULTY)


def parsed(clean: Shop, feed: str, lines: Iterable[str]) -> list[Record]:
    return list(csv.DictReader(io.StringIO("".join(lines)), clean.lines(feed, FIRST_DAY)[0].strip().split(",")))


def tolerant(content: bytes) -> list[Record]:
    """Records by column, whatever the mark, delimiter, line ends and spelling."""
    lines = content.decode("utf-8-sig").splitlines()
    rows = csv.reader(lines, delimiter=";" if ";" in lines[0] else ",")
    header = next(rows)
    return [dict(zip(header, map(canonical, row), strict=False)) for row in rows]


def canonical(text: str) -> str:
    return text.lower().replace(" ", "_").replace("-", "_")


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_is_on_top_of_the_clean_records_which_stay_as_they_are(tmp_path: Path, clean: Shop, name: str) -> None:
    faulty = Faulty(tmp_path, name)
    assert sum(faulty.counts.values()) > 0
    for (feed, day), _ in clean.files.items():
        before = tolerant(path_of(clean.directory, feed, day).read_bytes())
        after = tolerant(faulty.held(feed, day))[: len(before)]
        dropped = {"package_dimensions"} if "package_dimensions" not in after[0] and feed == "shipping" else set()
        assert [{k: v for k, v in row.items() if k != "loyalty_points"} for row in after] == [
            {k: v for k, v in row.items() if k not in dropped} for row in before
        ]
        assert not dropped or name == "drift"


def test_bad_rows_are_bad_in_the_ways_their_description_names(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "bad_rows")
    for day in clean.days:
        amount, unclosed, no_key, short, long = faulty.added(clean, "orders", day)
        assert "about twenty" in amount
        assert unclosed.count('"') == 1
        assert no_key.startswith(",1,")
        assert [len(next(csv.reader([line]))) for line in (short, long)] == [11, 16]
        (price,) = parsed(clean, "products", faulty.added(clean, "products", day))
        (mail,) = parsed(clean, "customers", faulty.added(clean, "customers", day))
        assert (price["price"], "@" in mail["email"]) == ("-19.99", False)
        assert faulty.counts[day] == 7


def test_orphans_have_no_customer_product_or_order(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "orphans")
    for day in clean.days:
        orders = parsed(clean, "orders", faulty.added(clean, "orders", day))
        parcels = parsed(clean, "shipping", faulty.added(clean, "shipping", day))
        no_customer = [row for row in orders if (row["customer_id"],) not in clean.lives("customers")]
        no_product = [row for row in orders if (row["product_id"],) not in clean.lives("products")]
        no_order = [row for row in parcels if row["order_id"] not in {order["order_id"] for order in orders}]
        assert (len(orders), len(no_customer), len(no_product), len(no_order)) == (2, 1, 1, 1)
        assert faulty.counts[day] == 3


def test_recycled_ids_belong_to_two_orders_and_two_products(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "recycled_ids")
    for day in clean.days:
        for feed, owner in (("shipping", "order_id"), ("inventory", "product_id")):
            (row,) = parsed(clean, feed, faulty.added(clean, feed, day))
            owners = {other[owner] for other in clean.rows(feed) if other[f"{feed}_id"] == row[f"{feed}_id"]}
            assert len(owners - {row[owner]}) == len(owners) == 1
            assert row[owner] in {other[owner] for other in clean.rows(feed)}
        assert row["stock_quantity"] == "0"
        assert faulty.counts[day] == 2


def test_ties_are_two_rows_of_one_key_and_time(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "ties")
    for day in clean.days:
        first, second = parsed(clean, "customers", faulty.added(clean, "customers", day))
        assert {key for key in first if first[key] != second[key]} == {"city"}
        assert faulty.counts[day] == 1


def test_late_parents_come_one_batch_after_their_order(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "late_parents")
    for day, next_day in zip(clean.days, clean.days[1:], strict=False):
        (order,) = parsed(clean, "orders", faulty.added(clean, "orders", day))
        parents = parsed(clean, "customers", faulty.added(clean, "customers", next_day))
        assert [parent["customer_id"] for parent in parents] == [order["customer_id"]]
        assert parents[0]["updated_timestamp"] <= order["created_timestamp"]
        assert order["customer_id"] not in faulty.held("customers", day).decode()
        assert faulty.counts[day] == 1
    assert faulty.counts[LAST] == 0
    assert faulty.added(clean, "orders", LAST) == []


def test_deletes_precede_their_upsert_or_follow_it_and_one_is_no_operation(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "deletes")
    first, second = (parsed(clean, "customers", faulty.added(clean, "customers", day)) for day in clean.days[:2])
    unknown, short, odd = first
    assert (unknown["_op"], short["_op"], odd["_op"]) == ("D", "", "X")
    upsert = next(row for row in second if row["customer_id"] == unknown["customer_id"])
    assert upsert["_op"] == ""
    assert upsert["updated_timestamp"] < unknown["updated_timestamp"]
    delete = next(row for row in second if row["customer_id"] == short["customer_id"])
    assert delete["_op"] == "D"
    assert delete["updated_timestamp"] > short["updated_timestamp"]
    assert [faulty.counts[day] for day in clean.days] == [2, 3, 3, 3, 3]


def test_outliers_are_out_of_range(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "outliers")
    for day in clean.days:
        (order,) = parsed(clean, "orders", faulty.added(clean, "orders", day))
        (parcel,) = parsed(clean, "shipping", faulty.added(clean, "shipping", day))
        assert Decimal(order["order_amount"]) > 10_000
        assert Decimal(parcel["shipping_cost"]) > 100
        assert parcel["order_id"] == order["order_id"]
        assert faulty.counts[day] == 2


def test_drift_adds_reorders_and_drops_columns(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "drift")
    for day in clean.days:
        for feed in ("customers", "products", "shipping"):
            before = clean.lines(feed, day)[0].strip().split(",")
            after = faulty.held(feed, day).decode().splitlines()[0].split(",")
            drifted = {
                "customers": [*before, "loyalty_points"],
                "products": before[::-1],
                "shipping": [column for column in before if column != "package_dimensions"],
            }
            assert after == (drifted[feed] if day in (clean.days[1], LAST) else before)
    assert [faulty.counts[day] for day in clean.days] == [0, 3, 0, 0, 3]


def test_mixed_spellings_are_counted_record_by_record(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "mixed_spellings")
    everything = b"".join(faulty.landed.values())
    for word in ("Credit Card", "credit_card", "Debit-Card", "PENDING", "False", "false", "In Transit"):
        assert f",{word},".encode() in everything
    for day in clean.days:
        changed = sum(
            before != after
            for feed in FOLDERS
            for before, after in zip(
                clean.lines(feed, day), faulty.held(feed, day).decode().splitlines(keepends=True), strict=True
            )
        )
        assert faulty.counts[day] == changed > 0


def test_encodings_use_a_mark_semicolons_and_other_line_ends(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "encodings")
    assert faulty.held("customers", LAST).startswith(b"\xef\xbb\xbfcustomer_id,")
    assert faulty.held("products", LAST).startswith(b"product_id;product_name;")
    shipping = faulty.held("shipping", LAST)
    assert shipping.count(b"\r\n") == shipping.count(b"\n") == len(clean.lines("shipping", LAST))
    assert [faulty.counts[day] for day in clean.days] == [0, 3, 0, 0, 3]


def test_duplicates_repeat_records_and_announce_a_file_again(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "duplicates")
    for day in clean.days:
        repeated = faulty.added(clean, "orders", day)
        assert repeated == clean.lines("orders", day)[1:4]
        copy = path_of(tmp_path, "customers", day, "_copy").read_bytes()
        assert copy == faulty.held("customers", day)
        told = json.loads((tmp_path / f"landing/trigger_file/trigger_{day:%Y_%m_%d}_copy.json").read_text())
        assert (told["trigger_id"], told["batch_date"]) == (f"batch_{day:%Y_%m_%d}_copy", day.isoformat())
        assert told["expected_files"] == [f"customers_{day:%Y_%m_%d}_copy.csv"]
        assert faulty.counts[day] == 3 + len(clean.files["customers", day])


def test_corrections_bring_a_files_name_again_with_other_content(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "corrections")
    for day, next_day in ((clean.days[1], clean.days[2]), (clean.days[3], clean.days[4])):
        name = f"customers_{day:%Y_%m_%d}_fix.csv"
        (wrong,), (right,) = (
            list(csv.DictReader(io.StringIO(faulty.landed[landed, name].decode()))) for landed in (day, next_day)
        )
        assert {key for key in wrong if wrong[key] != right[key]} == {"zip_code"}
        first, again = (
            json.loads((tmp_path / f"landing/trigger_file/trigger_{day:%Y_%m_%d}_{label}.json").read_text())
            for label in ("fix", "fix_again")
        )
        assert first["trigger_id"] != again["trigger_id"]
        assert first["batch_date"] == again["batch_date"] == day.isoformat()
        assert first["expected_files"] == again["expected_files"] == [name]
    assert [faulty.counts[day] for day in clean.days] == [0, 0, 1, 0, 1]


def test_missing_files_are_announced_and_are_not_there(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "missing_files")
    for day in clean.days:
        told = json.loads((tmp_path / f"landing/trigger_file/trigger_{day:%Y_%m_%d}_missing.json").read_text())
        (name,) = told["expected_files"]
        assert not list(tmp_path.rglob(name))
        assert faulty.counts[day] == 1


def test_a_late_batch_lands_after_a_newer_one(tmp_path: Path, clean: Shop) -> None:
    faulty = Faulty(tmp_path, "late_batches")
    assert [clean.days.index(report.day) for report in faulty.reports] == [0, 1, 3, 2, 4]
    assert faulty.counts == {day: int(day == clean.days[2]) for day in clean.days}


def test_a_late_batch_is_not_there_when_the_newer_one_lands(tmp_path: Path) -> None:
    there: dict[int, set[str]] = {}

    def look(report: DayReport) -> None:
        there[report.day.day] = {path.name for path in (tmp_path / "landing").rglob("*2025_01_03*")}

    generate(tmp_path, replace(FAULTY, faults=frozenset({"late_batches"})), look)
    assert there[4] == set()
    assert len(there[3]) == 6


def test_manifests_out_of_order_land_together_the_newer_first(tmp_path: Path, clean: Shop) -> None:
    there: list[set[str]] = []

    def look(report: DayReport) -> None:
        there.append({path.name for path in (tmp_path / "landing/trigger_file").iterdir()})

    reports = generate(tmp_path, replace(FAULTY, faults=frozenset({"out_of_order"})), look)
    assert [report.day.day for report in reports] == [2, 1, 3, 4, 5]
    assert there[0] == {"trigger_2025_01_01.json", "trigger_2025_01_02.json"}
    first, second = (json.loads(report.manifests[0].read_text())["trigger_timestamp"] for report in reports[:2])
    assert first < second
    assert [sum(fault.count for fault in report.faults) for report in reports] == [0, 1, 0, 0, 0]


def test_every_fault_has_a_description_and_all_of_them_together_can_be_had(tmp_path: Path) -> None:
    assert all(fault.description for fault in FAULTS.values())
    reports = generate(tmp_path, replace(FAULTY, faults=frozenset(FAULTS)))
    assert {fault.name for report in reports for fault in report.faults} == set(FAULTS)


def test_a_shop_of_one_of_everything_takes_every_fault(tmp_path: Path) -> None:
    for orders in (0, 1):
        reports = generate(tmp_path / str(orders), ShopPlan(5, orders, 1, 1, 1, faults=frozenset(FAULTS)))
        assert len(reports) == 5
