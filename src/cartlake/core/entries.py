"""What the ledger's rows say, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime


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


NO_ROWS = Counts()


@dataclass(frozen=True)
class StagedFile:
    """One content staged for one batch date, or rejected. `status` is `staged`, `rejected`, or `outdated`: its contract
    changed before anything of the feed was published, and it is staged again before it is used."""

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
    recorded_at: datetime | None = None

    @property
    def counts(self) -> Counts:
        return Counts(self.rows_in, self.rows_staged, self.rows_quarantined, self.rows_duplicate)


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
    """One execution of the tasks over `batches`; `status` is `running`, `finished` or `dead`. `turn` numbers runs in
    the order in which their lists were fixed."""

    run_id: str
    batches: tuple[str, ...]
    engine: str
    host: str
    process: int
    started_at: datetime
    ended_at: datetime | None
    status: str
    turn: int


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
class Decision:
    """What somebody decided about one quarantined record, which is described as it stood there; of a record the newest
    decision stands. `action` is `fix`, `replay` or `discard`. `cells` are the texts that stand in the place of the
    record's own, by column ('' is an empty cell); a discarded record has none."""

    id: str
    batch_id: str
    feed: str
    source_file: str
    file_sha256: str
    batch_date: date
    record: int
    line: int | None
    reasons: str
    raw: str | None
    action: str
    cells: Mapping[str, str]
    why: str | None
    actor: str
    recorded_at: datetime | None = None


@dataclass(frozen=True)
class Publication:
    """The versions that were made visible together. Number 0, without tables, is the empty lake. `definitions` are the
    hashes of what the tables were made with."""

    publication_id: int
    batch_id: str | None
    kind: str
    published_at: datetime
    as_of_date: date | None
    tables: Mapping[str, int]
    contracts_hash: str
    definitions: Mapping[str, str]


@dataclass(frozen=True)
class Preparation:
    """Changes computed for a batch on top of publication `base`, with these `definitions`: versions of the prepared
    tables that hold rows."""

    batch_id: str
    run_id: str
    base: int
    kind: str
    tables: Mapping[str, int]
    definitions: Mapping[str, str]


@dataclass(frozen=True)
class MaintenanceStep:
    """One thing that maintenance did to `name`, a table or a folder: `compact`, `remove_files`, `remove_rows`; or
    `set_aside`, of commits that were never acknowledged. `version` is the one that compaction made, or the oldest one
    that can still be read."""

    name: str
    action: str
    reason: str
    version: int | None = None
    files_removed: int = 0
    files_added: int = 0
    rows_removed: int = 0
    bytes_removed: int = 0
