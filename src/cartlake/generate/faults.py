"""Named defects that can be put on top of a clean day. They add records, files and manifests under keys of their own or
respell what is there; the clean records keep their values (except a column that `drift` leaves out)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from cartlake.generate.delivery import Delivery, Notice, line
from cartlake.generate.fault_rows import Told, add, customer, order, parcel, product, tag
from cartlake.generate.fault_shapes import change_cells, respell, with_bom, with_crlf
from cartlake.generate.files import FEEDS

REPEATED = 3
SPELLINGS = {
    "orders": {"credit_card": "Credit Card", "debit_card": "Debit-Card", "pending": "PENDING"},
    "products": {"false": "False"},
    "shipping": {"in_transit": "In Transit"},
}


@dataclass(frozen=True)
class Injected:
    """How many defects, in which files."""

    count: int = 0
    files: tuple[str, ...] = ()


NOTHING = Injected()


@dataclass(frozen=True)
class Fault:
    """`inject` changes a day's delivery and says what it did; it may do nothing on some days."""

    description: str
    inject: Callable[[Delivery, Told], Injected]


def _names(delivery: Delivery, *feeds: str) -> tuple[str, ...]:
    return tuple(delivery.files[feed].name for feed in feeds)


def bad_rows(delivery: Delivery, told: Told) -> Injected:
    mail = customer(tag(delivery, "CUST-BAD"), delivery.day, email="nobody.at.example.com")
    price = product(tag(delivery, "P-BAD"), delivery.day, price="-19.99")
    delivery.files["customers"].write([line("customers", mail)])
    delivery.files["products"].write([line("products", price)])
    if told.order is None:
        return Injected(2, _names(delivery, "customers", "products"))
    bad_id = tag(delivery, "ORD-BAD")
    whole = line("orders", order(told.order, bad_id))
    lines = [
        line("orders", order(told.order, bad_id, order_amount="about twenty")),
        f'{bad_id},1,{told.order["customer_id"]},"unclosed\n',
        line("orders", order(told.order, "")),
        whole.rsplit(",", 2)[0] + "\n",
        whole.rstrip("\n") + ",one,too,many\n",
    ]
    delivery.files["orders"].write(lines)
    return Injected(2 + len(lines), _names(delivery, "customers", "products", "orders"))


def orphans(delivery: Delivery, told: Told) -> Injected:
    if told.order is None or told.parcel is None:
        return NOTHING
    for kind, column in (("CUSTOMER", "customer_id"), ("PRODUCT", "product_id")):
        order_id = tag(delivery, f"ORD-NO-{kind}")
        add(delivery, "orders", order(told.order, order_id, **{column: f"NO-SUCH-{kind}"}))
        add(delivery, "shipping", parcel(told.parcel, order_id))
    add(delivery, "shipping", parcel(told.parcel, tag(delivery, "NO-SUCH-ORDER")))
    return Injected(3, _names(delivery, "orders", "shipping"))


def recycled_ids(delivery: Delivery, told: Told) -> Injected:
    feeds = []
    if len(told.parcels) > 1:
        add(delivery, "shipping", told.parcels[1] | {"shipping_id": told.parcels[0]["shipping_id"]})
        feeds.append("shipping")
    if len(told.positions) > 1:
        # An empty position in a house of its own, so that the product's stock stays the sum of its positions.
        empty = {"warehouse_id": "WH099", "stock_quantity": "0", "reserved_quantity": "0", "available_quantity": "0"}
        recycled = {"inventory_id": told.positions[0]["inventory_id"]}
        add(delivery, "inventory", told.positions[1] | empty | recycled)
        feeds.append("inventory")
    return Injected(len(feeds), _names(delivery, *feeds))


def ties(delivery: Delivery, told: Told) -> Injected:
    for city in ("Leeds", "Bristol"):
        add(delivery, "customers", customer(tag(delivery, "CUST-TIE"), delivery.day, city=city))
    return Injected(1, _names(delivery, "customers"))


def late_parents(delivery: Delivery, told: Told) -> Injected:
    if told.order is None or told.parcel is None:
        return NOTHING
    yesterday = delivery.day - timedelta(days=1)
    if delivery.index > 0:
        add(delivery, "customers", customer(f"CUST-LATE-{yesterday:%Y%m%d}", yesterday))
    if delivery.is_last:
        return NOTHING
    order_id = tag(delivery, "ORD-LATE-PARENT")
    add(delivery, "orders", order(told.order, order_id, customer_id=tag(delivery, "CUST-LATE")))
    add(delivery, "shipping", parcel(told.parcel, order_id))
    return Injected(1, _names(delivery, "orders"))


def deletes(delivery: Delivery, told: Told) -> Injected:
    """Of somebody unknown whose row comes a day late, of yesterday's registration, and one that is no operation."""
    yesterday = delivery.day - timedelta(days=1)
    unknown, short, odd = (tag(delivery, f"CUST-{kind}") for kind in ("UNKNOWN", "SHORT", "ODD"))
    rows = [
        customer(unknown, delivery.day, "12:00:00", _op="D"),
        customer(short, delivery.day),
        customer(odd, delivery.day, _op="X"),
    ]
    if delivery.index > 0:
        rows.append(customer(f"CUST-UNKNOWN-{yesterday:%Y%m%d}", yesterday, "06:00:00"))
        gone = {"customer_id": f"CUST-SHORT-{yesterday:%Y%m%d}", "updated_timestamp": f"{delivery.day} 09:00:00"}
        rows.append(gone | {"_op": "D"})
    add(delivery, "customers", *rows)
    return Injected(2 + (delivery.index > 0), _names(delivery, "customers"))


def outliers(delivery: Delivery, told: Told) -> Injected:
    if told.order is None or told.parcel is None:
        return NOTHING
    order_id = tag(delivery, "ORD-OUTLIER")
    add(delivery, "orders", order(told.order, order_id, order_amount="12500.00"))
    add(delivery, "shipping", parcel(told.parcel, order_id, shipping_cost="149.99"))
    return Injected(2, _names(delivery, "orders", "shipping"))


def drift(delivery: Delivery, told: Told) -> Injected:
    if not _changes_shape(delivery):
        return NOTHING
    dropped = FEEDS["shipping"].columns.index("package_dimensions")
    change_cells(delivery.files["customers"], lambda cells, is_header: [*cells, "loyalty_points" if is_header else "9"])
    change_cells(delivery.files["products"], lambda cells, _: cells[::-1])
    change_cells(delivery.files["shipping"], lambda cells, _: cells[:dropped] + cells[dropped + 1 :])
    return Injected(3, _names(delivery, "customers", "products", "shipping"))


def mixed_spellings(delivery: Delivery, told: Told) -> Injected:
    counts = {feed: respell(delivery.files[feed], words) for feed, words in SPELLINGS.items()}
    return Injected(sum(counts.values()), _names(delivery, *(feed for feed, count in counts.items() if count)))


def encodings(delivery: Delivery, told: Told) -> Injected:
    if not _changes_shape(delivery):
        return NOTHING
    delivery.files["customers"].rewrite(with_bom)
    change_cells(delivery.files["products"], lambda cells, _: cells, delimiter=";")
    delivery.files["shipping"].rewrite(with_crlf)
    return Injected(3, _names(delivery, "customers", "products", "shipping"))


def duplicates(delivery: Delivery, told: Told) -> Injected:
    orders, customers = delivery.files["orders"], delivery.files["customers"]
    repeated = orders.first_lines[: min(REPEATED, told.orders)]
    for text in repeated:
        orders.write_bytes(text, 1)
    copied = delivery.copy(customers, "_copy")
    delivery.notices.append(Notice(delivery.day, "copy", (copied,)))
    return Injected(len(repeated) + copied.rows, (orders.name, copied.name))


def corrections(delivery: Delivery, told: Told) -> Injected:
    """On every second day a file of its own; on the next day it comes again, under its name and date, corrected. Who
    looks only when both days are there finds the corrected file, and the first manifest waiting for the other one."""
    if delivery.index % 2 == 1 and not delivery.is_last:
        first = delivery.create("customers", "_fix")
        first.write([line("customers", customer(tag(delivery, "CUST-FIX"), delivery.day, zip_code="LS99 9ZZ"))])
        delivery.notices.append(Notice(delivery.day, "fix", (first,)))
    if delivery.index % 2 == 1 or delivery.index == 0:
        return NOTHING
    yesterday = delivery.day - timedelta(days=1)
    again = delivery.create("customers", "_fix", yesterday)
    again.write([line("customers", customer(f"CUST-FIX-{yesterday:%Y%m%d}", yesterday, zip_code="LS1 4AB"))])
    delivery.notices.append(Notice(yesterday, "fix_again", (again,)))
    return Injected(1, (again.name,))


def missing_files(delivery: Delivery, told: Told) -> Injected:
    name = f"orders_{delivery.day:%Y_%m_%d}_never_sent.csv"
    delivery.notices.append(Notice(delivery.day, "missing", (), (name,)))
    return Injected(1, (name,))


def late_batches(delivery: Delivery, told: Told) -> Injected:
    if delivery.index % 4 != 2 or delivery.is_last:
        return NOTHING
    delivery.waits = "after"
    return Injected(1, _names(delivery, *delivery.files))


def out_of_order(delivery: Delivery, told: Told) -> Injected:
    if delivery.index % 4 != 0 or delivery.is_last:
        return NOTHING
    delivery.waits = "with"
    return Injected(1, _names(delivery, *delivery.files))


def _changes_shape(delivery: Delivery) -> bool:
    """Files change their shape every third day and on the last."""
    return delivery.index % 3 == 1 or delivery.is_last


# In the order in which they are put in: records, then spelling and shape, then whole files and manifests.
FAULTS: Mapping[str, Fault] = {
    fault.__name__: Fault(description, fault)
    for fault, description in (
        (
            bad_rows,
            "an amount in words, a missing key, a negative price, a bad email, ragged rows, an open quote",
        ),
        (orphans, "orders of a customer and of a product that do not exist, a parcel of an order that does not exist"),
        (recycled_ids, "a shipping_id used again for another order, an inventory_id for another product"),
        (ties, "two different rows of one customer at one time"),
        (late_parents, "an order whose customer arrives in the next batch"),
        (deletes, "a customer deleted before the row that made them came, one deleted after a day, an unknown _op"),
        (outliers, "an order over 10000, a shipping cost over 100"),
        (drift, "an unknown column, columns in another order, a column left out; every third day and the last"),
        (mixed_spellings, "`Credit Card`, `PENDING`, `False`, `In Transit` among the usual spellings"),
        (encodings, "a byte order mark, semicolons, CRLF line ends; every third day and the last"),
        (duplicates, "records repeated within a file, a whole file announced again under another name"),
        (corrections, "a file's name again, the day after, with other content and a new manifest; from three days on"),
        (missing_files, "a manifest that names a file which never comes"),
        (late_batches, "the third day of four lands after the fourth; from four days on"),
        (out_of_order, "the first two days of four land together, the newer manifest first; from two days on"),
    )
}
