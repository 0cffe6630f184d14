"""The functions that row rules are made of: arguments in, a Spark SQL condition out that holds for a sound record.

A condition never sees the clock or another record. Its value for NULL is written out in it: a NULL passes, except in
`is_present`; so `NOT coalesce(condition, false)` is exactly "this rule is broken". `_sequence` is the record's time.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NewType

from cartlake.core.contract import Field, RowRule

OP_UNKNOWN, SEQUENCE_MISSING, SEQUENCE_AHEAD = "op_unknown", "sequence_missing", "sequence_ahead"

AnyColumn = NewType("AnyColumn", str)
NumberColumn = NewType("NumberColumn", str)
TextColumn = NewType("TextColumn", str)
DateColumn = NewType("DateColumn", str)
TimeColumn = NewType("TimeColumn", str)
Number = NewType("Number", Decimal)
Words = NewType("Words", tuple[str, ...])
Zone = NewType("Zone", str)

COLUMN_TYPES: Mapping[object, tuple[str, ...]] = {
    AnyColumn: ("string", "bigint", "decimal", "date", "timestamp", "boolean"),
    NumberColumn: ("bigint", "decimal"),
    TextColumn: ("string",),
    DateColumn: ("date",),
    TimeColumn: ("timestamp",),
}
"""The column types that may stand for an argument, by the argument's kind (a decimal of any size is `decimal`)."""

# ISO 4217, the active codes of money in use (no metals, funds or test codes).
_ISO_4217 = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG "
    "HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA "
    "MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD "
    "RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX "
    "USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = tuple(_ISO_4217.split())

_ERRORS = "N/A|NV|REF!|BEZUG!|VALUE!|WERT!|NAME[?]|DIV/0!|NUM!|ZAHL!|NULL!"
_DAMAGED = f"^([+-]?[0-9]([.,][0-9]+)?[Ee][+][0-9]+|#+|#({_ERRORS}))$"


def is_present(column: AnyColumn) -> str:
    """There is a value; the one function that a NULL fails."""
    return f"{column} IS NOT NULL"


def is_positive(column: NumberColumn) -> str:
    """Greater than 0."""
    return f"({column} IS NULL OR {column} > 0)"


def is_not_negative(column: NumberColumn) -> str:
    """0 or greater."""
    return f"({column} IS NULL OR {column} >= 0)"


def is_at_least(column: NumberColumn, minimum: Number) -> str:
    """`minimum` or greater."""
    return f"({column} IS NULL OR {column} >= {minimum:f})"


def is_at_most(column: NumberColumn, maximum: Number) -> str:
    """`maximum` or smaller."""
    return f"({column} IS NULL OR {column} <= {maximum:f})"


def equals_difference(column: NumberColumn, minuend: NumberColumn, subtrahend: NumberColumn) -> str:
    """`minuend` - `subtrahend`; passes if one of the three is NULL."""
    unknown = f"{column} IS NULL OR {minuend} IS NULL OR {subtrahend} IS NULL"
    return f"({unknown} OR {column} = {minuend} - {subtrahend})"


def is_one_of(column: TextColumn, values: Words) -> str:
    """One of `values`, which are written as the column's canonical form."""
    return f"({column} IS NULL OR {_is_in(column, values)})"


def is_currency(column: TextColumn) -> str:
    """An active ISO 4217 code, in capitals."""
    return f"({column} IS NULL OR {_is_in(column, CURRENCIES)})"


def matches_email(column: TextColumn) -> str:
    """`name@domain.tld`: one `@`, a point after it, no blanks. Whether it receives mail is not for a pattern to say."""
    return f"({column} IS NULL OR matches({column}, '^[^@ ]+@[^@ .]+([.][^@ .]+)+$'))"


def matches_phone(column: TextColumn) -> str:
    """7 to 15 digits (the bound of ITU E.164), with `+ ( ) - . /` and blanks between."""
    shape = f"matches({column}, '^[0-9+() ./-]+$')"
    return f"({column} IS NULL OR ({shape} AND length(digits({column})) >= 7 AND length(digits({column})) <= 15))"


def is_undamaged(column: TextColumn) -> str:
    """No long number that a spreadsheet shortened (`1,23E+11`), no `###` and no `#REF!`: the value itself is lost."""
    return f"({column} IS NULL OR NOT matches({column}, {quoted(_DAMAGED)}))"


def is_not_after(column: DateColumn, other: DateColumn) -> str:
    """Not later than `other`; passes if one is NULL."""
    return f"({column} IS NULL OR {other} IS NULL OR {column} <= {other})"


def date_not_after_event(column: DateColumn, zone: Zone) -> str:
    """Not in the future as the record saw it: not after the day of its own sequence."""
    return f"({column} IS NULL OR _sequence IS NULL OR {column} <= local_date(_sequence, {zone}))"


def date_not_before(column: DateColumn, time: TimeColumn, zone: Zone) -> str:
    """Not before the day of `time`; passes if one is NULL."""
    return f"({column} IS NULL OR {time} IS NULL OR {column} >= local_date({time}, {zone}))"


def is_empty_unless(column: AnyColumn, other: TextColumn, values: Words) -> str:
    """No value, except where `other` is one of `values` or NULL."""
    return f"({column} IS NULL OR {other} IS NULL OR {_is_in(other, values)})"


def _is_in(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(quoted(value) for value in values)})"


FUNCTIONS: Mapping[str, Callable[..., str]] = {
    function.__name__: function
    for function in (
        is_present,
        is_positive,
        is_not_negative,
        is_at_least,
        is_at_most,
        equals_difference,
        is_one_of,
        is_currency,
        matches_email,
        matches_phone,
        is_undamaged,
        is_not_after,
        date_not_after_event,
        date_not_before,
        is_empty_unless,
    )
}


def arguments_of(function: str) -> dict[str, object]:
    """The arguments a contract gives to the function, each with its kind; `zone` comes from the contract itself."""
    hints = typing.get_type_hints(FUNCTIONS[function])
    return {name: kind for name, kind in hints.items() if name != "return" and kind is not Zone}


def condition(rule: RowRule, timezone: str) -> str:
    """The SQL condition that holds where `rule` is kept: outside its filter always. Never NULL."""
    function = FUNCTIONS[rule.function]
    kinds = arguments_of(rule.function)
    values = {name: f"`{value}`" if kinds[name] in COLUMN_TYPES else value for name, value in rule.arguments}
    if Zone in typing.get_type_hints(function).values():
        values["zone"] = quoted(timezone)
    kept = f"coalesce({function(**values)}, false)"
    return f"({kept} OR NOT coalesce({rule.filter}, false))" if rule.filter else kept


def quoted(text: str) -> str:
    """`text` as a Spark SQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


CAST_CODES = {
    "bigint": "not_an_integer",
    "decimal": "not_a_number",
    "date": "not_a_date",
    "timestamp": "not_a_timestamp",
    "boolean": "not_a_boolean",
}


def missing_code(field: Field) -> str:
    """The code of a required column without a value."""
    return f"{field.name}_missing"


def cast_code(field: Field) -> str | None:
    """The code of a value that is not of the column's type; NULL for texts, which take every value."""
    code = CAST_CODES.get(field.type.partition("(")[0])
    return f"{field.name}_{code}" if code else None


def damaged_code(field: Field) -> str:
    """The code of an id that a spreadsheet damaged."""
    return f"{field.name}_damaged"


def automatic_codes(fields: tuple[Field, ...]) -> tuple[str, ...]:
    """The codes of the rules that need no declaration, whether these columns are required, or ids, or not."""
    of_fields = (
        code for field in fields for code in (missing_code(field), cast_code(field) or damaged_code(field)) if code
    )
    return (OP_UNKNOWN, *of_fields, SEQUENCE_MISSING, SEQUENCE_AHEAD)
