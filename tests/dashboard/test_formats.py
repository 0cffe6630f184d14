"""How numbers look on a page."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

pytest.importorskip("markupsafe", reason="the extra [dashboard] is not installed")

from cartlake.dashboard.formats import compact, number, polyline, score


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0", "0"),
        ("999.49", "999"),
        ("812.50", "813"),
        ("999.50", "1.00k"),
        ("12345", "12.3k"),
        ("999499", "999k"),
        ("999500", "1.00M"),
        ("999999.99", "1.00M"),
        ("999500000", "1.0B"),
        ("1234567890123", "1,234.6B"),
        ("-0.4", "0"),
    ],
)
def test_a_compact_number_has_three_figures_and_a_unit(given: str, expected: str) -> None:
    assert compact(Decimal(given)) == expected


def test_halves_are_rounded_up_as_in_a_spreadsheet() -> None:
    assert [number(Decimal(each), 2) for each in ("12.345", "12.355", "-0.004")] == ["12.35", "12.36", "0.00"]
    assert number(Decimal("99999999999999999999999999999.125"), 2) == "99,999,999,999,999,999,999,999,999,999.13"


@pytest.mark.parametrize(
    ("given", "expected"),
    [("100", "100.0"), ("99.995", "> 99.9"), ("99.95", "> 99.9"), ("99.94", "99.9"), ("0", "0.0")],
)
def test_only_a_perfect_score_is_shown_as_100(given: str, expected: str) -> None:
    assert score(Decimal(given)) == expected


def test_a_curve_has_its_days_as_far_apart_as_they_are() -> None:
    first = date(2025, 3, 1)
    rows: list[dict[str, object]] = [
        {"day": first + timedelta(days=after), "sold": Decimal(sold)} for after, sold in ((0, 0), (1, 100), (10, 50))
    ]
    assert polyline(rows, "day", "sold") == "0.00,100.00 10.00,0.00 100.00,50.00"
