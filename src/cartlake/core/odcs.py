"""Reads a feed's contract: Open Data Contract Standard v3.1 YAML in, a `Contract` out.

What the standard has no key for stands in its `customProperties`; `docs/contracts.md` lists them. Keys of the standard
that only document (`team`, `tags`, `domain` …) are accepted and not read; any other unknown key is an error, because a
rule or a name that is silently ignored is worse than one that stops the start.
"""

from __future__ import annotations

import hashlib
import re
import zoneinfo
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Literal, cast

from cartlake.core.closest import closest
from cartlake.core.contract import Contract, Field, Format, Relationship
from cartlake.core.dialect import check_expression
from cartlake.core.odcs_fields import (
    DOCUMENTING,
    MAX_NAME,
    PROPERTY,
    read,
    read_fields,
    read_key,
    read_name,
    read_settings,
    with_required,
)
from cartlake.core.odcs_formats import check_change_sequence, check_format, read_format
from cartlake.core.odcs_rules import read_rules
from cartlake.core.odcs_service import read_service
from cartlake.core.rules import quoted
from cartlake.core.yamltext import Node, load
from cartlake.errors import ModelError

API_VERSION = "v3.1.0"

_TOP = DOCUMENTING | {
    *("apiVersion", "kind", "name", "version", "status", "schema", "customProperties"),
    *("tenant", "domain", "dataProduct", "servers", "support", "price", "team", "roles", "slaProperties"),
    "contractCreatedTs",
}
_OBJECT = DOCUMENTING | {
    *("name", "physicalName", "logicalType", "physicalType", "dataGranularityDescription"),
    *("properties", "relationships", "quality"),
}
_RELATIONSHIP = frozenset({"type", "from", "to", "customProperties"})
_SETTINGS = (
    *("landingFolder", "filePattern", "stageTable", "taskName", "sequenceBy", "sequenceThen", "delimiter", "encoding"),
    *("decimalMark", "timezone", "format", "delivery", "observe", "sequenceAheadDays", "evolve"),
)
_DELIMITERS = {",": ",", ";": ";", "|": "|", "\t": "\t", "tab": "\t"}
_ENCODINGS = (
    *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "iso-8859-2", "iso-8859-15"),
    *("windows-1250", "windows-1251", "windows-1252", "cp437", "cp850", "mac-roman"),
)
_REFERENCE = re.compile(r"([a-z][a-z0-9_]*)[.]([a-z][a-z0-9_]*)")
_FOLDER = re.compile(r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|trigger_file)$)[a-z0-9][a-z0-9_-]*")
_FILE_PATTERN = re.compile(r"(?!.*\{date\}.*\{date\})(?:[^/\\{}\x00-\x1f]|\{date\})+")


@lru_cache(maxsize=256)  # a lake is opened often in one process, and its texts are the same
def parse_contract(text: str, path: str) -> Contract:
    """The contract in `text`; ContractError with file, line, column and hint for anything wrong in it."""
    top = load(text, path)
    entries = top.mapping(_TOP, ("apiVersion", "kind", "id", "name", "version", "status", "schema"))
    entries["apiVersion"].one_of((API_VERSION,))
    entries["kind"].one_of(("DataContract",))
    objects = entries["schema"].items()
    if len(objects) != 1:
        raise entries["schema"].fail("a contract describes exactly one object", "One feed, one file.")
    body = objects[0].mapping(_OBJECT, ("name", "properties"))
    settings = read_settings(entries.get("customProperties"), _SETTINGS)
    feed = read_name(body["name"])
    fields = read_fields(body["properties"])
    key = read_key(body["properties"])
    sequence, sequence_then = _sequence(entries.get("customProperties", top), settings, fields, key)
    form: Format = read(settings, "format", read_format, "csv")
    check_format(form, settings, body["properties"], fields)
    if form == "debezium":
        check_change_sequence(settings, fields, sequence, sequence_then)
    rules, cross_rules = read_rules(body.get("quality"), with_required(fields, (*key, *sequence_then)))
    stage_table = read(settings, "stageTable", read_name, f"{feed}_stage")
    return Contract(
        feed=feed,
        version=entries["version"].text(),
        description=_description(entries.get("description")),
        path=path,
        folder=read(settings, "landingFolder", _folder, f"{feed}_data"),
        table=read(body, "physicalName", read_name, feed),
        stage_table=stage_table,
        task=read(settings, "taskName", read_name, f"{stage_table}_load"),
        key=key,
        sequence=sequence,
        sequence_then=sequence_then,
        fields=with_required(fields, (*key, *sequence_then)),
        rules=rules,
        relationships=tuple(_relationships(body, feed, fields)),
        file_pattern=read(settings, "filePattern", _file_pattern, f"{feed}_{{date}}*"),
        delimiter=read(settings, "delimiter", lambda node: _DELIMITERS[node.one_of(_DELIMITERS)], None),
        encoding=read(settings, "encoding", lambda node: node.one_of(_ENCODINGS), None),
        decimal_mark=cast(Literal[".", ","], read(settings, "decimalMark", lambda node: node.one_of(".,"), ".")),
        timezone=read(settings, "timezone", _timezone, "UTC"),
        delivery=_delivery(settings),
        observe=read(settings, "observe", Node.flag, False),
        sequence_ahead_days=read(settings, "sequenceAheadDays", lambda node: node.integer(0, 36500), 2),
        hash=hashlib.sha256(text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8")).hexdigest(),
        cross_rules=cross_rules,
        service=read_service(entries.get("slaProperties")),
        format=form,
        evolve="add"
        if read(settings, "evolve", lambda node: node.one_of(("rescue", "add")), "") == "add"
        else "rescue",
    )


def _description(node: Node | None) -> str:
    if node is None:
        return ""
    known = ("purpose", "usage", "limitations", "authoritativeDefinitions", "customProperties")
    return read(node.mapping(known), "purpose", Node.text, "")


def _folder(node: Node) -> str:
    if not _FOLDER.fullmatch(node.text()) or len(node.text()) > MAX_NAME:
        raise node.fail("this cannot be a landing folder", "One folder, no path: lower-case letters, digits, `_`, `-`.")
    return node.text()


def _file_pattern(node: Node) -> str:
    if not _FILE_PATTERN.fullmatch(node.text()):
        raise node.fail("this cannot be a file name pattern", "A name such as `orders_{date}*.csv`, with one `{date}`.")
    return node.text()


def _timezone(node: Node) -> str:
    """A zone that both the SQL macros and this machine's zone database know; the former alone where it has none."""
    name = node.text()
    zones = zoneinfo.available_timezones() | {"UTC"}
    try:
        check_expression(f"local_date(x, {quoted(name)})")
    except ModelError as problem:
        raise node.fail(problem.message, closest(name, zones)) from None
    if name not in zones and len(zones) > 1:
        raise node.fail(f"there is no time zone `{name}`", closest(name, zones))
    return name


def _delivery(settings: Mapping[str, Node]) -> Literal["changes", "snapshot"]:
    word = read(settings, "delivery", lambda node: node.one_of(("changes", "snapshot")), "changes")
    return "snapshot" if word == "snapshot" else "changes"


def _sequence(
    place: Node, settings: Mapping[str, Node], fields: tuple[Field, ...], key: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    types = {field.name: field.type for field in fields}
    by = settings.get("sequenceBy")
    from_batch = by is not None and by.value == "batch" and "batch" not in types
    if _delivery(settings) == "snapshot":
        if by and not from_batch:
            raise by.fail("a snapshot's records stand at the time of their batch", "Leave `sequenceBy` out.")
        return (), ()
    if by is None:
        hint = "Name the timestamps that say when a record changed, or `batch` if it has none."
        raise place.fail("`sequenceBy` is missing from customProperties", hint)
    first = () if from_batch else tuple(_column(node, types, "timestamp") for node in _list(by))
    then = tuple(_column(node, types) for node in _list(settings["sequenceThen"])) if "sequenceThen" in settings else ()
    for name in (*first, *then):
        if name in key or (*first, *then).count(name) > 1:
            raise by.fail(f"`{name}` cannot be in the key and the sequence, or in the sequence twice")
    return first, then


def _list(node: Node) -> tuple[Node, ...]:
    return (node,) if isinstance(node.value, str) else node.items()


def _column(node: Node, types: Mapping[str, str], wanted: str | None = None) -> str:
    name = node.text()
    if name not in types:
        raise node.fail(f"there is no column `{name}`", closest(name, types))
    if wanted and types[name] != wanted:
        raise node.fail(f"`{name}` is {types[name]}, a {wanted} is needed here")
    return name


def _relationships(body: Mapping[str, Node], feed: str, fields: tuple[Field, ...]) -> Iterator[Relationship]:
    names = tuple(field.name for field in fields)
    for node in body["relationships"].items() if "relationships" in body else ():
        yield _relationship(node, feed, names, None)
    for item in body["properties"].items():
        entries = item.mapping(PROPERTY)
        for node in entries["relationships"].items() if "relationships" in entries else ():
            yield _relationship(node, feed, names, entries["name"].text())


def _relationship(node: Node, feed: str, names: Collection[str], column: str | None) -> Relationship:
    known = _RELATIONSHIP if column is None else _RELATIONSHIP - {"from"}
    entries = node.mapping(known, ("from", "to") if column is None else ("to",))
    read(entries, "type", lambda each: each.one_of(("foreignKey",)), "foreignKey")
    columns = (column,) if column else tuple(_reference(each, (feed,), names)[1] for each in _list(entries["from"]))
    targets = [_reference(each) for each in _list(entries["to"])]
    if len({target for target, _ in targets}) != 1 or len(targets) != len(columns):
        raise node.fail("`from` and `to` need as many columns, all of one feed")
    return Relationship(columns, targets[0][0], tuple(name for _, name in targets))


def _reference(node: Node, feeds: Collection[str] = (), columns: Collection[str] = ()) -> tuple[str, str]:
    named = _REFERENCE.fullmatch(node.text())
    if not named:
        raise node.fail("this is no reference to a column", "Write `feed.column`.")
    feed, column = named.groups()
    if feeds and feed not in feeds:
        raise node.fail(f"`from` names a column of this feed, not of `{feed}`", closest(feed, feeds))
    if columns and column not in columns:
        raise node.fail(f"there is no column `{column}`", closest(column, columns))
    return feed, column
