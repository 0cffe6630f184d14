"""Quarantined records that go out as CSV, are edited in a spreadsheet, and come back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from cartlake.core.deciding import DecisionReport
from cartlake.errors import UsageError
from tests.pipeline.shop import Shop, a_day, csv_text, customer, order, shipment

Table = list[list[str]]
BROKEN = [order("O-2", order_amount="?"), order("O-3", order_amount="12,50"), order("O-4", customer_id="")]
HOSTILE = [
    "=HYPERLINK(A1)",
    "+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "'=1",
    'say "hi"',
    "two\nlines",
    "two\r\nlines",
    "a;b,c\td|e",
    "007",
    "3-4",
    "MAR1",
    "1E5",
    "ä漢😀",
    "${x} {{y}} %s :why",
    "x" * 200_000,
]


def exported(path: Path) -> Table:
    csv.field_size_limit(1 << 20)
    return list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def saved(path: Path, table: Table, encoding: str = "utf-8", delimiter: str = ",", first: str = "") -> Path:
    """As a spreadsheet saves it."""
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows(table)
    path.write_bytes((first + written.getvalue()).encode(encoding))
    return path


def edit(table: Table, row: int, **cells: str) -> Table:
    for column, text in cells.items():
        table[row][table[0].index(column)] = text
    return table


def decided(report: DecisionReport) -> list[tuple[object, ...]]:
    return [(record.line, record.changed, record.reasons_then) for record in report.records]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with three broken orders and a broken customer; nothing is decided in it."""
    made = Shop(tmp_path_factory.mktemp("kept") / "shop")
    made.deliver("b1", **a_day(orders=[order(), *BROKEN], customers=[customer(), customer("C-2", email="?")]))
    made.run()
    yield made
    made.lake.close()


@pytest.fixture
def table(kept: Shop, tmp_path: Path) -> Table:
    """The sheet of the orders."""
    kept.lake.export_quarantine(tmp_path / "sheet.csv", feed="orders")
    return exported(tmp_path / "sheet.csv")


def test_what_somebody_edited_in_a_spreadsheet_is_fixed_and_the_rest_is_left_open(shop: Shop, tmp_path: Path) -> None:
    shop.deliver("b1", **a_day(orders=[order(), *BROKEN]))
    shop.run()
    sheet = tmp_path / "orders.csv"
    assert shop.lake.export_quarantine(sheet) == 3
    table = exported(sheet)
    assert [row[2:4] for row in table[1:]] == [
        ["3", "order_amount_not_a_number"],
        ["4", "order_amount_not_a_number"],
        ["5", "customer_id_missing"],
    ]
    edit(table, 1, order_amount="9.99")
    edit(table, 2, order_amount="twelve")
    saved(sheet, table, "utf-16", "\t")
    expected = [(3, ("order_amount",), ()), (4, ("order_amount",), ("order_amount_not_a_number",))]
    assert decided(shop.lake.fix(sheet, dry_run=True)) == expected
    assert shop.one("SELECT count(*) FROM decisions") == 0
    report = shop.lake.fix(sheet, why="by the invoice")
    assert (decided(report), report.batches) == (expected, ("b1",))
    assert shop.lake.fix(sheet).records == (), "the same file again"
    shop.run()
    found = shop.rows("SELECT order_id, order_amount FROM orders ORDER BY 1")
    assert found == [("O-1", Decimal("20.00")), ("O-2", Decimal("9.99"))]
    assert shop.lake.fix(sheet).records == ()
    assert shop.rows("SELECT DISTINCT why FROM decisions") == [("by the invoice",)]


@pytest.mark.parametrize(
    ("encoding", "delimiter", "first"),
    [
        ("utf-8-sig", ",", ""),
        ("utf-8", ";", ""),
        ("cp1252", ";", ""),
        ("utf-16", "\t", ""),
        ("utf-8", ";", "sep=;\r\n"),
    ],
)
def test_a_sheet_is_read_as_spreadsheets_save_it(
    kept: Shop, table: Table, tmp_path: Path, encoding: str, delimiter: str, first: str
) -> None:
    wider = [[*row, "", ""] for row in edit(table, 1, order_amount="5", shipping_address="Königstraße 7")]
    sheet = saved(tmp_path / "edited.csv", [*wider, [""] * len(wider[0])], encoding, delimiter, first)
    assert decided(kept.lake.fix(sheet, dry_run=True)) == [(3, ("order_amount", "shipping_address"), ())]


def test_columns_may_stand_in_another_order_and_be_left_out_but_for_those_that_name_the_record(
    kept: Shop, table: Table, tmp_path: Path
) -> None:
    edit(table, 1, order_amount="5")
    places = [table[0].index(name) for name in ("_check", "order_amount", "_id")]
    sheet = saved(tmp_path / "edited.csv", [[row[place] for place in places] for row in table])
    assert decided(kept.lake.fix(sheet, dry_run=True)) == [(3, ("order_amount",), ())]
    saved(sheet, [row[:-1] for row in table])
    with pytest.raises(UsageError, match="lacks _check"):
        kept.lake.fix(sheet, dry_run=True)


def rows_with(table: Table, row: int, **cells: str) -> Table:
    return edit([list(one) for one in table], row, **cells)


def test_a_sheet_that_cannot_be_followed_is_refused_whole_with_the_lines_that_are_wrong(
    kept: Shop, table: Table, tmp_path: Path
) -> None:
    good = rows_with(table, 1, order_amount="5")
    customers = next(str(row["id"]) for row in kept.lake.quarantine() if row["feed"] == "customers")
    wrong: list[tuple[Table, int, str]] = [
        (rows_with(good, 2, _id="cafe-1"), 3, "_id is that of no quarantined record"),
        (rows_with(good, 2, _id=""), 3, "has no _id"),
        (rows_with(good, 2, _id=good[1][0]), 3, "also in line 2"),
        (rows_with(good, 2, _id=customers), 3, "is of customers"),
        ([*good, [*good[3], "x"]], 5, "cannot be read"),
        (rows_with(good, 1, _check="c0"), 2, "has changed since it was exported"),
        (
            [["_id", *(name.replace("order_amount", "amount") for name in good[0][1:])], *good[1:]],
            1,
            "no column 'amount'",
        ),
        ([[*row, "mine"] for row in good], 1, "no column 'mine'"),
    ]
    for rows, line, said in wrong:
        with pytest.raises(UsageError, match=said) as refused:
            kept.lake.fix(saved(tmp_path / "edited.csv", rows), dry_run=True)
        assert (refused.value.file, refused.value.line) == ("edited.csv", line)
        assert "12,50" not in str(refused.value), "no cell in an error"
    several = saved(tmp_path / "edited.csv", rows_with(rows_with(good, 2, _id="x"), 3, _id="y"))
    with pytest.raises(UsageError, match="line 4: its _id"):
        kept.lake.fix(several, dry_run=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"PK\x03\x04 a workbook", "Excel workbook"), (b"name,mail\nAda,a@b.c\n", "lacks _id, _check")],
)
def test_what_is_no_sheet_is_refused(kept: Shop, tmp_path: Path, content: bytes, said: str) -> None:
    sheet = tmp_path / "edited.csv"
    sheet.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        kept.lake.fix(sheet, dry_run=True)
    with pytest.raises(UsageError, match="cannot be read"):
        kept.lake.fix(tmp_path / "nothing.csv", dry_run=True)


def test_an_export_goes_to_a_file_or_a_folder_and_overwrites_nothing(kept: Shop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one feed"):
        kept.lake.export_quarantine(tmp_path / "all.csv")
    assert kept.lake.export_quarantine(tmp_path / "all") == 4
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["customers.csv", "orders.csv"]
    with pytest.raises(UsageError, match="there already"):
        kept.lake.export_quarantine(tmp_path / "all")
    with pytest.raises(UsageError, match="lies inside"):
        kept.lake.export_quarantine(kept.landing / "orders_data/source/orders.csv", feed="orders")
    assert kept.lake.export_quarantine(tmp_path / "none", batch_id="b1", feed="products") == 0
    assert not (tmp_path / "none").exists()


def test_hostile_cells_are_no_formulas_in_the_sheet_and_come_back_as_they_were(shop: Shop, tmp_path: Path) -> None:
    rows = [order(f"O-{n}", order_amount="?", shipping_address=cell) for n, cell in enumerate(HOSTILE)]
    shop.deliver("b1", **a_day(orders=[order("O-99"), *rows]))
    shop.run()
    sheet = tmp_path / "orders.csv"
    assert shop.lake.export_quarantine(sheet) == len(HOSTILE)
    table = exported(sheet)
    assert [cell[:1] for row in table for cell in row if cell[:1] in tuple("=+-@\t\r")] == []
    assert shop.lake.fix(sheet, dry_run=True).records == ()
    for row in range(1, len(table)):
        edit(table, row, order_amount="1")
    saved(sheet, table)
    assert {record.passes for record in shop.lake.fix(sheet).records} == {True}
    shop.run()
    found = shop.rows("SELECT shipping_address FROM orders WHERE order_amount = 1 ORDER BY _record")
    assert [text for (text,) in found] == [cell.strip(" ") for cell in HOSTILE]


@pytest.mark.slow
def test_hostile_texts_for_cells_are_stored_as_they_are(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[order(f"O-{n}", order_amount="?") for n in range(len(HOSTILE))]))
    shop.run()
    for row, text in zip(shop.lake.quarantine(), HOSTILE, strict=True):
        shop.lake.fix_record(str(row["id"]), {"order_amount": "1", "shipping_address": text})
    shop.run()
    assert [text for (text,) in shop.rows("SELECT shipping_address FROM orders ORDER BY _record")] == HOSTILE


@pytest.mark.slow
def test_decimal_commas_are_those_of_the_contract_as_in_the_delivered_file(shop: Shop, tmp_path: Path) -> None:
    german = "value: [updated_timestamp, created_timestamp]}\n  - {property: decimalMark, value: ','}"
    shop.change_contract("orders", ("value: [updated_timestamp, created_timestamp]}", german))
    delivered = csv_text([order(order_amount="20,00"), order("O-2", order_amount="20.00")])
    shop.deliver("b1", **a_day(orders=delivered, shipping=[shipment()]))
    shop.run()
    sheet = tmp_path / "orders.csv"
    assert shop.lake.export_quarantine(sheet) == 1
    table = edit(exported(sheet), 1, order_amount="1234,5")
    assert shop.lake.fix(saved(sheet, table, "cp1252", ";")).records[0].passes
    shop.run()
    assert shop.rows("SELECT order_amount FROM orders ORDER BY 1") == [(Decimal("20.00"),), (Decimal("1234.50"),)]
