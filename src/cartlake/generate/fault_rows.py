"""Records for faults: like those of the day, under keys of their own that say what they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cartlake.generate.delivery import Delivery, line
from cartlake.generate.files import FEEDS

Record = dict[str, str]


@dataclass(frozen=True)
class Told:
    """What of the day's clean story faults build on: its first order (line 1) and that order's first parcel, if there
    are any; parcels of different orders; positions of different products; how many records of orders were looked at."""

    order: Record | None = None
    parcel: Record | None = None
    parcels: tuple[Record, ...] = ()
    positions: tuple[Record, ...] = ()
    orders: int = 0

    @classmethod
    def of(cls, delivery: Delivery) -> Told:
        orders, parcels = delivery.samples("orders"), delivery.samples("shipping")
        positions = [position for position in delivery.samples("inventory") if not position["_op"]]
        return cls(
            order=orders[0] if orders else None,
            parcel=parcels[0] if parcels else None,
            parcels=_of_different(parcels, "order_id"),
            positions=_of_different(positions, "product_id"),
            orders=len(orders),
        )


def _of_different(records: list[Record], column: str) -> tuple[Record, ...]:
    """The first record of each value of the column."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record[column], record)
    return tuple(first.values())


def tag(delivery: Delivery, kind: str) -> str:
    """The key of a fault's record, unlike any of the shop's: `ORD-OUTLIER-20250103`."""
    return f"{kind}-{delivery.day:%Y%m%d}"


def add(delivery: Delivery, feed: str, *records: Record) -> None:
    delivery.files[feed].write([line(feed, record) for record in records])


def order(like: Record, order_id: str, **changes: str) -> Record:
    return like | {"order_id": order_id} | changes


def parcel(like: Record, order_id: str, **changes: str) -> Record:
    keys = {"shipping_id": f"SHP-{order_id}", "order_id": order_id, "tracking_number": f"TRK-{order_id}"}
    return like | keys | changes


def customer(customer_id: str, day: date, time: str = "00:00:00", **changes: str) -> Record:
    """Somebody who registered at that time."""
    values = (
        f"{customer_id}|Ada|Applewhite|{customer_id.lower()}@example.com|555-0199|1980-05-17|{day}|12 Mill Hill|Leeds|"
        f"West Yorkshire|LS1 4AB|United Kingdom|bronze|{day} {time}|{day} {time}|{day} {time}|"
    )
    return dict(zip(FEEDS["customers"].columns, values.split("|"), strict=True)) | changes


def product(product_id: str, day: date, **changes: str) -> Record:
    """A product without stock, launched on that day."""
    values = (
        f"{product_id}|Oakenby Silent Kettle|Home & Garden|Kitchen|Oakenby|19.99|USD|0|1.200|20x20x25|Black|Steel|"
        f"Oakenby Silent Kettle|{day}|false|{day} 00:00:00|{day} 00:00:00|"
    )
    return dict(zip(FEEDS["products"].columns, values.split("|"), strict=True)) | changes
