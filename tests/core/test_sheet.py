"""Cells that a spreadsheet leaves alone, and come back exactly; what counts as edited."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartlake.core.decided import Judged
from cartlake.core.deciding import Held, Wish, concluded, proposed
from cartlake.core.sheet import check_of, edited_cells, marked, sheet_text, unmarked

HELD = Held(
    id="1a88b09d8ab4-2",
    batch_id="b1",
    feed="orders",
    source_file="=cmd|'/c calc'!A1.csv",
    file_sha256="ab",
    batch_date=date(2025, 3, 1),
    record=2,
    line=3,
    reasons="order_amount_not_a_number",
    raw="raw",
    state="open",
    standing=None,
)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.from_regex(r"'*[=0-9a-z]{0,5}"))
def test_every_cell_comes_back_as_it_went_and_none_begins_like_a_formula_or_a_number(cell: str) -> None:
    out = marked(cell)
    assert unmarked(out) == cell
    assert not out or out[0].isalpha() or out[0] == "'"


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+49 30",
        "-5",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "007",
        "3-4",
        "2025-03-01",
        " =1",
        "'=1",
        "MAR1",
        "dez 24",
        "TRUE",
    ],
)
def test_what_a_spreadsheet_would_take_for_something_else_is_marked(cell: str) -> None:
    assert marked(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["Ada", "ada@example.com", "O-1", "Order 5", "true north", "Straße 7", ""])
def test_words_are_left_alone(cell: str) -> None:
    assert marked(cell) == unmarked(cell) == cell


@pytest.mark.parametrize("typed", ["'t Hooft", "'Elite'", "9,99", "=A1"])
def test_what_people_type_stays_as_they_typed_it(typed: str) -> None:
    assert unmarked(typed) == typed


def test_a_sheet_names_each_record_and_ends_with_a_cell_that_is_never_empty() -> None:
    cells = {"order_id": "O-2", "order_amount": "=1+1", "shipping_address": 'a "b"\nc'}
    text = sheet_text(["order_id", "order_amount", "shipping_address"], [(HELD, cells), (HELD, None)])
    header, row, unread = csv.reader(io.StringIO(text, newline=""))
    assert header == [*("_id", "_file", "_line", "_reasons", "_raw"), *cells, "_check"]
    assert row[:8] == [HELD.id, f"'{HELD.source_file}", "3", HELD.reasons, "", "O-2", "'=1+1", 'a "b"\nc']
    assert unread[4:8] == ["raw", "", "", ""]
    assert all(one[-1][0].isalpha() for one in (row, unread))


def test_the_check_tells_other_cells_from_the_same_ones_and_sees_no_empty_ones() -> None:
    assert check_of({"a": "1", "b": ""}) == check_of({"a": "1"})
    assert len({check_of(cells) for cells in ({"a": "1"}, {"b": "1"}, {"a": "11"}, {"a": "1", "b": "1"}, None)}) == 5


def test_blanks_and_line_ends_are_no_edit_and_neither_is_a_cell_that_had_no_room() -> None:
    long = "x" * 40_000
    now = {"a": " two\r\nlines ", "b": long, "c": "1", "d": ""}
    assert edited_cells({"a": "two\nlines", "b": long[:32_767], "c": "1", "d": ""}, now) == {}
    assert edited_cells({"b": long[:100], "c": "", "d": "x"}, now) == {"b": long[:100], "c": "", "d": "x"}
    assert edited_cells({"a": "x", "b": ""}, None) == {"a": "x"}


@pytest.mark.parametrize(
    ("state", "action", "then", "is_new", "stages_again"),
    [
        ("open", "replay", "", True, True),
        ("open", "replay", "order_amount_not_a_number", False, False),
        ("open", "replay", "currency_unknown", True, True),
        ("replayed", "replay", "", False, False),
        ("fixed", "replay", "", False, False),
        ("discarded", "replay", "order_amount_not_a_number", True, False),
        ("discarded", "replay", "", True, True),
        ("open", "discard", None, True, False),
        ("fixed", "discard", None, True, True),
        ("discarded", "discard", None, False, False),
    ],
)
def test_what_changes_nothing_is_no_decision_and_needs_no_run(
    state: str, action: str, then: str | None, is_new: bool, stages_again: bool
) -> None:
    judged = None if then is None else Judged({}, then)
    found = concluded(Wish(replace(HELD, state=state), action, {}), {}, judged)  # type: ignore[arg-type]
    assert (found.is_new, found.stages_again) == (is_new, stages_again)
    assert found.passes is (then == "")


def test_a_fix_adds_to_what_was_repaired_a_replay_keeps_it_and_a_discard_drops_it() -> None:
    first = proposed(Wish(HELD, "fix", {}), {"order_amount": "5"}, "by the invoice", "kim")
    fixed = replace(HELD, standing=first)
    second = proposed(Wish(fixed, "fix", {}), {"currency": "EUR"}, None, "kim")
    assert second.cells == {"order_amount": "5", "currency": "EUR"}
    assert proposed(Wish(fixed, "replay", {}), {}, None, "kim").cells == {"order_amount": "5"}
    assert proposed(Wish(fixed, "discard", {}), {}, None, "kim").cells == {}
