"""How values look on a page: numbers with separators, times in UTC, nothing that does not print."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from urllib.parse import quote

from markupsafe import Markup, escape

from cartlake.core.names import printable, short_hashes
from cartlake.core.quality import score_text
from cartlake.engines.base import Row

_HASH = 64
_FOUR_FIGURES = Decimal("999.5")  # what is rounded to four of them
_CODE = re.compile(r"`([^`<>]+)`")


def value(given: object) -> str:
    """One value on one line of text; signs that do not print as escapes."""
    if given is None:
        return ""
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, int | Decimal):
        return f"{given:,f}" if isinstance(given, Decimal) else f"{given:,}"
    if isinstance(given, datetime):
        return moment(given)
    text = json.dumps(given, default=str, ensure_ascii=False) if isinstance(given, dict | list) else str(given)
    return printable(text)


def lines(text: str) -> str:
    """The text with its line ends kept and everything else as `value` shows it."""
    return "\n".join(value(line) for line in text.splitlines())


def number(given: object, digits: int = 0) -> str:
    """A rounded number, half up as spreadsheets do it; a dash where there is none."""
    return "–" if given is None else _rounded(Decimal(str(given)), f",.{digits}f")


def score(given: Decimal | None) -> str:
    return "–" if given is None else score_text(given)


def compact(given: object) -> str:
    """Three figures and a unit: 12,345 is 12.3k."""
    if given is None:
        return "–"
    left = Decimal(str(given))
    for unit in ("", "k", "M"):
        if abs(left) < _FOUR_FIGURES:
            return _rounded(left, ".3g" if unit else ".0f") + unit
        left /= 1000
    return _rounded(left, ",.1f") + "B"


def _rounded(given: Decimal, form: str) -> str:
    with localcontext(rounding=ROUND_HALF_UP):
        return format(given, f"z{form}")  # z: no -0


def percent(part: object, whole: object) -> str:
    """A share that is neither 0 nor all is never shown as if it were."""
    share = Decimal(str(part)) / Decimal(str(whole)) * 100 if whole else Decimal(0)
    if 0 < share < Decimal("0.1"):
        return "< 0.1 %"
    if Decimal("99.9") < share < 100:
        return "> 99.9 %"
    return f"{share:.1f} %".replace(".0 %", " %")


def moment(given: datetime | None) -> str:
    """Without the zone: every page says that its times are UTC."""
    return "" if given is None else f"{_utc(given):%Y-%m-%d %H:%M:%S}"


def machine(given: datetime | date) -> str:
    """The value of a `datetime` attribute."""
    return _utc(given).isoformat() if isinstance(given, datetime) else given.isoformat()


def seconds(given: float | None) -> str:
    if given is None:
        return "–"
    if given < 10:
        return f"{given:.2f} s" if given < 1 else f"{given:.1f} s"
    return f"{given:.0f} s" if given < 60 else f"{int(given) // 60} min {int(given) % 60:02} s"


def short(name: str) -> str:
    """An id as a table shows it: a refused manifest goes by the hash of its content."""
    return f"{name[:12]}…" if len(name) == _HASH and name.isalnum() else value(name)


def segment(text: object) -> str:
    """The text as one segment of a path."""
    return quote(str(text), safe="")


def words(code: object) -> str:
    """`file_mass_anomaly` as people say it."""
    return value(code).replace("_", " ")


def prose(text: object) -> Markup:
    """Text in which `names` are set apart."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(value(text)))))  # noqa: S704 - escaped before


def first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")


def polyline(rows: Sequence[Row], day: str, column: str) -> Markup:
    """The points of a line through the values of `column` in a box of 100 by 100: its foot is at 0 or the least value
    below, and its width the days from the first to the last."""
    numbers = [float(str(row[column])) for row in rows]
    days = [date.fromisoformat(str(row[day])).toordinal() for row in rows]
    low, high = min(0.0, *numbers), max(numbers)
    height, width = (high - low) or 1.0, (days[-1] - days[0]) or 1
    points = zip(days, numbers, strict=True)
    return Markup(" ").join(
        f"{(at - days[0]) / width * 100:.2f},{100 - (each - low) / height * 100:.2f}" for at, each in points
    )


FILTERS = {
    function.__name__: function
    for function in (
        value,
        lines,
        number,
        score,
        percent,
        compact,
        moment,
        machine,
        seconds,
        short,
        segment,
        short_hashes,
        words,
        prose,
        first_sentence,
        polyline,
    )
}


def _utc(given: datetime) -> datetime:
    """Times without a zone are UTC: the engine's sessions are."""
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
