"""The templates of `core.functions`: what a call means in the SQL of each engine.

A template is SQL of its engine in which `_1`, `_2`, … stand for the arguments. Where part of it depends on the value
of an argument (a scale, a zone, a pattern) it is a function of the values; those arguments must be literals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

Target = Literal["duckdb", "spark"]
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
SHORT_PARTS = {
    "M": ("MM", "(?:0?[1-9]|1[0-2])"),
    "d": ("dd", "(?:0?[1-9]|[12][0-9]|3[01])"),
    "H": ("HH", "(?:[01]?[0-9]|2[0-3])"),
}
"""Parts of one or two digits: the part they stand for, and their digits."""
PATTERN_TOKEN = re.compile(r"yyyy|MM?|dd?|HH?|mm|ss|'T'|[^A-Za-z']")


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


def ratio_sql(values: Sequence[str], target: Target) -> str:
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


def parse_decimal_sql(values: Sequence[str], target: Target) -> str:
    digits, scale, mark = natural(values[1], 1, DECIMAL_DIGITS), natural(values[2], 0, DECIMAL_DIGITS), values[3]
    if scale > digits or mark not in (".", ","):
        raise ValueError("parse_decimal(text, p, s, mark) needs s <= p and a mark of '.' or ','")
    fraction = f"[0-9]{{1,{scale}}}0*" if scale else "0+"
    guard = full_match(f"[+-]?[0-9]+(?:[{mark}]{fraction})?", target)
    number = "_1" if mark == "." else "replace(_1, ',', '.')"
    return f"CASE WHEN {guard} THEN TRY_CAST({number} AS DECIMAL({digits}, {scale})) END"


def parse_bigint_sql(target: Target) -> str:
    whole = "_1" if target == "duckdb" else "split_part(_1, '.', 1)"  # Spark refuses `12.0`
    return f"CASE WHEN {full_match('[+-]?[0-9]{1,18}(?:[.]0+)?', target)} THEN TRY_CAST({whole} AS BIGINT) END"


PARSE_BOOLEAN = (
    "CASE WHEN lower(_1) IN ('true', '1', 'yes', 'y', 't', 'wahr', 'ja') THEN TRUE "
    "WHEN lower(_1) IN ('false', '0', 'no', 'n', 'f', 'falsch', 'nein') THEN FALSE END"
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


def local_time_sql(values: Sequence[str], target: Target) -> str:
    zone = zone_name(values[1])
    if target == "spark":
        return "_1" if zone == "UTC" else f"from_utc_timestamp(_1, '{zone}')"
    return "make_timestamp(epoch_us(_1))" if zone == "UTC" else f"timezone('{zone}', _1)"


def local_date_sql(values: Sequence[str], target: Target) -> str:
    return f"CAST({local_time_sql(values, target)} AS DATE)"


def local_hour_sql(values: Sequence[str], target: Target) -> str:
    return f"CAST(hour({local_time_sql(values, target)}) AS BIGINT)"


def _pattern(pattern: str) -> list[str]:
    parts = PATTERN_TOKEN.findall(pattern)
    named = [part for part in map(_full, parts) if part in PATTERN_PARTS]
    wanted = list(PATTERN_PARTS)
    if "".join(parts) != pattern or sorted(named) != sorted(wanted[: len(named)]) or not 3 <= len(named) <= 6:
        raise ValueError(
            f"{pattern or 'an expression'} is not a pattern of yyyy, MM, dd and at most HH, mm, ss, with separators"
        )
    for place, part in enumerate(parts):
        beside = parts[max(place - 1, 0) : place + 2]
        if part in SHORT_PARTS and sum(_full(each) in PATTERN_PARTS for each in beside) > 1:
            raise ValueError(f"{pattern}: `{part}` may have two digits and needs separators around it")
    return [part.strip("'") if part.startswith("'") else part for part in parts]


def _full(part: str) -> str:
    return SHORT_PARTS[part][0] if part in SHORT_PARTS else part


def _by_pattern(pattern: str, target: Target) -> tuple[str, str]:
    """The guard and the local timestamp of a text in `pattern`."""
    parts = _pattern(pattern)
    guard = full_match("".join(map(_digits, parts)), target)
    if target == "duckdb":
        strptime = "".join(
            PATTERN_PARTS[p][1] if p in PATTERN_PARTS else p.replace("%", "%%") for p in map(_full, parts)
        )
        return guard, f"TRY_STRPTIME(_1, {quoted(strptime, target)})"
    seams = ["'-'", "'-'", "' '", "':'", "':'"]
    text = ", ".join(piece for pair in zip(_pieces_spark(parts), [*seams, "''"], strict=True) for piece in pair)
    return guard, f"TRY_CAST(concat_ws('', {text}) AS TIMESTAMP)"


def _digits(part: str) -> str:
    return SHORT_PARTS[part][1] if part in SHORT_PARTS else PATTERN_PARTS.get(part, (re.escape(part), ""))[0]


def _pieces_spark(parts: Sequence[str]) -> list[str]:
    """Year to second of a text: by place, which is cheaper, where all parts have fixed widths."""
    if not SHORT_PARTS.keys() & set(parts):
        at = {part: 1 + sum(map(len, parts[:n])) for n, part in enumerate(parts) if part in PATTERN_PARTS}
        return [f"substr(_1, {at[p]}, {len(p)})" if p in at else "'00'" for p in PATTERN_PARTS]
    grouped = quoted("".join(f"({_digits(p)})" for p in parts), "spark")
    group = {_full(part): number for number, part in enumerate(parts, 1)}
    return [f"regexp_extract(_1, {grouped}, {group[p]})" if p in group else "'00'" for p in PATTERN_PARTS]


def parse_timestamp_sql(values: Sequence[str], target: Target) -> str:
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


def parse_date_sql(values: Sequence[str], target: Target) -> str:
    iso = full_match(f"{DATE}(?:[ T]{MIDNIGHT}{OFFSET}?)?", target)
    branches = [(iso, "TRY_CAST(substr(_1, 1, 10) AS DATE)")]
    for pattern in values[1:]:
        if "H" in pattern:
            raise ValueError(f"{pattern} is a pattern of a time; parse_timestamp takes it")
        guard, local = _by_pattern(pattern, target)
        branches.append((guard, f"CAST({local} AS DATE)"))
    return _first_of(branches)


def years_between_sql() -> str:
    later, earlier = (f"(month({arg}) * 100 + day({arg}))" for arg in ("_1", "_2"))
    return f"CAST(year(_1) - year(_2) - CASE WHEN {later} < {earlier} THEN 1 ELSE 0 END AS BIGINT)"
