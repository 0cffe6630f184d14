"""The values of JSON records as text cells, by the encodings that a contract names."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from cartlake.core.contract import Field
from cartlake.core.jsontext import Json, Number, written
from cartlake.core.lines import Unfit

_WHOLE = re.compile(r"-?[0-9]{1,19}")
_POWER = re.compile(r"(-?[0-9.]+)[eE]([+-]?[0-9]{1,3})")
_MOST_ZEROS = 40
_MOST_BYTES = 32
_MICROS = {"epoch_millis": (1_000, 1), "epoch_micros": (1, 1), "epoch_nanos": (1, 1_000)}


def cell(value: Json, field: Field, *, is_wall_clock: bool) -> str | None:
    """The text that the column's type is read from. What is not in the field's encoding stays as it stands in the JSON,
    texts in quotes: no type can be read from it. `is_wall_clock`: counted times are local ones, not instants.

    Unfit: nested_value, for an object or a list that no encoding asks for.
    """
    if value is None:
        return None
    if field.encoding is not None:
        return _DECODERS[field.encoding](value, field, is_wall_clock)
    if isinstance(value, dict | list):
        raise Unfit("nested_value")
    if isinstance(value, Number):
        return str(value) if field.type == "string" else _plain(value)
    return value if isinstance(value, str) else written(value)


def _plain(number: Number) -> str:
    """The number without a power of ten, exactly, where that takes few digits."""
    found = _POWER.fullmatch(number)
    return f"{Decimal(number):f}" if found and abs(int(found[2])) <= _MOST_ZEROS else str(number)


def _days(value: Json, _field: Field, _: bool) -> str:
    with suppress(OverflowError):
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            return (date(1970, 1, 1) + timedelta(days=int(value))).isoformat()
    return written(value)


def _moment(value: Json, field: Field, is_wall_clock: bool) -> str:
    times, parts = _MICROS[str(field.encoding)]
    with suppress(OverflowError):
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(value) * times // parts)
            return moment.replace(tzinfo=None).isoformat() + ("" if is_wall_clock else "Z")
    return written(value)


def _unscaled(value: Json, field: Field, _: bool) -> str:
    """The bytes of a whole number, base64, at the column's scale; or `{"scale": …, "value": …}` with one of its own."""
    if isinstance(value, Number):
        return _plain(value)
    scale, coded = field.type.rstrip(")").rpartition(",")[2], value
    if isinstance(value, dict) and value.keys() == {"scale", "value"}:
        scale, coded = str(value["scale"]), value["value"]
    if not isinstance(coded, str) or not re.fullmatch("[0-9]{1,2}", scale):
        return written(value)
    with suppress(binascii.Error, ValueError):
        data = base64.b64decode(coded, validate=True)
        if 0 < len(data) <= _MOST_BYTES:
            return _shifted(int.from_bytes(data, signed=True), int(scale))
    return written(value)


def _shifted(unscaled: int, scale: int) -> str:
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    whole, fraction = digits[: len(digits) - scale], digits[len(digits) - scale :]
    return f"{'-' if unscaled < 0 else ''}{whole}{'.' if scale else ''}{fraction}"


def _nested(value: Json, _field: Field, _: bool) -> str:
    return value if isinstance(value, str) else written(value)


_DECODERS: dict[str, Callable[[Json, Field, bool], str]] = {
    "epoch_days": _days,
    "epoch_millis": _moment,
    "epoch_micros": _moment,
    "epoch_nanos": _moment,
    "base64": _unscaled,
    "json": _nested,
}
