"""The ledger: what has happened, in Delta tables that only grow. The newest row of an identity is its state.

A step's effect comes first and its ledger row last, so that a step without a row is repeated, and repeating it
changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.manifest import ExpectedFile
from cartlake.core.table import Table
from cartlake.core.tables import (
    BATCH_FILES,
    BATCHES,
    FILES,
    LEDGER,
    LEDGER_VIEWS,
    PREPARATIONS,
    PUBLICATIONS,
    RUNS,
    TASKS,
    newest,
)
from cartlake.engines.base import Engine, Row, Where

Clock = Callable[[], datetime]
Record = TypeVar("Record")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Counts:
    """`rows_in = rows_staged + rows_quarantined + rows_duplicate`, per file and per batch."""

    rows_in: int = 0
    rows_staged: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rows_in + other.rows_in,
            self.rows_staged + other.rows_staged,
            self.rows_quarantined + other.rows_quarantined,
            self.rows_duplicate + other.rows_duplicate,
        )

    @property
    def balanced(self) -> bool:
        return self.rows_in == self.rows_staged + self.rows_quarantined + self.rows_duplicate


@dataclass(frozen=True)
class StagedFile:
    """One content staged for one batch date, or rejected: `status` is `staged` or `rejected`."""

    feed: str
    file_sha256: str
    batch_date: date
    file_name: str
    archive_path: str
    bytes: int
    lines: int
    encoding: str
    delimiter: str | None
    is_clean: bool
    rescued_columns: str | None
    revision: int
    contract_hash: str
    staged_by: str
    status: str
    reason: str | None
    rows_in: int
    rows_staged: int
    rows_quarantined: int
    rows_duplicate: int


@dataclass(frozen=True)
class BatchFile:
    """A file that a batch announces, with the content that stands for it and its counts in this batch."""

    batch_id: str
    feed: str
    file_name: str
    file_sha256: str
    batch_date: date
    status: str
    reason: str | None
    rows_in: int
    rows_staged: int
    rows_quarantined: int
    rows_duplicate: int

    @property
    def counts(self) -> Counts:
        return Counts(self.rows_in, self.rows_staged, self.rows_quarantined, self.rows_duplicate)


@dataclass(frozen=True)
class Run:
    """One execution of the tasks over `batches`; `status` is `running`, `finished` or `dead`."""

    run_id: str
    batches: tuple[str, ...]
    engine: str
    host: str
    process: int
    started_at: datetime
    ended_at: datetime | None
    status: str


@dataclass(frozen=True)
class TaskRun:
    """One attempt of one task for one batch: `SUCCESS`, `SUCCESS_WITH_WARNINGS` or `FAILED`."""

    run_id: str
    batch_id: str
    task: str
    attempt: int
    started_at: datetime
    ended_at: datetime
    status: str
    rows_in: int = 0
    rows_staged: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0
    error_code: str | None = None
    error_message: str | None = None

    @property
    def seconds(self) -> float:
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Publication:
    """The versions that were made visible together. Number 0, without tables, is the empty lake."""

    publication_id: int
    batch_id: str | None
    kind: str
    published_at: datetime
    as_of_date: date | None
    tables: Mapping[str, int]
    contracts_hash: str


@dataclass(frozen=True)
class Preparation:
    """Changes computed for a batch on top of publication `base`: versions of the prepared tables that hold rows."""

    batch_id: str
    run_id: str
    base: int
    kind: str
    tables: Mapping[str, int]


class Ledger:
    """Reads and appends the ledger tables of one lake."""

    def __init__(self, engine: Engine, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)
        self._known: dict[tuple[str, str, str], tuple[int, list[Row]]] = {}

    def create(self) -> None:
        """All tables of the ledger exist."""
        for table in LEDGER:
            self._engine.create(table)

    def now(self) -> datetime:
        """The clock, but always later than the last time it was asked, so that rows have an order."""
        self._last = max(self._clock(), self._last + timedelta(microseconds=1))
        return self._last

    # batches

    def record_batches(self, batches: Iterable[Batch]) -> None:
        rows = [_batch_row(replace(batch, recorded_at=self.now())) for batch in batches]
        self._append(BATCHES, rows)

    def batches(self) -> dict[str, Batch]:
        """Every batch by its id, as it stands now."""
        rows = self._read(BATCHES, newest(BATCHES, ("batch_id",), "_ledger"))
        return {str(row["batch_id"]): _batch(row) for row in rows}

    def batch_history(self, batch_id: str) -> list[Batch]:
        """Every state the batch has had, oldest first."""
        rows = self._read(BATCHES, "SELECT * FROM _ledger ORDER BY recorded_at", {"batch_id": [batch_id]})
        return [_batch(row) for row in rows]

    def manifests_seen(self) -> dict[str, dict[str, datetime]]:
        """Per batch every manifest (sha256) it ever had, and when it was first recorded."""
        key = "batch_id, manifest_sha256"
        sql = f"SELECT {key}, min(recorded_at) AS seen_at FROM _ledger GROUP BY {key}"
        seen: dict[str, dict[str, datetime]] = {}
        for row in self._read(BATCHES, sql):
            at = row["seen_at"]
            assert isinstance(at, datetime)
            seen.setdefault(str(row["batch_id"]), {})[str(row["manifest_sha256"])] = at
        return seen

    # files

    def record_files(self, staged: Sequence[StagedFile], announced: Sequence[BatchFile]) -> None:
        self._append(FILES, [self._stamped(file) for file in staged])
        self._append(BATCH_FILES, [self._stamped(file) for file in announced])

    def files(self, feed: str | None = None) -> list[StagedFile]:
        """The newest record of each staged or rejected content and date."""
        rows = self._view("files", {"feed": [feed]} if feed else None)
        return [_made(StagedFile, row) for row in rows]

    def batch_files(self, batches: Sequence[str] | None = None) -> list[BatchFile]:
        """What the batches announce: per batch and name the newest claimed content."""
        rows = self._view("batch_files", None if batches is None else {"batch_id": batches})
        return [_made(BatchFile, row) for row in rows]

    # runs and tasks

    def record_run(self, run: Run) -> None:
        self._append(RUNS, [self._stamped(run) | {"batches": json.dumps(run.batches)}])

    def runs(self) -> list[Run]:
        rows = self._view("runs")
        return sorted(
            (_made(Run, row | {"batches": tuple(json.loads(str(row["batches"])))}) for row in rows),
            key=lambda run: run.started_at,
        )

    def record_tasks(self, tasks: Sequence[TaskRun]) -> None:
        self._append(TASKS, [self._stamped(task) for task in tasks])

    def tasks(self, batch_id: str | None = None, run_id: str | None = None) -> list[TaskRun]:
        where = {name: [value] for name, value in (("batch_id", batch_id), ("run_id", run_id)) if value}
        return sorted((_made(TaskRun, row) for row in self._view("tasks", where)), key=lambda task: task.started_at)

    # publications

    def record_preparation(self, preparation: Preparation) -> None:
        self._append(PREPARATIONS, [self._stamped(preparation)])

    def preparation(self, batch_id: str) -> Preparation | None:
        """The newest preparation for a batch."""
        sql = "SELECT * FROM _ledger ORDER BY recorded_at DESC LIMIT 1"
        rows = self._read(PREPARATIONS, sql, {"batch_id": [batch_id]})
        return _made(Preparation, rows[0]) if rows else None

    def publish(self, publication: Publication) -> None:
        """This commit is the moment of publication."""
        self._append(PUBLICATIONS, [vars(publication)])

    def publications(self) -> list[Publication]:
        """All publications, oldest first."""
        rows = self._read(PUBLICATIONS, "SELECT * FROM _ledger ORDER BY publication_id")
        return [_made(Publication, row) for row in rows]

    def latest_publication(self) -> Publication:
        published = self.publications()
        return published[-1] if published else Publication(0, None, "none", datetime.min, None, {}, "")

    # the tables themselves

    def define_views(self) -> None:
        """The relations `batches`, `batch_files`, `files`, `runs`, `tasks`, … as people query them."""
        for name, (table, identity) in LEDGER_VIEWS.items():
            self._engine.read(f"_{table.name}", table)
            self._engine.define(name, newest(table, identity, f"_{table.name}"))
        self._engine.read("_ledger_batches", BATCHES)
        self._engine.define("batches", _BATCHES_VIEW.format(newest=newest(BATCHES, ("batch_id",), "_ledger_batches")))

    def _view(self, name: str, where: Where | None = None) -> list[Row]:
        table, identity = LEDGER_VIEWS[name]
        return self._read(table, newest(table, identity, "_ledger"), where)

    def _read(self, table: Table, sql: str, where: Where | None = None) -> list[Row]:
        """Rows of a ledger table; read again only when the table has a new version."""
        key, version = (table.name, sql, str(where)), self._engine.version(table.name)
        if self._known.get(key, (None,))[0] != version:
            with self._engine.scope():
                self._engine.read("_ledger", table, where=where)
                self._known[key] = version, self._engine.rows(sql)
        return self._known[key][1]

    def _append(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        with self._engine.scope():
            values = [[row[name] for name in table.column_names] for row in rows]
            self._engine.values("_ledger_rows", table.columns, values)
            self._engine.append(table, "_ledger_rows")

    def _stamped(self, record: object) -> dict[str, Any]:
        return vars(record) | {"recorded_at": self.now()}


_BATCHES_VIEW = """
WITH newest AS ({newest}),
counted AS (
    SELECT batch_id, sum(rows_in) AS rows_in, sum(rows_staged) AS rows_staged,
        sum(rows_quarantined) AS rows_quarantined, sum(rows_duplicate) AS rows_duplicate
    FROM batch_files GROUP BY batch_id
)
SELECT n.batch_id, n.batch_date, n.status, n.reason, n.verdict, n.gate, n.waiting_for,
    CAST(coalesce(c.rows_in, 0) AS bigint) AS rows_in,
    CAST(coalesce(c.rows_staged, 0) AS bigint) AS rows_staged,
    CAST(coalesce(c.rows_quarantined, 0) AS bigint) AS rows_quarantined,
    CAST(coalesce(c.rows_duplicate, 0) AS bigint) AS rows_duplicate,
    n.manifest_name, n.source_system, n.triggered_at, n.run_id, n.actor, n.recorded_at
FROM newest n LEFT JOIN counted c ON n.batch_id = c.batch_id
"""


def _batch_row(batch: Batch) -> dict[str, Any]:
    files = [vars(file) for file in batch.files]
    return vars(batch) | {
        "status": batch.status.value,
        "waiting_for": json.dumps(batch.waiting_for) if batch.waiting_for else None,
        "files": json.dumps(files),
    }


def _batch(row: Row) -> Batch:
    waiting = row["waiting_for"]
    return _made(
        Batch,
        row
        | {
            "status": BatchStatus(row["status"]),
            "waiting_for": tuple(json.loads(str(waiting))) if waiting else (),
            "files": tuple(ExpectedFile(**file) for file in json.loads(str(row["files"]))),
        },
    )


def _made(kind: Callable[..., Record], row: Mapping[str, Any]) -> Record:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in row.items() if name in names})
