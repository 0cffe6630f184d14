"""Events of one key and time: how two of them are told apart, and which one stands."""

from __future__ import annotations

from collections.abc import Iterable

from cartlake.core.contract import Contract
from cartlake.core.sqltext import name, names


def row_hash(contract: Contract, alias: str = "") -> str:
    """SHA-256 of the values of an event, equal on every engine: for each column `<code points>,<canonical text>`, `-`
    for NULL, joined by `,`, so that no two rows of values give the same text. It is computed where two events meet at
    one time and not stored: for nearly all events nobody ever asks. An added column counts where it has a value, by its
    name: what an event without one gives does not depend on what was added since."""
    columns = [(name(field.name, alias), field.type) for field in contract.fields]
    texts = [column if kind == "string" else f"text({column})" for column, kind in columns]
    prefixed = ", ".join(f"coalesce(nullif(concat_ws('', length({text})), ''), '-'), {text}" for text in texts)
    more = "".join(
        f", CASE WHEN {value} IS NOT NULL THEN concat_ws(',', '{field}', text(length({value})), {value}) END"
        for field, value in ((field.name, name(field.name, alias)) for field in contract.added)
    )
    return f"sha2(concat_ws(',', {prefixed}{more}), 256)"


def one_per_time(contract: Contract, columns: Iterable[str], events: str, time: str) -> str:
    """The `columns` of the rows of `events` that stand, one for each key and `time`: the greatest by further sequence
    fields, batch date, revision, delete over upsert, row hash. Only data that travel with the record decide."""
    shown = names(columns)
    then = "".join(f"{name(column)} DESC NULLS LAST, " for column in contract.sequence_then)
    return (
        f"SELECT {shown} FROM (SELECT {shown}, row_number() OVER (PARTITION BY {names(contract.key)}, {time}"
        f" ORDER BY {then}_batch_date DESC, _revision DESC, CASE WHEN _op = 'delete' THEN 0 ELSE 1 END,"
        f" {row_hash(contract)} DESC, _file_sha256, _record) AS _rank FROM {events}) AS ranked WHERE _rank = 1"
    )
