"""The columns of a contract: the `properties` of its schema object, and the readers of names and settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Literal, TypeVar, cast

from cartlake.core.contract import ENCODINGS, Encoding, Field, spelled
from cartlake.core.dialect import check_expression
from cartlake.core.rules import quoted
from cartlake.core.yamltext import Node
from cartlake.errors import ModelError

MAX_NAME = 60
MAX_DIGITS = 38
RESERVED = frozenset({"valid_from", "valid_to", "is_current", "sequence"})
DOCUMENTING = frozenset({"id", "businessName", "description", "tags", "authoritativeDefinitions"})
"""Keys of the standard, at any level, that only document: accepted and not read (but `description`)."""

PROPERTY = DOCUMENTING | {
    *("name", "logicalType", "logicalTypeOptions", "physicalType", "physicalName", "required", "primaryKey"),
    *("primaryKeyPosition", "classification", "examples", "criticalDataElement", "relationships", "customProperties"),
}
_SETTINGS = frozenset({"sourceNames", "formats", "encoding", "canonical", "default", "tracked", "ignoreNullUpdates"})
_TYPES = {
    "string": "string",
    "integer": "bigint",
    "number": "decimal",
    "date": "date",
    "timestamp": "timestamp",
    "boolean": "boolean",
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_DECIMAL = re.compile(r"decimal\(([0-9]{1,2}),([0-9]{1,2})\)")
_DEFAULTS = {
    "bigint": re.compile(r"[+-]?[0-9]{1,18}"),
    "decimal": re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?"),
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "timestamp": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}Z?"),
    "boolean": re.compile(r"true|false"),
}
_NOT_PERSONAL = ("public", "internal")
_T = TypeVar("_T")


def read_name(node: Node) -> str:
    """The name of a feed, table, task or column: lower snake case, at most 60 characters, not one of ours."""
    name = node.text()
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        hint = f"Lower-case letters, digits and `_`, beginning with a letter, at most {MAX_NAME} characters."
        raise node.fail(f"`{name[:MAX_NAME]}` cannot be a name", hint)
    if name in RESERVED:
        raise node.fail(f"`{name}` is a name that cartlake uses itself", "Choose another name.")
    return name


def read(entries: Mapping[str, Node], name: str, reader: Callable[[Node], _T], default: _T) -> _T:
    """What `reader` makes of the entry `name`; `default` where there is none."""
    return reader(entries[name]) if name in entries else default


def read_settings(node: Node | None, known: Collection[str]) -> dict[str, Node]:
    """The values of a `customProperties` list by property name; only names in `known`, each once."""
    settings: dict[str, Node] = {}
    for item in node.items() if node else ():
        entry = item.mapping(("id", "property", "value", "description"), ("property", "value"))
        name = entry["property"].one_of(known)
        if name in settings:
            raise item.fail(f"`{name}` stands here twice")
        settings[name] = entry["value"]
    return settings


def read_fields(node: Node) -> tuple[Field, ...]:
    """The columns, in order; their names and the headers that fill them are unique."""
    fields: dict[str, Field] = {}
    headers: dict[str, str] = {}
    for item in node.items():
        field = _field(item)
        if field.name in fields:
            raise item.fail(f"column `{field.name}` stands here twice")
        for header in {spelled(name) for name in (field.name, *field.source_names)}:
            if header in headers:
                raise item.fail(f"header `{header}` would fill both `{headers[header]}` and `{field.name}`")
            headers[header] = field.name
        fields[field.name] = field
    if not fields:
        raise node.fail("a feed has at least one column")
    return tuple(fields.values())


def _field(node: Node) -> Field:
    entries = node.mapping(PROPERTY, ("name", "logicalType"))
    settings = read_settings(entries.get("customProperties"), _SETTINGS)
    kind = _type(entries)
    named = [source[name] for source, name in ((entries, "physicalName"), (settings, "sourceNames")) if name in source]
    canonical = read(settings, "canonical", lambda each: each.one_of(("none", "lower", "upper", "token")), "none")
    if canonical != "none" and kind != "string":
        raise settings["canonical"].fail(f"`canonical` is for texts, this column is {kind}")
    return Field(
        name=read_name(entries["name"]),
        type=kind,
        required=read(entries, "required", Node.flag, False),
        source_names=tuple(text for each in named for text in each.texts()),
        formats=_formats(entries, settings, kind),
        encoding=_encoding(settings, kind),
        canonical=cast(Literal["none", "lower", "upper", "token"], canonical),
        default=read(settings, "default", lambda each: _default(each, kind), None),
        tracked=read(settings, "tracked", Node.flag, True),
        ignore_null_updates=read(settings, "ignoreNullUpdates", Node.flag, False),
        personal=read(entries, "classification", Node.text, "public") not in _NOT_PERSONAL,
        description=read(entries, "description", Node.text, ""),
    )


def _type(entries: Mapping[str, Node]) -> str:
    logical = entries["logicalType"]
    family = _TYPES[logical.one_of(_TYPES)]
    kind = read(entries, "physicalType", Node.text, family).replace(" ", "").lower()
    if family != "decimal" and kind == family:
        return kind
    size = _DECIMAL.fullmatch(kind)
    if family == "decimal" and size and 1 <= int(size[1]) <= MAX_DIGITS and int(size[2]) <= int(size[1]):
        return kind
    wanted = "decimal(18,2)` or another size up to 38 digits" if family == "decimal" else f"{family}`"
    place = entries.get("physicalType", logical)
    raise place.fail(f"logicalType {logical.text()} and this physicalType do not fit", f"physicalType is `{wanted}.")


def _formats(entries: Mapping[str, Node], settings: Mapping[str, Node], kind: str) -> tuple[str, ...]:
    options = entries["logicalTypeOptions"].mapping(("format",)) if "logicalTypeOptions" in entries else {}
    patterns = [*options.values(), *(settings["formats"].items() if "formats" in settings else ())]
    for node in patterns:
        if kind not in ("date", "timestamp"):
            raise node.fail(f"a format is for dates and timestamps, this column is {kind}")
        _check_format(node, kind)
    return tuple(node.text() for node in patterns)


def _encoding(settings: Mapping[str, Node], kind: str) -> Encoding | None:
    if "encoding" not in settings:
        return None
    family, node = kind.partition("(")[0], settings["encoding"]
    return cast(Encoding, node.one_of([name for name, of in ENCODINGS.items() if of == family]))


def _check_format(node: Node, kind: str) -> None:
    zone = ", 'UTC'" if kind == "timestamp" else ""
    try:
        check_expression(f"parse_{kind}(x{zone}, {quoted(node.text())})")
    except ModelError as problem:
        example = "dd.MM.yyyy HH:mm" if zone else "dd.MM.yyyy"
        raise node.fail(problem.message, f"For a {kind} for example `{example}`.") from None


def _default(node: Node, kind: str) -> str:
    text = str(node.value).lower() if isinstance(node.value, bool | int | Decimal) else node.text()
    pattern = _DEFAULTS.get(kind.partition("(")[0])
    if pattern and not pattern.fullmatch(text):
        raise node.fail(f"this default is no {kind}")
    return text


def read_key(node: Node) -> tuple[str, ...]:
    """The names of the columns marked `primaryKey`, by `primaryKeyPosition`, else as they stand."""
    positions: dict[str, int] = {}
    for item in node.items():
        entries = item.mapping(PROPERTY)
        position = read(entries, "primaryKeyPosition", lambda each: each.integer(-1, 99), -1)
        if read(entries, "primaryKey", Node.flag, False):
            positions[entries["name"].text()] = position if position > 0 else 100
        elif position > 0:
            raise entries["primaryKeyPosition"].fail("a position without `primaryKey: true`")
    if not positions:
        raise node.fail("no column is the key", "Mark the columns that name a record with `primaryKey: true`.")
    return tuple(sorted(positions, key=lambda name: positions[name]))


def with_required(fields: tuple[Field, ...], names: Collection[str]) -> tuple[Field, ...]:
    """`fields`, with those in `names` required."""
    return tuple(replace(field, required=field.required or field.name in names) for field in fields)
