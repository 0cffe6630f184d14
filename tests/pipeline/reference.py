"""What production must hold, in plain Python: from deliveries to tables, without SQL, batches or increments.

Written from docs/history.md and the descriptions of the models, for tests to compare with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from cartlake.core.contract import Contract, Field

Row = dict[str, object]
Tables = dict[str, list[Row]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_SALES = {"cancelled", "canceled", "refunded", "returned"}
CLV = {"premium": 10, "gold": 7, "silver": 5}


@dataclass(frozen=True)
class Delivery:
    """Files that stay what they are, with the date and revision that travel with them."""

    name: str
    day: date
    revision: int
    feeds: Mapping[str, Sequence[Mapping[str, object]]]


@dataclass(frozen=True)
class Event:
    """A record: its key, its time, its values, and what decides between two of one time."""

    key: tuple[object, ...]
    at: datetime
    is_delete: bool
    values: Row
    precedence: tuple[date, int, bool, str]


def production(contracts: Iterable[Contract], deliveries: Sequence[Delivery]) -> Tables:
    """Every history, and of the stored models the columns that are not merely copied."""
    made = {contract.table: history(contract, deliveries) for contract in contracts}
    lines = enriched(made)
    return made | {
        "enriched_orders": lines,
        "customer_totals": totals(lines, "customer_id"),
        "product_totals": totals(lines, "product_id"),
        "daily_sales": totals(lines, "order_date"),
    }


def typed(field: Field, text: object) -> object:
    if text is None or text == "":
        return None
    kind, said = field.type, str(text)
    if kind.startswith("decimal"):
        return Decimal(said).quantize(Decimal(1).scaleb(-int(kind.rstrip(")").split(",")[1])))
    if kind == "bigint":
        return int(said)
    if kind == "date":
        return date.fromisoformat(said)
    if kind == "timestamp":
        return datetime.fromisoformat(said).replace(tzinfo=UTC)
    return said == "true" if kind == "boolean" else said


def row_hash(contract: Contract, values: Row) -> str:
    parts = []
    for field in contract.fields:
        value = values[field.name]
        if value is None:
            parts.append("-")
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if isinstance(value, datetime):
            text = str(round((value - EPOCH).total_seconds() * 1_000_000))
        parts += [str(len(text)), text]
    return hashlib.sha256(",".join(parts).encode()).hexdigest()


def events(contract: Contract, deliveries: Iterable[Delivery]) -> list[Event]:
    found = []
    for delivery in deliveries:
        rows = delivery.feeds.get(contract.feed, ())
        present = {name for row in rows for name in row}
        for row in rows:
            values = {
                field.name: typed(field, row.get(field.name) if field.name in present else field.default)
                for field in contract.fields
            }
            is_delete = str(row.get("_op", "")).lower() in ("d", "delete")
            at = next(values[name] for name in contract.sequence if values[name] is not None)
            assert isinstance(at, datetime)
            precedence = (delivery.day, delivery.revision, is_delete, row_hash(contract, values))
            found.append(Event(tuple(values[name] for name in contract.key), at, is_delete, values, precedence))
    return found


def history(contract: Contract, deliveries: Iterable[Delivery]) -> list[Row]:
    standing: dict[tuple[object, ...], dict[datetime, Event]] = {}
    for event in events(contract, deliveries):
        life = standing.setdefault(event.key, {})
        if event.at not in life or event.precedence > life[event.at].precedence:
            life[event.at] = event
    return [version for life in standing.values() for version in _walk(contract, [life[at] for at in sorted(life)])]


def _walk(contract: Contract, life: Iterable[Event]) -> list[Row]:
    versions: list[Row] = []
    is_open = False
    for event in life:
        if is_open and not event.is_delete and all(versions[-1][c] == event.values[c] for c in contract.tracked):
            versions[-1] |= event.values | {"_sequence": event.at}
            continue
        if is_open:
            versions[-1] |= {"valid_to": event.at, "is_current": False}
        is_open = not event.is_delete
        if is_open:
            opened = {"valid_from": event.at, "valid_to": None, "is_current": True, "_sequence": event.at}
            versions.append(event.values | opened)
    return versions


def lives(versions: Iterable[Row], *key: str) -> dict[tuple[object, ...], list[Row]]:
    """The versions of each key, oldest first."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for version in sorted(versions, key=lambda version: str(version["valid_from"])):
        found.setdefault(tuple(version[name] for name in key), []).append(version)
    return found


def as_of(life: Sequence[Row], at: object) -> Row:
    return ([version for version in life if version["valid_from"] <= at] or life[:1])[-1]  # type: ignore[operator]


def enriched(made: Tables) -> list[Row]:
    customers, products = lives(made["customers"], "customer_id"), lives(made["products"], "product_id")
    stock = lives(made["inventory"], "product_id", "warehouse_id")
    shipments = [version for version in made["shipping"] if version["is_current"]]
    return [
        _line(life, customers, products, stock, shipments)
        for life in lives(made["orders"], "order_id", "order_line").values()
        if life[-1]["is_current"]
    ]


Lives = Mapping[tuple[object, ...], Sequence[Row]]


def _line(life: Sequence[Row], customers: Lives, products: Lives, stock: Lives, shipments: Iterable[Row]) -> Row:
    line, at = life[-1], life[0]["valid_from"]
    assert isinstance(at, datetime)
    amount = line["order_amount"]
    assert isinstance(amount, Decimal)
    customer, product = customers.get((line["customer_id"],)), products.get((line["product_id"],))
    buyer, bought = as_of(customer, at) if customer else {}, as_of(product, at) if product else {}
    shelves = [as_of(shelf, at) for key, shelf in stock.items() if key[0] == line["product_id"]]
    sent = sorted(
        (one for one in shipments if one["order_id"] == line["order_id"]),
        key=lambda one: (str(one["valid_from"]), str(one["shipping_id"])),
    )
    paid = [one for one in sent if one["currency"] == "USD"]
    return {
        "order_id": line["order_id"],
        "order_line": line["order_line"],
        "customer_id": line["customer_id"],
        "product_id": line["product_id"],
        "ordered_at": at,
        "order_date": line["order_date"] or at.date(),
        "order_amount": amount,
        "valid_from": line["valid_from"],
        "customer_tier": buyer.get("customer_tier"),
        "customer_valid_from": buyer.get("valid_from"),
        "price": bought.get("price"),
        "category": bought.get("category"),
        "product_valid_from": bought.get("valid_from"),
        "inventory_stock_quantity": sum(int(str(one["stock_quantity"])) for one in shelves) if shelves else None,
        "inventory_available_quantity": sum(map(_available, shelves)) if shelves else None,
        "shipping_count": len(sent),
        "shipping_cost": _sum(paid, "shipping_cost", "0.00"),
        "shipping_other_currency_count": sum(one["currency"] != "USD" for one in sent),
        "shipping_status": sent[-1]["shipping_status"] if sent else None,
        "carrier": sent[-1]["carrier"] if sent else None,
        "order_profit_margin": (amount * Decimal("0.30")).quantize(Decimal("0.0001")),
        "estimated_clv": (amount * CLV.get(str(buyer.get("customer_tier")), 3)).quantize(Decimal("0.0001")),
        "is_sale": line["order_status"] not in NOT_SALES,
        "is_reporting_currency": line["currency"] in ("USD", None),
    }


def _available(shelf: Row) -> int:
    known = shelf["available_quantity"]
    return (
        int(str(shelf["stock_quantity"])) - int(str(shelf["reserved_quantity"])) if known is None else int(str(known))
    )


def totals(lines: Iterable[Row], key: str) -> list[Row]:
    sold: dict[object, list[Row]] = {}
    for line in lines:
        if line["is_sale"] and line[key] is not None:
            sold.setdefault(line[key], []).append(line)
    return [
        {key: value} | _summed([one for one in each if one["is_reporting_currency"]], each, key)
        for value, each in sold.items()
    ]


def _sum(rows: Iterable[Row], name: str, zero: str) -> Decimal:
    return sum((Decimal(str(row[name])) for row in rows if row[name] is not None), Decimal(zero))


def _summed(counted: Sequence[Row], every: Sequence[Row], key: str) -> Row:
    def distinct(name: str) -> int:
        return len({one[name] for one in counted} - {None})

    days = sorted(str(one["order_date"]) for one in counted)
    made: Row = {
        "total_orders": distinct("order_id"),
        "other_currency_lines": len(every) - len(counted),
        "total_spent" if key == "customer_id" else "total_revenue": _sum(counted, "order_amount", "0.00"),
        "total_profit": _sum(counted, "order_profit_margin", "0.0000"),
    }
    if key != "customer_id":
        made["unique_customers"] = distinct("customer_id")
    if key == "order_date":
        return made
    if key == "customer_id":
        made |= {"unique_products": distinct("product_id"), "unique_categories": distinct("category")}
        made["total_estimated_clv"] = _sum(counted, "estimated_clv", "0.0000")
    first, last = (date.fromisoformat(day) for day in (days[0], days[-1])) if days else (None, None)
    return made | {"order_lines": len(counted), "first_order_date": first, "last_order_date": last}
