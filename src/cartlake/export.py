"""Published rows as files for others: CSV, Parquet, Excel; and a snapshot of everything. The lake is only read."""

from __future__ import annotations

import csv
import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from cartlake import queries
from cartlake.core.cells import cell_text, inert
from cartlake.core.closest import closest
from cartlake.core.entries import Publication
from cartlake.disk import replacing, require_no_folder
from cartlake.engines.base import Row
from cartlake.errors import UsageError
from cartlake.published import published_names
from cartlake.sheet import write_sheet
from cartlake.tasks.context import Context

SNAPSHOT, OPEN_SQL = "snapshot.json", "open.sql"


@dataclass(frozen=True)
class ExportFormat:
    """How CSV is written: `delimiter` is one character or `tab`, `bom` a byte order mark, so that Excel knows UTF-8."""

    delimiter: str = ","
    bom: bool = False


@dataclass(frozen=True)
class Exported:
    """A file that was written: what is in it, how many rows, how many bytes."""

    name: str
    path: Path
    rows: int
    bytes: int


def export(
    context: Context, what: str, path: Path, csv_format: ExportFormat, at: str | None, *, force: bool
) -> Exported:
    """The rows of a table or view in the order of its key, or those of a SELECT, stand in one file, whose suffix says
    its format; until it is whole there is none, or the one before. Raises UsageError: another suffix, no such table, a
    file that is there, a place inside the lake."""
    write = _writer(path, csv_format)
    require_no_folder(path)
    _require_free(context, path, force=force)
    names = published_names(context)
    if what.isidentifier() and what.lower() not in names:
        raise UsageError("table_unknown", f"there is no table or view {what!r}", hint=closest(what, names))
    sql = _rows_of(context, what.lower()) if what.lower() in names else what
    with queries.published(context, at), replacing(path) as beside:
        rows = write(context, sql, names, beside)
    return Exported(what if what.lower() in names else "query", path, rows, path.stat().st_size)


def _rows_of(context: Context, name: str) -> str:
    """All rows of a table or view; where there is a key, in its order, so that equal rows make equal files."""
    keys = {table.name: table.key for table in context.production_tables}
    keys |= {model.name: model.key for model in context.models if model.kind == "view"}
    by = [exp.column(column, quoted=True).sql(context.engine.target) for column in keys.get(name, ())]
    return f"SELECT * FROM {name}" + (f" ORDER BY {', '.join(by)}" if by else "")


Writer = Callable[[Context, str, Sequence[str], Path], int]


def _writer(path: Path, csv_format: ExportFormat) -> Writer:
    delimiter = "\t" if csv_format.delimiter == "tab" else csv_format.delimiter
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise UsageError("export_delimiter", "a delimiter is one character, and no quote", hint="--delimiter ';'")

    def as_csv(context: Context, sql: str, names: Sequence[str], beside: Path) -> int:
        columns, chunks = context.engine.pieces(sql, names)
        with beside.open("w", encoding="utf-8-sig" if csv_format.bom else "utf-8", newline="") as file:
            out = csv.writer(file, delimiter=delimiter, lineterminator="\r\n" if csv_format.bom else "\n")
            out.writerow([inert(column) for column in columns])
            return _counted(chunks, lambda row: out.writerow([cell_text(row[column]) for column in columns]))

    writers: dict[str, Writer] = {".csv": as_csv, ".parquet": _as_parquet, ".xlsx": _as_sheet}
    if path.suffix.lower() not in writers:
        known = ", ".join(writers)
        raise UsageError("export_format", f"{path.name} ends in none of {known}", hint="The ending says the format.")
    return writers[path.suffix.lower()]


def _counted(chunks: Iterator[list[Row]], write: Callable[[Row], object]) -> int:
    rows = 0
    for chunk in chunks:
        for row in chunk:
            write(row)
        rows += len(chunk)
    return rows


def _as_parquet(context: Context, sql: str, names: Sequence[str], beside: Path) -> int:
    made, rows = context.engine.parquet(sql, names)
    shutil.move(made, beside)
    return rows


def _as_sheet(context: Context, sql: str, names: Sequence[str], beside: Path) -> int:
    columns, chunks = context.engine.pieces(sql, names)
    return write_sheet(beside, columns, chunks)


def _require_free(context: Context, path: Path, *, force: bool) -> None:
    """Nothing that is there is lost, and nothing lands in a folder that cartlake reads."""
    context.settings.require_outside(path)
    if path.exists() and not force:
        raise UsageError("export_exists", f"{path} is there already", hint="Choose another name, or use --force.")
    if not path.parent.is_dir():
        raise UsageError("export_place", f"there is no folder {path.parent}", hint="Make it first.")


def export_all(context: Context, folder: Path, at: str | None, *, force: bool) -> list[Exported]:
    """`folder` holds every production table and view of one publication as Parquet, `open.sql` that makes them views in
    DuckDB, and `snapshot.json` that says what it is. With `force` it takes the place of an earlier snapshot."""
    _require_free(context, folder, force=force)
    if folder.exists() and not (folder / SNAPSHOT).is_file():
        raise UsageError("export_exists", f"{folder} is no snapshot of cartlake", hint="Choose another folder.")
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    beside.mkdir()
    try:
        written = _write_snapshot(context, beside, at)
        if folder.exists():
            shutil.rmtree(folder)
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return [Exported(each.name, folder / each.path.name, each.rows, each.bytes) for each in written]


def _write_snapshot(context: Context, folder: Path, at: str | None) -> list[Exported]:
    written = []
    views = [model.name for model in context.models if model.kind == "view"]
    with queries.published(context, at) as publication:
        for name in sorted([*(table.name for table in context.production_tables), *views]):
            path = folder / f"{name}.parquet"
            rows = _as_parquet(context, _rows_of(context, name), published_names(context), path)
            written.append(Exported(name, path, rows, path.stat().st_size))
    lines = [
        f"CREATE OR REPLACE VIEW {each.name} AS SELECT * FROM read_parquet('{each.path.name}');" for each in written
    ]
    head = "-- In this folder: duckdb -init open.sql"
    (folder / OPEN_SQL).write_text("\n".join([head, *lines, ""]), "utf-8", newline="\n")
    (folder / SNAPSHOT).write_text(_described(publication, written), "utf-8", newline="\n")
    return written


def _described(publication: Publication, written: Sequence[Exported]) -> str:
    said = {
        "publication_id": publication.publication_id,
        "kind": publication.kind,
        "batch_id": publication.batch_id,
        "published_at": publication.published_at.isoformat(),
        "as_of_date": None if publication.as_of_date is None else publication.as_of_date.isoformat(),
        "rows": {each.name: each.rows for each in written},
    }
    return json.dumps(said, indent=2) + "\n"
