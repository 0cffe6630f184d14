"""Runs the staging queries on a bare DuckDB: rows of text cells in, judged records out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources

import duckdb
from tests.bareduck import bare_duck

from cartlake.core.contract import Contract
from cartlake.core.dialect import compile_sql
from cartlake.core.events import row_hash
from cartlake.core.odcs import parse_contract
from cartlake.core.staging import stage_queries

Cells = Mapping[str, str | None]

FEEDS = ("customers", "inventory", "orders", "products", "shipping")
BATCH = {
    "batch_id": "batch_2025_01_15_001",
    "batch_date": date(2025, 1, 15),
    "revision": 0,
    "file_sha256": "0" * 64,
    "source_file": "shop.csv",
    "source_system": None,
    "ingested_at": datetime(2025, 1, 15, 10, 0, tzinfo=UTC),
    "batch_sequence": datetime(2025, 1, 15, 10, 0, tzinfo=UTC),
}
SOUND: Mapping[str, Cells] = {
    "orders": {
        "order_id": "ORD001",
        "order_line": "1",
        "customer_id": "1001",
        "product_id": "PROD001",
        "order_date": "2025-01-15",
        "quantity": "2",
        "order_amount": "299.99",
        "currency": "USD",
        "payment_method": "Credit Card",
        "shipping_address": "123 Main St, New York, NY 10001",
        "order_status": "pending",
        "created_timestamp": "2025-01-15 08:30:15",
        "updated_timestamp": None,
    },
    "customers": {
        "customer_id": "1001",
        "first_name": "Zoë",
        "last_name": "Smith",
        "email": "zoe.smith@email.com",
        "phone": "+1 (555) 555-0101",
        "date_of_birth": "1985-03-15",
        "registration_date": "2024-01-15",
        "address": "123 Main St",
        "city": "New York",
        "state": "NY",
        "zip_code": "02101",
        "country": "USA",
        "customer_tier": "Premium",
        "last_login": "2025-01-14 18:30:00",
        "created_timestamp": "2025-01-15 08:30:15",
        "updated_timestamp": None,
    },
    "products": {
        "product_id": "PROD001",
        "product_name": "Wireless Headphones",
        "category": "Electronics",
        "subcategory": "Audio",
        "brand": "SoundMax",
        "price": "299.99",
        "currency": "eur",
        "stock_quantity": "150",
        "weight_kg": "0.3",
        "dimensions_cm": "20x15x8",
        "color": "Black",
        "material": "Plastic",
        "description": "High-quality wireless headphones",
        "launch_date": "2024-01-15",
        "discontinued": "False",
        "created_timestamp": "2025-01-15 08:30:15",
        "updated_timestamp": None,
    },
    "inventory": {
        "inventory_id": "INV001",
        "product_id": "PROD001",
        "warehouse_id": "WH001",
        "warehouse_name": "Central Warehouse",
        "location": "A1-B2",
        "stock_quantity": "150",
        "reserved_quantity": "25",
        "available_quantity": "125",
        "reorder_level": "50",
        "last_restocked": "2025-01-10",
        "last_audit": "2025-01-14",
        "created_timestamp": "2025-01-15 08:30:15",
        "updated_timestamp": None,
    },
    "shipping": {
        "shipping_id": "SHIP001",
        "order_id": "ORD001",
        "tracking_number": "TRK123456789",
        "carrier": "FedEx",
        "service_type": "Standard",
        "origin_warehouse": "WH001",
        "destination_address": "123 Main St, New York, NY 10001",
        "shipping_cost": "12.99",
        "currency": "USD",
        "estimated_delivery": "2025-01-17",
        "actual_delivery": None,
        "shipping_status": "in_transit",
        "package_weight": "0.3",
        "package_dimensions": "20x15x8",
        "insurance_value": "299.99",
        "created_timestamp": "2025-01-15 08:30:15",
        "updated_timestamp": None,
    },
}


def contract_text(feed: str) -> str:
    return (resources.files("cartlake") / "contracts" / f"{feed}.yaml").read_text(encoding="utf-8")


@cache
def contract(feed: str) -> Contract:
    return parse_contract(contract_text(feed), f"contracts/{feed}.yaml")


def sound(feed: str, **cells: str | None) -> Cells:
    """A record of the feed that breaks no rule, with some cells changed."""
    return {**SOUND[feed], **cells}


def stage(
    contract: Contract, rows: Sequence[Cells], *, rescued: Sequence[Cells] = (), **params: object
) -> list[dict[str, object]]:
    """The judged records of a file of `rows`, in order, with their `_row_hash`; all rows have the same columns."""
    with bare_duck() as db:
        _judge(db, contract, rows, rescued, params)
        hashed = compile_sql(f"SELECT *, {row_hash(contract)} AS _row_hash FROM judged", "duckdb")
        db.execute(f"CREATE TABLE hashed AS {hashed}")
        return fetched(db, "hashed")


def log(contract: Contract, rows: Sequence[Cells], **params: object) -> list[dict[str, object]]:
    """The rows that a file of `rows` adds to the staging log, in order."""
    with bare_duck() as db:
        _judge(db, contract, rows, (), params)
        logged = compile_sql(stage_queries(contract, (), ()).logged, "duckdb", {**BATCH, **params})
        db.execute(f"CREATE TABLE logged AS {logged}")
        return fetched(db, "logged")


def _judge(
    db: duckdb.DuckDBPyConnection,
    contract: Contract,
    rows: Sequence[Cells],
    rescued: Sequence[Cells],
    params: Mapping[str, object],
) -> None:
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    unknown = tuple(dict.fromkeys(name for row in rescued for name in row))
    queries = stage_queries(contract, columns, unknown)
    _fill(db, columns, rows, rescued)
    for name, sql in (
        ("suspects", queries.suspects),
        ("repeats", queries.repeats),
        ("typed", queries.typed),
        ("judged", queries.judged),
    ):
        db.execute(f"CREATE TABLE {name} AS {compile_sql(sql, 'duckdb', {**BATCH, **params})}")


def _fill(
    db: duckdb.DuckDBPyConnection, columns: Sequence[str], rows: Sequence[Cells], rescued: Sequence[Cells]
) -> None:
    cells = "".join(f', "{name}" VARCHAR' for name in columns)
    db.execute(f"CREATE TABLE records (_record BIGINT, _line BIGINT{cells}, _rescued MAP(VARCHAR, VARCHAR))")
    marks = ", ".join("?" for _ in range(len(columns) + 3))
    for number, row in enumerate(rows):
        extra = dict(rescued[number]) if number < len(rescued) and rescued[number] else None
        db.execute(f"INSERT INTO records VALUES ({marks})", [number + 1, number + 2, *map(row.get, columns), extra])


def fetched(db: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, object]]:
    """The rows of a table by `_record`; instants in UTC."""
    described = db.execute(f"DESCRIBE {table}").fetchall()
    zoned = "TIMESTAMP WITH TIME ZONE"
    shown = [f"make_timestamp(epoch_us({name}))" if kind == zoned else name for name, kind, *_ in described]
    found = db.execute(f"SELECT {', '.join(shown)} FROM {table} ORDER BY _record").fetchall()
    names = [name for name, *_ in described]
    return [dict(zip(names, map(_in_utc, row), strict=True)) for row in found]


def _in_utc(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def codes(row: Mapping[str, object]) -> set[str]:
    """Every code on a judged record, errors and warnings."""
    return {code for column in ("_errors", "_warnings") for code in str(row[column] or "").split(",") if code}
