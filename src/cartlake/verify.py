"""Is everything still what it was written as? Archive, ledger, tables, counts, keys and intervals are all read again;
what is damaged is named, with what repairs it. Production can be computed anew, too. Nothing is written, and no lock is
needed."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cartlake.core.contract import Contract
from cartlake.core.entries import StagedFile
from cartlake.core.invariants import no_fan_out, sound_intervals, unique_keys
from cartlake.core.manifest import MAX_BYTES, parse_manifest
from cartlake.core.names import hash_in_path, shown
from cartlake.core.retention import gone_below, kept_publications, moved_with
from cartlake.core.snapshots import PRESENT
from cartlake.core.table import Table
from cartlake.core.tables import LEDGER, QUARANTINE, history_table, stage_table
from cartlake.errors import EngineError, ManifestRefused, TableMissing
from cartlake.losses import BACKUP, FROM_ARCHIVE, REBUILD, ledger_losses, unknown_logs
from cartlake.runs import published_batches
from cartlake.tasks.accepted import accepted_files
from cartlake.tasks.anew import compared_with_logs
from cartlake.tasks.context import Context, FileKey
from cartlake.tasks.derive import ORDER_LINES
from cartlake.tasks.shapes import outdated_feeds

_NOT_NOW = "Nothing that is published now needs it; `query --at` and `batch rollback` do, so far back."
_ARCHIVE = (
    "Bring the file back from a backup. The tables are whole without it; `batch retry` and `rebuild --from-archive`"
)
_ARCHIVE += " need it."
_DROP_AGAIN = "The ledger is older than the archive: copy it and its files to landing, without the hash in their names."


@dataclass(frozen=True)
class Finding:
    """Something that is damaged, and what repairs it."""

    area: str
    name: str
    problem: str
    repair: str


@dataclass(frozen=True)
class Verification:
    """Per area (`ledger`, `archive`, `tables`, `counts`, `production`, with `deep` also `rebuilt`) how many things were
    looked at, and what is damaged. While the ledger is, nothing else can be told."""

    looked_at: dict[str, int]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Look:
    """One thing that was looked at."""

    name: str
    problems: Sequence[str]
    repair: str


def verify(context: Context, *, deep: bool = False) -> Verification:
    """The whole lake, as it is published and as far back as publications are kept. `deep`: production is also what the
    logs and today's definitions make of it; that takes what a rebuild takes."""
    looks = {"ledger": list(_ledger(context))}
    if looks["ledger"] and not any(look.problems for look in looks["ledger"]):
        looks["archive"] = list(_archive(context))
        looks["tables"] = list(_tables(context))
        damaged = {look.name for look in looks["tables"] if look.problems and look.repair != _NOT_NOW}
        looks["counts"] = list(_counts(context, damaged))
        looks["production"] = list(_production(context, damaged))
        if deep:
            looks["rebuilt"] = list(_rebuilt(context, damaged))
    return Verification(
        {area: len(looked) for area, looked in looks.items()},
        tuple(
            Finding(area, look.name, problem, look.repair)
            for area, looked in looks.items()
            for look in looked
            for problem in look.problems
        ),
    )


def _ledger(context: Context) -> Iterator[_Look]:
    if not any(_version(context, table) is not None for table in LEDGER):
        return  # a lake that no run has made yet
    damage = {table.name: context.engine.damage(table, [None]) for table in LEDGER}
    lacking = {} if any(damage.values()) else ledger_losses(context)
    for table, problems in damage.items():
        yield _Look(table, [lacking[table]] if table in lacking else problems, BACKUP)


def _version(context: Context, table: Table) -> int | None:
    try:
        return context.engine.version(table.name)
    except TableMissing:
        return None
    except EngineError:
        return -1


def _archive(context: Context) -> Iterator[_Look]:
    """Every file that the ledger knows, and the manifests: a batch of which the ledger does not know was forgotten with
    what came after its backup. What the policy removes may be gone."""
    root, may_go = context.settings.archive_folder, context.settings.maintain.archive_days is not None
    known = {file.archive_path: file.file_sha256 for file in context.ledger.files()}
    for path, sha256 in known.items():
        found = _sha256(root / path)
        wrong = ([] if may_go else ["it is gone"]) if found is None else ["its bytes are others"] * (found != sha256)
        yield _Look(path, wrong, _ARCHIVE)
    batches = context.ledger.batches()
    for file in sorted(root.rglob("*.json")):
        path = file.relative_to(root).as_posix()
        named, found = hash_in_path(path), _sha256(file)
        if named is not None and path not in known:
            if found is None or not found.startswith(named):
                wrong, repair = (
                    ["its bytes are others"],
                    "Bring the manifest back from a backup; nothing reads it any more.",
                )
            else:
                wrong, repair = _forgotten(file, batches), _DROP_AGAIN
            yield _Look(path, wrong, repair)


def _forgotten(file: Path, batches: Container[str]) -> list[str]:
    with suppress(ManifestRefused), file.open("rb") as opened:
        batch_id = parse_manifest(file.name, opened.read(MAX_BYTES + 1)).batch_id
        return [] if batch_id in batches else [f"the ledger knows nothing of its batch {shown(batch_id)}"]
    return []  # it was refused, or is a file of JSON records


def _sha256(path: Path) -> str | None:
    """None if the file is gone or cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def _tables(context: Context) -> Iterator[_Look]:
    """Each table in the versions of all publications that are kept."""
    ledger = context.ledger
    steps = ledger.maintenance()
    recent = kept_publications(ledger.publications(), ledger.now(), context.settings.maintain.keep_days)
    kept, below = [each for each in recent if not moved_with(each, steps)], gone_below(steps)
    for name, feed in unknown_logs(context).items():
        yield _Look(name, [f"the tables of {feed} in production were made from another log"], FROM_ARCHIVE)
    groups = ((context.stage_tables, FROM_ARCHIVE), (context.production_tables, REBUILD))
    for table, repair in ((table, repair) for tables, repair in groups for table in tables):
        published = {publication.tables[table.name] for publication in kept if table.name in publication.tables}
        versions = sorted(version for version in published if version >= below.get(table.name, 0))
        latest = ledger.latest_publication().tables.get(table.name)
        if versions:
            problems = context.engine.damage(table, versions)
            is_now = bool(problems and latest is not None and context.engine.damage(table, [latest]))
            wrong = [problem if is_now else f"{problem}, only in what was published earlier" for problem in problems]
            yield _Look(table.name, wrong, repair if is_now else _NOT_NOW)


def _counts(context: Context, damaged: set[str]) -> Iterator[_Look]:
    """Of each accepted file rows_in = rows_staged + rows_quarantined + rows_duplicate, and so many rows stand there.
    Files of a batch that waits for its repair are left out: it may have died between the log and the ledger. While one
    waits, the logs are published as they were, and what else was repaired stands at their heads."""
    ledger, base = context.ledger, context.ledger.latest_publication()
    waiting = {batch.batch_id for batch in ledger.batches().values() if batch.restage}
    announced, unsure = (
        accepted_files(ledger.batch_files(), batches, {}, {}) for batches in (published_batches(context), waiting)
    )
    accepted = {key[:3]: each.batch_id for key, each in announced.items() if key not in unsure}
    files = {(file.feed, file.file_sha256, file.batch_date): file for file in ledger.files()}
    quarantined = _quarantined(context)
    for contract in context.contracts:
        table = stage_table(contract)
        if table.name not in damaged and table.name in base.tables:
            staged = _staged(context, contract, None if waiting else base.tables[table.name])
            for key in (key for key in accepted if key[0] == contract.feed and key in files):
                problems = list(_miscounts(files[key], staged.get(key, 0), quarantined))
                yield _Look(files[key].file_name, problems, f"cartlake batch retry {accepted[key]}, then cartlake run")


def _miscounts(file: StagedFile, staged: int, quarantined: dict[FileKey, int] | None) -> Iterator[str]:
    if not file.counts.balanced:
        counts = f"{file.rows_staged} + {file.rows_quarantined} + {file.rows_duplicate}"
        yield f"of {file.rows_in} records {counts} are told of"
    if staged != file.rows_staged:
        yield f"{staged} rows are in the log, {file.rows_staged} were staged"
    if quarantined is not None:
        stand = quarantined.get((file.feed, file.file_sha256, file.batch_date), 0)
        if stand != file.rows_quarantined:
            yield f"{stand} records are in quarantine, {file.rows_quarantined} were put there"


def _staged(context: Context, contract: Contract, version: int | None) -> dict[FileKey, int]:
    engine = context.engine
    with engine.scope():
        engine.read("log", stage_table(contract), version)
        rows = engine.rows(
            f"SELECT _file_sha256, _batch_date, count_if(_op <> '{PRESENT}') AS n FROM log"
            " GROUP BY _file_sha256, _batch_date"
        )
    return {_key(contract.feed, row["_file_sha256"], row["_batch_date"]): int(str(row["n"])) for row in rows}


def _quarantined(context: Context) -> dict[FileKey, int] | None:
    """None if a policy removes records."""
    if context.settings.maintain.quarantine_days is not None:
        return None
    engine = context.engine
    with engine.scope():
        engine.read("quarantined", QUARANTINE)
        counted = "SELECT feed, file_sha256, batch_date, count(*) AS n FROM quarantined"
        rows = engine.rows(f"{counted} GROUP BY feed, file_sha256, batch_date")
    return {_key(row["feed"], row["file_sha256"], row["batch_date"]): int(str(row["n"])) for row in rows}


def _key(feed: object, sha256: object, day: object) -> FileKey:
    return str(feed), str(sha256), day  # type: ignore[return-value]


def _production(context: Context, damaged: set[str]) -> Iterator[_Look]:
    """Keys are unique, no version overlaps another or is empty, and there are as many enriched lines as order lines."""
    base = context.ledger.latest_publication()
    contracts = {history_table(contract).name: contract for contract in context.contracts}
    tables = [t for t in context.production_tables if t.name in base.tables and t.name not in damaged]
    with context.engine.scope():
        for table in tables:
            rows, contract = f"published_{table.name}", contracts.get(table.name)
            context.engine.read(rows, table, base.tables[table.name])
            checks = [unique_keys(table.key, rows), *([sound_intervals(contract.key, rows)] if contract else [])]
            if table.name == ORDER_LINES and "orders" in {other.name for other in tables}:
                checks.append(no_fan_out("published_orders", rows))
            counted = {name: value for sql in checks for name, value in context.engine.rows(sql)[0].items()}
            problems = [f"{name.replace('_', ' ')}: {count} cases" for name, count in counted.items() if count]
            yield _Look(table.name, problems, f"{REBUILD} {table.name}")


def _rebuilt(context: Context, damaged: set[str]) -> Iterator[_Look]:
    """Each published table is what a rebuild would make of it. While the logs are damaged, of another contract or ahead
    of what is published, nobody can tell."""
    published, batches, outdated = published_batches(context), context.ledger.batches(), outdated_feeds(context)
    for name in outdated:
        yield _Look(name, ["it was made with another contract; nothing was computed anew"], FROM_ARCHIVE)
    waiting = sorted(batch_id for batch_id in published if batches[batch_id].restage)
    for batch_id in waiting:
        yield _Look(batch_id, ["its repair is not published yet; nothing was computed anew"], "cartlake run")
    if published and not (outdated or waiting or damaged & {table.name for table in context.stage_tables}):
        for name, problems in compared_with_logs(context, damaged):
            yield _Look(name, problems, f"{REBUILD} {name}")
