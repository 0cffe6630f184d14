"""What goes where: results on stdout, everything on the way on stderr; with --json one document on stdout.

Nothing that came from outside reaches a terminal as a control sequence or as markup: consoles interpret no markup, and
`plain` shows what does not print as an escape.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cartlake.core.names import printable
from cartlake.logs import event

_UNBOUNDED = 10_000
_SCREEN_ROWS = 50
_NARROW = 100
_GAP = 2  # between the columns of a boxed table
_STYLES = {
    "green": ("published", "staged", "PASS", "SUCCESS", "ok", "passed"),
    "yellow": ("held", "hold", "waiting", "awaited", "WARN", "SUCCESS_WITH_WARNINGS", "warn", "medium"),
    "red": ("failed", "rejected", "FAIL", "FAILED", "fail", "high"),
    "cyan": ("ready", "running", "landed"),
}
STYLE_OF = {word: style for style, words in _STYLES.items() for word in words}

Cell = str | Text


class ReaderGone(Exception):
    """Nobody reads stdout any more. No OSError: of those typer makes an exit code of its own."""


class _Page(Console):
    def on_broken_pipe(self) -> None:
        raise ReaderGone


class Output:
    """Where a command prints. `as_json`: `document` is what is printed on stdout, and `show` prints nothing.
    `as_lines`: events are told on stderr as lines of JSON, and nothing else may stand there."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.as_lines = False
        self._page = _console(sys.stdout)
        self.log = _console(sys.stderr)

    @property
    def is_terminal(self) -> bool:
        return self._page.is_terminal

    @property
    def is_narrow(self) -> bool:
        return self._page.width < _NARROW

    def show(self, *parts: RenderableType) -> None:
        if not self.as_json:
            for part in parts:
                self._page.print(part)

    def document(self, value: object) -> None:
        if self.as_json:
            write(encode(value) + "\n")

    def notices(self, notices: Iterable[str]) -> None:
        for notice in dict.fromkeys(notices):
            self.say(Text(f"note: {plain(notice)}", "dim"))

    def say(self, text: str | Text) -> None:
        """On stderr: a line of text, or of JSON where the log has such lines."""
        event("said", {"text": str(text)})
        if not self.as_lines:
            self.log.print(text)

    def most(self, rows: Sequence[object], limit: int | None) -> int:
        """How many of the rows are shown: not more than fit a few screens, all in a pipe, `limit` where it is given."""
        return min(len(rows), limit or (_SCREEN_ROWS if self.is_terminal else len(rows)))

    def rest(self, rows: Sequence[object], shown: int, option: str = "--limit") -> None:
        """Says that rows were left out, and which option has them."""
        if shown < len(rows):
            self.notices([f"{shown:,} of {len(rows):,} rows are shown; {option} shows more"])

    def grid(self, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> None:
        """Rows of any number and width: aligned in a pipe; on a terminal a table, or a line for each value where a row
        is too wide, so that no value is broken."""
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        if not self.is_terminal:
            write(_aligned([columns, *rows], widths, [name in numbers for name in columns]))
        elif sum(widths) + _GAP * (len(widths) - 1) <= self._page.width:
            table = self.table(*columns, numbers=numbers)
            for row in rows:
                table.add_row(*row)
            self.show(table)
        else:
            for row in rows:
                self.show(*_record(columns, row), "")

    def table(self, *columns: str, numbers: Sequence[str] = ()) -> Table:
        """An empty table: boxed on a terminal, bare columns otherwise; `numbers` are right-aligned columns."""
        return new_table(columns, numbers, boxed=self.is_terminal)


def _aligned(rows: Sequence[Sequence[str]], widths: Sequence[int], is_right: Sequence[bool]) -> str:
    align = [str.rjust if right else str.ljust for right in is_right]
    return "".join(
        "  ".join(place(cell, width) for place, cell, width in zip(align, row, widths, strict=True)).rstrip() + "\n"
        for row in rows
    )


def _record(columns: Sequence[str], row: Sequence[str]) -> list[Text]:
    width = max(map(len, columns))
    return [Text.assemble((f"{name:{width}}  ", "bold"), cell) for name, cell in zip(columns, row, strict=True)]


def write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGone from None


def new_table(columns: Sequence[str], numbers: Sequence[str] = (), *, boxed: bool = True) -> Table:
    frame = {"box": SIMPLE_HEAD, "border_style": "dim", "collapse_padding": True} if boxed else {"box": None}
    table = Table(header_style="bold", pad_edge=False, show_edge=False, **frame)
    for column in columns:
        is_number = column in numbers
        table.add_column(plain(column), justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    return table


def _console(stream: TextIO) -> Console:
    """Lines are wrapped for a terminal only."""
    width = None if stream.isatty() else _UNBOUNDED
    return _Page(file=stream, width=width, markup=False, highlight=False, emoji=False, soft_wrap=not stream.isatty())


def plain(value: object) -> str:
    """The value on one line of text: numbers with thousands separators, UTC times, what does not print as an escape."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    if isinstance(value, datetime):
        return _utc(value).isoformat(" ").replace("+00:00", "Z")
    text = json.dumps(value, default=_json, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return printable(text)


def lines(text: str) -> str:
    """The text with its line ends kept and everything else as `plain` shows it."""
    return "\n".join(plain(line) for line in text.splitlines())


def word(value: object) -> Text:
    """A status, verdict or severity in its colour."""
    return Text(plain(value), STYLE_OF.get(str(value), ""))


def is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def seconds(value: float) -> str:
    """`0.12 s`, `3.4 s`, `75 s`, `12 min 05 s`."""
    if value < 1:
        return f"{value:.2f} s"
    if value < 60:
        return f"{value:.1f} s"
    return f"{int(value) // 60} min {int(value) % 60:02} s"


def encode(value: object, indent: int | None = 2) -> str:
    """JSON in ASCII: decimals, dates and times as ISO strings, times in UTC."""
    return json.dumps(_finite(value), default=_json, indent=indent)


def _finite(value: object) -> object:
    """Strings instead of the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {str(key): _finite(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124 - NaN
        return str(value)
    return value


def _json(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return _utc(value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def _utc(value: datetime) -> datetime:
    """Times without a zone are UTC: the engine's sessions are."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
