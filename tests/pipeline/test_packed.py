"""Files that land packed by gzip: their content counts, whatever it is wrapped in."""

from __future__ import annotations

import gzip
import hashlib
import io

import pytest

from cartlake.core.packed import ALWAYS, MOST_TIMES, content, require_unpackable
from cartlake.errors import FileRejected
from tests.pipeline.shop import Shop, csv_text, customer, order

ORDERS = csv_text([order("O-1"), order("O-2", order_amount="x")]).encode()


def read(data: bytes, name: str = "orders.csv.gz") -> bytes:
    return b"".join(content(io.BytesIO(data), name))


def test_what_cannot_be_unpacked_is_read_as_it_is() -> None:
    packed = gzip.compress(ORDERS)
    assert read(packed) == read(gzip.compress(ORDERS[:50]) + gzip.compress(ORDERS[50:])) == ORDERS
    assert read(packed, "ORDERS.CSV.GZ") == ORDERS
    assert read(packed, "orders.csv") == packed
    assert read(packed[:-1]) == packed[:-1]
    assert read(ORDERS) == ORDERS


def test_a_bomb_is_left_alone_after_so_many_times_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = 0
    once = gzip.GzipFile.read

    def counted(file: gzip.GzipFile, size: int | None = -1) -> bytes:
        nonlocal unpacked
        chunk = once(file, size)
        unpacked += len(chunk)
        return chunk

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    bomb = gzip.compress(bytes(1 << 20), 9) * 1_000  # a gigabyte
    with pytest.raises(FileRejected) as caught:
        require_unpackable(io.BytesIO(bomb), len(bomb))
    assert caught.value.code == "gzip_too_large"
    assert max(ALWAYS, len(bomb) * MOST_TIMES) < unpacked <= max(ALWAYS, len(bomb) * MOST_TIMES) + (2 << 20)


def test_the_content_counts_once_however_it_is_packed(shop: Shop) -> None:
    shop.drop("orders", "orders.csv.gz", gzip.compress(ORDERS, mtime=1))
    shop.announce("b1", files=["orders.csv.gz"])
    shop.drop("customers", "customers.csv", [customer()])
    shop.announce("b2", files=["again.csv.gz", "customers.csv"])
    shop.drop("orders", "again.csv.gz", gzip.compress(ORDERS, mtime=2))
    assert {report.batch.status.value for report in shop.run().batches} == {"published"}
    sha256 = hashlib.sha256(ORDERS).hexdigest()
    assert shop.rows("SELECT file_sha256, bytes, rows_staged FROM files WHERE feed = 'orders'") == [
        (sha256, len(ORDERS), 1)
    ]
    [record] = shop.lake.quarantine("b1")
    assert ORDERS[int(str(record["byte_start"])) : int(str(record["byte_end"]))].decode().rstrip() == record["raw"]
    archived = (shop.project / "archive" / "orders_data").rglob("*.*")
    assert {path.read_bytes() for path in archived} == {ORDERS}
    assert not list(shop.landing.rglob("*.gz"))


def test_a_manifest_speaks_of_the_file_as_it_landed(shop: Shop) -> None:
    packed = gzip.compress(ORDERS)
    facts = {"name": "orders.csv.gz", "bytes": len(packed), "sha256": hashlib.sha256(packed).hexdigest(), "rows": 2}
    shop.drop("orders", "orders.csv.gz", packed)
    shop.announce("b1", details=[facts])
    [report] = shop.run().batches
    assert report.batch.status == "published", report.batch.reason
    shop.lake.retry("b1")
    [report] = shop.run().batches
    assert report.batch.status == "published", "read again from the archive, where it stands unpacked"
    shop.drop("orders", "orders.csv.gz", packed)
    shop.announce("b2", details=[facts | {"bytes": len(packed) + 1}])
    [report] = shop.run().batches
    assert f"bytes is {len(packed)}, the manifest says {len(packed) + 1}" in str(report.batch.reason)


def test_a_damaged_archive_is_kept_and_its_batch_says_why(shop: Shop) -> None:
    packed = gzip.compress(ORDERS)[:-5]
    shop.drop("orders", "orders.csv.gz", packed)
    shop.announce("b1", files=["orders.csv.gz"])
    [report] = shop.run().batches
    assert (report.batch.status, "ends before its end mark" in str(report.batch.reason)) == ("failed", True)
    [record] = shop.lake.quarantine("b1")
    assert (record["reasons"], record["byte_end"]) == (["gzip_cut_off"], len(packed))
    shop.drop("orders", "orders.csv.gz", gzip.compress(ORDERS))
    assert [report.batch.status for report in shop.run().batches] == ["published"]
