"""`cartlake export` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call


def test_an_export_says_what_it_wrote(shop: Path, cartlake: Call, tmp_path: Path) -> None:
    said = cartlake(
        "export", "daily_sales", "-o", tmp_path / "sales.csv", "--delimiter", ";", "--project", shop, "--json"
    )
    [written] = said.json
    assert (written["name"], Path(written["path"]).name) == ("daily_sales", "sales.csv")
    assert (tmp_path / "sales.csv").read_text().splitlines()[0].startswith("order_date;total_orders;")
    again = cartlake("export", "daily_sales", "-o", tmp_path / "sales.csv", "--project", shop)
    assert (again.code, "--force" in again.err) == (2, True)


def test_a_snapshot_says_how_to_open_it(shop: Path, cartlake: Call, tmp_path: Path) -> None:
    said = cartlake("export", "--all", tmp_path / "all", "--project", shop)
    assert said.code == 0
    assert "enriched_orders.parquet" in said.out
    assert "duckdb -init open.sql" in said.out


@pytest.mark.parametrize(
    "arguments", [["orders"], ["-o", "x.csv"], ["orders", "--all", "x"], ["orders", "-o", "x.csv", "--all", "x"]]
)
def test_half_an_order_is_a_wrong_call(shop: Path, cartlake: Call, arguments: list[str]) -> None:
    said = cartlake("export", *arguments, "--project", shop)
    assert (said.code, "cartlake export --all DIR" in said.err) == (2, True)
