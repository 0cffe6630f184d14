"""SQL that turns the text cells of one file into typed, judged records. Spark SQL, for any engine.

The queries build on a relation `records`: `_record` and `_line` bigint, one string column for each field that the file
has (NULL for an empty cell), `_rescued` map<string,string>.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cartlake.core.contract import Contract, Criticality, Field
from cartlake.core.decided import DISCARDED
from cartlake.core.rules import (
    OP_UNKNOWN,
    SEQUENCE_AHEAD,
    SEQUENCE_MISSING,
    TextColumn,
    cast_code,
    condition,
    damaged_code,
    is_undamaged,
    missing_code,
    quoted,
)

UPSERTS = ("upsert", "i", "u", "c")
DELETES = ("delete", "d")


@dataclass(frozen=True)
class StageQueries:
    """Five queries; each result is a relation named like its field before the next one is run.

    `suspects` (over `records`): the fingerprints that several records share; without any, none is a repeat.
    `repeats` (over `records`, `suspects`): `_record` of the records that equal an earlier one in every cell.
    `typed` (over `records`): `_record`, `_line`, the contract's columns, `_sequence`, `_op`, `_warnings`, `_rescued`,
    and `_errors` but for `sequence_ahead`.
    `judged` (over `typed`, `repeats`): the same for every record that is no repeat, and `_errors` complete: the codes
    of all error rules it breaks, comma-separated in the order of `checks`; NULL if it is sound.
    `logged` (over `judged`): the sound records, with the columns of the log.
    """

    suspects: str
    repeats: str
    typed: str
    judged: str
    logged: str


@dataclass(frozen=True)
class Check:
    """One row rule as it is run: `broken` is a condition that is never NULL. A check that is `essential` (key,
    sequence, operation) also judges deletes, and stays an error under `observe`."""

    code: str
    criticality: Criticality
    broken: str
    essential: bool
    description: str


def stage_queries(
    contract: Contract, present: Sequence[str], rescued: Sequence[str], repaired: Sequence[str] | None = None
) -> StageQueries:
    """The queries for a file with the columns `present` (`_op` may be one, and `_rest`, JSON of all unknown ones) and
    the unknown columns `rescued`.

    Where people have decided about records of the file, `typed` reads `repaired`, which has those columns, in the place
    of `records`, and no record of `discards` is sound. What is a repeat is a matter of the file alone.

    Parameters of `logged`: batch_id, batch_date, revision, file_sha256, source_file, source_system, ingested_at; of
    `judged`: batch_date; of `typed`: none, but batch_sequence where the contract names no sequence. So one text serves
    many files.
    """
    typed = _typed(contract, present, "records") if repaired is None else _typed(contract, repaired, "repaired")
    judged = _judged(contract) if repaired is None else _less_discarded(contract, _judged(contract))
    cells = [f"`{name}`" for name in present] + [f"element_at(_rescued, {quoted(name)})" for name in rescued]
    return StageQueries(_suspects(cells), _repeats(cells), typed, judged, _logged(contract))


def checks(contract: Contract) -> tuple[Check, ...]:
    """Every row rule of the contract, in the order in which codes are listed: essential ones first."""
    every = (_sequence_ahead(contract), *_typed_checks(contract))
    return tuple(sorted(every, key=lambda check: not check.essential))


def _sequence_ahead(contract: Contract) -> Check:
    days = contract.sequence_ahead_days
    broken = f"coalesce(_sequence >= add_days_ts(date_start(:batch_date), {days + 1}), false)"
    said = f"The record is at most {days} days later than the date of its batch"
    return Check(SEQUENCE_AHEAD, "error", broken, True, said)


def _typed_checks(contract: Contract) -> Iterator[Check]:
    """Those that need nothing but the record."""
    yield Check(OP_UNKNOWN, "error", "_op IS NULL", True, "The operation is an upsert or a delete")
    for field in contract.fields:
        yield from _cell_checks(field, contract)
    if contract.sequence:
        broken = " AND ".join(f"{_text_name(name)} IS NULL" for name in contract.sequence)
        said = f"{' or '.join(f'`{name}`' for name in contract.sequence)} has a value"
        yield Check(SEQUENCE_MISSING, "error", broken, True, said)
    for rule in contract.rules:
        criticality: Criticality = "warn" if contract.observe else rule.criticality
        yield Check(rule.code, criticality, f"NOT {condition(rule, contract.timezone)}", False, rule.description)


def _cell_checks(field: Field, contract: Contract) -> Iterator[Check]:
    essential = field.name in (*contract.key, *contract.sequence, *contract.sequence_then)
    criticality: Criticality = "error" if essential or not contract.observe else "warn"
    unreadable = cast_code(field)
    if field.required:
        absent = f"{_text_name(field.name) if unreadable else f'`{field.name}`'} IS NULL"
        yield Check(missing_code(field), criticality, absent, essential, f"`{field.name}` has a value")
    if unreadable:
        broken = f"{_text_name(field.name)} IS NOT NULL AND `{field.name}` IS NULL"
        yield Check(unreadable, "error", broken, essential, f"`{field.name}` can be read as {field.type}")
    elif field.name in contract.ids:
        broken = f"NOT coalesce({is_undamaged(TextColumn(f'`{field.name}`'))}, false)"
        yield Check(damaged_code(field), criticality, broken, essential, f"`{field.name}` is as the system wrote it")


def _suspects(cells: Sequence[str]) -> str:
    return f"SELECT _print FROM ({_prints(cells)}) AS prints GROUP BY _print HAVING count(*) > 1"


def _repeats(cells: Sequence[str]) -> str:
    """Only the few suspects are compared cell by cell."""
    named = ", ".join(f"{cell} AS _cell_{n}" for n, cell in enumerate(cells))
    every = ", ".join(f"_cell_{n}" for n in range(len(cells)))
    return f"""
WITH marked AS ({_prints(cells, f", _record, {named}")}),
numbered AS (
  SELECT marked._record, row_number() OVER (PARTITION BY {every} ORDER BY marked._record) AS _nth
  FROM marked LEFT SEMI JOIN suspects ON marked._print = suspects._print
)
SELECT _record FROM numbered WHERE _nth > 1"""


def _prints(cells: Sequence[str], more: str = "") -> str:
    return f"SELECT fingerprint({', '.join(cells)}) AS _print{more} FROM records"


def _typed(contract: Contract, present: Sequence[str], records: str) -> str:
    texts = [f"{_text(field, present)} AS {_text_name(field.name)}" for field in contract.fields]
    values = [f"{_value(field, contract)} AS `{field.name}`" for field in contract.fields]
    judged = sorted(_typed_checks(contract), key=lambda check: not check.essential)
    flags = [f"{check.broken} AS `_is_{check.code}`" for check in judged]
    op = "lower(nullif(trim(_op), ''))" if "_op" in present else "'upsert'"
    rescued = "text_map(_rest) AS _rescued" if "_rest" in present else "_rescued"
    return f"""
WITH texts AS (
  SELECT _record, _line, {rescued}, {op} AS _text_op, {_listed(texts)}
  FROM {records}
),
readings AS (
  SELECT *, {_listed(values)}
  FROM texts
),
events AS (
  SELECT *, {_sequence(contract)} AS _sequence,
  CASE WHEN coalesce(_text_op, 'upsert') IN {UPSERTS} THEN 'upsert' WHEN _text_op IN {DELETES} THEN 'delete' END AS _op
  FROM readings
),
flagged AS (
  SELECT *, {_listed(flags)}
  FROM events
)
SELECT _record, _line, {_names(contract)}, _sequence, _op,
  {_codes(judged, "warn")} AS _warnings,
  _rescued,
  {_codes(judged, "error")} AS _errors
FROM flagged"""


def _listed(expressions: Sequence[str]) -> str:
    return ",\n  ".join(expressions)


def _names(contract: Contract) -> str:
    return ", ".join(f"`{field.name}`" for field in contract.fields)


def _text_name(name: str) -> str:
    return f"`_text_{name}`"


def _text(field: Field, present: Sequence[str]) -> str:
    if field.name in present:
        return f"nullif(trim(`{field.name}`), '')"
    return "CAST(NULL AS string)" if field.default is None else quoted(field.default)


def _value(field: Field, contract: Contract) -> str:
    text, formats = _text_name(field.name), "".join(f", {quoted(each)}" for each in field.formats)
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


def _sequence(contract: Contract) -> str:
    if not contract.sequence:
        return ":batch_sequence"
    return f"coalesce({', '.join(f'`{name}`' for name in contract.sequence)})"


def _codes(judged: Sequence[Check], criticality: Criticality) -> str:
    """Two steps, so that a sound record, as nearly all are, costs one condition and no text."""
    of_kind = [check for check in judged if check.criticality == criticality]
    always = [f"`_is_{check.code}`" for check in of_kind if check.essential]
    of_upserts = [f"`_is_{check.code}`" for check in of_kind if not check.essential]
    parts = [_joined(always, "")] if always else []
    parts += [_joined(of_upserts, "coalesce(_op, 'upsert') = 'upsert' AND ")] if of_upserts else []
    return f"nullif(concat_ws(',', {_listed(parts)}), '')" if parts else "CAST(NULL AS string)"


def _joined(flags: Sequence[str], only: str) -> str:
    named = [f"CASE WHEN {flag} THEN {quoted(flag[5:-1])} END" for flag in flags]
    return f"CASE WHEN {only}({' OR '.join(flags)}) THEN concat_ws(',', {_listed(named)}) END"


def _judged(contract: Contract) -> str:
    ahead = _sequence_ahead(contract)
    return f"""
SELECT typed._record, typed._line, {_names(contract)}, _sequence, _op, _warnings, _rescued,
  CASE WHEN {ahead.broken} THEN concat_ws(',', {quoted(ahead.code)}, _errors) ELSE _errors END AS _errors
FROM typed LEFT ANTI JOIN repeats ON typed._record = repeats._record"""


def _less_discarded(contract: Contract, judged: str) -> str:
    return f"""
WITH found AS ({judged})
SELECT found._record, found._line, {_names(contract)}, _sequence, _op, _warnings, _rescued,
  CASE WHEN d._record IS NULL THEN _errors ELSE coalesce(_errors, {quoted(DISCARDED)}) END AS _errors
FROM found LEFT JOIN discards d ON found._record = d._record"""


def _logged(contract: Contract) -> str:
    """What is the same in every row is added last: rows are wide enough without it."""
    return f"""
SELECT {_names(contract)},
  :batch_id AS _batch_id, :batch_date AS _batch_date, :revision AS _revision, :file_sha256 AS _file_sha256,
  :source_file AS _source_file, coalesce(:source_system, CAST(NULL AS string)) AS _source_system, _record,
  _sequence, _op, _warnings, _rescued, :ingested_at AS _ingested_at
FROM judged WHERE _errors IS NULL"""
