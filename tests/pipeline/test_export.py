"""Published rows as files: whole or not at all, exact, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from openpyxl import load_workbook

from cartlake.errors import UsageError
from tests.pipeline.shop import Shop, a_day, customer, order, product

FORMULA = '=HYPERLINK("http://evil.example","click")'
PEOPLE = "SELECT customer_id, first_name, last_name, address, date_of_birth, valid_from FROM customers ORDER BY 1"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Two published days; cells that begin like formulas, hold line breaks, quotes, separators and umlauts."""
    made = Shop(tmp_path_factory.mktemp("exported") / "shop")
    people = [
        customer("C-1", first_name=FORMULA, last_name='O\'Neil; "the" Müller', address="1 Main St\nBack door"),
        customer("C-2", first_name="-1+1", last_name="@sum", address=""),
    ]
    made.deliver("b1", **a_day(customers=people, products=[product(price="1234567890123.45")]))
    made.deliver("b2", "2025-03-02", orders=[order("O-2", order_amount="-0.00"), order("O-3")])
    made.run()
    yield made
    made.lake.close()


def read_csv(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def test_a_select_becomes_csv_whose_cells_no_spreadsheet_takes_for_formulas(shop: Shop, tmp_path: Path) -> None:
    written = shop.lake.export(PEOPLE, tmp_path / "people.csv")
    assert (written.rows, written.bytes) == (2, (tmp_path / "people.csv").stat().st_size)
    assert read_csv(written.path) == [
        ["customer_id", "first_name", "last_name", "address", "date_of_birth", "valid_from"],
        ["C-1", f"'{FORMULA}", 'O\'Neil; "the" Müller', "1 Main St\nBack door", "1990-05-05", "2025-03-01 08:00:00"],
        ["C-2", "'-1+1", "'@sum", "", "1990-05-05", "2025-03-01 08:00:00"],
    ]


def test_csv_for_excel_has_its_delimiter_and_byte_order_mark(shop: Shop, tmp_path: Path) -> None:
    written = shop.lake.export("customers", tmp_path / "people.csv", delimiter=";", bom=True)
    assert written.path.read_bytes().startswith(b"\xef\xbb\xbf")
    header, *rows = read_csv(written.path, ";")
    assert 'O\'Neil; "the" Müller' in {row[header.index("last_name")] for row in rows}
    assert not (tmp_path / "people.csv").read_bytes().replace(b"\r\n", b"").count(b"\r")


def test_a_tab_is_a_word(shop: Shop, tmp_path: Path) -> None:
    shop.lake.export("SELECT 1 AS a, 2 AS b", tmp_path / "one.csv", delimiter="tab")
    assert (tmp_path / "one.csv").read_bytes() == b"a\tb\n1\t2\n"


def test_a_header_is_no_formula_either(shop: Shop, tmp_path: Path) -> None:
    shop.lake.export('SELECT 1 AS "=1+1"', tmp_path / "one.csv")
    assert read_csv(tmp_path / "one.csv") == [["'=1+1"], ["1"]]


def test_parquet_holds_the_values_and_types_as_they_are(shop: Shop, tmp_path: Path) -> None:
    written = shop.lake.export("customers", tmp_path / "people.parquet")
    columns, rows = shop.lake.query("SELECT * FROM customers ORDER BY customer_id")
    with duckdb.connect() as database:
        found = database.execute(f"SELECT * FROM '{written.path}' ORDER BY customer_id")
        assert [column[0] for column in found.description] == columns
        names = database.execute(f"SELECT first_name, date_of_birth FROM '{written.path}' ORDER BY 1 DESC").fetchall()
    assert names == [(FORMULA, date(1990, 5, 5)), ("-1+1", date(1990, 5, 5))]
    assert written.rows == len(rows) == 2


@pytest.mark.parametrize(("at", "found"), [("b1", [("O-1",)]), (None, [("O-3",), ("O-1",)])], ids=["then", "now"])
def test_whether_a_column_of_parquet_may_be_null_does_not_hang_on_the_rows(
    shop: Shop, tmp_path: Path, at: str | None, found: list[tuple[str]]
) -> None:
    """Files of several days go into one data set: that a column holds no NULL today is no promise."""
    sql = "SELECT order_id, quantity, order_amount FROM orders ORDER BY order_id DESC"
    written = shop.lake.export(sql, tmp_path / "orders.parquet", at=at)
    schema = f"parquet_schema('{written.path}') WHERE num_children IS NULL"
    with duckdb.connect() as database:
        assert database.execute(f"SELECT DISTINCT repetition_type FROM {schema}").fetchall() == [("OPTIONAL",)]
        assert database.execute(f"SELECT order_id FROM '{written.path}'").fetchall() == found, "in the query's order"


def test_a_workbook_has_texts_as_texts_and_numbers_that_excel_would_round_as_texts(shop: Shop, tmp_path: Path) -> None:
    sql = (
        "SELECT first_name, date_of_birth, valid_from, is_current, 12345678901234567 AS long, 0.1 AS tenth,"
        " CAST(1234567890123456.78 AS DECIMAL(18,2)) AS exact, CAST(NULL AS VARCHAR) AS nothing"
        " FROM customers ORDER BY customer_id LIMIT 1"
    )
    shop.lake.export(sql, tmp_path / "people.xlsx")
    [sheet] = load_workbook(tmp_path / "people.xlsx").worksheets
    header, cells = sheet.iter_rows()
    assert [cell.value for cell in header][:3] == ["first_name", "date_of_birth", "valid_from"]
    times = [datetime(1990, 5, 5), datetime(2025, 3, 1, 8)]
    numbers = ["12345678901234567", 0.1, "1234567890123456.78", None]
    assert [cell.value for cell in cells] == [FORMULA, *times, True, *numbers]
    assert cells[0].data_type == "s", "a text, and no formula"
    assert not cells[0].hyperlink
    assert sheet.column_dimensions["A"].width > len("2025-03-01 08:00:00"), "Excel shows no part of a time, but ####"


def test_what_is_there_is_replaced_only_if_asked_and_only_by_something_whole(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        shop.lake.export("customers", path)
    with pytest.raises(UsageError, match="no published table"):
        shop.lake.export("SELECT * FROM customer", path, force=True)
    assert path.read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["people.csv"], "nothing half done is left"
    shop.lake.export("customers", path, force=True)
    assert len(read_csv(path)) == 3


def test_a_folder_is_no_file_to_replace(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "people.csv").mkdir()
    for force in (False, True):
        with pytest.raises(UsageError, match="is a folder"):
            shop.lake.export("customers", tmp_path / "people.csv", force=force)


def test_a_table_that_is_none_is_no_wrong_query(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no table or view 'customer'") as refused:
        shop.lake.export("customer", tmp_path / "people.csv")
    assert "`customers`" in str(refused.value.hint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["lake", "archive", "landing/orders_data/source"])
def test_an_export_never_lands_where_cartlake_reads(shop: Shop, folder: str) -> None:
    (shop.project / folder).mkdir(parents=True, exist_ok=True)
    with pytest.raises(UsageError, match="lies inside"):
        shop.lake.export("customers", shop.project / folder / "people.csv")
    with pytest.raises(UsageError, match="lies inside"):
        shop.lake.export_all(shop.project / folder / "all")


@pytest.mark.parametrize(
    ("name", "delimiter", "said"),
    [
        ("people.json", ",", "ends in none of"),
        ("people.csv", ";;", "one character"),
        ("no/people.csv", ",", "no folder"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is(
    shop: Shop, tmp_path: Path, name: str, delimiter: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        shop.lake.export("customers", tmp_path / name, delimiter=delimiter)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql", ["DELETE FROM customers", "SELECT * FROM read_csv('/etc/passwd')", "COPY customers TO 'x'"]
)
def test_only_a_select_over_published_tables_is_exported(shop: Shop, tmp_path: Path, sql: str) -> None:
    for name in ("x.csv", "x.parquet", "x.xlsx"):
        with pytest.raises(UsageError):
            shop.lake.export(sql, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_export_of_an_earlier_batch_is_what_was_published_then(shop: Shop, tmp_path: Path) -> None:
    assert shop.lake.export("orders", tmp_path / "then.csv", at="b1").rows == 1
    assert shop.lake.export("orders", tmp_path / "now.parquet").rows == 2


def test_rows_come_in_the_order_of_their_key_whenever_they_were_loaded(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    for day, number in ((1, 2), (2, 3), (3, 1)):
        shop.deliver(f"b{day}", f"2025-03-0{day}", customers=[customer(f"C-{number}")])
        shop.run()
    for name in ("customers", "customer_analytics"):
        shop.lake.export(name, tmp_path / f"{name}.csv")
        assert [row[0] for row in read_csv(tmp_path / f"{name}.csv")] == ["customer_id", "C-1", "C-2", "C-3"]
    shop.lake.export_all(tmp_path / "all")
    with duckdb.connect() as database:
        found = database.execute(f"SELECT customer_id FROM '{tmp_path}/all/customers.parquet'").fetchall()
    assert found == [("C-1",), ("C-2",), ("C-3",)]


def test_a_snapshot_is_every_table_and_view_and_opens_in_duckdb(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "snapshot"
    written = shop.lake.export_all(folder)
    assert {each.name for each in written} >= {"orders", "enriched_orders", "customer_analytics", "analytics_summary"}
    monkeypatch.chdir(folder)
    with duckdb.connect() as database:
        database.execute((folder / "open.sql").read_text())
        found = {each.name: database.execute(f"SELECT count(*) FROM {each.name}").fetchone() for each in written}
        [(revenue,)] = database.execute("SELECT total_revenue FROM analytics_summary").fetchall()
    assert found == {each.name: (each.rows,) for each in written}
    assert revenue == shop.one("SELECT total_revenue FROM analytics_summary") == Decimal("40.00")
    described = json.loads((folder / "snapshot.json").read_text())
    assert described["publication_id"] == shop.one("SELECT max(publication_id) FROM publications")
    assert described["rows"]["orders"] == 2
    assert described["kind"] == "batch"


def test_a_snapshot_takes_the_place_of_a_snapshot_and_of_nothing_else(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    shop.lake.export_all(folder)
    with pytest.raises(UsageError, match="is there already"):
        shop.lake.export_all(folder)
    (folder / "gone.parquet").write_text("of an earlier model")
    shop.lake.export_all(folder, force=True)
    assert not (folder / "gone.parquet").exists()
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").write_text("mine")
    with pytest.raises(UsageError, match="no snapshot"):
        shop.lake.export_all(other, force=True)
    assert [path.name for path in other.iterdir()] == ["cat.jpg"]
