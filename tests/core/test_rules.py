"""Each row rule on three records: one that keeps it, one that breaks it, one without the value."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.bareduck import bare_duck
from tests.core.stagedb import FEEDS, Cells, codes, contract, sound, stage

from cartlake.core.contract import RowRule
from cartlake.core.dialect import compile_sql
from cartlake.core.rules import (
    CAST_CODES,
    COLUMN_TYPES,
    CURRENCIES,
    FUNCTIONS,
    Number,
    Words,
    arguments_of,
    cast_code,
    condition,
)
from cartlake.core.staging import checks

DOCUMENT = Path(__file__).parents[2] / "docs" / "rules.md"

# (feed, code): the cells that keep the rule, that break it, and that leave the value out. The last must not break it,
# except for `_missing`, whose breaking record is the one without a value.
CASES: dict[tuple[str, str], tuple[Cells, Cells, Cells]] = {
    ("orders", "order_amount_not_positive"): ({"order_amount": "0.01"}, {"order_amount": "0"}, {"order_amount": None}),
    ("orders", "quantity_not_positive"): ({"quantity": "1"}, {"quantity": "-1"}, {"quantity": None}),
    ("orders", "currency_unknown"): ({"currency": " usd "}, {"currency": "US$"}, {"currency": None}),
    ("orders", "payment_method_unknown"): (
        {"payment_method": "Bank-Transfer"},
        {"payment_method": "seashells"},
        {"payment_method": None},
    ),
    ("orders", "order_status_unknown"): (
        {"order_status": "Out for  Delivery"},
        {"order_status": "teleported"},
        {"order_status": None},
    ),
    ("customers", "email_invalid"): (
        {"email": "o'neil+shop@mail.example.co.uk"},
        {"email": "zoe@smith@example.com"},
        {"email": None},
    ),
    ("customers", "phone_invalid"): ({"phone": "030/901820.11"}, {"phone": "555-0101 ext. 7"}, {"phone": None}),
    ("customers", "birth_date_in_future"): (
        {"date_of_birth": "2025-01-15"},
        {"date_of_birth": "2025-01-16"},
        {"date_of_birth": None},
    ),
    ("customers", "customer_tier_unknown"): (
        {"customer_tier": "GOLD"},
        {"customer_tier": "unobtainium"},
        {"customer_tier": None},
    ),
    ("products", "price_not_positive"): ({"price": "0.01"}, {"price": "-0.01"}, {"price": None}),
    ("products", "currency_unknown"): ({"currency": "JPY"}, {"currency": "EURO"}, {"currency": None}),
    ("products", "stock_quantity_negative"): (
        {"stock_quantity": "0"},
        {"stock_quantity": "-1"},
        {"stock_quantity": None},
    ),
    ("products", "weight_kg_not_positive"): ({"weight_kg": "0.001"}, {"weight_kg": "0.000"}, {"weight_kg": None}),
    ("products", "launch_date_in_future"): (
        {"launch_date": "2025-01-15"},
        {"launch_date": "2025-03-01"},
        {"launch_date": None},
    ),
    ("inventory", "stock_quantity_negative"): (
        {"stock_quantity": "0", "reserved_quantity": "0", "available_quantity": "0"},
        {"stock_quantity": "-5"},
        {"stock_quantity": None},
    ),
    ("inventory", "reserved_quantity_negative"): (
        {"reserved_quantity": "0", "available_quantity": "150"},
        {"reserved_quantity": "-5", "available_quantity": "155"},
        {"reserved_quantity": None},
    ),
    ("inventory", "available_quantity_negative"): (
        {"reserved_quantity": "150", "available_quantity": "0"},
        {"reserved_quantity": "151", "available_quantity": "-1"},
        {"available_quantity": None},
    ),
    ("inventory", "available_differs"): (
        {"reserved_quantity": "30", "available_quantity": "120"},
        {"reserved_quantity": "30", "available_quantity": "125"},
        {"reserved_quantity": None},
    ),
    ("shipping", "shipping_cost_negative"): (
        {"shipping_cost": "0"},
        {"shipping_cost": "-0.01"},
        {"shipping_cost": None},
    ),
    ("shipping", "currency_unknown"): ({"currency": "GBP"}, {"currency": "XXX"}, {"currency": None}),
    ("shipping", "package_weight_not_positive"): (
        {"package_weight": "31.5"},
        {"package_weight": "0"},
        {"package_weight": None},
    ),
    ("shipping", "insurance_value_negative"): (
        {"insurance_value": "0.00"},
        {"insurance_value": "-1"},
        {"insurance_value": None},
    ),
    ("shipping", "tracking_number_shortened"): (
        {"tracking_number": "794644790138"},
        {"tracking_number": "7,94645E+11"},
        {"tracking_number": None},
    ),
    ("shipping", "shipping_status_unknown"): (
        {"shipping_status": "Out For Delivery"},
        {"shipping_status": "beamed"},
        {"shipping_status": None},
    ),
    ("shipping", "delivery_before_shipment"): (
        {"actual_delivery": "2025-01-15", "shipping_status": "delivered"},
        {"actual_delivery": "2025-01-14", "shipping_status": "delivered"},
        {"actual_delivery": None, "shipping_status": "delivered"},
    ),
    ("shipping", "delivered_in_future"): (
        {"actual_delivery": "2025-01-15", "shipping_status": "Delivered"},
        {"actual_delivery": "2025-01-16", "shipping_status": "Delivered"},
        {"actual_delivery": None, "shipping_status": "Delivered"},
    ),
    ("shipping", "delivery_date_without_delivery"): (
        {"actual_delivery": "2025-01-15", "shipping_status": "returned"},
        {"actual_delivery": "2025-01-15", "shipping_status": "in_transit"},
        {"actual_delivery": "2025-01-15", "shipping_status": None},
    ),
}
for _feed in FEEDS:
    _no_time: Cells = {"created_timestamp": None, "updated_timestamp": None}
    CASES[_feed, "op_unknown"] = ({"_op": "D"}, {"_op": "truncate"}, {"_op": None})
    CASES[_feed, "sequence_missing"] = ({"updated_timestamp": "2025-01-15T09:00Z"}, _no_time, _no_time)
    CASES[_feed, "sequence_ahead"] = (
        {"created_timestamp": "2025-01-17 23:59:59"},
        {"created_timestamp": "2025-01-18 00:00:00"},
        _no_time,
    )
    for _field in contract(_feed).fields:
        if _field.required:
            _blank: Cells = {_field.name: "  "}
            CASES[_feed, f"{_field.name}_missing"] = ({}, _blank, {_field.name: None})
        if _code := cast_code(_field):
            CASES[_feed, _code] = ({}, {_field.name: "n/a"}, {_field.name: None})
        elif _field.name in contract(_feed).ids:
            CASES[_feed, f"{_field.name}_damaged"] = ({}, {_field.name: "1,23E+11"}, {_field.name: None})

ALL_CHECKS = [(feed, check) for feed in FEEDS for check in checks(contract(feed))]


def test_every_rule_of_the_five_contracts_has_its_three_records() -> None:
    assert {(feed, check.code) for feed, check in ALL_CHECKS} == set(CASES)


@pytest.mark.parametrize("feed", FEEDS)
def test_each_rule_passes_fails_and_meets_null_as_declared(feed: str) -> None:
    known = {check.code: check for check in checks(contract(feed))}
    cases = [(code, rows) for (of, code), rows in CASES.items() if of == feed]
    records = [sound(feed, **{"_op": None, **cells}) for _, rows in cases for cells in rows]
    told_apart = [{"note": str(number)} for number in range(len(records))]
    judged = iter(stage(contract(feed), records, rescued=told_apart))
    for code, _ in cases:
        kept, broken, without = next(judged), next(judged), next(judged)
        column = "_errors" if known[code].criticality == "error" else "_warnings"
        assert code not in codes(kept), code
        assert code in str(broken[column]).split(","), code
        assert (code in codes(without)) == code.endswith("_missing"), code


@pytest.mark.parametrize("feed", FEEDS)
def test_a_record_that_breaks_no_rule_carries_no_code(feed: str) -> None:
    (row,) = stage(contract(feed), [sound(feed)])
    assert row["_errors"] is None
    assert row["_warnings"] is None


@pytest.mark.parametrize(
    ("email", "is_sound"),
    [
        ("a@b.co", True),
        ("zoë.o'neil+shop@mail.example.co.uk", True),
        ("no-at-sign.example.com", False),
        ("two@@example.com", False),
        ("no.tld@example", False),
        ("dot@end.", False),
        ("two@dots..com", False),
        ("with blank@example.com", False),
        ("@example.com", False),
    ],
)
def test_an_email_is_a_name_an_at_sign_and_a_domain_with_a_point(email: str, is_sound: bool) -> None:
    (row,) = stage(contract("customers"), [sound("customers", email=email)])
    assert (row["_errors"] is None) == is_sound


@pytest.mark.parametrize(
    ("phone", "is_sound"),
    [
        ("5550101", True),
        ("555010", False),
        ("+49 (0)30 901820", True),
        ("123456789012345", True),
        ("1234567890123456", False),
        ("555-0101 x5", False),
        ("call me maybe", False),
        ("٥٥٥٠١٠١", False),
    ],
)
def test_a_phone_number_has_seven_to_fifteen_digits_and_known_signs(phone: str, is_sound: bool) -> None:
    (row,) = stage(contract("customers"), [sound("customers", phone=phone)])
    assert (row["_warnings"] is None) == is_sound


@pytest.mark.parametrize(
    ("order_id", "is_sound"),
    [
        ("123456789012", True),
        ("5E10", True),
        ("2E-05", True),
        ("A-1E+11", True),
        ("1,2,3E+11", True),
        ("#1001", True),
        ("1E+11", False),
        ("1,23E+11", False),
        ("1.23457e+17", False),
        ("-1,23E+11", False),
        ("########", False),
        ("#NV", False),
        ("#REF!", False),
        ("#NAME?", False),
    ],
)
def test_an_id_that_a_spreadsheet_damaged_is_told_from_one_that_only_looks_odd(order_id: str, is_sound: bool) -> None:
    (row,) = stage(contract("orders"), [sound("orders", order_id=order_id)])
    assert row["_errors"] == (None if is_sound else "order_id_damaged")


def test_a_rule_under_a_filter_holds_for_everything_outside_it() -> None:
    berlin = RowRule("late", "warn", "is_positive", (("column", "n"),), filter="kind = 'sale'")
    with bare_duck() as db:
        db.execute(
            "CREATE TABLE t AS SELECT * FROM (VALUES ('sale', 1), ('sale', -1), ('gift', -1), (NULL, -1)) v(kind, n)"
        )
        found = db.execute(compile_sql(f"SELECT {condition(berlin, 'UTC')} AS kept FROM t", "duckdb")).fetchall()
    assert [kept for (kept,) in found] == [True, False, True, True]


# Functions that no bundled contract uses: (arguments, [(values of a and b, is kept)]).
UNUSED: dict[str, tuple[dict[str, object], list[tuple[str, str, bool]]]] = {
    "is_present": ({"column": "a"}, [("1", "1", True), ("CAST(NULL AS bigint)", "1", False)]),
    "is_at_least": ({"column": "a", "minimum": Decimal("0.50")}, [("1", "1", True), ("0", "1", False)]),
    "is_at_most": ({"column": "a", "maximum": Decimal(10)}, [("10", "1", True), ("11", "1", False)]),
    "is_not_after": (
        {"column": "a", "other": "b"},
        [
            ("DATE '2025-01-15'", "DATE '2025-01-15'", True),
            ("DATE '2025-01-16'", "DATE '2025-01-15'", False),
            ("DATE '2025-01-16'", "CAST(NULL AS date)", True),
        ],
    ),
}


@pytest.mark.parametrize("function", UNUSED)
def test_functions_for_contracts_of_ones_own_pass_fail_and_let_null_pass(function: str) -> None:
    arguments, cases = UNUSED[function]
    kept = condition(RowRule("r", "error", function, tuple(arguments.items())), "UTC")
    null = f"nullif({cases[0][0]}, {cases[0][0]})"
    for a, b, expected in [*cases, (null, cases[0][1], function != "is_present")]:
        sql = f"SELECT {kept} AS kept FROM (SELECT {a} AS a, {b} AS b) AS t"
        with bare_duck() as db:
            assert db.execute(compile_sql(sql, "duckdb")).fetchall() == [(expected,)], (a, b)


def test_every_function_is_used_by_a_bundled_contract_or_tested_here() -> None:
    used = {rule.function for feed in FEEDS for rule in contract(feed).rules}
    assert used | set(UNUSED) == set(FUNCTIONS)
    assert not used & set(UNUSED)


def test_every_argument_of_a_function_is_a_column_a_number_or_words() -> None:
    kinds = {kind for function in FUNCTIONS for kind in arguments_of(function).values()}
    assert kinds <= {*COLUMN_TYPES, Number, Words}


def test_currencies_are_three_capitals_each_once() -> None:
    assert len(CURRENCIES) == len(set(CURRENCIES)) > 150
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in CURRENCIES)


def test_in_the_future_is_counted_in_the_days_of_the_contracts_zone() -> None:
    """23:30 UTC on the 15th is the 16th in Berlin: born on the 16th is then not in the future."""
    berlin = replace(contract("customers"), timezone="Europe/Berlin")
    row = sound("customers", date_of_birth="2025-01-16", created_timestamp="2025-01-15T23:30:00Z")
    assert [codes(stage(each, [row])[0]) for each in (contract("customers"), berlin)] == [
        {"birth_date_in_future"},
        set(),
    ]


def test_the_document_lists_every_row_rule_and_no_other() -> None:
    listed = set()
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            listed |= {(feed, cells[1].strip("`"), cells[2]) for feed in cells[0].replace("`", "").split(", ")}
    declared = {(feed, rule.code, rule.criticality) for feed in FEEDS for rule in contract(feed).rules}
    assert listed == declared


def test_the_document_lists_every_code_that_needs_no_declaration_and_every_function() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in ("op_unknown", "sequence_missing", "sequence_ahead", "<column>_missing", *FUNCTIONS):
        assert f"`{name}" in text, name
    assert all(f"`<column>_{code}`" in text for code in CAST_CODES.values())
