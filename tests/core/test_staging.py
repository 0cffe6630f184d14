"""Text cells become typed, judged records: nothing is lost, nothing is judged twice, every reason is named."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import examples
from tests.core.stagedb import FEEDS, Cells, codes, contract, log, sound, stage

from cartlake.core.contract import Contract
from cartlake.core.odcs import parse_contract
from cartlake.core.staging import checks
from cartlake.core.tables import stage_table

SAMPLE = Path(__file__).parents[2].parent / "shared" / "data" / "sample"


def utc(*parts: int) -> datetime:
    hour, minute, second, micro = (*parts[3:], 0, 0, 0, 0)[:4]
    return datetime(parts[0], parts[1], parts[2], hour, minute, second, micro, tzinfo=UTC)


def errors(row: dict[str, object]) -> list[str]:
    return str(row["_errors"]).split(",") if row["_errors"] is not None else []


@pytest.mark.parametrize("feed", FEEDS)
def test_a_logged_record_has_the_columns_of_the_log_in_their_order(feed: str) -> None:
    (row,) = log(contract(feed), [sound(feed)])
    assert list(row) == [column.name for column in stage_table(contract(feed)).columns]


def test_a_logged_record_says_where_it_came_from_and_an_unsound_one_is_not_logged() -> None:
    (row,) = log(contract("orders"), [sound("orders", order_id=None), sound("orders")], revision=3)
    assert (row["_record"], row["_op"], row["_batch_id"], row["_revision"]) == (2, "upsert", "batch_2025_01_15_001", 3)
    assert (row["_batch_date"], row["_source_file"], row["_source_system"]) == (date(2025, 1, 15), "shop.csv", None)


def test_cells_become_values_of_the_contracts_types() -> None:
    cells = {"order_amount": " 1299.90 ", "quantity": "3.0", "created_timestamp": "2025-01-15T08:30:15.250+01:00"}
    (row,) = stage(contract("orders"), [sound("orders", **cells)])
    assert (row["order_amount"], row["quantity"], row["order_date"]) == (Decimal("1299.90"), 3, date(2025, 1, 15))
    assert row["_sequence"] == row["created_timestamp"] == utc(2025, 1, 15, 7, 30, 15, 250_000)
    assert (row["_record"], row["_line"], row["_op"]) == (1, 2, "upsert")


def test_marks_formats_and_zone_are_those_of_the_contract() -> None:
    german = contract("orders")
    fields = tuple(
        replace(each, formats=("dd.MM.yyyy",)) if each.name == "order_date" else each for each in german.fields
    )
    german = replace(german, decimal_mark=",", timezone="Europe/Berlin", fields=fields)
    (row,) = stage(german, [sound("orders", order_amount="1299,90", order_date="16.01.2025")])
    assert (row["order_amount"], row["order_date"], row["_errors"]) == (Decimal("1299.90"), date(2025, 1, 16), None)
    assert row["_sequence"] == utc(2025, 1, 15, 7, 30, 15)


def test_enumerations_are_one_however_they_are_spelt_and_blank_cells_are_null() -> None:
    spelt = ["Credit Card", "credit_card", "CREDIT-CARD ", "   ", None]
    rows = [sound("orders", order_id=str(n), payment_method=each) for n, each in enumerate(spelt)]
    found = [row["payment_method"] for row in stage(contract("orders"), rows)]
    assert found == ["credit_card", "credit_card", "credit_card", None, None]
    assert [row["currency"] for row in stage(contract("orders"), [sound("orders", currency="usd")])] == ["USD"]


def test_a_column_that_the_file_lacks_has_its_default_or_null() -> None:
    lacking = ("order_line", "quantity", "order_status", "updated_timestamp")
    (row,) = stage(contract("orders"), [{n: c for n, c in sound("orders").items() if n not in lacking}])
    assert (row["order_line"], row["quantity"], row["order_status"], row["_errors"]) == (1, 1, None, None)


def test_the_time_of_an_event_is_the_first_that_is_there() -> None:
    rows = [
        sound("orders", order_id="1", updated_timestamp="2025-01-16 10:00:00"),
        sound("orders", order_id="2", updated_timestamp=" "),
    ]
    assert [row["_sequence"] for row in stage(contract("orders"), rows)] == [
        utc(2025, 1, 16, 10, 0),
        utc(2025, 1, 15, 8, 30, 15),
    ]


def test_without_a_time_of_its_own_a_record_stands_at_the_time_of_its_batch() -> None:
    timeless = replace(contract("orders"), sequence=())
    (row,) = stage(timeless, [sound("orders", created_timestamp=None)])
    assert (row["_sequence"], row["_errors"]) == (utc(2025, 1, 15, 10, 0), None)


@pytest.mark.parametrize(
    ("spelt", "op"),
    [
        ("upsert", "upsert"),
        ("I", "upsert"),
        ("u", "upsert"),
        ("C", "upsert"),
        ("", "upsert"),
        (None, "upsert"),
        (" Delete ", "delete"),
        ("D", "delete"),
    ],
)
def test_operations_are_read_in_any_case(spelt: str | None, op: str) -> None:
    (row,) = stage(contract("orders"), [sound("orders", _op=spelt)])
    assert (row["_op"], row["_errors"]) == (op, None)


def test_a_row_collects_all_its_reasons_in_a_fixed_order() -> None:
    wrong = sound(
        "orders",
        _op="merge",
        order_id=" ",
        customer_id=None,
        order_amount="12,50",
        quantity="-1",
        currency="dollars",
        created_timestamp="yesterday",
        order_status="lost in space",
    )
    (row,) = stage(contract("orders"), [wrong])
    assert errors(row) == [
        "op_unknown",
        "order_id_missing",
        "created_timestamp_not_a_timestamp",
        "customer_id_missing",
        "order_amount_not_a_number",
        "quantity_not_positive",
        "currency_unknown",
    ]
    assert row["_warnings"] == "order_status_unknown"
    known = [check.code for check in checks(contract("orders"))]
    assert errors(row) == sorted(errors(row), key=known.index)


def test_a_value_that_does_not_cast_is_no_missing_value_and_an_unreadable_time_no_missing_sequence() -> None:
    (row,) = stage(contract("orders"), [sound("orders", order_amount="free", created_timestamp="soon")])
    assert errors(row) == ["created_timestamp_not_a_timestamp", "order_amount_not_a_number"]


def test_a_delete_needs_only_its_key_and_its_sequence() -> None:
    empty: Cells = dict.fromkeys(sound("orders"))
    bare: Cells = {
        **empty,
        "_op": "D",
        "order_id": "ORD001",
        "order_line": "1",
        "created_timestamp": "2025-01-15 09:00",
    }
    rows: list[Cells] = [
        bare,
        {**bare, "order_amount": "n/a", "currency": "none", "order_status": "?", "quantity": "-1"},
        {**bare, "order_id": None, "created_timestamp": None},
        {**bare, "created_timestamp": "2205-01-15 09:00"},
    ]
    found = stage(contract("orders"), rows)
    assert [errors(row) for row in found] == [[], [], ["order_id_missing", "sequence_missing"], ["sequence_ahead"]]
    assert [row["_warnings"] for row in found] == [None] * 4


def test_a_year_that_is_wrong_is_ahead_of_its_batch_and_joins_the_other_reasons() -> None:
    later = replace(contract("orders"), sequence_ahead_days=30)
    rows = [sound("orders", created_timestamp="2025-02-14 23:59:59"), sound("orders", created_timestamp="2025-02-15")]
    assert [errors(row) for row in stage(later, rows)] == [[], ["sequence_ahead"]]
    (row,) = stage(contract("orders"), [sound("orders", created_timestamp="2052-01-15", order_amount="0")])
    assert errors(row) == ["sequence_ahead", "order_amount_not_positive"]


def test_under_observe_only_key_sequence_operation_and_casts_are_errors() -> None:
    observed = replace(contract("orders"), observe=True)
    wrong = sound("orders", _op="?", order_id=None, order_date="n/a", customer_id=None, order_amount="0", currency="?")
    (row,) = stage(observed, [wrong])
    assert errors(row) == ["op_unknown", "order_id_missing", "order_date_not_a_date"]
    assert row["_warnings"] == "customer_id_missing,order_amount_not_positive,currency_unknown"


def test_a_repetition_equals_an_earlier_record_in_every_cell() -> None:
    one, other = sound("orders"), sound("orders", order_status=None)
    rows = [one, other, one, sound("orders", order_status="Pending"), other, one]
    assert [row["_record"] for row in stage(contract("orders"), rows)] == [1, 2, 4]


def test_unknown_columns_and_wrong_values_tell_records_apart_too() -> None:
    row = sound("orders", order_amount="n/a")
    extras: list[Cells] = [{"gift": "yes"}, {"gift": "no"}, {"gift": "yes"}, {"gift": None}, {"note": "yes"}]
    found = stage(contract("orders"), [row] * 5, rescued=extras)
    assert [row["_record"] for row in found] == [1, 2, 4, 5]
    assert found[0]["_rescued"] == {"gift": "yes"}


def test_an_unknown_column_of_any_name_is_compared() -> None:
    name = 'it\'s a \\ "column" `n`'
    found = stage(contract("orders"), [sound("orders")] * 3, rescued=[{name: "a"}, {name: "b"}, {name: "a"}])
    assert [row["_record"] for row in found] == [1, 2]


def prefixed(*texts: str | None) -> str:
    """The row hash, written down a second time."""
    joined = ",".join("-" if text is None else f"{len(text)},{text}" for text in texts)
    return hashlib.sha256(joined.encode()).hexdigest()


# The canonical values of the sound record of each feed, and the first digits of their hash.
GOLDEN: dict[str, tuple[str, tuple[str | None, ...]]] = {
    "orders": (
        "6e8ff5a9d29d1cec",
        (
            *("ORD001", "1", "1001", "PROD001", "2025-01-15", "2", "299.99", "USD", "credit_card"),
            *("123 Main St, New York, NY 10001", "pending", "1736929815000000", None),
        ),
    ),
    "customers": (
        "f72a074fd341a33e",
        (
            *("1001", "Zoë", "Smith", "zoe.smith@email.com", "+1 (555) 555-0101", "1985-03-15", "2024-01-15"),
            *("123 Main St", "New York", "NY", "02101", "USA", "premium", "1736879400000000", "1736929815000000", None),
        ),
    ),
    "products": (
        "42a0025696f0406c",
        (
            *("PROD001", "Wireless Headphones", "Electronics", "Audio", "SoundMax", "299.99", "EUR", "150", "0.300"),
            *("20x15x8", "Black", "Plastic", "High-quality wireless headphones", "2024-01-15", "false"),
            *("1736929815000000", None),
        ),
    ),
}


@pytest.mark.parametrize("feed", GOLDEN)
def test_the_row_hash_is_the_golden_one(feed: str) -> None:
    start, texts = GOLDEN[feed]
    (row,) = stage(contract(feed), [sound(feed)])
    assert row["_row_hash"] == prefixed(*texts)
    assert str(row["_row_hash"]).startswith(start)


def test_the_row_hash_sees_values_and_not_their_spelling_place_or_file() -> None:
    same = [
        sound("orders"),
        sound("orders", order_amount="+299.990", order_date="2025-01-15T00:00", order_line="01", currency="usd"),
        sound(
            "orders", created_timestamp="2025-01-15T09:30:15+01:00", payment_method=" credit-CARD", order_id=" ORD001 "
        ),
    ]
    first = stage(contract("orders"), same)
    again = stage(contract("orders"), same[:1], batch_date=date(2025, 1, 16))
    assert len({row["_row_hash"] for row in (*first, *again)}) == 1


def test_moving_text_from_one_column_to_the_next_changes_the_row_hash() -> None:
    rows = [
        sound("customers", first_name="Ann,3,Lee", last_name=None),
        sound("customers", first_name="Ann", last_name="Lee"),
        sound("customers", first_name="AnnL", last_name="ee"),
        sound("customers", first_name=None, last_name="AnnLee"),
        sound("customers", first_name="-", last_name="AnnLee"),
    ]
    assert len({row["_row_hash"] for row in stage(contract("customers"), rows)}) == 5


MESS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "0", "-1", "1", "2.50", "n/a", "USD", "eur", "Credit Card", "pending", "ORD001", "D", "u"]
    ),
    st.sampled_from(["2025-01-15", "2025-01-15 08:30:15", "2205-01-01", "1899-12-31", "2025-02-30", "15.01.2025"]),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=4),
)
ORDER = st.fixed_dictionaries({name: MESS | st.just(cell) for name, cell in sound("orders", _op=None).items()})


@settings(max_examples=examples(25))
@given(st.lists(ORDER, min_size=1, max_size=40).map(lambda rows: rows + rows[: len(rows) // 2]))
def test_good_bad_and_repeated_records_are_all_records(rows: list[dict[str, str | None]]) -> None:
    cells = [{name: cell or None for name, cell in row.items()} for row in rows]
    judged = stage(contract("orders"), cells)
    firsts = [n + 1 for n, row in enumerate(cells) if row not in cells[:n]]
    assert [row["_record"] for row in judged] == firsts
    known = [check.code for check in checks(contract("orders"))]
    for row in judged:
        assert errors(row) == sorted(set(errors(row)), key=known.index)
        assert row["_errors"] != ""
        assert row["_warnings"] != ""
        is_good = row["_errors"] is None
        assert not is_good or (row["order_id"] is not None and row["_sequence"] is not None and row["_op"] is not None)
        assert len(str(row["_row_hash"])) == 64


AMOUNTS_AND_TIMES = st.tuples(st.decimals(Decimal("-10"), Decimal("10"), places=2), st.integers(-(10**7), 10**7))


@settings(max_examples=examples(8))
@given(st.lists(AMOUNTS_AND_TIMES, min_size=5, max_size=15))
def test_amounts_above_zero_and_times_up_to_two_days_ahead_are_sound(given: list[tuple[Decimal, int]]) -> None:
    rows, expected = [], []
    for number, (amount, seconds) in enumerate(given):
        at = f"{utc(2025, 1, 18) + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"
        rows.append(sound("orders", order_id=f"O-{number}", order_amount=f"{amount:f}", created_timestamp=at))
        wrong = {"sequence_ahead": seconds >= 0, "order_amount_not_positive": amount <= 0}
        expected.append([code for code, is_so in wrong.items() if is_so])
    assert [errors(row) for row in stage(contract("orders"), rows)] == expected


# (day, feed): how many records carry each warning, counted in the files.
WARNINGS = {
    ("2025_01_15", "shipping"): {"delivery_date_without_delivery": 8, "delivered_in_future": 12},
    ("2025_01_16", "shipping"): {"delivered_in_future": 2},
}


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample batches are not beside this repository")
@pytest.mark.parametrize("day", ["2025_01_15", "2025_01_16"])
@pytest.mark.parametrize("feed", FEEDS)
def test_the_files_of_both_sample_batches_break_no_error_rule(day: str, feed: str) -> None:
    (file,) = SAMPLE.glob(f"{day}/*/source/{feed}_*.csv")
    with file.open(newline="", encoding="utf-8") as text:
        rows = [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(text)]
    judged = stage(contract(feed), rows, batch_date=datetime.strptime(day, "%Y_%m_%d").replace(tzinfo=UTC).date())
    assert len(judged) == len(rows)
    assert [errors(row) for row in judged if errors(row)] == []
    assert Counter(code for row in judged for code in codes(row)) == WARNINGS.get((day, feed), {})


def test_a_feed_without_warn_rules_or_enumerations_is_staged_too() -> None:
    text = """
apiVersion: v3.1.0
kind: DataContract
id: clicks
name: clicks
version: "1"
status: active
customProperties: [{property: delivery, value: snapshot}]
schema: [{name: clicks, properties: [{name: click_id, logicalType: string, primaryKey: true}]}]
"""
    clicks: Contract = parse_contract(text, "clicks.yaml")
    at = datetime(2025, 1, 15, 10, tzinfo=UTC) + timedelta(days=365)
    rows: list[Cells] = [{"click_id": "1"}, {"click_id": None}]
    assert [errors(row) for row in stage(clicks, rows)] == [[], ["click_id_missing"]]
    assert [errors(row) for row in stage(clicks, rows[:1], batch_sequence=at)] == [["sequence_ahead"]]
