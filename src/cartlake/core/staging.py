"""SQL that turns the text cells of one file into typed, judged records. Spark SQL, for any engine.

The queries build on a relation `records`: `_record` and `_line` bigint, one string column for each field that the file
has (NULL for an empty cell), `_rescued` map<string,string>.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cartlake.core.contract import Contract, Criticality, Field
from cartlake.core.rules import (
    OP_UNKNOWN,
    SEQUENCE_AHEAD,
    SEQUENCE_MISSING,
    cast_code,
    condition,
    missing_code,
    quoted,
)

UPSERTS = ("upsert", "i", "u", "c")
DELETES = ("delete", "d")


@dataclass(frozen=True)
class StageQueries:
    """Three queries; each result is a relation named like its field before the next ones are run.

    `repeats` (over `records`): `_record` of the records that equal an earlier one in every cell.
    `typed` (over `records`): `_record`, `_line`, the contract's columns, `_sequence`, `_op`, `_rescued`, and for every
    check on the text of a cell (missing, unreadable) a boolean column `_<code>`.
    `judged` (over `typed`, `repeats`): every record that is no repeat: `_record`, `_line`, the columns of the log and
    `_errors`: all codes broken, comma-separated in the order of `checks`; NULL for a sound record.
    """

    repeats: str
    typed: str
    judged: str


@dataclass(frozen=True)
class Check:
    """One row rule as it is run: `broken` is a condition over `typed` that is never NULL. A check that is
    `essential` (key, sequence, operation) also judges deletes, and is an error under `observe`."""

    code: str
    criticality: Criticality
    broken: str
    essential: bool
    description: str


def stage_queries(contract: Contract, present: Sequence[str], rescued: Sequence[str]) -> StageQueries:
    """The queries for a file with the columns `present` (`_op` may be one) and the unknown columns `rescued`.

    Parameters of `judged`: batch_id, batch_date, revision, file_sha256, source_file, source_system, ingested_at.
    Of `typed`: batch_sequence, only if the contract names no sequence.
    """
    return StageQueries(_repeats(present, rescued), _typed(contract, present), _judged(contract))


def checks(contract: Contract) -> tuple[Check, ...]:
    """Every row rule of the contract, in the order in which codes are listed: essential ones first."""
    every = (*_op_checks(), *_cell_checks(contract), *_sequence_checks(contract), *_declared(contract))
    return tuple(sorted(every, key=lambda check: not check.essential))


def _op_checks() -> tuple[Check, ...]:
    return (Check(OP_UNKNOWN, "error", "_op IS NULL", True, "The operation is an upsert or a delete"),)


def _cell_checks(contract: Contract) -> Iterator[Check]:
    for field in contract.fields:
        essential = field.name in (*contract.key, *contract.sequence, *contract.sequence_then)
        criticality: Criticality = "error" if essential or not contract.observe else "warn"
        if field.required:
            code = missing_code(field)
            yield Check(code, criticality, f"`_{code}`", essential, f"`{field.name}` has a value")
        if code := cast_code(field) or "":
            yield Check(code, "error", f"`_{code}`", essential, f"`{field.name}` can be read as {field.type}")


def _sequence_checks(contract: Contract) -> Iterator[Check]:
    days = contract.sequence_ahead_days
    limit = f"add_days_ts(date_start(:batch_date), {days + 1})"
    if contract.sequence:
        said = f"One of {', '.join(contract.sequence)} has a value"
        yield Check(SEQUENCE_MISSING, "error", f"`_{SEQUENCE_MISSING}`", True, said)
    said = f"The record is not more than {days} days later than its batch"
    yield Check(SEQUENCE_AHEAD, "error", f"coalesce(_sequence >= {limit}, false)", True, said)


def _declared(contract: Contract) -> Iterator[Check]:
    for rule in contract.rules:
        criticality: Criticality = "warn" if contract.observe else rule.criticality
        broken = f"NOT {condition(rule, contract.timezone)}"
        yield Check(rule.code, criticality, broken, False, rule.description)


def _repeats(present: Sequence[str], rescued: Sequence[str]) -> str:
    cells = [f"`{name}`" for name in present] + [f"element_at(_rescued, {quoted(name)})" for name in rescued]
    named = ", ".join(f"{cell} AS _cell_{n}" for n, cell in enumerate(cells))
    every = ", ".join(f"_cell_{n}" for n in range(len(cells)))
    return f"""
WITH cells AS (SELECT _record, {named} FROM records),
marked AS (SELECT *, fingerprint({every}) AS _print FROM cells),
suspects AS (SELECT _print FROM marked GROUP BY _print HAVING count(*) > 1),
numbered AS (
  SELECT marked._record, row_number() OVER (PARTITION BY {every} ORDER BY marked._record) AS _nth
  FROM marked LEFT SEMI JOIN suspects ON marked._print = suspects._print
)
SELECT _record FROM numbered WHERE _nth > 1"""


def _typed(contract: Contract, present: Sequence[str]) -> str:
    texts = [f"{_text(field, present)} AS `_text_{field.name}`" for field in contract.fields]
    values = [f"{_value(field, contract)} AS `{field.name}`" for field in contract.fields]
    names = [f"`{field.name}`" for field in contract.fields]
    flags = [flag for field in contract.fields for flag in _flags(field)]
    op = "lower(nullif(trim(_op), ''))" if "_op" in present else "'upsert'"
    return f"""
WITH texts AS (
  SELECT _record, _line, _rescued, {op} AS _text_op, {_listed(texts)}
  FROM records
),
readings AS (
  SELECT *, {_listed(values)}
  FROM texts
)
SELECT _record, _line, {_listed(names)},
  {_sequence(contract)},
  CASE WHEN coalesce(_text_op, 'upsert') IN {UPSERTS} THEN 'upsert' WHEN _text_op IN {DELETES} THEN 'delete' END AS _op,
  _rescued, {_listed(flags)}
FROM readings"""


def _listed(expressions: Sequence[str]) -> str:
    return ",\n  ".join(expressions)


def _text(field: Field, present: Sequence[str]) -> str:
    if field.name in present:
        return f"nullif(trim(`{field.name}`), '')"
    return "CAST(NULL AS string)" if field.default is None else quoted(field.default)


def _value(field: Field, contract: Contract) -> str:
    text, formats = f"`_text_{field.name}`", "".join(f", {quoted(each)}" for each in field.formats)
    match field.type.partition("("):
        case "decimal", _, size:
            return f"parse_decimal({text}, {size[:-1]}, {quoted(contract.decimal_mark)})"
        case "bigint", _, _:
            return f"parse_bigint({text})"
        case "date", _, _:
            return f"parse_date({text}{formats})"
        case "timestamp", _, _:
            return f"parse_timestamp({text}, {quoted(contract.timezone)}{formats})"
        case "boolean", _, _:
            return f"parse_boolean({text})"
    return text if field.canonical == "none" else f"nullif({field.canonical}({text}), '')"


def _flags(field: Field) -> Iterator[str]:
    code, text = cast_code(field), f"`_text_{field.name}`"
    if field.required:
        yield f"{text if code else f'`{field.name}`'} IS NULL AS `_{missing_code(field)}`"
    if code:
        yield f"{text} IS NOT NULL AND `{field.name}` IS NULL AS `_{code}`"


def _sequence(contract: Contract) -> str:
    if not contract.sequence:
        return ":batch_sequence AS _sequence"
    first = ", ".join(f"`{name}`" for name in contract.sequence)
    missing = " AND ".join(f"`_text_{name}` IS NULL" for name in contract.sequence)
    return f"coalesce({first}) AS _sequence, {missing} AS `_{SEQUENCE_MISSING}`"


def _judged(contract: Contract) -> str:
    names = _listed([f"`{field.name}`" for field in contract.fields])
    return f"""
WITH kept AS (SELECT typed.* FROM typed LEFT ANTI JOIN repeats ON typed._record = repeats._record)
SELECT _record, _line, {names},
  :batch_id AS _batch_id, :batch_date AS _batch_date, :revision AS _revision, :file_sha256 AS _file_sha256,
  :source_file AS _source_file, coalesce(:source_system, CAST(NULL AS string)) AS _source_system,
  _sequence, _op,
  {row_hash(contract)} AS _row_hash,
  {_codes(contract, "warn")} AS _warnings,
  _rescued, :ingested_at AS _ingested_at,
  {_codes(contract, "error")} AS _errors
FROM kept"""


def row_hash(contract: Contract) -> str:
    """SHA-256 of the canonical values of all columns, in contract order: each as `<code points>:<text>`, NULL as `-`,
    joined by commas; a function of the values alone on every engine."""
    return f"sha2(concat_ws(',', {_listed([_hashed(field.name) for field in contract.fields])}), 256)"


def _hashed(name: str) -> str:
    text = f"text(`{name}`)"
    return f"CASE WHEN `{name}` IS NULL THEN '-' ELSE concat_ws(':', text(length({text})), {text}) END"


def _codes(contract: Contract, criticality: Criticality) -> str:
    """Two steps, so that a sound record, as nearly all are, costs one condition and no text."""
    of_kind = [check for check in checks(contract) if check.criticality == criticality]
    always = [check for check in of_kind if check.essential]
    of_upserts = [check for check in of_kind if not check.essential]
    applied = [(always, ""), (of_upserts, "coalesce(_op, 'upsert') = 'upsert' AND ")]
    parts = [f"CASE WHEN {only}({_any(group)}) THEN {_joined(group)} END" for group, only in applied if group]
    return f"nullif(concat_ws(',', {_listed(parts)}), '')" if parts else "CAST(NULL AS string)"


def _any(group: Sequence[Check]) -> str:
    return " OR ".join(check.broken for check in group)


def _joined(group: Sequence[Check]) -> str:
    return f"concat_ws(',', {_listed([f'CASE WHEN {check.broken} THEN {quoted(check.code)} END' for check in group])})"
