"""The ledger: what has happened, in Delta tables that only grow. The newest row of an identity is its state.

A step's effect comes first and its ledger row last, so that a step without a row is repeated, and repeating it
changes nothing. What is on the disk has that order too: before a row is committed, all that was committed earlier is
made to survive a power failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cartlake.core.batch import Batch
from cartlake.core.decided import DECISIONS
from cartlake.core.definition import Definition
from cartlake.core.entries import (
    BatchFile,
    Decision,
    MaintenanceStep,
    Preparation,
    Publication,
    Run,
    StagedFile,
    TaskRun,
)
from cartlake.core.ledger_views import LEDGER_VIEWS
from cartlake.core.names import normalise
from cartlake.core.rows import batch_of, batch_row, made, run_of, run_row
from cartlake.core.table import Table
from cartlake.core.tables import (
    BATCH_FILES,
    BATCHES,
    DEFINITIONS,
    FILES,
    LEDGER,
    MAINTENANCE,
    PREPARATIONS,
    PUBLICATIONS,
    RUNS,
    TASKS,
)
from cartlake.engines.base import Engine, Row, Where
from cartlake.errors import CommitConflict
from cartlake.logs import recorded

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


NOTHING_PUBLISHED = Publication(0, None, "none", datetime.min.replace(tzinfo=UTC), None, {}, "", {})


@dataclass
class _Known:
    """What was read of a ledger table, kept up with our own commits."""

    version: int
    where: Where
    rows: list[Row]


class Ledger:
    """Reads and appends the ledger tables of one lake."""

    def __init__(self, engine: Engine, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)
        self._known: dict[tuple[str, str], _Known] = {}
        self._held: dict[str, tuple[Table, list[Row]]] | None = None
        self._afterwards: list[Callable[[], object]] = []

    def create(self) -> None:
        """All tables of the ledger exist."""
        for table in LEDGER:
            self._engine.create(table)

    def now(self) -> datetime:
        """The clock, but always later than the last time it was asked and than what was read: rows have an order,
        whatever becomes of the clock."""
        self._last = max(self._clock(), self._last + timedelta(microseconds=1))
        return self._last

    # batches

    def record_batches(self, batches: Iterable[Batch]) -> None:
        stamped = [replace(batch, recorded_at=self.now()) for batch in batches]
        self._append(BATCHES, [batch_row(batch) for batch in stamped])
        recorded("batch", stamped, "batch_id", "run_id", "status", "verdict", "reason")

    def batches(self) -> dict[str, Batch]:
        """Every batch by its id, as it stands now."""
        return {str(row["batch_id"]): batch_of(row) for row in self._newest(BATCHES, ("batch_id",))}

    def batch_history(self, batch_id: str) -> list[Batch]:
        """Every state the batch has had, oldest first."""
        return [batch_of(row) for row in self._rows(BATCHES) if row["batch_id"] == batch_id]

    def manifests_seen(self) -> dict[str, dict[str, datetime]]:
        """Per batch every manifest (sha256) it ever had, and when it was first recorded."""
        seen: dict[str, dict[str, datetime]] = {}
        for batch in map(batch_of, self._rows(BATCHES)):
            seen.setdefault(batch.batch_id, {}).setdefault(batch.manifest_sha256, batch.recorded_at)
        return seen

    # files

    def record_files(self, staged: Sequence[StagedFile], announced: Sequence[BatchFile]) -> None:
        self._append(FILES, [self._stamped(file) for file in staged])
        self._append(BATCH_FILES, [self._stamped(file) for file in announced])

    def files(self, feed: str | None = None) -> list[StagedFile]:
        """The newest record of each staged or rejected content and date."""
        newest = self._newest(FILES, ("feed", "file_sha256", "batch_date"))
        return [file for file in (made(StagedFile, row) for row in newest) if feed is None or file.feed == feed]

    def batch_files(self, batches: Sequence[str] | None = None) -> list[BatchFile]:
        """What the batches announce: per batch and name the newest claimed content."""
        found = (made(BatchFile, row) for row in self._announced_rows())
        return [file for file in found if batches is None or file.batch_id in batches]

    def _announced_rows(self) -> list[Row]:
        """The newest row of each file that its batch's manifest, as it stands, still names."""
        named = {(batch.batch_id, file.key) for batch in self.batches().values() for file in batch.files}
        newest_rows = self._newest(BATCH_FILES, ("batch_id", "feed", "file_name"))
        return [row for row in newest_rows if (row["batch_id"], normalise(str(row["file_name"]))) in named]

    # runs and tasks

    def record_run(self, run: Run) -> None:
        self._append(RUNS, [run_row(run) | {"recorded_at": self.now()}])
        recorded("run", [run], "run_id", "status", "batches")

    def begin_run(self, run: Run) -> bool:
        """The run is in the ledger, unless another process began one since the runs were read; whether it is."""
        if is_begun := self._append_next(RUNS, run_row(run) | {"recorded_at": self.now()}, "turn"):
            recorded("run", [run], "run_id", "status", "batches")
        return is_begun

    def runs(self) -> list[Run]:
        rows = self._newest(RUNS, ("run_id",))
        return sorted(map(run_of, rows), key=lambda run: run.started_at)

    def record_tasks(self, tasks: Sequence[TaskRun]) -> None:
        self._append(TASKS, [self._stamped(task) for task in tasks])

    def tasks(self, batch_id: str | None = None, run_id: str | None = None) -> list[TaskRun]:
        where = {name: [value] for name, value in (("batch_id", batch_id), ("run_id", run_id)) if value}
        rows = self._newest(TASKS, ("run_id", "batch_id", "task", "attempt"), where)
        return sorted((made(TaskRun, row) for row in rows), key=lambda task: task.started_at)

    # decisions about quarantined records

    def record_decisions(self, decisions: Iterable[Decision]) -> None:
        self._append(DECISIONS, [self._stamped(one) for one in decisions])

    def decisions(self) -> list[Decision]:
        """Those that stand: of each record the newest."""
        return [made(Decision, row) for row in self._newest(DECISIONS, LEDGER_VIEWS["decisions"][1])]

    # publications

    def record_definitions(self, definitions: Iterable[Definition]) -> None:
        """Those that differ from the newest of their table."""
        newest_of = {known.name: known for known in self.definitions()}
        changed = [each for each in definitions if newest_of.get(each.name) != each]
        self._append(DEFINITIONS, [self._stamped(each) for each in changed])

    def definitions(self) -> list[Definition]:
        """What the tables were and are made with, oldest first."""
        return [made(Definition, row) for row in self._rows(DEFINITIONS)]

    def record_preparation(self, preparation: Preparation) -> None:
        self._append(PREPARATIONS, [self._stamped(preparation)])

    def preparations(self) -> list[Preparation]:
        """The newest preparation of each batch."""
        return [made(Preparation, row) for row in self._newest(PREPARATIONS, ("batch_id",))]

    def preparation(self, batch_id: str) -> Preparation | None:
        return next((one for one in self.preparations() if one.batch_id == batch_id), None)

    def publish(self, publication: Publication) -> None:
        """This commit is the moment of publication. Raises CommitConflict if another process published meanwhile."""
        if not self._append_next(PUBLICATIONS, vars(publication), "publication_id"):
            raise CommitConflict("published_meanwhile", "another process published meanwhile", hint="Run it again.")
        recorded("published", [publication], "publication_id", "batch_id", "kind")

    def publications(self) -> list[Publication]:
        """All publications, oldest first."""
        return [made(Publication, row) for row in self._rows(PUBLICATIONS)]

    def latest_publication(self) -> Publication:
        published = self.publications()
        return published[-1] if published else NOTHING_PUBLISHED

    def record_maintenance(self, steps: Sequence[MaintenanceStep]) -> None:
        self._append(MAINTENANCE, [self._stamped(step) for step in steps])

    def maintenance(self) -> list[MaintenanceStep]:
        return [made(MaintenanceStep, row) for row in self._rows(MAINTENANCE)]

    def _newest(self, table: Table, identity: tuple[str, ...], where: Where | None = None) -> list[Row]:
        """The newest row of each identity, in the order in which the identities were first recorded."""
        newest_rows: dict[tuple[object, ...], Row] = {}
        for row in self._rows(table, where):
            newest_rows[tuple(row[name] for name in identity)] = row
        return list(newest_rows.values())

    def _rows(self, table: Table, where: Where | None = None) -> list[Row]:
        """The rows of a ledger table, oldest first. They are read once; later only what others have committed."""
        key, version = (table.name, str(where)), self._engine.version(table.name)
        known = self._known.get(key)
        if known is None or known.version != version:
            with self._engine.scope():
                self._engine.read("_ledger", table, where=where)
                order, at = ("publication_id", "published_at") if table is PUBLICATIONS else ("recorded_at",) * 2
                known = _Known(version, where or {}, self._engine.rows(f"SELECT * FROM _ledger ORDER BY {order}"))
            self._known[key] = known
            newest: list[Any] = [row[at] for row in known.rows[-1:]]
            self._last = max([self._last, *newest])
        held = (self._held or {}).get(table.name)
        return [*known.rows, *_matching(held[1], where or {})] if held else known.rows

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is recorded inside is committed once per table at the end, in the order of first mention; it is read
        inside as if it were. If the block raises, what it recorded is committed all the same."""
        if self._held is not None:
            yield
            return
        self._held = {}
        try:
            yield
        finally:
            (held, self._held), (afterwards, self._afterwards) = (self._held, None), (self._afterwards, [])
            for table, rows in held.values():
                self._commit(table, rows)
            if afterwards:
                self._engine.sync()
            for action in afterwards:
                action()

    def discard(self) -> None:
        """What was recorded in the innermost `together` was not, and what was to happen then does not."""
        if self._held is not None:
            self._held, self._afterwards = {}, []

    def once_committed(self, action: Callable[[], object]) -> None:
        """`action` runs when everything recorded so far is committed and on the disk."""
        if self._held is None:
            self._engine.sync()
            action()
        else:
            self._afterwards.append(action)

    def _append(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        shown = [{name: row[name] for name in table.column_names} for row in rows]
        if self._held is None:
            self._commit(table, shown)
        else:
            self._held.setdefault(table.name, (table, []))[1].extend(shown)

    def _append_next(self, table: Table, row: Mapping[str, Any], number: str) -> bool:
        """The row is committed now, inside `together` too, unless another process was first; whether it is."""
        shown = {name: row[name] for name in table.column_names}
        if self._engine.arbitrates:
            with self._engine.scope():
                self._engine.values("_ledger_rows", table.columns, [list(shown.values())])
                return self._engine.append_next(table, "_ledger_rows", number)
        self._commit(table, [shown])
        return True

    def _commit(self, table: Table, shown: Sequence[Row]) -> None:
        if not shown:
            return
        self._engine.sync()
        before = self._engine.version(table.name)
        with self._engine.scope():
            self._engine.values("_ledger_rows", table.columns, [list(row.values()) for row in shown])
            version = self._engine.append(table, "_ledger_rows")
        for (name, _), known in self._known.items():
            if name == table.name and known.version == before and version == before + 1:
                known.version = version
                known.rows += _matching(shown, known.where)

    def _stamped(self, record: object) -> dict[str, Any]:
        return vars(record) | {"recorded_at": self.now()}


def _matching(rows: Iterable[Row], where: Where) -> list[Row]:
    return [row for row in rows if all(row[name] in values for name, values in where.items())]
