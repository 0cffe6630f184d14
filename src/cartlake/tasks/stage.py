"""Tasks 1 to 5: the files of one feed become rows of its staging log and of the quarantine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path

from cartlake import landing
from cartlake.core.batch import Batch, BatchStatus, files_to_claim
from cartlake.core.contract import Contract
from cartlake.core.header import check_encoding, find_layout
from cartlake.core.manifest import ExpectedFile, differs
from cartlake.core.names import LandedFile, archive_path
from cartlake.core.records import Profile, physical_lines, raw_lines
from cartlake.core.sqltext import names
from cartlake.core.staging import stage_queries
from cartlake.core.table import BIGINT, STRING, Column
from cartlake.core.tables import QUARANTINE, stage_table
from cartlake.engines.base import RecordSource
from cartlake.errors import EngineError, FileRejected
from cartlake.ledger import BatchFile, Counts, StagedFile
from cartlake.tasks.arrivals import look
from cartlake.tasks.context import Context, TaskResult

_RAW = (Column("_record", BIGINT), Column("_start", BIGINT), Column("_end", BIGINT), Column("_raw", STRING))
_HEAD = 65536


@dataclass(frozen=True)
class _Delivery:
    """A claimed content under the name, batch and revision it came with."""

    contract: Contract
    batch: Batch
    expected: ExpectedFile
    path: Path
    profile: Profile
    revision: int

    @property
    def slice(self) -> dict[str, list[str]]:
        return {"_file_sha256": [self.profile.sha256], "_batch_date": [self.batch.batch_date.isoformat()]}


def stage_load(context: Context, contract: Contract, batch: Batch, *, again: bool = False) -> TaskResult:
    """Every file of this feed that the batch names is claimed, staged or rejected, and in the ledger; its landing file is
    gone. `again` stages claimed files anew with today's contract."""
    ledger = context.ledger
    known = {file.file_name: file for file in ledger.batch_files([batch.batch_id]) if file.feed == contract.feed}
    seen, knowledge = look(context)
    landed = {
        name: file
        for name, file in files_to_claim(batch, seen.files, knowledge).items()
        if file.folder == contract.folder
    }
    results = []
    for expected in batch.files:
        if expected.name in landed:
            results.append(_from_landing(context, contract, batch, expected, landed[expected.name], known))
        elif expected.name in known:
            results.append(_from_archive(context, contract, batch, expected, known[expected.name], again))
    return _summary(results)


def _from_landing(
    context: Context,
    contract: Contract,
    batch: Batch,
    expected: ExpectedFile,
    landed: LandedFile,
    known: Mapping[str, BatchFile],
) -> BatchFile:
    source = landing.landed_path(context.settings.landing_folder, landed)
    archive = context.settings.archive_folder
    claimed = landing.claim(
        source, archive, lambda sha256: archive_path(contract.folder, _day(batch), expected.name, sha256)
    )
    file = known.get(expected.name)
    if file is None or file.file_sha256 != claimed.sha256 or file.status == "rejected":
        file = _deliver(context, contract, batch, expected, claimed.path, claimed.profile)
    landing.remove_landed(source, claimed.sha256)
    return file


def _day(batch: Batch) -> date:
    assert batch.batch_date is not None, "only refused manifests have no date, and they never run"
    return batch.batch_date


def _from_archive(
    context: Context, contract: Contract, batch: Batch, expected: ExpectedFile, known: BatchFile, again: bool
) -> BatchFile:
    if not again and known.status == "staged":
        return known
    path = context.settings.archive_folder / archive_path(
        contract.folder, _day(batch), expected.name, known.file_sha256
    )
    return _deliver(context, contract, batch, expected, path, landing.profile_archived(path), again=True)


def _deliver(
    context: Context,
    contract: Contract,
    batch: Batch,
    expected: ExpectedFile,
    path: Path,
    profile: Profile,
    again: bool = False,
) -> BatchFile:
    """The content is staged for the batch's date, by this batch or an earlier one, and the ledger says so."""
    earlier = [file for file in context.ledger.files(contract.feed) if file.file_name == expected.name]
    same = [
        file
        for file in context.ledger.files(contract.feed)
        if file.file_sha256 == profile.sha256 and file.batch_date == _day(batch)
    ]
    if same and same[0].staged_by != batch.batch_id and same[0].status == "staged" and not again:
        announced = _announced(batch, contract, expected.name, same[0])
        repeated = replace(announced, rows_staged=0, rows_quarantined=0, rows_duplicate=announced.rows_in)
        context.ledger.record_files([], [repeated])
        return repeated
    revision = same[0].revision if same else batch.revision
    if revision is None:
        revision = len({file.file_sha256 for file in earlier} - {profile.sha256})
    delivery = _Delivery(contract, batch, expected, path, profile, revision)
    staged = _stage(context, delivery)
    if same:
        staged = replace(staged, staged_by=same[0].staged_by, file_name=same[0].file_name)
    announced = _announced(batch, contract, expected.name, staged)
    context.ledger.record_files([staged], [announced])
    return announced


def _stage(context: Context, delivery: _Delivery) -> StagedFile:
    try:
        source = _source(delivery)
        with context.engine.scope():
            return _stage_records(context, delivery, source)
    except FileRejected as rejected:
        if delivery.batch.status is BatchStatus.PUBLISHED:
            raise
        with context.engine.scope():
            return _reject(context, delivery, rejected)


def _source(delivery: _Delivery) -> RecordSource:
    """How to read the file, or FileRejected: it differs from its manifest, or cannot be this feed's."""
    profile = delivery.profile
    _require_as_announced(delivery, None)
    with delivery.path.open("rb") as file:
        head = file.read(_HEAD)
    codec = check_encoding(profile, head, delivery.contract)
    with delivery.path.open("rb") as file:
        layout = find_layout(first_line(file.read(1 << 20), codec), delivery.contract)
    return RecordSource(delivery.path, profile, codec, layout)


def _require_as_announced(delivery: _Delivery, rows: int | None) -> None:
    profile = delivery.profile
    wrong = differs(delivery.expected, rows=rows, size=profile.bytes, sha256=profile.sha256)
    if wrong:
        raise FileRejected(
            "differs_from_manifest",
            f"the file is not what its manifest says: {wrong}",
            file=delivery.expected.name,
            hint="Deliver the file again completely, or announce what is there with a new manifest.",
        )


def first_line(head: bytes, codec: str) -> str:
    text = head.decode(codec, "replace").removeprefix("\ufeff")
    return text.splitlines()[0] if text else ""


def _stage_records(context: Context, delivery: _Delivery, source: RecordSource) -> StagedFile:
    engine, contract = context.engine, delivery.contract
    count = engine.records("records", source)
    rescued = [name for name, column in zip(source.layout.names, source.layout.columns, strict=True) if column is None]
    queries = stage_queries(contract, tuple(name for name in source.layout.columns if name), rescued)
    parameters = _parameters(context, delivery)
    duplicates = engine.materialise("repeats", queries.repeats)
    engine.define("typed", queries.typed, parameters)
    judged = engine.materialise("judged", queries.judged, parameters)
    quarantined = _quarantine_records(context, delivery)
    table = stage_table(contract)
    engine.define("good", f"SELECT {names(table.column_names)} FROM judged WHERE _errors IS NULL")
    good = int(str(engine.rows("SELECT count(*) AS n FROM good")[0]["n"]))
    counts = Counts(count.rows_in, good, quarantined, duplicates)
    if not counts.balanced or judged + duplicates + count.unreadable != count.rows_in:
        raise EngineError(
            "rows_lost",
            f"{count.rows_in} records were read, but {good} staged, {quarantined} quarantined, {duplicates} repeated",
            file=delivery.expected.name,
            hint="Nothing was staged. This is a fault of cartlake: please report it with the file's profile.",
        )
    _require_as_announced(delivery, count.rows_in)
    engine.replace(table, delivery.slice, "good")
    return _staged_file(delivery, counts, source, ",".join(rescued) or None)


def _parameters(context: Context, delivery: _Delivery) -> dict[str, object]:
    batch = delivery.batch
    return {
        "batch_id": batch.batch_id,
        "batch_date": _day(batch),
        "revision": delivery.revision,
        "file_sha256": delivery.profile.sha256,
        "source_file": delivery.expected.name,
        "source_system": batch.source_system,
        "ingested_at": context.ledger.now(),
        "batch_sequence": batch.triggered_at or datetime.combine(_day(batch), time(), UTC),
    }


def _quarantine_records(context: Context, delivery: _Delivery) -> int:
    """All records that are neither staged nor repeats stand in the quarantine with their text; how many they are."""
    engine = context.engine
    bad = engine.rows(
        "SELECT r._record, r._line, r._start, r._end FROM records r JOIN judged j ON r._record = j._record"
        " WHERE j._errors IS NOT NULL"
    )
    engine.values("raws", _RAW, _raw_texts(delivery.path, bad))
    quarantined = engine.materialise(
        "unfit",
        f"{_UNFIT} UNION ALL {_UNREADABLE}",
        {
            "feed": delivery.contract.feed,
            **_parameters(context, delivery),
            "id": _quarantine_prefix(delivery),
        },
    )
    engine.replace(QUARANTINE, _quarantine_slice(delivery), "unfit")
    return quarantined


_PLACE = ":batch_id AS batch_id, :feed AS feed, :source_file AS source_file, :file_sha256 AS file_sha256, :batch_date AS batch_date"
_UNFIT = f"""
SELECT concat_ws('-', :id, text(j._record)) AS id, {_PLACE}, j._record AS record, j._line AS line,
    r._start AS byte_start, r._end AS byte_end, j._errors AS reasons, r._raw AS raw, :ingested_at AS quarantined_at
FROM judged j LEFT JOIN raws r ON j._record = r._record WHERE j._errors IS NOT NULL
"""
_UNREADABLE = f"""
SELECT concat_ws('-', :id, text(_record)) AS id, {_PLACE}, _record AS record, _line AS line,
    _start AS byte_start, _end AS byte_end, _reason AS reasons, _raw AS raw, :ingested_at AS quarantined_at
FROM records_unreadable
"""


def _raw_texts(path: Path, bad: Sequence[dict[str, object]]) -> list[tuple[object, ...]]:
    """(`_record`, `_start`, `_end`, `_raw`) of records, by their byte range or, in a clean file, by their line."""
    if not bad:
        return []
    with path.open("rb") as file:
        if bad[0]["_start"] is None:
            found = raw_lines(physical_lines(file), {int(str(row["_line"])) for row in bad})
            return [(row["_record"], *found[int(str(row["_line"]))]) for row in bad]
        return [(row["_record"], row["_start"], row["_end"], _range(file, row)) for row in bad]


def _range(file: object, row: dict[str, object]) -> str:
    start, end = int(str(row["_start"])), int(str(row["_end"]))
    file.seek(start)  # type: ignore[attr-defined]
    data: bytes = file.read(end - start)  # type: ignore[attr-defined]
    return data.decode("utf-8", "backslashreplace").rstrip("\r\n")


def _quarantine_prefix(delivery: _Delivery) -> str:
    """Stable for a content and date, so that a record keeps its id however often it is staged."""
    identity = f"{delivery.contract.feed}/{delivery.profile.sha256}/{_day(delivery.batch)}"
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


def _quarantine_slice(delivery: _Delivery) -> dict[str, list[str]]:
    return {
        "feed": [delivery.contract.feed],
        "file_sha256": [delivery.profile.sha256],
        "batch_date": [_day(delivery.batch).isoformat()],
    }


def _reject(context: Context, delivery: _Delivery, rejected: FileRejected) -> StagedFile:
    """The whole file is one quarantined record; nothing of it is staged."""
    columns = [column for column in QUARANTINE.columns]
    row = {
        "id": f"{_quarantine_prefix(delivery)}-0",
        "batch_id": delivery.batch.batch_id,
        "feed": delivery.contract.feed,
        "source_file": delivery.expected.name,
        "file_sha256": delivery.profile.sha256,
        "batch_date": _day(delivery.batch),
        "record": 0,
        "line": rejected.line,
        "byte_start": 0,
        "byte_end": delivery.profile.bytes,
        "reasons": rejected.code,
        "raw": None,
        "quarantined_at": context.ledger.now(),
    }
    context.engine.values("rejected", columns, [[row[column.name] for column in columns]])
    context.engine.values("nothing", stage_table(delivery.contract).columns, [])
    context.engine.replace(QUARANTINE, _quarantine_slice(delivery), "rejected")
    context.engine.replace(stage_table(delivery.contract), delivery.slice, "nothing")
    staged = _staged_file(delivery, Counts(1, 0, 1, 0), None, None)
    return replace(staged, status="rejected", reason=f"{rejected.message} {rejected.hint or ''}".strip())


def _staged_file(delivery: _Delivery, counts: Counts, source: RecordSource | None, rescued: str | None) -> StagedFile:
    batch, profile = delivery.batch, delivery.profile
    return StagedFile(
        feed=delivery.contract.feed,
        file_sha256=profile.sha256,
        batch_date=_day(batch),
        file_name=delivery.expected.name,
        archive_path=f"{delivery.contract.folder}/{_day(batch)}/{delivery.path.name}",
        bytes=profile.bytes,
        lines=profile.lines,
        encoding=source.codec if source else profile.encoding,
        delimiter=source.layout.delimiter if source else None,
        is_clean=profile.clean,
        rescued_columns=rescued,
        revision=delivery.revision,
        contract_hash=delivery.contract.hash,
        staged_by=batch.batch_id,
        status="staged",
        reason=None,
        **vars(counts),
    )


def _announced(batch: Batch, contract: Contract, name: str, file: StagedFile) -> BatchFile:
    return BatchFile(
        batch_id=batch.batch_id,
        feed=contract.feed,
        file_name=name,
        file_sha256=file.file_sha256,
        batch_date=_day(batch),
        status=file.status,
        reason=file.reason,
        rows_in=file.rows_in,
        rows_staged=file.rows_staged,
        rows_quarantined=file.rows_quarantined,
        rows_duplicate=file.rows_duplicate,
    )


def _summary(files: Sequence[BatchFile]) -> TaskResult:
    counts = sum((file.counts for file in files), Counts())
    rejected = [file for file in files if file.status == "rejected"]
    if rejected:
        message = "; ".join(f"{file.file_name}: {file.reason}" for file in rejected)
        return TaskResult(counts, error_code="file_rejected", error_message=message)
    return TaskResult(counts, has_warnings=counts.rows_quarantined > 0)
