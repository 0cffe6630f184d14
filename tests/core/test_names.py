from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartlake.core.names import (
    LandedFile,
    archive_path,
    by_date,
    check_file_name,
    date_in_name,
    is_ignored,
    new_trigger_id,
    normalise,
    safe_stem,
    shown,
)

SHA = "0123456789abcdef" * 4
PATTERNS = {"orders_data": "orders_{date}*.csv", "products_data": "products_{date}.csv"}


def landed(name: str, folder: str = "orders_data", day: int = 20) -> LandedFile:
    return LandedFile(folder, name, 100, datetime(2025, 1, day, 23, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    "name",
    [
        "orders_2025_01_15.csv",
        "products_export (1).csv",
        "Bestellungen März & Co.csv",
        "注文.ndjson",
        "*.csv",
        "orders_10:30.csv",
        "-rf.csv",
        "console.csv",
        "com10.csv",
        "Kundenliste",
        "x" * 200,
        "e\N{COMBINING ACUTE ACCENT}" * 200,
    ],
)
def test_the_names_people_give_their_files_are_accepted(name: str) -> None:
    assert check_file_name(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("../orders.csv", "path"),
        ("/etc/passwd", "path"),
        ("orders_data/orders.csv", "path"),
        ("C:\\shop\\orders.csv", "path"),
        ("orders\n.csv", "control"),
        ("orders\x00.csv", "control"),
        ("orders\x85.csv", "control"),
        ("orders\N{LINE SEPARATOR}.csv", "control"),
        ("orders\ud800.csv", "control"),
        ("orders\N{RIGHT-TO-LEFT OVERRIDE}vsc.exe", "direction"),
        ("orders\N{RIGHT-TO-LEFT ISOLATE}.csv", "direction"),
        ("orders\N{ARABIC LETTER MARK}.csv", "direction"),
        (" orders.csv", "blank"),
        ("orders.csv ", "blank"),
        ("orders.", "dot"),
        ("NUL", "reserved"),
        ("con.csv", "reserved"),
        ("Aux .csv", "reserved"),
        ("com1.orders.csv", "reserved"),
        ("LPT³.csv", "reserved"),
        ("CONIN$", "reserved"),
        (".hidden.csv", "hidden"),
        ("~$orders.xlsx", "hidden"),
        ("orders.csv.tmp", "hidden"),
        ("orders.CRDOWNLOAD", "hidden"),
        ("x" * 201, "longer than 200"),
    ],
)
def test_what_could_be_a_path_a_device_or_a_trick_is_refused(name: str, reason: str) -> None:
    assert reason in (check_file_name(name) or "accepted")


@pytest.mark.parametrize("name", ["~$orders.xlsx", "a.tmp", "A.TMP", "a.crdownload", ".DS_Store", "Thumbs.db", ".env"])
def test_spreadsheet_locks_partial_downloads_and_hidden_files_are_ignored(name: str) -> None:
    assert is_ignored(name)


@pytest.mark.parametrize("name", ["orders.csv", "tmp.csv", "orders.tmp.csv", "thumbs.db.csv", "orders~$.csv"])
def test_other_files_are_not_ignored(name: str) -> None:
    assert not is_ignored(name)


def test_names_that_differ_only_by_case_or_by_composition_are_one() -> None:
    assert normalise("ORDERS.CSV") == normalise("orders.csv")
    assert normalise("caf\N{LATIN SMALL LETTER E WITH ACUTE}.csv") == normalise("CAFE\N{COMBINING ACUTE ACCENT}.csv")
    assert normalise("STRASSE.csv") == normalise("straße.csv")
    assert normalise("orders.csv") != normalise("orders_.csv")


@given(st.text())
def test_a_compared_name_compares_as_itself(name: str) -> None:
    assert normalise(normalise(name)) == normalise(name)


def test_a_message_shows_controls_as_escapes_and_cuts_long_names() -> None:
    assert shown("März\x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}") == "März\\x1b[31m\\u202e"
    assert shown("x" * 90) == "x" * 79 + "…"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("orders_2025_01_15.csv", "orders_data/2025-01-15/orders_2025_01_15.0123456789ab.csv"),
        ("Products Export (1).CSV", "orders_data/2025-01-15/products-export-1.0123456789ab.csv"),
        ("注文", "orders_data/2025-01-15/file.0123456789ab"),
        ("..", "orders_data/2025-01-15/file.0123456789ab"),
        ("a:b*c?.csv", "orders_data/2025-01-15/a-b-c.0123456789ab.csv"),
        ("nul.csv", "orders_data/2025-01-15/file-nul.0123456789ab.csv"),
        ("orders.csv.gz", "orders_data/2025-01-15/orders.0123456789ab.csv"),
        ("o." + "x" * 50, "orders_data/2025-01-15/o.0123456789ab.xxxxxxxxxx"),
    ],
)
def test_archive_paths_are_lower_case_and_short_and_name_the_content(name: str, path: str) -> None:
    assert archive_path("orders_data", date(2025, 1, 15), name, SHA).as_posix() == path


@given(st.text(min_size=1, max_size=260))
def test_an_archive_path_is_portable_whatever_the_name(name: str) -> None:
    path = archive_path("orders_data", date(2025, 1, 15), name, SHA)
    assert path.parts[:2] == ("orders_data", "2025-01-15")
    assert len(path.parts) == 3
    assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
    assert len(path.name) <= 64
    assert check_file_name(path.name) is None
    assert check_file_name(safe_stem(name)) is None


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("orders_{date}.csv", "orders_2025_01_15.csv", date(2025, 1, 15)),
        ("orders_{date}.csv", "Orders_20250115.CSV", date(2025, 1, 15)),
        ("orders_{date}.csv", "orders_2025-01-15.csv", date(2025, 1, 15)),
        ("*{date}*.csv", "shop a orders 2025.01.15 (2).csv", date(2025, 1, 15)),
        ("orders?{date}.csv", "orders-2025-01-15.csv", date(2025, 1, 15)),
        ("orders_{date}.csv", "orders_2025_01_15_b.csv", None),
        ("orders_{date}.csv", "customers_2025_01_15.csv", None),
        ("orders_{date}.csv", "orders_2025_02_30.csv", None),
        ("orders_{date}.csv", "orders_1850_01_15.csv", None),
        ("orders_{date}.csv", "orders_2262_01_15.csv", None),
        ("orders_{date}.csv", "orders_2025_01_15xcsv", None),
        ("orders.csv", "orders.csv", None),
        ("", "orders_2025_01_15.csv", None),
    ],
)
def test_the_date_is_read_where_the_pattern_says(pattern: str, name: str, found: date | None) -> None:
    assert date_in_name(pattern, name) == found


def test_files_are_grouped_by_the_dates_in_their_names() -> None:
    first, second = landed("orders_2025-01-14.csv"), landed("orders_2025-01-15.csv")
    products = landed("products_2025-01-15.csv", "products_data")
    assert by_date([second, products, first], PATTERNS) == {
        date(2025, 1, 14): (first,),
        date(2025, 1, 15): (second, products),
    }


def test_a_file_without_a_date_in_its_name_belongs_to_the_newest_date_there() -> None:
    dated, plain = landed("orders_2025-01-15.csv"), landed("customers.csv", "customer_data")
    assert by_date([plain, dated], PATTERNS) == {date(2025, 1, 15): (plain, dated)}


def test_without_any_date_in_a_name_the_newest_file_tells_the_date_in_utc() -> None:
    older, newer = landed("customers.csv", "customer_data", 18), landed("stock.csv", "inventory_data", 20)
    assert by_date([older, newer], PATTERNS) == {date(2025, 1, 20): (older, newer)}
    assert by_date([], PATTERNS) == {}


def test_a_name_that_lies_there_twice_belongs_to_no_date() -> None:
    twice = [landed("orders_2025-01-15.csv"), landed("Orders_2025-01-15.csv", "products_data")]
    assert by_date(twice, PATTERNS) == {}


@given(st.sets(st.integers(1, 6).map(lambda n: f"2025-01-15-{n}")))
def test_a_new_trigger_id_is_the_first_that_is_not_used(used: set[str]) -> None:
    made = new_trigger_id(date(2025, 1, 15), used)
    number = int(made.removeprefix("2025-01-15-"))
    assert made not in used
    assert all(f"2025-01-15-{n}" in used for n in range(1, number))
