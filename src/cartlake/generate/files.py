"""The shop's files: what each feed is called, one file being written, and rows kept for later days."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

KEPT_LINES = 50
CHUNK = 1 << 20


@dataclass(frozen=True)
class Feed:
    """`folder` is the landing folder, `columns` the header of its files."""

    name: str
    folder: str
    columns: tuple[str, ...]


def _feed(name: str, folder: str, columns: str) -> Feed:
    return Feed(name, folder, tuple(columns.split()))


FEEDS = {
    feed.name: feed
    for feed in (
        _feed(
            "orders",
            "orders_data",
            "order_id order_line customer_id product_id order_date quantity order_amount currency payment_method "
            "shipping_address order_status created_timestamp updated_timestamp",
        ),
        _feed(
            "customers",
            "customer_data",
            "customer_id first_name last_name email phone date_of_birth registration_date address city state zip_code "
            "country customer_tier last_login created_timestamp updated_timestamp _op",
        ),
        _feed(
            "products",
            "products_data",
            "product_id product_name category subcategory brand price currency stock_quantity weight_kg dimensions_cm "
            "color material description launch_date discontinued created_timestamp updated_timestamp _op",
        ),
        _feed(
            "inventory",
            "inventory_data",
            "inventory_id product_id warehouse_id warehouse_name location stock_quantity reserved_quantity "
            "available_quantity reorder_level last_restocked last_audit created_timestamp updated_timestamp _op",
        ),
        _feed(
            "shipping",
            "shipping_data",
            "shipping_id order_id tracking_number carrier service_type origin_warehouse destination_address "
            "shipping_cost currency estimated_delivery actual_delivery shipping_status package_weight "
            "package_dimensions insurance_value created_timestamp updated_timestamp",
        ),
    )
}


class FeedFile:
    """One file of a feed while it is written: `rows` without the header, `bytes`, `sha256` and its first records."""

    def __init__(self, feed: Feed, name: str, path: Path, header: bytes | None = None) -> None:
        self.feed = feed
        self.name = name
        self.path = path
        self._begin((",".join(feed.columns) + "\n").encode() if header is None else header)

    def _begin(self, header: bytes) -> None:
        self.rows = 0
        self.bytes = 0
        self.first_lines: list[bytes] = []
        self._hash = hashlib.sha256()
        self._file = self.path.open("wb")
        self.write_bytes(header, 0)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, lines: Sequence[str]) -> None:
        """Each line is one record and ends in a newline."""
        if len(self.first_lines) < KEPT_LINES:
            self.first_lines += [line.encode() for line in lines[: KEPT_LINES - len(self.first_lines)]]
        self.write_bytes("".join(lines).encode(), len(lines))

    def write_bytes(self, content: bytes, rows: int) -> None:
        self._file.write(content)
        self._hash.update(content)
        self.bytes += len(content)
        self.rows += rows

    def rewrite(self, change: Callable[[Iterator[bytes]], Iterable[bytes]]) -> None:
        """The file holds what `change` makes of its lines, header first; every line stays one line."""
        self.close()
        before = self.path.with_name(self.path.name + ".before")
        self.path.replace(before)
        with before.open("rb") as lines:
            changed = iter(change(lines))
            self._begin(next(changed))
            for line in changed:
                if len(self.first_lines) < KEPT_LINES:
                    self.first_lines.append(line)
                self.write_bytes(line, 1)
        before.unlink()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Spool:
    """Rows of later days, on disk: what an order will still bring is decided when it is placed."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._rows: dict[int, int] = {}

    def add(self, day: int, lines: Sequence[str]) -> None:
        if not lines:
            return
        with self._path(day).open("ab") as file:
            file.write("".join(lines).encode())
        self._rows[day] = self._rows.get(day, 0) + len(lines)

    def pour(self, day: int, into: FeedFile) -> None:
        """The rows kept for `day` stand at the end of `into` and are kept no longer."""
        rows = self._rows.pop(day, 0)
        if not rows:
            return
        with self._path(day).open("rb") as file:
            while chunk := file.read(CHUNK):
                into.write_bytes(chunk, 0)
        into.rows += rows
        self._path(day).unlink()

    def _path(self, day: int) -> Path:
        return self._folder / f"{self._name}.{day}"
