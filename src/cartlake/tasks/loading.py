"""One delivered file becomes rows of its staging log and of the quarantine, in the place of what stood there."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from cartlake.core.contract import Contract
from cartlake.core.entries import Counts, StagedFile
from cartlake.core.evolution import MOST_ADDED, listed, names_in, with_added
from cartlake.core.header import Layout, check_encoding, find_layout, header_text, named_delimiter
from cartlake.core.lines import physical_lines, raw_lines
from cartlake.core.manifest import differs
from cartlake.core.ndjson import UNKNOWN, JsonLayout, find_json_layout
from cartlake.core.packed import MAGIC, is_packed, require_unpackable
from cartlake.core.rules import quoted
from cartlake.core.snapshots import with_presence
from cartlake.core.staging import StageQueries
from cartlake.core.table import BIGINT, STRING, Column
from cartlake.core.tables import QUARANTINE, stage_table
from cartlake.engines.base import Engine, RecordSource, Row
from cartlake.errors import EngineError, FileRejected
from cartlake.tasks.context import Context
from cartlake.tasks.delivery import Delivery, parameters_of
from cartlake.tasks.judging import RECORD, Decided, define_decided, standing

_RAW = (Column("_record", BIGINT), Column("_start", BIGINT), Column("_end", BIGINT), Column("_raw", STRING))
_HEAD = 1 << 20
_MOST_UNKNOWN = 100  # in a hostile file every record may have names of its own


def load(context: Context, delivery: Delivery) -> StagedFile:
    """The log and the quarantine hold exactly this content's records for its batch date, or the quarantine one record
    of the whole file if it cannot be read."""
    try:
        source = require_readable(delivery)
        with context.engine.scope():
            return _stage_records(context, delivery, source)
    except FileRejected as rejected:
        if delivery.is_published:
            raise
        with context.engine.scope():
            return _reject(context, delivery, _placed(context, delivery, rejected))


def _placed(context: Context, delivery: Delivery, rejected: FileRejected) -> FileRejected:
    """`rejected`; where the columns are those of another feed, with a hint at its folder."""
    others = [each for each in context.contracts if each.feed != delivery.contract.feed and each.format == "csv"]
    for contract in others if rejected.code == "header_missing_columns" else ():
        with contextlib.suppress(FileRejected):
            require_readable(replace(delivery, contract=contract))
            hint = f"Its columns are those of {contract.feed}: if it is a file of that feed, drop it in"
            hint += f" {contract.folder}/source."
            return FileRejected(rejected.code, rejected.message, line=rejected.line, hint=hint)
    return rejected


def require_readable(delivery: Delivery) -> RecordSource:
    """How to read the file, or FileRejected: it differs from its manifest, or cannot be this feed's."""
    profile = delivery.profile
    _require_as_announced(delivery, None)
    with delivery.path.open("rb") as file:
        head = file.read(_HEAD)
        if is_packed(delivery.expected.name) and head.startswith(MAGIC):
            file.seek(0)
            require_unpackable(file, profile.bytes)
    if delivery.contract.format != "csv":
        is_nothing = 0 in (delivery.expected.rows, delivery.expected.bytes)
        json_layout = find_json_layout(profile, head, delivery.contract, may_be_empty=is_nothing)
        return RecordSource(delivery.path, profile, profile.encoding, json_layout)
    codec = check_encoding(profile, head, delivery.contract)
    layout = find_layout(header_text(head, codec), delivery.contract, named_delimiter(head, codec))
    return RecordSource(delivery.path, profile, codec, layout)


def _require_as_announced(delivery: Delivery, rows: int | None) -> None:
    profile = delivery.profile
    wrong = differs(delivery.expected, rows=rows, content=(profile.bytes, profile.sha256), landed=delivery.landed)
    if wrong:
        raise FileRejected(
            "differs_from_manifest",
            f"the file is not what its manifest says: {wrong}",
            file=delivery.expected.name,
            hint="Deliver the file again completely, or announce what is there with a new manifest.",
        )


def _stage_records(context: Context, delivery: Delivery, source: RecordSource) -> StagedFile:
    engine, contract = context.engine, delivery.contract
    count = engine.records("records", source)
    decided = define_decided(context, delivery, source, standing(context, delivery))
    queries, parameters = decided.queries, parameters_of(context, delivery)
    duplicates = _define_repeats(engine, queries)
    engine.define("typed", queries.typed, parameters)
    judged = engine.tally("judged", queries.judged, {"all": "TRUE", "good": "_errors IS NULL"}, parameters)
    logged = queries.logged
    if contract.delivery == "snapshot":
        logged = with_presence(contract, logged, decided.unreadable, has_discards=decided.records != "records")
    engine.define("logged", logged, parameters)
    good, unreadable = judged["good"], count.unreadable - decided.mended
    is_all_good = good == judged["all"] and not unreadable
    quarantined = 0 if is_all_good else _define_unfit(context, delivery, source, decided)
    counts = Counts(count.rows_in, good, quarantined, duplicates)
    if not counts.balanced or judged["all"] + duplicates + unreadable != count.rows_in:
        raise EngineError(
            "rows_lost",
            f"{count.rows_in} records were read, but {good} staged, {quarantined} quarantined, {duplicates} repeated",
            file=delivery.expected.name,
            hint="Nothing was staged. This is a fault of cartlake: please report it with the file's profile.",
        )
    _require_as_announced(delivery, count.rows_in)
    drift = _drift(context, source.layout)
    _require_room(context, contract, drift)
    engine.replace(QUARANTINE, _quarantine_slice(delivery), None if is_all_good else "unfit")
    is_logged = good or (contract.delivery == "snapshot" and quarantined)
    engine.replace(stage_table(contract), delivery.slice, "logged" if is_logged else None)
    return _staged_file(delivery, counts, source, listed(drift))


def _define_repeats(engine: Engine, queries: StageQueries) -> int:
    """`repeats`; how many they are."""
    if engine.materialise("suspects", queries.suspects):
        return engine.materialise("repeats", queries.repeats)
    engine.values("repeats", RECORD, [])
    return 0


def _drift(context: Context, layout: Layout) -> list[str]:
    """The unknown columns, in the order of the file. One without a name is among them only if it holds anything:
    spreadsheets save empty columns on the right."""
    if isinstance(layout, JsonLayout):
        return _names_in_records(context)
    nameless = [name for place, name in layout.rescued.items() if name != layout.names[place]]
    if not nameless:
        return list(layout.unknown)
    held = ", ".join(
        f"bool_or(element_at(_rescued, {quoted(name)}) IS NOT NULL) AS c{n}" for n, name in enumerate(nameless)
    )
    [found] = context.engine.rows(f"SELECT {held} FROM records")
    empty = {name for n, name in enumerate(nameless) if not found[f"c{n}"]}
    return [name for name in layout.unknown if name not in empty]


def _names_in_records(context: Context) -> list[str]:
    """The first ones, by name, of the entries that no column takes."""
    named = f"SELECT DISTINCT {UNKNOWN} AS names FROM records WHERE {UNKNOWN} IS NOT NULL ORDER BY names"
    rows = context.engine.rows(f"{named} LIMIT {_MOST_UNKNOWN}")
    return sorted({name for row in rows for name in str(row["names"]).split(",")})[:_MOST_UNKNOWN]


def _require_room(context: Context, contract: Contract, drift: Sequence[str]) -> None:
    """Whoever writes the files of a feed must not make its history as wide as they like."""
    if contract.evolve == "add" and drift:
        staged = (file for file in context.ledger.files(contract.feed) if file.status == "staged")
        before = [name for file in staged for name in names_in(file.rescued_columns)]
        count = len(with_added(contract, [*before, *drift]).added)
        if count > MOST_ADDED:
            raise FileRejected(
                "columns_too_many",
                f"with this file {contract.feed} would have {count} columns more than its contract, over {MOST_ADDED}",
                hint="Deliver fewer columns, or take the needed ones up in the contract.",
            )


def _define_unfit(context: Context, delivery: Delivery, source: RecordSource, decided: Decided) -> int:
    """`unfit`: all records that are neither staged nor repeats, with their text; how many they are."""
    engine = context.engine
    bad = engine.rows(
        f"SELECT r._record, r._line, r._start, r._end FROM {decided.records} r JOIN judged j ON r._record = j._record"
        " WHERE j._errors IS NOT NULL"
    )
    engine.values("raws", _RAW, _raw_texts(source, bad))
    return engine.materialise(
        "unfit",
        f"{_UNFIT} UNION ALL {_UNREADABLE} FROM {decided.unreadable}",
        {
            "feed": delivery.contract.feed,
            **parameters_of(context, delivery),
            "id": delivery.id_prefix,
        },
    )


_PLACE = (
    ":batch_id AS batch_id, :feed AS feed, :source_file AS source_file,"
    " :file_sha256 AS file_sha256, :batch_date AS batch_date"
)
_UNFIT = f"""
SELECT concat_ws('-', :id, text(j._record)) AS id, {_PLACE}, j._record AS record, j._line AS line,
    r._start AS byte_start, r._end AS byte_end, j._errors AS reasons, r._raw AS raw, :ingested_at AS quarantined_at
FROM judged j LEFT JOIN raws r ON j._record = r._record WHERE j._errors IS NOT NULL
"""
_UNREADABLE = f"""
SELECT concat_ws('-', :id, text(_record)) AS id, {_PLACE}, _record AS record, _line AS line,
    _start AS byte_start, _end AS byte_end, _reason AS reasons, _raw AS raw, :ingested_at AS quarantined_at
"""


def _raw_texts(source: RecordSource, bad: Sequence[Row]) -> list[tuple[object, ...]]:
    """(`_record`, `_start`, `_end`, `_raw`) of records, by their byte range or, in a clean file, by their line."""
    if not bad:
        return []
    with source.path.open("rb") as file:
        if bad[0]["_start"] is None:
            found = raw_lines(physical_lines(file), {int(str(row["_line"])) for row in bad})
            return [(row["_record"], *found[int(str(row["_line"]))]) for row in bad]
        return [(row["_record"], row["_start"], row["_end"], _range(file, row, source.codec)) for row in bad]


def _range(file: BinaryIO, row: Row, codec: str) -> str:
    start, end = int(str(row["_start"])), int(str(row["_end"]))
    file.seek(start)
    data = file.read(end - start)
    return data.decode(codec, "backslashreplace").rstrip("\r\n")


def _quarantine_slice(delivery: Delivery) -> dict[str, list[str]]:
    return {
        "feed": [delivery.contract.feed],
        "file_sha256": [delivery.profile.sha256],
        "batch_date": [delivery.day.isoformat()],
    }


def _reject(context: Context, delivery: Delivery, rejected: FileRejected) -> StagedFile:
    """The whole file is one quarantined record; nothing of it is staged."""
    columns = QUARANTINE.columns
    row = {
        "id": f"{delivery.id_prefix}-0",
        "batch_id": delivery.batch.batch_id,
        "feed": delivery.contract.feed,
        "source_file": delivery.expected.name,
        "file_sha256": delivery.profile.sha256,
        "batch_date": delivery.day,
        "record": 0,
        "line": rejected.line,
        "byte_start": 0,
        "byte_end": delivery.profile.bytes,
        "reasons": rejected.code,
        "raw": None,
        "quarantined_at": context.ledger.now(),
    }
    context.engine.values("rejected", columns, [[row[column.name] for column in columns]])
    context.engine.replace(QUARANTINE, _quarantine_slice(delivery), "rejected")
    context.engine.replace(stage_table(delivery.contract), delivery.slice, None)
    staged = _staged_file(delivery, Counts(1, 0, 1, 0), None, None)
    return replace(
        staged, status="rejected", reason=". ".join(said for said in (rejected.message, rejected.hint) if said)
    )


def _staged_file(delivery: Delivery, counts: Counts, source: RecordSource | None, rescued: str | None) -> StagedFile:
    batch, profile = delivery.batch, delivery.profile
    return StagedFile(
        feed=delivery.contract.feed,
        file_sha256=profile.sha256,
        batch_date=delivery.day,
        file_name=delivery.expected.name,
        archive_path=f"{delivery.contract.folder}/{delivery.day}/{delivery.path.name}",
        bytes=profile.bytes,
        lines=profile.lines,
        encoding=source.codec if source else profile.encoding,
        delimiter=(source.layout.delimiter or None) if source else None,
        is_clean=profile.clean,
        rescued_columns=rescued,
        revision=delivery.revision,
        contract_hash=delivery.contract.hash,
        staged_by=batch.batch_id,
        status="staged",
        reason=None,
        **vars(counts),
    )
