"""JSON as strictly as a feed needs it: every key once, no NaN, numbers as they are written, nothing that text cannot
hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

from cartlake.core.lines import Unfit

MAX_DEPTH = 50

Json = dict[str, "Json"] | list["Json"] | str | bool | None

_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


class Number(str):
    """A number, as it is written."""

    __slots__ = ()


def parse(text: str) -> Json:
    """The value in `text`. Unfit: not_json, duplicate_key, nested_too_deep, nul_byte, undecodable (half of a character
    that JSON writes as two escapes)."""
    if too_deep_at(text, MAX_DEPTH) is not None:
        raise Unfit("nested_too_deep")
    try:
        value: Json = _DECODER.decode(text)
    except ValueError:
        raise Unfit("not_json") from None
    if "\\u" in text:
        for found in _texts(value):
            if "\0" in found:
                raise Unfit("nul_byte")
            if _SURROGATE.search(found):
                raise Unfit("undecodable")
    return value


def too_deep_at(text: str, limit: int) -> int | None:
    """Where brackets stand more than `limit` deep in each other for the first time, or None."""
    if text.count("{") + text.count("[") <= limit:
        return None
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found.group(), 0)
        if depth > limit:
            return found.start()
    return None


def written(value: Json) -> str:
    """The value as JSON text, its numbers as they were."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{written(key)}:{written(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield key
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def _unique(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise Unfit("duplicate_key")
    return entries


def _no_constant(_: str) -> NoReturn:
    raise Unfit("not_json")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=Number, parse_int=Number, parse_constant=_no_constant
)
