"""The shop's story, told day by day and delivered into a landing folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from pathlib import Path

from cartlake.generate.customers import Customers
from cartlake.generate.delivery import FIRST, DayReport, Delivery, FaultReport, Notice
from cartlake.generate.draw import Calendar
from cartlake.generate.fault_rows import Told
from cartlake.generate.faults import FAULTS
from cartlake.generate.files import FEEDS, Spool
from cartlake.generate.orders import Counter
from cartlake.generate.plan import ShopPlan
from cartlake.generate.shelves import Shelves

PIECE = 10_000
LATER = timedelta(hours=1)


def generate(directory: Path, plan: ShopPlan, on_day: Callable[[DayReport], None] | None = None) -> list[DayReport]:
    """The landing folders under `directory` hold the shop's files and manifests. Each day's manifests are written after
    its files; `on_day` is called when they are there, before the next day lands. Reports come in the order of landing,
    which is that of the dates unless a fault changes it."""
    directory.mkdir(parents=True, exist_ok=True)
    reports: list[DayReport] = []
    with tempfile.TemporaryDirectory(prefix=".generate-", dir=directory) as work:
        for report in _land(_tell(Path(work), plan), directory / "landing"):
            reports.append(report)
            if on_day is not None:
                on_day(report)
    return reports


def _tell(work: Path, plan: ShopPlan) -> Iterator[Delivery]:
    """The deliveries in the order of their dates, faults included."""
    calendar = Calendar(plan.start)
    spools = Spool(work, "orders"), Spool(work, "shipping")
    customers = Customers(plan.seed, plan.customers, calendar)
    shelves = Shelves(plan.seed, plan.products, plan.orders_per_day, calendar)
    counter = Counter(plan.seed, calendar, plan.days - 1, spools)
    for index in range(plan.days):
        delivery = _prepare(work, plan, index)
        if index == 0:
            _open(delivery, customers, shelves)
        else:
            delivery.files["customers"].write(customers.day(index))
        _stock(delivery, shelves.morning(index))
        for orders, parcels in counter.sell(index, plan.orders_per_day, customers, shelves):
            delivery.files["orders"].write(orders)
            delivery.files["shipping"].write(parcels)
        counter.pour(index, delivery.files["orders"], delivery.files["shipping"])
        _stock(delivery, shelves.evening(index))
        _inject(delivery, plan.faults)
        yield delivery


def _prepare(work: Path, plan: ShopPlan, index: int) -> Delivery:
    folder = work / f"{index:05d}"
    folder.mkdir()
    delivery = Delivery(index, plan.start + timedelta(days=index), index == plan.days - 1, folder)
    delivery.files = {feed: delivery.create(feed) for feed in FEEDS}
    delivery.notices = [Notice(delivery.day, FIRST, tuple(delivery.files.values()))]
    return delivery


def _open(delivery: Delivery, customers: Customers, shelves: Shelves) -> None:
    """Everything the shop has before its first day."""
    rows = []
    for row in customers.open():
        rows.append(row)
        if len(rows) == PIECE:
            delivery.files["customers"].write(rows)
            rows = []
    delivery.files["customers"].write(rows)
    for piece in shelves.open():
        _stock(delivery, piece)


def _stock(delivery: Delivery, rows: tuple[list[str], list[str]]) -> None:
    delivery.files["products"].write(rows[0])
    delivery.files["inventory"].write(rows[1])


def _inject(delivery: Delivery, faults: frozenset[str]) -> None:
    told = Told.of(delivery) if faults else Told()
    for name, fault in FAULTS.items():
        if name in faults and (injected := fault.inject(delivery, told)).count:
            delivery.faults.append(FaultReport(name, injected.count, injected.files))


def _land(deliveries: Iterator[Delivery], landing: Path) -> Iterator[DayReport]:
    """A delivery that waits lands with the next one or after it."""
    held: Delivery | None = None
    for delivery in deliveries:
        if delivery.waits != "no":
            held = delivery
            continue
        at = datetime.combine(delivery.day, time(1)) + timedelta(days=1)
        delivery.land_files(landing)
        if held is not None and held.waits == "with":
            held.land_files(landing)
            yield from [delivery.announce(landing, at), held.announce(landing, at + LATER)]
        else:
            yield delivery.announce(landing, at)
            if held is not None:
                held.land_files(landing)
                yield held.announce(landing, at + LATER)
        held = None
