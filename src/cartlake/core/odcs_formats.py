"""What a contract says of the format of its files, and what then cannot be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from cartlake.core.contract import Field, Format, spelled
from cartlake.core.debezium import TIMES, source_fields
from cartlake.core.yamltext import Node

_OF_CSV = ("delimiter", "encoding", "decimalMark")


def read_format(node: Node) -> Format:
    return cast(Format, node.one_of(("csv", "ndjson", "debezium")))


def check_format(form: Format, settings: Mapping[str, Node], properties: Node, fields: Sequence[Field]) -> None:
    """Nothing is said that only another format has. Raises ContractError."""
    if form == "csv":
        for field in fields:
            if field.encoding is not None:
                said = f"`{field.name}` has an encoding, and only JSON records have values in one"
                raise properties.fail(said, "Say `format: ndjson` or `format: debezium`, or leave it out.")
        return
    for name in _OF_CSV:
        if name in settings:
            raise settings[name].fail(f"`{name}` is for CSV; JSON is UTF-8 with a decimal point", "Leave it out.")
    _refuse_nested_names(properties, fields)


def _refuse_nested_names(properties: Node, fields: Sequence[Field]) -> None:
    """`address` cannot be a column and hold the column `address.city`."""
    names = {spelled(name) for field in fields for name in (field.name, *field.source_names)}
    for name in sorted(names):
        outer = name.rpartition(".")[0]
        while outer:
            if outer in names:
                raise properties.fail(f"`{outer}` is a column, and `{name}` lies inside it", "Name one of them only.")
            outer = outer.rpartition(".")[0]


def check_change_sequence(
    settings: Mapping[str, Node], fields: Sequence[Field], sequence: Sequence[str], then: Sequence[str]
) -> None:
    """Changes are put in order by their envelope, never by a column of the row: the row of a delete is the old one, and
    so are its times. Raises ContractError."""
    source = {field.name: f"source.{entry}" for field, entry in source_fields(fields)}
    encodings = {field.name: field.encoding for field in fields}
    by = settings.get("sequenceBy") or settings["delivery"]
    if not sequence:
        raise by.fail(
            "changes have times of their own", "`sequenceBy` names the column that is read from `source.ts_ms`."
        )
    said = "changes are in the order of their source, and `{}` is not read from there"
    for name in sequence:
        wanted = TIMES.get(source.get(name, ""))
        if wanted is None or encodings[name] != wanted:
            raise by.fail(said.format(name), "Its physicalName is `source.ts_ms`, and its encoding `epoch_millis`.")
    for name in then:
        if name not in source:
            raise settings["sequenceThen"].fail(said.format(name), "Its physicalName is a position: `source.lsn`.")
