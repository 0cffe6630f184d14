"""YAML text as a tree that remembers where each key and value stands, and refuses what people misread.

Refused: anchors, aliases, tags, duplicate keys, several documents, nesting beyond 20 levels, and plain words that
YAML readers disagree about (`no`, `010`, `2025-01-15`): those want quotes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import yaml

from cartlake.core.closest import closest
from cartlake.errors import ConfigError, ContractError

MAX_DEPTH = 20

Scalar = str | int | Decimal | bool | None

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Any = yaml.resolver.Resolver()
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_PLAIN = {"true": True, "false": False, "null": None, "": None, "~": None}


@dataclass(frozen=True)
class Place:
    """A position in a file (1-based), and the error that is raised about it."""

    file: str
    line: int
    column: int
    error: type[ConfigError]
    code: str

    def fail(self, message: str, hint: str | None = None) -> ConfigError:
        """The error to raise for what stands here."""
        return self.error(self.code, message, file=self.file, line=self.line, column=self.column, hint=hint)


@dataclass(frozen=True)
class Node:
    """A value and its place. Each reading method gives the value as the type asked for or raises the place's error."""

    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    place: Place
    keys: Mapping[str, Place]

    def fail(self, message: str, hint: str | None = None) -> ConfigError:
        return self.place.fail(message, hint)

    def mapping(self, known: Collection[str], required: Collection[str] = ()) -> Mapping[str, Node]:
        """The entries of a mapping whose keys are all in `known`, with all of `required` there."""
        if not isinstance(self.value, Mapping):
            raise self.fail("a mapping (`key: value`) is needed here")
        for key, place in self.keys.items():
            if key not in known:
                raise place.fail(f"unknown key `{key}`", closest(key, known))
        for key in required:
            if key not in self.value:
                raise self.fail(f"`{key}` is missing", f"Add `{key}:` to this block.")
        return self.value

    def items(self) -> tuple[Node, ...]:
        """The items of a list."""
        if not isinstance(self.value, tuple):
            raise self.fail("a list is needed here", "Write `[first, second]`, or one `- item` per line.")
        return self.value

    def text(self) -> str:
        """A text that is not empty."""
        if not isinstance(self.value, str):
            raise self.fail("a text is needed here", "Put it in quotes.")
        if not self.value.strip():
            raise self.fail("this text is empty")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """The texts of a list; a single text is a list of one."""
        return (self.text(),) if isinstance(self.value, str) else tuple(item.text() for item in self.items())

    def one_of(self, choices: Collection[str]) -> str:
        """A text that is one of `choices`."""
        text = self.text()
        if text not in choices:
            raise self.fail(f"`{text}` is not possible here", closest(text, choices))
        return text

    def flag(self) -> bool:
        """`true` or `false`."""
        if not isinstance(self.value, bool):
            raise self.fail("`true` or `false` is needed here")
        return self.value

    def integer(self, low: int, high: int) -> int:
        """A whole number between `low` and `high`, both included."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not low <= self.value <= high:
            raise self.fail(f"a whole number from {low} to {high} is needed here")
        return self.value

    def number(self) -> Decimal:
        """A number, exact."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | Decimal):
            raise self.fail("a number is needed here", "Write it without quotes and with a point: 0.5.")
        return Decimal(self.value)


def load(text: str, path: str, error: type[ConfigError] = ContractError, code: str = "contract_invalid") -> Node:
    """The one document in `text`; `error` with `code`, file, line and column for everything that is wrong with it."""
    start = Place(path, 1, 1, error, code)
    try:
        return _Builder(yaml.parse(text, Loader=_LOADER), start).document()
    except yaml.MarkedYAMLError as problem:
        place = _place(start, problem.problem_mark or problem.context_mark)
        raise place.fail(f"this is not YAML: {problem.problem or problem.context}") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise start.fail("this is not YAML: a character is not allowed in it", "Save it as UTF-8 text.") from None


class _Mark(Protocol):
    line: int
    column: int


def _place(start: Place, mark: _Mark | None) -> Place:
    return start if mark is None else Place(start.file, mark.line + 1, mark.column + 1, start.error, start.code)


class _Builder:
    """Consumes the events of one document."""

    def __init__(self, events: Iterator[Any], start: Place) -> None:
        self._events = events
        self._start = start

    def document(self) -> Node:
        next(self._events)
        if not isinstance(next(self._events), yaml.DocumentStartEvent):
            raise self._start.fail("the file is empty", "One YAML document is needed.")
        node = self._node(next(self._events), 1)
        next(self._events)
        if isinstance(event := next(self._events), yaml.DocumentStartEvent):
            raise _place(self._start, event.start_mark).fail("a second document begins here", "One file, one document.")
        return node

    def _node(self, event: Any, depth: int) -> Node:
        place = _place(self._start, event.start_mark)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise place.fail("anchors and aliases (`&name`, `*name`) are not read", "Write the value out.")
        if event.tag is not None:
            raise place.fail("tags (`!name`) are not read", "Write the plain value, in quotes if it is a text.")
        if depth > MAX_DEPTH:
            raise place.fail(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(tuple(self._items(depth)), place, {})
        return Node(_scalar(event, place), place, {})

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _mapping(self, place: Place, depth: int) -> Node:
        values: dict[str, Node] = {}
        places: dict[str, Place] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key.value, str):
                raise key.fail("a key must be a text", "Put it in quotes.")
            if key.value in values:
                raise key.fail(f"`{key.value}` stands here twice", f"First on line {places[key.value].line}.")
            places[key.value] = key.place
            values[key.value] = self._node(next(self._events), depth + 1)
        return Node(values, place, places)


def _scalar(event: yaml.ScalarEvent, place: Place) -> Scalar:
    text = str(event.value)
    if not event.implicit[0]:
        return text
    kind = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)).rpartition(":")[2]
    if kind == "str":
        return text
    if kind in ("bool", "null") and text.lower() in _PLAIN:
        return _PLAIN[text.lower()]
    if kind == "int" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "float" and _DECIMAL.fullmatch(text):
        return Decimal(text)
    raise place.fail(f"`{text[:40]}` without quotes means different things to YAML readers", "Put it in quotes.")
