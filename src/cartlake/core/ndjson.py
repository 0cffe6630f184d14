"""Newline-delimited JSON: a record is a line, and its ordinal the number of that line.

As with `core.records` no byte is lost: a line is a record, blank, or bad for one reason. Nothing is lenient: what JSON
readers disagree about (a key twice, NaN, half a character) is no record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cartlake.core import debezium
from cartlake.core.contract import Contract, Field, spelled
from cartlake.core.header import OPERATION, Layout
from cartlake.core.items import Bad, Blank, Item, Record
from cartlake.core.jsontext import Json, parse, written
from cartlake.core.jsonvalues import cell
from cartlake.core.lines import Line, Unfit, raw_text, text_of
from cartlake.core.profile import MAX_LINE, Profile, Split
from cartlake.errors import FileRejected

UNKNOWN, REST = "_unknown", "_rest"
"""Cells of a record besides the contract's: the names of the entries that no column takes, and these as JSON."""

_MOST_NAMES, _LONGEST_NAME = 50, 100

_Branch = dict[str, "_Branch | Field"]


@dataclass(frozen=True)
class JsonLayout(Layout):
    """How the entries of a JSON record map to the contract."""

    contract: Contract

    def items(self, lines: Iterable[Line], codec: str, begin: Split | None = None) -> Iterator[Item]:
        reader = _Reader(self.contract, codec)
        start, number = (begin.start, begin.line) if begin else (0, 1)
        for line in lines:
            yield reader.item(line, number, start)
            start, number = start + len(line), number + 1


def find_json_layout(profile: Profile, head: bytes, contract: Contract, *, may_be_empty: bool) -> JsonLayout:
    """The layout of a file of records; `head` are its first bytes. FileRejected: file_empty, not_ndjson."""
    text = head.decode(profile.encoding, "replace").removeprefix("\ufeff")
    first = [line.strip() for line in text.splitlines() if line.strip()]
    if not first and not may_be_empty:
        hint = "If there really is nothing to tell, the manifest says so: `rows` or `bytes` of the file is 0."
        raise FileRejected("file_empty", "the file is empty", hint=hint)
    is_whole = first[:1] == ["{"] or (bool(first) and first[0][0] == "[" and (first[0][-1] != "]" or len(first) == 1))
    if first and (is_whole or not any(line.startswith("{") for line in first)):
        said = "the file is one JSON document" if is_whole else "no line of the file is a JSON object"
        raise FileRejected(
            "not_ndjson", said, hint="Write each record on a line of its own: {…}, without commas between."
        )
    columns = (*(field.name for field in contract.fields), OPERATION, UNKNOWN, REST)
    return JsonLayout("", columns, columns, contract)


class _Reader:
    """Makes items of lines, under one contract."""

    def __init__(self, contract: Contract, codec: str) -> None:
        self._codec = codec
        self._is_debezium = contract.format == "debezium"
        self._source = dict(debezium.source_fields(contract.fields)) if self._is_debezium else {}
        operation = [] if self._is_debezium else [Field(OPERATION, "string")]
        self._tree = _tree([*(field for field in contract.fields if field not in self._source), *operation])
        self._key_tree = _tree([field for field in contract.fields if field.name in contract.key])
        self._defaults = {field.name: field.default for field in contract.fields} | {OPERATION: None}

    def item(self, line: Line, number: int, start: int) -> Item:
        end = start + len(line)
        try:
            cells = self._cells(self._text(line, start))
        except Unfit as unfit:
            return Bad(number, number, start, end, raw_text([line], self._codec, MAX_LINE), unfit.reason)
        return Record(number, number, start, end, cells) if cells else Blank(number, start, end)

    def _text(self, line: Line, start: int) -> str:
        text = text_of(line, self._codec)
        return (text.removeprefix("\ufeff") if start == 0 else text).strip(" \t\r\n")

    def _cells(self, text: str) -> tuple[str | None, ...]:
        """The cells of a record; none of a blank line or a tombstone."""
        if not text:
            return ()
        value = parse(text)
        found = _Found(is_wall_clock=self._is_debezium)
        if self._is_debezium:
            change = debezium.read_change(value)
            if change is None:
                return ()
            self._take(found, change)
        elif isinstance(value, dict):
            found.take(value, self._tree)
        else:
            raise Unfit("not_an_object")
        named = ",".join(name[:_LONGEST_NAME] for name in sorted(found.rest)[:_MOST_NAMES])
        rest = written(dict(sorted(found.rest.items()))) if found.rest else None
        cells = (found.cells.get(name, default) for name, default in self._defaults.items())
        return (*cells, named or None, rest)

    def _take(self, found: _Found, change: debezium.Change) -> None:
        if change.op == "delete":
            found.take(change.row, self._key_tree)
            found.rest = {}
        else:
            found.take(change.row, self._tree)
        found.cells[OPERATION] = change.op
        for field, name in self._source.items():
            found.cells[field.name] = cell(change.source.get(name), field, is_wall_clock=False)


class _Found:
    """What one record says."""

    def __init__(self, *, is_wall_clock: bool) -> None:
        self._is_wall_clock = is_wall_clock
        self.cells: dict[str, str | None] = {}
        self.rest: dict[str, Json] = {}

    def take(self, entries: Mapping[str, Json], tree: _Branch, path: str = "") -> None:
        """The entries that columns take are in `cells`, the others in `rest`. Unfit: duplicate_key, for two of one
        column; nested_value; value_unavailable."""
        for name, value in entries.items():
            place = tree.get(name) or tree.get(spelled(name))
            if isinstance(place, Field):
                self._put(place, value)
            elif place is not None and isinstance(value, dict):
                self.take(value, place, f"{path}{name}.")
            elif value is not None:
                self.rest[f"{path}{name}"] = str(value) if isinstance(value, str) else written(value)

    def _put(self, field: Field, value: Json) -> None:
        if field.name in self.cells:
            raise Unfit("duplicate_key")
        if value == debezium.UNAVAILABLE and self._is_wall_clock:
            if not field.ignore_null_updates:
                raise Unfit("value_unavailable")
            value = None
        self.cells[field.name] = cell(value, field, is_wall_clock=self._is_wall_clock)


def _tree(fields: Iterable[Field]) -> _Branch:
    """The columns by the names of their entries, a level for each point in a name."""
    tree: _Branch = {}
    for field in fields:
        for name in (field.name, *field.source_names):
            *outer, last = spelled(name).split(".")
            branch = tree
            for part in outer:
                branch = branch.setdefault(part, {})  # type: ignore[assignment]  # contracts have no such clash
            branch[last] = field
    return tree
