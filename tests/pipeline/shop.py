"""A shop for tests: it drops files and manifests, runs the lake, and asks what came out."""

from __future__ import annotations

import atexit
import csv
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from cartlake.lake import Lake, RunReport
from cartlake.settings import load_settings

FOLDERS = {
    "orders": "orders_data",
    "customers": "customer_data",
    "products": "products_data",
    "inventory": "inventory_data",
    "shipping": "shipping_data",
}
TASKS = (
    "orders_stage_load",
    "customer_stage_load",
    "products_stage_load",
    "inventory_stage_load",
    "shipping_stage_load",
    "data_validation",
    "data_enrichment",
    "final_merge_operation",
)
"""The eight tasks of the shipped feeds, in their order."""

EMAIL_WARNS = (
    "name: email_invalid\n          criticality: error",
    "name: email_invalid\n          criticality: warn",
)
UNKNOWN_CURRENCY_WARNS = (
    "name: currency_unknown\n          criticality: error",
    "name: currency_unknown\n          criticality: warn",
)
"""A change of the contract of orders."""

Rows = Sequence[Mapping[str, object]]
Content = str | bytes | Rows


def order(order_id: str = "O-1", **changes: object) -> dict[str, object]:
    return {
        "order_id": order_id,
        "customer_id": "C-1",
        "product_id": "P-1",
        "order_date": "2025-03-01",
        "order_amount": "20.00",
        "currency": "USD",
        "payment_method": "paypal",
        "shipping_address": "1 Main St",
        "order_status": "pending",
        "created_timestamp": "2025-03-01 12:00:00",
    } | changes


def customer(customer_id: str = "C-1", **changes: object) -> dict[str, object]:
    return {
        "customer_id": customer_id,
        "first_name": "Ada",
        "last_name": "Miller",
        "email": "ada@example.com",
        "phone": "555-0101",
        "date_of_birth": "1990-05-05",
        "registration_date": "2024-01-01",
        "address": "1 Main St",
        "city": "Springfield",
        "state": "IL",
        "zip_code": "62701",
        "country": "USA",
        "customer_tier": "gold",
        "last_login": "2025-02-28 10:00:00",
        "created_timestamp": "2025-03-01 08:00:00",
    } | changes


def product(product_id: str = "P-1", **changes: object) -> dict[str, object]:
    return {
        "product_id": product_id,
        "product_name": "Lamp",
        "category": "Home",
        "subcategory": "Lighting",
        "brand": "Bright",
        "price": "20.00",
        "currency": "USD",
        "stock_quantity": "10",
        "weight_kg": "1.2",
        "dimensions_cm": "10x10x20",
        "color": "White",
        "material": "Metal",
        "description": "A lamp",
        "launch_date": "2024-01-01",
        "discontinued": "false",
        "created_timestamp": "2025-03-01 08:00:00",
    } | changes


def stock(product_id: str = "P-1", warehouse_id: str = "W-1", **changes: object) -> dict[str, object]:
    return {
        "inventory_id": f"I-{product_id}-{warehouse_id}",
        "product_id": product_id,
        "warehouse_id": warehouse_id,
        "warehouse_name": "East",
        "location": "A1",
        "stock_quantity": "10",
        "reserved_quantity": "2",
        "available_quantity": "8",
        "reorder_level": "3",
        "last_restocked": "2025-02-20",
        "last_audit": "2025-02-20",
        "created_timestamp": "2025-03-01 08:00:00",
    } | changes


def shipment(shipping_id: str = "S-1", order_id: str = "O-1", **changes: object) -> dict[str, object]:
    return {
        "shipping_id": shipping_id,
        "order_id": order_id,
        "tracking_number": f"T-{shipping_id}",
        "carrier": "UPS",
        "service_type": "Ground",
        "origin_warehouse": "W-1",
        "destination_address": "1 Main St",
        "shipping_cost": "5.00",
        "currency": "USD",
        "estimated_delivery": "2025-03-05",
        "actual_delivery": "",
        "shipping_status": "shipped",
        "package_weight": "1.2",
        "package_dimensions": "10x10x20",
        "insurance_value": "20.00",
        "created_timestamp": "2025-03-01 13:00:00",
    } | changes


@cache
def _kept() -> Path:
    """Where this process keeps what it runs once for many tests."""
    folder = Path(tempfile.mkdtemp(prefix="cartlake-kept-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def csv_text(rows: Rows) -> str:
    written = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(written, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


class Shop:
    """One project folder; `settings` are sections of its cartlake.toml."""

    def __init__(self, project: Path, **settings: Mapping[str, object]) -> None:
        self.project = project
        self._settings = settings
        self.landing = project / "landing"
        for folder in FOLDERS.values():
            (self.landing / folder / "source").mkdir(parents=True)
        self.manifests = self.landing / "trigger_file"
        self.manifests.mkdir()
        self.lake = Lake(project, settings=load_settings(project, {}, settings))

    def trade_a_day(self, **changes: Content) -> None:
        """Batch b1 with `a_day()`, or with these changes, was run: really once in a process for each content, and
        copied from there afterwards. Where only one test has the content, `deliver` and `run` say it as shortly."""
        assert not any(path.is_file() for path in self.project.rglob("*")), "the first thing that happens in a shop"
        day = a_day(**changes)
        kept = _kept() / hashlib.sha256(repr((self._settings, day)).encode()).hexdigest()
        if not kept.exists():
            first = Shop(Path(tempfile.mkdtemp(dir=_kept())), **self._settings)
            first.deliver("b1", **day)
            first.run()
            first.lake.close()
            first.project.rename(kept)
        shutil.copytree(kept, self.project, dirs_exist_ok=True)

    def drop(self, feed: str, name: str, content: Content) -> Path:
        """A file lands; rows are written as CSV."""
        data = (
            content
            if isinstance(content, bytes)
            else (content if isinstance(content, str) else csv_text(content)).encode()
        )
        path = self.landing / FOLDERS[feed] / "source" / name
        path.write_bytes(data)
        return path

    def announce(
        self, batch_id: str, day: str = "2025-03-01", files: Sequence[str] = (), details: Rows = (), **more: object
    ) -> Path:
        """A manifest lands; `details` are what it says of files besides their names."""
        path = self.manifests / f"{batch_id}.json"
        body = {"trigger_id": batch_id, "batch_date": day, "data_files_ready": True, "expected_files": list(files)}
        path.write_text(json.dumps(body | ({"files": details} if details else {}) | more))
        return path

    def deliver(self, batch_id: str, day: Any = "2025-03-01", **feeds: Content) -> None:
        """Files named after the batch, and their manifest. (`day` is text; its type would claim `**feeds` too.)"""
        names = []
        for feed, content in feeds.items():
            name = f"{feed}_{batch_id}.csv"
            self.drop(feed, name, content)
            names.append(name)
        self.announce(batch_id, day, names)

    def change_contract(self, feed: str, *changes: tuple[str, str]) -> Path:
        """The project's own contract: the package's with these texts replaced once. The lake is opened anew."""
        text = files("cartlake").joinpath(f"contracts/{feed}.yaml").read_text("utf-8")
        for before, after in changes:
            assert before in text, before
            text = text.replace(before, after, 1)
        contract = self.project / "contracts" / f"{feed}.yaml"
        contract.parent.mkdir(exist_ok=True)
        contract.write_text(text)
        self.lake.close()
        return contract

    def run(self) -> RunReport:
        return self.lake.run()

    def statuses(self) -> dict[str, str]:
        return {report.batch.batch_id: report.batch.status.value for report in self.lake.batches()}

    def rows(self, sql: str, at: str | None = None) -> list[tuple[object, ...]]:
        columns, rows = self.lake.query(sql, at)
        return [tuple(row[column] for column in columns) for row in rows]

    def one(self, sql: str) -> object:
        [(value,)] = self.rows(sql)
        return value

    def failed_rules(self, batch_id: str) -> dict[str, int]:
        found = self.rows(f"SELECT rule, rows_failed FROM validation_results WHERE batch_id = '{batch_id}'")
        return {str(rule): int(str(failed)) for rule, failed in found if failed}

    def production(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every published table, without what tells who loaded it when."""
        tables = [*FOLDERS, "enriched_orders", "customer_totals", "product_totals", "daily_sales"]
        return {table: self._canonical(table) for table in tables}

    def _canonical(self, table: str) -> list[tuple[object, ...]]:
        columns, rows = self.lake.query(f"SELECT * FROM {table}")
        shown = [name for name in columns if name == "_sequence" or not name.startswith("_")]
        return sorted((tuple(row[name] for name in shown) for row in rows), key=repr)


def a_day(**changes: Content) -> dict[str, Content]:
    """A consistent little delivery of all five feeds."""
    return {
        "orders": [order()],
        "customers": [customer()],
        "products": [product()],
        "inventory": [stock()],
        "shipping": [shipment()],
    } | changes
