"""The change envelope of Debezium: what happened to one row, and where that stands in the source's own log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cartlake.core.contract import Field
from cartlake.core.jsontext import Json
from cartlake.core.lines import Unfit

UNAVAILABLE = "__debezium_unavailable_value"
"""Stands for a value that the source did not send because it had not changed."""

TIMES = {"source.ts_ms": "epoch_millis", "source.ts_us": "epoch_micros", "source.ts_ns": "epoch_nanos"}

_SOURCE = "source."
_UPSERTS = frozenset("cru")


@dataclass(frozen=True)
class Change:
    """`op` is upsert or delete, or what the envelope says if it is none of the known ones; of a delete only the key in
    `row` means anything."""

    op: str
    row: Mapping[str, Json]
    source: Mapping[str, Json]


def source_fields(fields: Iterable[Field]) -> Iterator[tuple[Field, str]]:
    """The columns that are read from the envelope's `source` and not from the row, with the entry there."""
    for field in fields:
        for name in field.source_names:
            if name.startswith(_SOURCE):
                yield field, name.removeprefix(_SOURCE)


def read_change(value: Json) -> Change | None:
    """The change in an envelope, with its schema around it or bare; None for a tombstone.

    Unfit: not_an_envelope, truncate_refused, row_missing.
    """
    if isinstance(value, dict) and "op" not in value and "payload" in value:
        value = value["payload"]
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Unfit("not_an_envelope")
    op, source = value.get("op"), value.get("source")
    if not isinstance(op, str) or not isinstance(source, dict):
        raise Unfit("not_an_envelope")
    if op == "t":
        raise Unfit("truncate_refused")
    row = value.get("before" if op == "d" else "after")
    if not isinstance(row, dict):
        raise Unfit("row_missing")
    return Change("delete" if op == "d" else "upsert" if op in _UPSERTS else op, row, source)
