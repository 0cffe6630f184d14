"""The functions that SQL in this project may call: one registry, with a template per engine.

A template is SQL of its engine in which `_1`, `_2`, … stand for the arguments. Where part of it depends on the value
of an argument (a scale, a zone, a pattern) it is a function of the values; those arguments must be literals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Target = Literal["duckdb", "spark"]
Kind = Literal["row", "aggregate", "window"]
Template = str | Callable[[Sequence[str]], str]
ByValue = Callable[[Sequence[str], Target], str]

DECIMAL_DIGITS = 38
RATIO_DIGITS = 10
DAY_MICROS = 86_400_000_000
YEARS = "(?:19[0-9][0-9]|2[01][0-9][0-9]|22[0-5][0-9]|226[01])"
DATE = f"{YEARS}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,6})?)?"
OFFSET = "(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
MIDNIGHT = "00:00(?::00(?:[.]0{1,6})?)?"
BLANKS = "\\t\\n\\r \\x{00A0}"
ZONE = re.compile(r"UTC|[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+")
PATTERN_PARTS = {
    "yyyy": (YEARS, "%Y"),
    "MM": ("(?:0[1-9]|1[0-2])", "%m"),
    "dd": ("(?:0[1-9]|[12][0-9]|3[01])", "%d"),
    "HH": ("(?:[01][0-9]|2[0-3])", "%H"),
    "mm": ("[0-5][0-9]", "%M"),
    "ss": ("[0-5][0-9]", "%S"),
}
PATTERN_TOKEN = re.compile(r"yyyy|MM|dd|HH|mm|ss|'T'|[^A-Za-z']")


@dataclass(frozen=True)
class Function:
    """One entry: `signature` and `doc` for people, a template per engine (None: the same call there). Arguments from
    position `literal_from` (0-based) on must be literals. `most` None: any number of arguments."""

    signature: str
    doc: str
    least: int
    most: int | None
    duckdb: Template | None = None
    spark: Template | None = None
    kind: Kind = "row"
    literal_from: int | None = None

    @property
    def name(self) -> str:
        return self.signature.split("(")[0]

    def takes(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)

    def needs_literal(self, position: int) -> bool:
        return self.literal_from is not None and position >= self.literal_from

    def template(self, target: Target, values: Sequence[str]) -> str:
        """SQL of the engine; `values` are the arguments' literal texts ('' where not a literal). ValueError says
        what is wrong with a literal."""
        template = self.duckdb if target == "duckdb" else self.spark
        if template is None:
            return f"{self.name}({', '.join(f'_{n + 1}' for n in range(len(values)))})"
        return template if isinstance(template, str) else template(values)


def quoted(text: str, target: Target) -> str:
    """`text` as a string literal of the engine."""
    doubled = text.replace("\\", "\\\\").replace("'", "\\'") if target == "spark" else text.replace("'", "''")
    return f"'{doubled}'"


def full_match(pattern: str, target: Target) -> str:
    """The condition that all of argument 1 matches `pattern`; NULL for NULL."""
    if target == "duckdb":
        return f"regexp_full_match(_1, {quoted(pattern, target)})"
    return f"regexp_like(_1, {quoted(f'{BEGIN}(?:{pattern}){END}', target)})"


BEGIN, END = "\\A", "\\z"


def natural(text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not least <= int(text) <= most:
        raise ValueError(f"{text or 'an expression'} where a whole number from {least} to {most} is needed")
    return int(text)


def zone_name(text: str) -> str:
    if not ZONE.fullmatch(text):
        raise ValueError(f"{text or 'an expression'} is not a time zone such as Europe/Berlin or UTC")
    return text


# --- numbers ---------------------------------------------------------------------------------------------------


def _ratio(values: Sequence[str], target: Target) -> str:
    """Exact: with whole numbers, (2a·10^scale ± b) / 2b cut off is a/b rounded half away from zero."""
    scale = natural(values[2], 0, RATIO_DIGITS)
    unit = f"CAST('{10**-scale:.{scale}f}' AS DECIMAL({scale + 1}, {scale}))"
    quotient = _quotient_duckdb(scale) if target == "duckdb" else _quotient_spark(scale)
    return f"CAST(CAST({quotient} AS DECIMAL({36 - scale}, 0)) * {unit} AS DECIMAL(38, {scale}))"


def _quotient_spark(scale: int) -> str:
    """The dividend less its remainder divides without rounding."""
    top, bottom = (f"CAST({_wide(arg)} * {10**RATIO_DIGITS} AS DECIMAL(38, 0))" for arg in ("_1", "_2"))
    dividend = _dividend(top, f"CAST({2 * 10**scale} AS DECIMAL(38, 0))", bottom)
    divisor = f"nullif({bottom} * 2, 0)"
    return f"(({dividend} - {dividend} % {divisor}) / {divisor})"


def _quotient_duckdb(scale: int) -> str:
    """128-bit division takes a microsecond there. So a quotient that a DOUBLE can hold is guessed in DOUBLE, where it
    is wrong by at most one, and put right by its exact remainder; only a greater one is divided."""
    top, bottom = (
        f"(CAST(trunc({_wide(arg)}) AS HUGEINT) * {10**RATIO_DIGITS} "
        f"+ CAST(({_wide(arg)} - trunc({_wide(arg)})) * {10**RATIO_DIGITS} AS HUGEINT))"
        for arg in ("_1", "_2")
    )
    divided = f"({_dividend(top, str(2 * 10**scale), bottom)} // nullif({bottom} * 2, 0))"
    guess = f"CAST(round(CAST(_1 AS DOUBLE) * {10**scale} / CAST(_2 AS DOUBLE)) AS BIGINT)"
    rest = f"({_wide('_1')} * {10**scale} - {_wide('_2')} * {guess})"
    return (
        f"CASE WHEN abs(CAST(_1 AS DOUBLE)) * {10**scale} >= abs(CAST(_2 AS DOUBLE)) * {2**49} THEN {divided} "
        f"ELSE {guess} + CASE WHEN abs({rest}) * 2 > abs({_wide('_2')}) "
        f"OR (abs({rest}) * 2 = abs({_wide('_2')}) AND ({rest} < 0) = (_1 < 0)) "
        f"THEN CASE WHEN ({rest} < 0) = (_2 < 0) THEN 1 ELSE -1 END ELSE 0 END END"
    )


def _wide(argument: str) -> str:
    return f"CAST({argument} AS DECIMAL({DECIMAL_DIGITS}, {RATIO_DIGITS}))"


def _dividend(top: str, factor: str, bottom: str) -> str:
    return f"({top} * {factor} + CASE WHEN (_1 < 0) = (_2 < 0) THEN {bottom} ELSE -{bottom} END)"


def _parse_decimal(values: Sequence[str], target: Target) -> str:
    digits, scale, mark = natural(values[1], 1, DECIMAL_DIGITS), natural(values[2], 0, DECIMAL_DIGITS), values[3]
    if scale > digits or mark not in (".", ","):
        raise ValueError("parse_decimal(text, p, s, mark) needs s <= p and a mark of '.' or ','")
    fraction = f"[0-9]{{1,{scale}}}0*" if scale else "0+"
    guard = full_match(f"[+-]?[0-9]+(?:[{mark}]{fraction})?", target)
    number = "_1" if mark == "." else "replace(_1, ',', '.')"
    return f"CASE WHEN {guard} THEN TRY_CAST({number} AS DECIMAL({digits}, {scale})) END"


def _parse_bigint(target: Target) -> str:
    whole = "_1" if target == "duckdb" else "split_part(_1, '.', 1)"  # Spark refuses `12.0`
    return f"CASE WHEN {full_match('[+-]?[0-9]{1,18}(?:[.]0+)?', target)} THEN TRY_CAST({whole} AS BIGINT) END"


PARSE_BOOLEAN = (
    "CASE WHEN lower(_1) IN ('true', '1', 'yes', 'y', 't') THEN TRUE "
    "WHEN lower(_1) IN ('false', '0', 'no', 'n', 'f') THEN FALSE END"
)

# --- times -----------------------------------------------------------------------------------------------------


def _instant(local: str, zone: str, target: Target) -> str:
    """The instant of a wall-clock time; the earlier one where a clock was set back, later by the gap where the time
    does not exist (what java.time does; ICU takes the later one, so the earlier is tried by way of 3 hours before)."""
    if target == "spark":
        return local if zone == "UTC" else f"to_utc_timestamp({local}, '{zone}')"
    if zone == "UTC":
        return f"make_timestamptz(epoch_us({local}))"
    earlier = f"(timezone('{zone}', {local} - INTERVAL 3 HOUR) + INTERVAL 3 HOUR)"
    return f"CASE WHEN timezone('{zone}', {earlier}) = {local} THEN {earlier} ELSE timezone('{zone}', {local}) END"


def _local_time(values: Sequence[str], target: Target) -> str:
    zone = zone_name(values[1])
    if target == "spark":
        return "_1" if zone == "UTC" else f"from_utc_timestamp(_1, '{zone}')"
    return "make_timestamp(epoch_us(_1))" if zone == "UTC" else f"timezone('{zone}', _1)"


def _local_date(values: Sequence[str], target: Target) -> str:
    return f"CAST({_local_time(values, target)} AS DATE)"


def _local_hour(values: Sequence[str], target: Target) -> str:
    return f"CAST(hour({_local_time(values, target)}) AS BIGINT)"


def _pattern(pattern: str) -> list[str]:
    parts = PATTERN_TOKEN.findall(pattern)
    named = [part for part in parts if part in PATTERN_PARTS]
    wanted = list(PATTERN_PARTS)
    if "".join(parts) != pattern or set(named) != set(wanted[: len(named)]) or not 3 <= len(named) <= 6:
        raise ValueError(
            f"{pattern or 'an expression'} is not a pattern of yyyy, MM, dd and at most HH, mm, ss, with separators"
        )
    return [part.strip("'") if part.startswith("'") else part for part in parts]


def _by_pattern(pattern: str, target: Target) -> tuple[str, str]:
    """The guard and the local timestamp of a text in `pattern`, whose parts all have fixed widths."""
    parts = _pattern(pattern)
    expression = "".join(PATTERN_PARTS[p][0] if p in PATTERN_PARTS else re.escape(p) for p in parts)
    guard = full_match(expression, target)
    if target == "duckdb":
        strptime = "".join(PATTERN_PARTS[p][1] if p in PATTERN_PARTS else p.replace("%", "%%") for p in parts)
        return guard, f"TRY_STRPTIME(_1, {quoted(strptime, target)})"
    at = {part: 1 + sum(map(len, parts[:n])) for n, part in enumerate(parts) if part in PATTERN_PARTS}
    pieces = [f"substr(_1, {at[p]}, {len(p)})" if p in at else "'00'" for p in PATTERN_PARTS]
    seams = ["'-'", "'-'", "' '", "':'", "':'"]
    text = ", ".join(piece for pair in zip(pieces, [*seams, "''"], strict=True) for piece in pair)
    return guard, f"TRY_CAST(concat_ws('', {text}) AS TIMESTAMP)"


def _parse_timestamp(values: Sequence[str], target: Target) -> str:
    """The zone is applied around the branches, not in each: DuckDB then computes the local time once."""
    zone, patterns = zone_name(values[1]), [_by_pattern(pattern, target) for pattern in values[2:]]
    zulu = "Z?" if zone == "UTC" else ""  # DuckDB's cast to TIMESTAMP reads over any offset: here it may
    local = _first_of([(full_match(f"{DATE}(?:[ T]{CLOCK}{zulu})?", target), LOCAL), *patterns])
    zoned = (full_match(f"{DATE}[ T]{CLOCK}{OFFSET}", target), ZONED_DUCKDB if target == "duckdb" else ZONED_SPARK)
    return f"coalesce({_instant(local, zone, target)}, {_first_of([zoned])})"


LOCAL = "TRY_CAST(_1 AS TIMESTAMP)"
ZONED_DUCKDB = "TRY_CAST(_1 AS TIMESTAMPTZ)"
ZONED_SPARK = "TRY_CAST(regexp_replace(_1, '^(.{16})([Z+-])', '$1:00$2') AS TIMESTAMP)"  # no offset without seconds


def _first_of(branches: Sequence[tuple[str, str]]) -> str:
    return f"CASE {' '.join(f'WHEN {guard} THEN {value}' for guard, value in branches)} END"


def _parse_date(values: Sequence[str], target: Target) -> str:
    iso = full_match(f"{DATE}(?:[ T]{MIDNIGHT}{OFFSET}?)?", target)
    branches = [(iso, "TRY_CAST(substr(_1, 1, 10) AS DATE)")]
    for pattern in values[1:]:
        if "HH" in pattern:
            raise ValueError(f"{pattern} is a pattern of a time; parse_timestamp takes it")
        guard, local = _by_pattern(pattern, target)
        branches.append((guard, f"CAST({local} AS DATE)"))
    return _first_of(branches)


def _years_between() -> str:
    later, earlier = (f"(month({arg}) * 100 + day({arg}))" for arg in ("_1", "_2"))
    return f"CAST(year(_1) - year(_2) - CASE WHEN {later} < {earlier} THEN 1 ELSE 0 END AS BIGINT)"


# --- texts -----------------------------------------------------------------------------------------------------

# DuckDB writes a decimal(2,2) as `.50`, Spark as `0.50`.
BARE_FRACTION = "split_part(typeof(_1), ',', 1) = concat('DECIMAL(', rtrim(split_part(typeof(_1), ',', 2), ')'))"
TEXT_DUCKDB = (
    "CASE WHEN typeof(_1) = 'TIMESTAMP WITH TIME ZONE' THEN CAST(epoch_us(CAST(_1 AS TIMESTAMPTZ)) AS VARCHAR) "
    f"WHEN {BARE_FRACTION} THEN regexp_replace(CAST(_1 AS VARCHAR), '^(-?)[.]', '\\10.') "
    "ELSE CAST(_1 AS VARCHAR) END"
)
TEXT_SPARK = (
    "CASE WHEN typeof(_1) = 'timestamp' THEN CAST(unix_micros(TRY_CAST(CAST(_1 AS STRING) AS TIMESTAMP)) AS STRING) "
    "ELSE CAST(_1 AS STRING) END"
)
LOWER_SPARK = (
    "CASE WHEN regexp_like(_1, '^[\\\\x00-\\\\x7F]*$') THEN lower(_1) "
    "ELSE array_join(transform(split(_1, ''), c -> substr(lower(c), 1, 1)), '') END"
)
# Letters whose capital is two letters in Java and one in DuckDB: sharp s and Greek letters with iota below.
SMALL = "\u00df" + "".join(chr(n) for n in range(0x1F80, 0x2000) if len(chr(n).upper()) > 1 == len(chr(n).title()))
LARGE = "\u1e9e" + "".join(map(str.title, SMALL[1:]))
UPPER_SPARK = (
    "CASE WHEN regexp_like(_1, '^[\\\\x00-\\\\x7F]*$') THEN upper(_1) "
    f"ELSE array_join(transform(split(translate(_1, '{SMALL}', '{LARGE}'), ''), "
    "c -> CASE WHEN length(upper(c)) = 1 THEN upper(c) ELSE c END), '') END"
)
REGEX_TOKEN = re.compile(
    r"\\[\\.^$|?*+()\[\]{}/-]|\\[dswDSWtnr]"  # an escaped sign, or a class that means ASCII in both engines
    r"|\[\^?\]?(?:[^\[\]\\&]|\\[\\.^$|?*+()\[\]{}/&-]|\\[dwstnr])+\]"
    r"|\(\?:|\((?!\?)|\)|\||(?:[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})(?![*+?])|\^|\$|[^\\.^$|?*+()\[\]{}]"
)
SPACE = "\\t\\n\\x0B\\f\\r "


def simple_regex(pattern: str) -> str:
    """`pattern` with what the engines read differently spelt out; ValueError when it is not of the simple kind."""
    parts = REGEX_TOKEN.findall(pattern)
    if not pattern or "".join(parts) != pattern:
        raise ValueError(
            f"{pattern or 'an expression'} is not a simple regular expression: no bare `.`, no lazy or "
            "possessive quantifier, look-around, back reference, flag or word boundary"
        )
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern} is not a regular expression: {error}") from None
    return "".join(map(_portable, parts))


def _portable(part: str) -> str:
    if part.startswith("["):
        return re.sub(r"\\(.)", lambda found: SPACE if found[1] == "s" else found[0], part)
    return {"$": END, "^": BEGIN, "\\s": f"[{SPACE}]", "\\S": f"[^{SPACE}]"}.get(part, part)


def _matches(values: Sequence[str], target: Target) -> str:
    pattern = quoted(simple_regex(values[1]), target)
    return f"regexp_matches(_1, {pattern})" if target == "duckdb" else f"regexp_like(_1, {pattern})"


def _substr(values: Sequence[str], target: Target) -> str:  # noqa: ARG001
    for value, least in zip(values[1:], (1, 0), strict=False):
        natural(value, least, 9999)
    return f"substr({', '.join(f'_{n + 1}' for n in range(len(values)))})"


def _split_part(values: Sequence[str], target: Target) -> str:  # noqa: ARG001
    natural(values[2], 1, 9999)
    if not values[1]:
        raise ValueError("split_part(text, sep, n) needs a separator that is a literal and not empty")
    return "split_part(_1, _2, _3)"


def _sha2(values: Sequence[str], target: Target) -> str:
    natural(values[1], 256, 256)
    return "sha256(_1)" if target == "duckdb" else "sha2(_1, 256)"


def _call(name: str, count: int) -> str:
    return f"{name}({', '.join(f'_{n + 1}' for n in range(count))})"


def _fingerprint(name: str) -> Template:
    return lambda values: _call(name, len(values))


def _pairs(values: Sequence[str], function: str) -> tuple[range, range]:
    if len(values) % 2:
        raise ValueError(f"{function} needs pairs of arguments")
    return range(1, len(values), 2), range(2, len(values) + 1, 2)


def _map(values: Sequence[str]) -> str:
    keys, items = (", ".join(f"_{n}" for n in places) for places in _pairs(values, "map"))
    return f"map([{keys}], [{items}])"


def _map_same(values: Sequence[str]) -> str:
    return _call("map", len(values))


def _struct(values: Sequence[str]) -> str:
    names, _ = _pairs(values, "named_struct")
    fields = (f"{quoted(values[name - 1], 'duckdb')}: _{name + 1}" for name in names)
    return "{" + ", ".join(fields) + "}"


def _named_struct(values: Sequence[str]) -> str:
    return _call("named_struct", len(values))


def _token(target: Target) -> str:
    lowered = "lower(_1)" if target == "duckdb" else LOWER_SPARK
    trimmed = f"regexp_replace({lowered}, {quoted(f'^[{BLANKS}]+|[{BLANKS}]+{END}', target)}, ''{_all(target)})"
    joined = f"regexp_replace({trimmed}, {quoted(f'[{BLANKS}-]+', target)}, '_'{_all(target)})"
    if target == "spark":
        return joined
    simple = full_match("[A-Za-z0-9_]+(?:[ -][A-Za-z0-9_]+)*", target)  # nearly all, and half the time
    return f"CASE WHEN {simple} THEN replace(replace(lower(_1), ' ', '_'), '-', '_') ELSE {joined} END"


def _all(target: Target) -> str:
    return ", 'g'" if target == "duckdb" else ""


def _same(signature: str, doc: str, least: int, most: int | None, kind: Kind = "row") -> Function:
    """The same call on both engines."""
    return Function(signature, doc, least, most, kind=kind)


def _made(signature: str, doc: str, count: int, duckdb: Template, spark: Template, kind: Kind = "row") -> Function:
    return Function(signature, doc, count, count, duckdb, spark, kind)


def _by_value(signature: str, doc: str, least: int, most: int | None, literal_from: int, of: ByValue) -> Function:
    """A template that depends on the values of the arguments from `literal_from` on."""

    def duckdb(values: Sequence[str]) -> str:
        return of(values, "duckdb")

    def spark(values: Sequence[str]) -> str:
        return of(values, "spark")

    return Function(signature, doc, least, most, duckdb, spark, literal_from=literal_from)


# fmt: off
_PLAIN = (
    _same("abs(x)", "the number without its sign", 1, 1),
    _same("coalesce(a, b, ...)", "the first argument that is not NULL", 1, None),
    _same("concat_ws(sep, a, b, ...)", "the texts that are not NULL, joined by `sep`", 2, None),
    _same("greatest(a, b, ...)", "the greatest argument that is not NULL", 2, None),
    _same("least(a, b, ...)", "the smallest argument that is not NULL", 2, None),
    _same("length(text)", "the number of code points", 1, 1),
    _same("nullif(a, b)", "NULL where a = b, else a", 2, 2),
    _same("replace(text, old, new)", "the text with every `old` replaced", 3, 3),
    _by_value("substr(text, from[, count])", "part of a text; literals `from` >= 1, `count` >= 0", 2, 3, 1, _substr),
    _by_value("split_part(text, sep, n)", "part n (a literal, from 1) between separators; '' beyond", 3, 3, 1,
              _split_part),
    _made("lower(text)", "lower case, letter by letter", 1, "lower(_1)", LOWER_SPARK),
    _made("upper(text)", "upper case, letter by letter", 1, "upper(_1)", UPPER_SPARK),
    _made("trim(text)", "without spaces (U+0020 only) at both ends", 1, "trim(_1, ' ')", "trim(_1)"),
    _by_value("sha2(text, 256)", "SHA-256 of the UTF-8 bytes, hexadecimal in lower case", 2, 2, 1, _sha2),
    _by_value("regexp_like(text, 'regex')", "= matches", 2, 2, 1, _matches),
    Function("map(key, value, ...)", "a map", 2, None, _map, _map_same),
    _made("element_at(map, key)", "the value at a key of a map, NULL without one", 2, "_1[_2]", "element_at(_1, _2)"),
    Function("named_struct('name', value, ...)", "a struct, to compare several values at once", 2, None,
             _struct, _named_struct),
)

_AGGREGATES = (
    _same("count(*), count(x), count(DISTINCT x)", "rows, values that are not NULL, different ones", 1, 1, "aggregate"),
    _same("sum(x)", "the exact sum; NULL without values", 1, 1, "aggregate"),
    _same("min(x)", "the smallest value", 1, 1, "aggregate"),
    _same("max(x)", "the greatest value", 1, 1, "aggregate"),
    _made("count_if(condition)", "rows for which it is true; 0 without any", 1, "count(CASE WHEN _1 THEN 1 END)",
          "count(CASE WHEN _1 THEN 1 END)", "aggregate"),
    _same("bool_or(condition)", "whether it is true for any; NULL without values", 1, 1, "aggregate"),
    _same("bool_and(condition)", "whether it is true for all; NULL without values", 1, 1, "aggregate"),
    _made("count_distinct(x)", "= count(DISTINCT x)", 1, "count(DISTINCT _1)", "count(DISTINCT _1)", "aggregate"),
    _made("as_of_max(value, order)", "`value`, also NULL, of the row with the greatest `order`", 2,
          "arg_max_null(_1, _2)", "max_by(_1, _2)", "aggregate"),
    _made("as_of_min(value, order)", "`value`, also NULL, of the row with the smallest `order`", 2,
          "arg_min_null(_1, _2)", "min_by(_1, _2)", "aggregate"),
)

_WINDOW = (
    _same("row_number()", "the number of the row in its window, from 1", 0, 0, "window"),
    _same("lag(x[, n[, default]])", "x of the n-th row before", 1, 3, "window"),
    _same("lead(x[, n[, default]])", "x of the n-th row after", 1, 3, "window"),
    _same("first_value(x)", "x of the first row of the frame", 1, 1, "window"),
    _same("last_value(x)", "x of the last row of the frame", 1, 1, "window"),
)

_MACROS = (
    _by_value("ratio(a, b, scale)", "a / b exactly, rounded half away from zero to `scale` (0 to 10) digits: "
             "decimal(38,scale); NULL where b is 0", 3, 3, 2, _ratio),
    _made("text(x)", "canonical text: a decimal at its scale, a bigint, a date as yyyy-MM-dd, true or false, a "
          "timestamp as its UTC microseconds", 1, TEXT_DUCKDB, TEXT_SPARK),
    _made("micros(ts)", "UTC microseconds since 1970 of a timestamp", 1, "epoch_us(_1)", "unix_micros(_1)"),
    _made("from_micros(n)", "the timestamp of UTC microseconds since 1970", 1, "make_timestamptz(_1)",
          "timestamp_micros(_1)"),
    _made("days_between(later, earlier)", "days from one date to another", 2, "date_diff('day', _2, _1)",
          "CAST(datediff(_1, _2) AS BIGINT)"),
    _made("years_between(later, earlier)", "completed years from one date to another (29 February completes on 1 March "
          "of a common year); below 0 when not later", 2, _years_between(), _years_between()),
    _made("day_of_week(date)", "1 = Sunday to 7 = Saturday", 1, "isodow(_1) % 7 + 1", "CAST(dayofweek(_1) AS BIGINT)"),
    _made("month_of(date)", "1 to 12", 1, "month(_1)", "CAST(month(_1) AS BIGINT)"),
    _made("hour_of(local)", "0 to 23 of a `local_time`", 1, "hour(_1)", "CAST(hour(_1) AS BIGINT)"),
    _by_value("local_time(ts, zone)", "the wall clock at an instant in a zone; only for hour_of", 2, 2, 1, _local_time),
    _by_value("local_date(ts, zone)", "the date of an instant in a zone", 2, 2, 1, _local_date),
    _by_value("local_hour(ts, zone)", "the hour, 0 to 23, of an instant in a zone", 2, 2, 1, _local_hour),
    _made("date_start(date)", "the timestamp of 00:00 UTC of a date", 1,
          "make_timestamptz(epoch_us(CAST(_1 AS TIMESTAMP)))", "CAST(_1 AS TIMESTAMP)"),
    _made("add_days_ts(ts, n)", "n times 24 hours later", 2, f"make_timestamptz(epoch_us(_1) + _2 * {DAY_MICROS})",
          f"timestamp_micros(unix_micros(_1) + _2 * {DAY_MICROS})"),
    _made("add_days(date, n)", "n days later", 2, "_1 + CAST(_2 AS INTEGER)", "date_add(_1, CAST(_2 AS INT))"),
    _by_value("parse_timestamp(text, zone, 'pattern', ...)", "a timestamp of ISO text (`yyyy-MM-dd`, then `T` or a "
              "blank and `HH:mm`, `:ss`, `.f` to `.ffffff`, then `Z` or `+hh:mm`) or of a pattern; local time in "
              "`zone` without an offset; NULL for anything else and for years outside 1900 to 2261", 2, None, 1,
              _parse_timestamp),
    _by_value("parse_date(text, 'pattern', ...)", "a date of ISO text, also with a time of midnight, or of a pattern; "
             "else NULL", 1, None, 1, _parse_date),
    _by_value("parse_decimal(text, p, s, mark)", "`[+-]digits[mark digits]` as decimal(p,s); NULL for anything else, "
              "for more decimals than s unless they are zeros, and for what does not fit", 4, 4, 1, _parse_decimal),
    _made("parse_bigint(text)", "`[+-]` and 1 to 18 digits, `.0` allowed, as bigint; else NULL", 1,
          _parse_bigint("duckdb"), _parse_bigint("spark")),
    _made("parse_boolean(text)", "true 1 yes y t, false 0 no n f, in any case; else NULL", 1, PARSE_BOOLEAN,
          PARSE_BOOLEAN),
    _made("token(text)", "lower case, trimmed, runs of blanks and `-` as one `_`", 1, _token("duckdb"),
          _token("spark")),
    Function("fingerprint(a, b, ...)", "64 bits, the engine's own: only to find candidates within one statement", 1,
             None, _fingerprint("hash"), _fingerprint("xxhash64")),
    _by_value("matches(text, 'regex')", "whether a simple regular expression matches a part of the text", 2, 2, 1,
              _matches),
    _made("digits(text)", "the digits 0 to 9 of a text", 1, "regexp_replace(_1, '[^0-9]+', '', 'g')",
          "regexp_replace(_1, '[^0-9]+', '')"),
)

# fmt: on

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {function.name: function for function in (*_PLAIN, *_AGGREGATES, *_WINDOW, *_MACROS)}
)
