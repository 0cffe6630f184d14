"""`cartlake files` as people read it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Call


def test_all_files_are_a_table(shop: Path, cartlake: Call) -> None:
    said = cartlake("files", "--project", shop)
    lines = said.out.splitlines()
    assert lines[0].split() == ["file", "status", "in", "staged", "quarantined", "duplicate"]
    assert any(line.startswith("orders_2025_01_01.csv") and "staged" in line for line in lines)
    assert any(line.startswith("orders_unannounced.csv") and "landed" in line for line in lines)
    assert len(cartlake("files", "--project", shop, "--json").json) == len(lines) - 1


def test_one_file_is_a_story(shop: Path, cartlake: Call) -> None:
    said = cartlake("files", "orders_2025_01_01.csv", "--project", shop).out
    assert said.startswith("orders_2025_01_01.csv  orders, 2025-01-01, staged")
    assert "batch   batch_2025_01_01_001  published" in said
    assert " in: " in said
    assert "copy    archive/orders_data/2025-01-01/orders_2025_01_01." in said
    failed = cartlake("files", "orders_failed", "--project", shop).out
    assert "why     " in failed
    unknown = cartlake("files", "order_failed.csv", "--project", shop)
    assert (unknown.code, "orders_failed.csv" in unknown.err) == (2, True)
