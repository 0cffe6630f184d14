"""The templates of `core.functions` for texts, hashes, maps and structs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cartlake.core.macros import BEGIN, BLANKS, END, Target, Template, full_match, natural, quoted

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


def matches_sql(values: Sequence[str], target: Target) -> str:
    pattern = quoted(simple_regex(values[1]), target)
    return f"regexp_matches(_1, {pattern})" if target == "duckdb" else f"regexp_like(_1, {pattern})"


def substr_sql(values: Sequence[str], target: Target) -> str:  # noqa: ARG001
    for value, least in zip(values[1:], (1, 0), strict=False):
        natural(value, least, 9999)
    return f"substr({', '.join(f'_{n + 1}' for n in range(len(values)))})"


def split_part_sql(values: Sequence[str], target: Target) -> str:  # noqa: ARG001
    natural(values[2], 1, 9999)
    if not values[1]:
        raise ValueError("split_part(text, sep, n) needs a separator that is a literal and not empty")
    return "split_part(_1, _2, _3)"


def sha2_sql(values: Sequence[str], target: Target) -> str:
    natural(values[1], 256, 256)
    return "sha256(_1)" if target == "duckdb" else "sha2(_1, 256)"


def _call(name: str, count: int) -> str:
    return f"{name}({', '.join(f'_{n + 1}' for n in range(count))})"


def fingerprint_sql(name: str) -> Template:
    return lambda values: _call(name, len(values))


def _pairs(values: Sequence[str], function: str) -> tuple[range, range]:
    if len(values) % 2:
        raise ValueError(f"{function} needs pairs of arguments")
    return range(1, len(values), 2), range(2, len(values) + 1, 2)


TEXT_MAP_DUCKDB = "TRY_CAST(TRY_CAST(_1 AS JSON) AS MAP(VARCHAR, VARCHAR))"


def map_sql(values: Sequence[str]) -> str:
    keys, items = (", ".join(f"_{n}" for n in places) for places in _pairs(values, "map"))
    return f"map([{keys}], [{items}])"


def map_same_sql(values: Sequence[str]) -> str:
    return _call("map", len(values))


def struct_sql(values: Sequence[str]) -> str:
    names, _ = _pairs(values, "named_struct")
    fields = (f"{quoted(values[name - 1], 'duckdb')}: _{name + 1}" for name in names)
    return "{" + ", ".join(fields) + "}"


def named_struct_sql(values: Sequence[str]) -> str:
    return _call("named_struct", len(values))


def token_sql(target: Target) -> str:
    lowered = "lower(_1)" if target == "duckdb" else LOWER_SPARK
    trimmed = f"regexp_replace({lowered}, {quoted(f'^[{BLANKS}]+|[{BLANKS}]+{END}', target)}, ''{_all(target)})"
    joined = f"regexp_replace({trimmed}, {quoted(f'[{BLANKS}-]+', target)}, '_'{_all(target)})"
    if target == "spark":
        return joined
    simple = full_match("[A-Za-z0-9_]+(?:[ -][A-Za-z0-9_]+)*", target)  # nearly all, and half the time
    return f"CASE WHEN {simple} THEN replace(replace(lower(_1), ' ', '_'), '-', '_') ELSE {joined} END"


def _all(target: Target) -> str:
    return ", 'g'" if target == "duckdb" else ""
