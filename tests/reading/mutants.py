"""Mutated files of orders: each a function of its seed. And a splitter that is slow, plain and written apart."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cartlake.core.records import MAX_SPAN

Told = tuple[int, int, object]
"""First line, number of lines, and the cells or the reason."""

NAMES = ("order_id", "customer_id", "order_amount", "shipping_address", "created_timestamp")
_CELLS = ("1 Main St", "", "Straße 5, Köln", 'the "red" house', "two\nlines", "semi;colon", " blank ", "☕", "'x'", "|")
_PIECES = [
    *(
        b'"',
        b'""',
        b'",',
        b',"',
        b'"\n',
        b'\n"',
        b',"\n",',
        b",",
        b",,",
        b";",
        b"\t",
        b"|",
        b" ",
        b"x",
        b"\xe2\x82\xac",
    ),
    *(b"\n", b"\n\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\x1a", b"sep=;\n", b"\xed\xa0\x80"),
    ",".join(NAMES).encode() + b"\n",
    b"\n" * 40,
    b"x" * 300,
]


@dataclass(frozen=True)
class Mutant:
    seed: int
    data: bytes
    delimiter: str
    encoding: str

    def __str__(self) -> str:
        return f"mutant({self.seed}): {self.delimiter!r}, {self.encoding}, {self.data!r}"


def mutant(seed: int) -> Mutant:
    """A well-formed file, changed in up to four places."""
    draw = random.Random(seed)  # noqa: S311
    delimiter, end = draw.choice(",,,;\t|"), draw.choice(["\n", "\n", "\r\n", "\r"])
    encoding = draw.choice(["utf-8"] * 6 + ["cp1252", "utf-16-le", "utf-16-be"])
    text = end.join(_line(cells, delimiter, draw, end) for cells in _rows(draw)) + end * draw.choice([0, 1, 1, 1, 2])
    mark = "\ufeff" if encoding.startswith("utf-16") or (encoding == "utf-8" and draw.random() < 0.2) else ""
    data = (mark + text).encode(encoding, "replace")
    for _ in range(draw.choice([0, 1, 1, 1, 2, 3, 4])):
        data = draw.choice([_insert, _insert, _insert, _remove, _double, _cut, _swap])(data, draw)
    return Mutant(seed, data, delimiter, encoding)


def _rows(draw: random.Random) -> Iterator[Sequence[str]]:
    yield NAMES
    plain = draw.random() < 0.5
    for n in range(draw.randrange(9)):
        address = f"{n} Main St" if plain else draw.choice(_CELLS)
        yield (f"O-{n}", f"C-{draw.randrange(3)}", f"{draw.randrange(1, 99)}.50", address, "2025-03-01 08:00:00")


def _line(cells: Sequence[str], delimiter: str, draw: random.Random, end: str) -> str:
    quoted = draw.random() < 0.2
    return delimiter.join(
        '"' + cell.replace('"', '""').replace("\n", end) + '"'
        if quoted or any(sign in cell for sign in f'{delimiter}"\n')
        else cell
        for cell in cells
    )


def _insert(data: bytes, draw: random.Random) -> bytes:
    at, piece = draw.randrange(len(data) + 1), draw.choice(_PIECES)
    return data[:at] + piece + data[at:]


def _remove(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + data[at + draw.choice([1, 1, 1, 2, 5, 30]) :]


def _double(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + data[at : at + draw.choice([1, 5, 60])] + data[at:]


def _cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def _swap(data: bytes, draw: random.Random) -> bytes:
    lines = data.split(b"\n")
    draw.shuffle(lines)
    return b"\n".join(lines)


def read_plainly(data: bytes, delimiter: str, width: int, encoding: str, limit: int) -> list[Told]:
    """What a file holds, by one sign after the other: from each line that begins nothing yet, as far as a record goes;
    a line that begins none is wrong, and the next one begins anew. The first that is not blank is the header."""
    lines = _physical(data, encoding)
    texts = [_text(line, encoding, limit) for line in lines]
    if texts and isinstance(texts[0], str):
        texts[0] = texts[0].removeprefix("\ufeff")
        if texts[0][:4].lower() == "sep=" and len(texts[0].rstrip("\r\n")) == 5:
            texts[0] = ""
    header: object = None
    found: list[Told] = []
    at = 0
    while at < len(lines):
        taken, what = _record(lines, texts, at, delimiter, limit, encoding)
        if isinstance(what, tuple) and what:
            if header is None:
                header = what
            elif len(what) != width:
                taken, what = 1, "too_few_cells" if len(what) < width else "too_many_cells"
            elif what == header:
                what = "repeated_header"
        elif isinstance(what, str) and header is None:
            header, what = (), ()
        found.append((at + 1, taken, what))
        at += taken
    return found


def _physical(data: bytes, encoding: str) -> list[bytes]:
    unit = 2 if encoding.startswith("utf-16") else 1
    cr, lf = "\r".encode(encoding), "\n".encode(encoding)
    lines, begun = [], 0
    for at in range(0, len(data), unit):
        sign, following = data[at : at + unit], data[at + unit : at + 2 * unit]
        if sign == lf or (sign == cr and following != lf):
            lines.append(data[begun : at + unit])
            begun = at + unit
    return [*lines, data[begun:]] if begun < len(data) else lines


def _text(line: bytes, encoding: str, limit: int) -> str | None:
    if len(line) > limit:
        return None
    try:
        text = line.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _why(line: bytes, encoding: str, limit: int) -> str:
    if len(line) > limit:
        return "line_too_long"
    return "nul_byte" if "\0" in line.decode(encoding, "ignore") and _decodes(line, encoding) else "undecodable"


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _record(
    lines: Sequence[bytes], texts: Sequence[str | None], at: int, delimiter: str, limit: int, encoding: str
) -> tuple[int, object]:
    """How many lines the record that begins on a line takes, and its cells (none: a blank line); or 1 and a reason."""
    first = texts[at]
    if first is None:
        return 1, _why(lines[at], encoding, limit)
    if not first.rstrip("\r\n"):
        return 1, ()
    cells: list[str | None] = []
    cell, state = "", "begun"
    for last in range(at, min(len(lines), at + MAX_SPAN)):
        text = texts[last]
        if text is None or sum(map(len, lines[at : last + 1])) > limit:
            return 1, "unclosed_quote"
        for sign in text:
            if state == "quoted":
                cell, state = (cell, "closed") if sign == '"' else (cell + sign, state)
            elif sign == '"' and state != "plain":
                cell, state = cell + '"' * (state == "closed"), "quoted"
            elif sign == delimiter:
                cells.append(cell or None)
                cell, state = "", "begun"
            elif sign not in "\r\n":
                if state == "closed" or sign == '"':
                    return 1, "stray_quote" if last == at else "unclosed_quote"
                cell, state = cell + sign, "plain"
        if state != "quoted":
            return last - at + 1, (*cells, cell or None)
    return 1, "unclosed_quote"
