"""Quarantined records that go out as CSV, are edited in a spreadsheet, and come back."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

from cartlake.core.deciding import DecisionReport
from tests.pipeline.shop import Shop, a_day, order

Table = list[list[str]]


def exported(path: Path) -> Table:
    return list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def saved(path: Path, table: Table, encoding: str = "utf-8", delimiter: str = ",") -> Path:
    """As a spreadsheet saves it."""
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows(table)
    path.write_bytes(written.getvalue().encode(encoding))
    return path


def edit(table: Table, row: int, **cells: str) -> None:
    for column, text in cells.items():
        table[row][table[0].index(column)] = text


def decided(report: DecisionReport) -> list[tuple[object, ...]]:
    return [(record.line, record.changed, record.reasons_then) for record in report.records]


def test_what_somebody_edited_in_a_spreadsheet_is_fixed_and_the_rest_is_left_open(shop: Shop, tmp_path: Path) -> None:
    broken = [order("O-2", order_amount="?"), order("O-3", order_amount="12,50"), order("O-4", customer_id="")]
    shop.deliver("b1", **a_day(orders=[order(), *broken]))
    shop.run()
    sheet = tmp_path / "orders.csv"
    assert shop.lake.export_quarantine(sheet) == 3
    table = exported(sheet)
    assert [row[2:4] for row in table[1:]] == [
        ["3", "order_amount_not_a_number"],
        ["4", "order_amount_not_a_number"],
        ["5", "customer_id_missing"],
    ]
    assert shop.lake.fix(sheet).records == (), "as it was exported: nothing to decide"
    edit(table, 1, order_amount="9.99")
    edit(table, 2, order_amount="twelve")
    saved(sheet, table, "utf-16", "\t")
    told = shop.lake.fix(sheet, dry_run=True, why="by the invoice")
    assert decided(told) == [
        (3, ("order_amount",), ()),
        (4, ("order_amount",), ("order_amount_not_a_number",)),
    ]
    assert shop.one("SELECT count(*) FROM decisions") == 0
    assert shop.lake.fix(sheet, why="by the invoice").batches == ("b1",)
    assert shop.lake.fix(sheet).records == (), "the same file again"
    shop.run()
    assert shop.rows("SELECT order_id, order_amount FROM orders ORDER BY 1") == [
        ("O-1", Decimal("20.00")),
        ("O-2", Decimal("9.99")),
    ]
    assert shop.lake.fix(sheet).records == ()
