"""The functions that SQL in this project may call: one registry, each with its meaning and a template per engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from cartlake.core.macros import (
    DAY_MICROS,
    PARSE_BOOLEAN,
    ByValue,
    Target,
    Template,
    local_date_sql,
    local_hour_sql,
    local_time_sql,
    parse_bigint_sql,
    parse_date_sql,
    parse_decimal_sql,
    parse_timestamp_sql,
    ratio_sql,
    years_between_sql,
)
from cartlake.core.text_macros import (
    LOWER_SPARK,
    TEXT_DUCKDB,
    TEXT_MAP_DUCKDB,
    TEXT_SPARK,
    UPPER_SPARK,
    fingerprint_sql,
    map_same_sql,
    map_sql,
    matches_sql,
    named_struct_sql,
    sha2_sql,
    split_part_sql,
    struct_sql,
    substr_sql,
    token_sql,
)

Kind = Literal["row", "aggregate", "window"]


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
# Nearly no cell has blanks around it, and looking is cheaper than cutting.
TRIM_DUCKDB = "CASE WHEN starts_with(_1, ' ') OR ends_with(_1, ' ') THEN trim(_1, ' ') ELSE _1 END"

_PLAIN = (
    _same("abs(x)", "the number without its sign", 1, 1),
    _same("coalesce(a, b, ...)", "the first argument that is not NULL", 1, None),
    _same("concat_ws(sep, a, b, ...)", "the texts that are not NULL, joined by `sep`", 2, None),
    _same("greatest(a, b, ...)", "the greatest argument that is not NULL", 2, None),
    _same("least(a, b, ...)", "the smallest argument that is not NULL", 2, None),
    _same("length(text)", "the number of code points", 1, 1),
    _same("nullif(a, b)", "NULL where a = b, else a", 2, 2),
    _same("replace(text, old, new)", "the text with every `old` replaced", 3, 3),
    _by_value("substr(text, from[, count])", "part of a text; literals `from` >= 1, `count` >= 0", 2, 3, 1, substr_sql),
    _by_value("split_part(text, sep, n)", "part n (a literal, from 1) between separators; '' beyond", 3, 3, 1,
              split_part_sql),
    _made("lower(text)", "lower case, letter by letter", 1, "lower(_1)", LOWER_SPARK),
    _made("upper(text)", "upper case, letter by letter", 1, "upper(_1)", UPPER_SPARK),
    _made("trim(text)", "without spaces (U+0020 only) at both ends", 1, TRIM_DUCKDB, "trim(_1)"),
    _by_value("sha2(text, 256)", "SHA-256 of the UTF-8 bytes, hexadecimal in lower case", 2, 2, 1, sha2_sql),
    _by_value("regexp_like(text, 'regex')", "= matches", 2, 2, 1, matches_sql),
    Function("map(key, value, ...)", "a map", 2, None, map_sql, map_same_sql),
    _made("element_at(map, key)", "the value at a key of a map, NULL without one", 2, "_1[_2]", "element_at(_1, _2)"),
    _made("text_map(json)", "a map of the entries of a JSON object of texts; NULL for anything else", 1,
          TEXT_MAP_DUCKDB, "from_json(_1, 'map<string,string>')"),
    Function("named_struct('name', value, ...)", "a struct, to compare several values at once", 2, None,
             struct_sql, named_struct_sql),
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
             "decimal(38,scale); NULL where b is 0", 3, 3, 2, ratio_sql),
    _made("text(x)", "canonical text: a decimal at its scale, a bigint, a date as yyyy-MM-dd, true or false, a "
          "timestamp as its UTC microseconds", 1, TEXT_DUCKDB, TEXT_SPARK),
    _made("micros(ts)", "UTC microseconds since 1970 of a timestamp", 1, "epoch_us(_1)", "unix_micros(_1)"),
    _made("from_micros(n)", "the timestamp of UTC microseconds since 1970", 1, "make_timestamptz(_1)",
          "timestamp_micros(_1)"),
    _made("days_between(later, earlier)", "days from one date to another", 2, "date_diff('day', _2, _1)",
          "CAST(datediff(_1, _2) AS BIGINT)"),
    _made("years_between(later, earlier)", "completed years from one date to another (29 February completes on 1 March "
          "of a common year); below 0 when not later", 2, years_between_sql(), years_between_sql()),
    _made("day_of_week(date)", "1 = Sunday to 7 = Saturday", 1, "isodow(_1) % 7 + 1", "CAST(dayofweek(_1) AS BIGINT)"),
    _made("month_of(date)", "1 to 12", 1, "month(_1)", "CAST(month(_1) AS BIGINT)"),
    _made("hour_of(local)", "0 to 23 of a `local_time`", 1, "hour(_1)", "CAST(hour(_1) AS BIGINT)"),
    _by_value("local_time(ts, zone)", "the wall clock at an instant in a zone; only for hour_of", 2, 2, 1,
              local_time_sql),
    _by_value("local_date(ts, zone)", "the date of an instant in a zone", 2, 2, 1, local_date_sql),
    _by_value("local_hour(ts, zone)", "the hour, 0 to 23, of an instant in a zone", 2, 2, 1, local_hour_sql),
    _made("date_start(date)", "the timestamp of 00:00 UTC of a date", 1,
          "make_timestamptz(epoch_us(CAST(_1 AS TIMESTAMP)))", "CAST(_1 AS TIMESTAMP)"),
    _made("add_days_ts(ts, n)", "n times 24 hours later", 2, f"make_timestamptz(epoch_us(_1) + _2 * {DAY_MICROS})",
          f"timestamp_micros(unix_micros(_1) + _2 * {DAY_MICROS})"),
    _made("add_days(date, n)", "n days later", 2, "_1 + CAST(_2 AS INTEGER)", "date_add(_1, CAST(_2 AS INT))"),
    _by_value("parse_timestamp(text, zone, 'pattern', ...)", "a timestamp of ISO text (`yyyy-MM-dd`, then `T` or a "
              "blank and `HH:mm`, `:ss`, `.f` to `.ffffff`, then `Z` or `+hh:mm`) or of a pattern; local time in "
              "`zone` without an offset; NULL for anything else and for years outside 1900 to 2261", 2, None, 1,
              parse_timestamp_sql),
    _by_value("parse_date(text, 'pattern', ...)", "a date of ISO text, also with a time of midnight, or of a pattern; "
             "else NULL", 1, None, 1, parse_date_sql),
    _by_value("parse_decimal(text, p, s, mark)", "`[+-]digits[mark digits]` as decimal(p,s); NULL for anything else, "
              "for more decimals than s unless they are zeros, and for what does not fit", 4, 4, 1, parse_decimal_sql),
    _made("parse_bigint(text)", "`[+-]` and 1 to 18 digits, `.0` allowed, as bigint; else NULL", 1,
          parse_bigint_sql("duckdb"), parse_bigint_sql("spark")),
    _made("parse_boolean(text)", "true 1 yes y t wahr ja, false 0 no n f falsch nein, in any case; else NULL", 1,
          PARSE_BOOLEAN, PARSE_BOOLEAN),
    _made("token(text)", "lower case, trimmed, runs of blanks and `-` as one `_`", 1, token_sql("duckdb"),
          token_sql("spark")),
    Function("fingerprint(a, b, ...)", "64 bits, the engine's own: only to find candidates within one file", 1,
             None, fingerprint_sql("hash"), fingerprint_sql("xxhash64")),
    _by_value("matches(text, 'regex')", "whether a simple regular expression matches a part of the text", 2, 2, 1,
              matches_sql),
    _made("digits(text)", "the digits 0 to 9 of a text", 1, "regexp_replace(_1, '[^0-9]+', '', 'g')",
          "regexp_replace(_1, '[^0-9]+', '')"),
)

# fmt: on

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {function.name: function for function in (*_PLAIN, *_AGGREGATES, *_WINDOW, *_MACROS)}
)
