"""Quarantined records as CSV files for spreadsheets, and back."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartlake.core.contract import Contract
from cartlake.core.deciding import Held, Wish
from cartlake.core.header import Layout, check_encoding, find_layout, header_text, named_delimiter
from cartlake.core.items import Bad, Record
from cartlake.core.lines import physical_lines
from cartlake.core.profile import MAX_LINE, Profiler
from cartlake.core.records import Dialect, split
from cartlake.core.sheet import CHECK, ID, INFORMS, check_of, edited_cells, sheet_contract, sheet_text, unmarked
from cartlake.errors import FileRejected, UsageError
from cartlake.tasks.archived import ArchivedFile, contract_of
from cartlake.tasks.context import Context, FileKey
from cartlake.tasks.decide import held_records
from cartlake.tasks.quarantined import within

_HEAD = 1 << 20
_LONGEST = 8 * MAX_LINE  # a record of the longest kind, every sign of it quoted
_TOLD = 20

Cells = Mapping[str, str] | None


def export(context: Context, path: Path, batch_id: str | None, feed: str | None) -> int:
    """See `Lake.export_quarantine`."""
    context.settings.require_outside(path)
    records = [h for h in held_records(context, within(batch_id, feed)) if h.state == "open" and not h.is_file]
    feeds: dict[str, list[Held]] = {}
    for held in records:
        feeds.setdefault(held.feed, []).append(held)
    is_file = path.suffix.lower() == ".csv"
    if is_file and len(feeds) > 1:
        said = f"there are records of {', '.join(feeds)}, and {path.name} has room for one feed"
        raise UsageError("several_feeds", said, hint="Name a folder, or one of them: --feed FEED.")
    paths = {name: path if is_file else path / f"{name}.csv" for name in feeds}
    for target in paths.values():
        if target.exists():
            said = f"{target} is there already, perhaps with somebody's work in it"
            raise UsageError("file_exists", said, hint="Name another file or folder.")
    texts = {name: _sheet(context, of_feed) for name, of_feed in feeds.items()}
    for name, text in texts.items():
        _write(paths[name], text)
    return len(records)


def _sheet(context: Context, records: Sequence[Held]) -> str:
    now = _cells(context, records)
    columns = [field.name for field in contract_of(context, records[0].feed).fields]
    columns += ["_op"] if any("_op" in (cells or {}) for cells in now.values()) else []
    return sheet_text(columns, [(held, now[held.id]) for held in records])


def _write(path: Path, text: str) -> None:
    """With a byte order mark, by which spreadsheets know UTF-8."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8-sig", errors="replace", newline="") as file:
            file.write(text)
    except OSError as error:
        said = f"{path} cannot be written: {error.strerror}"
        raise UsageError("file_unwritable", said, hint="Name another file or folder.") from None


def _cells(context: Context, records: Sequence[Held]) -> dict[str, Cells]:
    """The cells of each record as they stand, by its id."""
    files: dict[FileKey, list[Held]] = {}
    for held in records:
        files.setdefault(held.file, []).append(held)
    found: dict[str, Cells] = {}
    for key, of_file in files.items():
        judged = ArchivedFile(context, key).judged([held.record for held in of_file])
        found |= {held.id: judged[held.record].cells for held in of_file}
    return found


@dataclass(frozen=True)
class _Line:
    """A row of a sheet: its line, the record it names, its cells by column and its check."""

    line: int
    held: Held
    cells: Mapping[str, str]
    check: str


def wishes(context: Context, path: Path) -> list[Wish]:
    """A fix for every row that was edited. Raises UsageError with file and line."""
    problems: list[tuple[int, str]] = []
    rows = list(_rows(context, path, problems))
    now = _cells(context, [row.held for row in rows])
    wanted: list[Wish] = []
    for row in rows:
        cells = now[row.held.id]
        edited = edited_cells(row.cells, cells)
        if edited and (row.held.state != "open" or row.check != check_of(cells)):
            problems.append((row.line, f"{row.held.id} has changed since it was exported: it is {row.held.state}"))
        elif edited:
            wanted.append(Wish(row.held, "fix", edited))
    if problems:
        raise _wrong(path, sorted(problems))
    return wanted


def _wrong(path: Path, problems: Sequence[tuple[int, str]]) -> UsageError:
    line, said = problems[0]
    others = "".join(f"\nline {number}: {text}" for number, text in problems[1:_TOLD])
    rest = f"\nand {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
    hint = "Nothing was decided. Correct the rows or take them out; `cartlake quarantine export` writes a new file."
    return UsageError("sheet_wrong", f"{said}{others}{rest}", file=path.name, line=line, hint=hint)


def _rows(context: Context, path: Path, problems: list[tuple[int, str]]) -> Iterator[_Line]:
    """The rows that name a record that can be fixed; what is wrong with others goes to `problems`."""
    sheet = _opened(context, path)
    by_id = {held.id: held for held in held_records(context)}
    columns: tuple[str | None, ...] = ()
    feed, seen = None, dict[str, int]()
    for item in sheet.items():
        if isinstance(item, Bad):
            problems.append((item.line, f"the row cannot be read ({item.reason})"))
            continue
        texts = [unmarked(cell or "") for cell in item.cells]
        if not any(texts):
            continue
        named = dict(zip(sheet.layout.columns, texts, strict=True))
        held = by_id.get(named[ID].strip())
        wrong = _unfit(held, named[ID], feed, seen)
        if wrong or held is None:
            problems.append((item.line, wrong))
            continue
        seen[held.id] = item.line
        if feed is None:
            feed = held.feed
            columns = _columns(sheet, contract_of(context, feed))
        cells = {name: text for name, text in zip(columns, texts, strict=True) if name and name not in (ID, CHECK)}
        yield _Line(item.line, held, cells, named[CHECK].strip())


def _unfit(held: Held | None, record_id: str, feed: str | None, seen: Mapping[str, int]) -> str:
    """Why no record can be fixed by a row, "" if one can. What a stranger's file holds in the place of an id is not
    shown."""
    if held is None:
        return f"the row has no {ID}" if not record_id.strip() else f"its {ID} is that of no quarantined record"
    if held.id in seen:
        return f"{held.id} is also in line {seen[held.id]}"
    if held.state == "superseded":
        return f"{held.id} stood in a file that another one has replaced in its batch"
    if feed not in (None, held.feed):
        return f"{held.id} is of {held.feed}, the rows before are of {feed}"
    return f"{held.id} is a whole file that was rejected" if held.is_file else ""


@dataclass(frozen=True)
class _Sheet:
    """An edited file: its bytes, how to read them, its header's text, where the columns are that name the records."""

    name: str
    data: bytes
    codec: str
    header: str
    layout: Layout

    def items(self) -> Iterator[Record | Bad]:
        dialect = Dialect(self.layout.delimiter, len(self.layout.names), self.codec, max_line=_LONGEST)
        for item in split(physical_lines(io.BytesIO(self.data), self.codec, _LONGEST), dialect):
            if isinstance(item, Record | Bad):
                yield item


def _opened(context: Context, path: Path) -> _Sheet:
    try:
        data = path.read_bytes()
    except OSError as error:
        said = f"{path} cannot be read: {error.strerror}"
        raise UsageError("file_unreadable", said, hint="Name the CSV file that was exported and edited.") from None
    profiler = Profiler()
    profiler.update(data)
    profile = profiler.finish()
    encoding = "cp1252" if profile.bad_byte_at is not None and not profile.bom_bytes else None
    contract = sheet_contract(context.contracts[0], [], encoding)
    try:
        codec = check_encoding(profile, data[:_HEAD], contract)
        header = header_text(data[:_HEAD], codec)
        layout = find_layout(header, contract, named_delimiter(data[:_HEAD], codec))
    except FileRejected as rejected:
        raise _no_sheet(path.name, rejected) from None
    return _Sheet(path.name, data, codec, header, layout)


def _columns(sheet: _Sheet, contract: Contract) -> tuple[str | None, ...]:
    """The contract's column at each place. Raises UsageError for a column that neither it nor the export knows."""
    try:
        found = find_layout(sheet.header, sheet_contract(contract, contract.fields, None), sheet.layout.delimiter)
    except FileRejected as rejected:
        raise _no_sheet(sheet.name, rejected) from None
    unknown = [found.names[place].strip() for place in found.rescued]
    strange = [name for name in unknown if name and name not in INFORMS]
    if strange:
        said = f"{contract.feed} has no column {strange[0]!r}"
        hint = "Put the header back as it was exported, and take columns of your own out."
        raise UsageError("column_unknown", said, file=sheet.name, line=1, hint=hint)
    return found.columns


def _no_sheet(name: str, rejected: FileRejected) -> UsageError:
    hint = "Save the table as CSV, with the header that `cartlake quarantine export` wrote."
    return UsageError(rejected.code, rejected.message, file=name, line=rejected.line, hint=hint)
