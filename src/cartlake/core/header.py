"""What a file is before its records are read: text or not, in which encoding, and which column is which field."""

from __future__ import annotations

import codecs
import difflib
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cartlake.core.contract import Contract, spelled
from cartlake.core.items import Header, Item
from cartlake.core.lines import Line, physical_lines
from cartlake.core.profile import Profile, Split
from cartlake.core.records import SEP_LINE, Dialect, Place, split
from cartlake.errors import FileRejected

DELIMITERS = (",", ";", "\t", "|")
MAX_COLUMNS = 2_000  # wider ones are no table, and cost engines minutes
OPERATION = "_op"

_DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MAGIC = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "an Excel workbook or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of the old format"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"PAR1\x15", "a Parquet file"),
    (b"SQLite format 3\0", "an SQLite database"),
)
_MARKUP = re.compile(r"\s*<(?:!doctype|html|head|body|table|\?xml|!--)", re.IGNORECASE)
_JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*[\[{"\]])')
_A_JSON = "a JSON document"


@dataclass(frozen=True)
class Layout:
    """How the columns of a file map to the contract. `columns` has, for each position, the field (or `_op`), or None
    where the contract does not know the column; `names` are the header's texts as they stand."""

    delimiter: str
    columns: tuple[str | None, ...]
    names: tuple[str, ...]

    def items(self, lines: Iterable[Line], codec: str, begin: Split | None = None) -> Iterator[Item]:
        """The items of a file, or of its part from `begin` on: there a record is a line, the header the first one."""
        dialect = Dialect(delimiter=self.delimiter, encoding=codec, width=len(self.columns))
        header = tuple(name or None for name in self.names)
        return split(lines, dialect, Place(header, begin.start, begin.line, begin.line - 2) if begin else None)

    @property
    def unknown(self) -> tuple[str, ...]:
        return tuple(self.rescued.values())

    @property
    def rescued(self) -> dict[int, str]:
        """By position, under which name the cells of an unknown column are kept: the header's, or `column 7`."""
        unknown = [place for place, column in enumerate(self.columns) if column is None]
        return {place: self.names[place] if self.names[place].strip() else f"column {place + 1}" for place in unknown}


def check_encoding(profile: Profile, head: bytes, contract: Contract) -> str:
    """The Python codec to read the file with: by its byte order mark, else the contract's, else UTF-8.

    `head` are the first bytes of the file (64 KiB are plenty). FileRejected: file_empty, not_csv, not_utf8.
    """
    if profile.lines == profile.blank_lines:
        raise FileRejected(
            "file_empty", "the file is empty", hint="A feed without news sends at least its header line."
        )
    if kind := _kind(head, profile.encoding):
        hint = "Save or export the table as CSV and deliver that (packed by gzip only under a name that ends in .gz)."
        if kind == _A_JSON:
            hint = f"Deliver CSV; or a JSON object a line, and set `format: ndjson` in the contract of {contract.feed}."
        raise FileRejected("not_csv", f"the file is not CSV, it looks like {kind}", hint=hint)
    if profile.bom_bytes:
        return profile.encoding
    if contract.encoding:
        named = codecs.lookup(contract.encoding).name
        return "utf-16-le" if named == "utf-16" else named
    wide = _wide(head)
    if profile.bad_byte_at is not None or wide:
        raise _not_utf8(profile.bad_byte_at or 0, wide or _narrow(head), contract)
    return "utf-8"


def _kind(head: bytes, encoding: str) -> str | None:
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    text = head[:1024].decode(encoding, "replace").removeprefix("\ufeff")
    if _MARKUP.match(text):
        return "an HTML or XML document"
    return _A_JSON if _JSON.match(text) else found


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of a header is NUL."""
    line = head[:64]
    by_parity = line[::2].count(0), line[1::2].count(0)
    if max(by_parity) * 4 < len(line) or min(by_parity):
        return None
    return "utf-16-be" if by_parity[0] else "utf-16-le"


def _narrow(head: bytes) -> str:
    try:
        head.decode("cp1252")
    except UnicodeDecodeError:
        return "iso-8859-1"
    return "windows-1252"


def _not_utf8(offset: int, likely: str, contract: Contract) -> FileRejected:
    hint = f"Export it as UTF-8, or set `encoding: {likely}` in the contract of {contract.feed} if that is right."
    return FileRejected("not_utf8", f"the file is not UTF-8 from byte {offset} on; it may be {likely}", hint=hint)


def named_delimiter(head: bytes, codec: str) -> str | None:
    """The delimiter that a file names in a first line of its own, `sep=;`."""
    found = SEP_LINE.match(next(_lines(head, codec)))
    return found[1] if found else None


def header_text(head: bytes, codec: str) -> str:
    """The text of the header in the first bytes of a file: its first line that is neither blank nor `sep=;`, or the
    lines as far as the quotes in it are closed."""
    every = (line if number else SEP_LINE.sub("", line) for number, line in enumerate(_lines(head, codec)))
    lines: list[str] = []
    quotes = 0
    for line in itertools.dropwhile(lambda line: not line.strip("\r\n"), every):
        lines.append(line)
        quotes += line.count('"')
        if quotes % 2 == 0:
            return "".join(lines).rstrip("\r\n")
    return "".join(lines[:1]).rstrip("\r\n")


def _lines(head: bytes, codec: str) -> Iterator[str]:
    """The lines in the first bytes of a file, at least one, with their ends."""
    lines = io.StringIO(head.decode(codec, "replace").removeprefix("\ufeff"), newline="")
    yield next(lines, "")
    yield from lines


def find_layout(header_line: str, contract: Contract, named: str | None = None) -> Layout:
    """The layout under the delimiter of the contract, else the one `named` by the file, else the one that gives most
    columns of the contract; all it cannot do without are there.

    FileRejected, line 1: not_a_table, header_missing (the first line is data), header_missing_columns,
    header_ambiguous. Messages show names from the header, never what looks like data.
    """
    known = contract.delimiter or named
    delimiters = (known,) if known else DELIMITERS
    layouts = [layout for delimiter in delimiters if (layout := _layout(header_line, delimiter, contract))]
    if not layouts:
        raise _rejected("not_a_table", "the header cannot be read: its quotes do not match", "Correct the header line.")
    best = max(layouts, key=lambda layout: (_known(layout), len(layout.names)))
    if len(best.names) > MAX_COLUMNS:
        message = f"the header has {len(best.names)} columns, more than {MAX_COLUMNS}"
        raise _rejected("not_a_table", message, "Deliver only the columns of the feed, one record per line.")
    if missing := _missing(best, contract):
        raise _incomplete(best, missing, contract)
    _require_distinct(best)
    return best


def _layout(header_line: str, delimiter: str, contract: Contract) -> Layout | None:
    lines = physical_lines(io.BytesIO(b"\n" + header_line.encode("utf-8", "replace")))  # `sep=` begins files only
    header = next((item for item in split(lines, Dialect(delimiter, width=1)) if isinstance(item, Header)), None)
    if header is None or not header.cells:
        return None
    fields = {spelled(name): field.name for field in contract.fields for name in (*field.source_names, field.name)}
    names = tuple(cell or "" for cell in header.cells)
    return Layout(delimiter, tuple({OPERATION: OPERATION, **fields}.get(spelled(name)) for name in names), names)


def _known(layout: Layout) -> int:
    return len(layout.names) - len(layout.unknown)


def _missing(layout: Layout, contract: Contract) -> list[tuple[str, ...]]:
    """The fields that are not there; of each tuple one would do."""
    defaults = {field.name for field in contract.fields if field.default is not None}
    required = [field.name for field in contract.fields if field.required]
    needed = dict.fromkeys([*contract.key, *required, *contract.sequence_then])
    alternatives = [(name,) for name in needed if name not in defaults] + [contract.sequence]
    return [names for names in alternatives if names and not set(names) & set(layout.columns)]


def _incomplete(layout: Layout, missing: list[tuple[str, ...]], contract: Contract) -> FileRejected:
    wanted = ", ".join(" or ".join(names) for names in missing)
    marks = _DELIMITER_NAMES.get(layout.delimiter, repr(layout.delimiter))
    if not _known(layout) and any(re.search(r"[\d@]", name) for name in layout.names):
        message = f"the first line is no header: none of its {len(layout.names)} cells (by {marks}) names a column"
        return _rejected("header_missing", message, f"Put a header line first; it needs {wanted}.")
    message = f"the header lacks {wanted}; found are {len(layout.names)} columns (by {marks}): {_shown(layout.names)}"
    close = [pair for names in missing for name in names for pair in _closest(name, layout)]
    renamed = f"Perhaps {', '.join(close)}? " if close else ""
    return _rejected(
        "header_missing_columns",
        message,
        f"{renamed}Correct the header, or add the names it uses as source names to the contract of {contract.feed}.",
    )


def _closest(field: str, layout: Layout) -> list[str]:
    unknown = {spelled(name): name for name in layout.unknown}
    found = difflib.get_close_matches(spelled(field), unknown, n=1)
    return [f"{_shown([unknown[name]])} is {field}" for name in found]


def _require_distinct(layout: Layout) -> None:
    meanings = [column or layout.rescued[place].strip() for place, column in enumerate(layout.columns)]
    count = Counter(meanings)
    twice = [pair for pair in zip(layout.names, meanings, layout.columns, strict=True) if count[pair[1]] > 1]
    if not twice:
        return
    told = _shown([f"{name.strip() or meaning}{f' (= {column})' if column else ''}" for name, meaning, column in twice])
    raise _rejected("header_ambiguous", f"columns of the header mean the same: {told}", "Rename or remove all but one.")


def _shown(names: list[str] | tuple[str, ...]) -> str:
    short = [" ".join(name.split())[:40] for name in names[:20]]
    return ", ".join(short) + (", …" if len(names) > 20 else "")


def _rejected(code: str, message: str, hint: str) -> FileRejected:
    return FileRejected(code, message, line=1, hint=hint)
