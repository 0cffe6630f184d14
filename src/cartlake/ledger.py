"""The ledger: what has happened, in Delta tables that only grow. The newest row of an identity is its state.

A step's effect comes first and its ledger row last, so that a step without a row is repeated, and repeating it
changes nothing. What is on the disk has that order too: before a row is committed, all that was committed earlier is
made to survive a power failure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

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
from cartlake.ledgertable import Kind, LedgerTable, Record
from cartlake.logs import recorded

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


NOTHING_PUBLISHED = Publication(0, None, "none", datetime.min.replace(tzinfo=UTC), None, {}, "", {})


_MOST_KNOWN = 100  # tables and parts of tables in memory
_BATCH = Kind(BATCHES, ("batch_id",), batch_of)
_FILE = Kind(FILES, LEDGER_VIEWS["files"][1], partial(made, StagedFile))
_BATCH_FILE = Kind(BATCH_FILES, LEDGER_VIEWS["batch_files"][1], partial(made, BatchFile))
_RUN = Kind(RUNS, LEDGER_VIEWS["runs"][1], run_of)
_TASK = Kind(TASKS, LEDGER_VIEWS["tasks"][1], partial(made, TaskRun))
_DECISION = Kind(DECISIONS, LEDGER_VIEWS["decisions"][1], partial(made, Decision))
_PREPARATION = Kind(PREPARATIONS, ("batch_id",), partial(made, Preparation))
_PUBLICATION = Kind(PUBLICATIONS, ("publication_id",), partial(made, Publication))


class Ledger:
    """Reads and appends the ledger tables of one lake."""

    def __init__(self, engine: Engine, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)
        self._known: dict[tuple[str, str], LedgerTable] = {}
        self._announced: tuple[object, list[BatchFile]] | None = None
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

    def record_batches(self, batches: Iterable[Batch], *, at_once: bool = False) -> None:
        """`at_once`: they are committed now, inside `together` too, before all else that is recorded there."""
        stamped = [replace(batch, recorded_at=self.now()) for batch in batches]
        self._append(BATCHES, [batch_row(batch) for batch in stamped], at_once=at_once)
        recorded("batch", stamped, "batch_id", "run_id", "status", "verdict", "reason")

    def batches(self) -> dict[str, Batch]:
        """Every batch by its id, as it stands now."""
        return {batch.batch_id: batch for batch in self._newest(_BATCH)}

    def batch_history(self, batch_id: str) -> list[Batch]:
        """Every state the batch has had, oldest first."""
        return [batch_of(row) for row in self._rows(BATCHES) if row["batch_id"] == batch_id]

    def manifests_seen(self) -> dict[str, dict[str, datetime]]:
        """Per batch every manifest (sha256) it ever had, and when it was first recorded."""
        return self.recorded_batches()[1]

    def recorded_batches(self) -> tuple[dict[str, Batch], dict[str, dict[str, datetime]]]:
        """`batches` and `manifests_seen` of one moment: where others may write, they go on."""
        table, held, seen = self._table(BATCHES, None), self._held_of(BATCHES), dict[str, dict[str, datetime]]()
        for row in table.rows(held):
            seen.setdefault(str(row["batch_id"]), {}).setdefault(str(row["manifest_sha256"]), _time(row["recorded_at"]))
        return {batch.batch_id: batch for batch in table.newest(_BATCH, held)}, seen

    # files

    def record_files(self, staged: Sequence[StagedFile], announced: Sequence[BatchFile]) -> None:
        self._append(FILES, [self._stamped(file) for file in staged])
        self._append(BATCH_FILES, [self._stamped(file) for file in announced])

    def files(self, feed: str | None = None) -> list[StagedFile]:
        """The newest record of each staged or rejected content and date."""
        return [file for file in self._newest(_FILE) if feed is None or file.feed == feed]

    def batch_files(self, batches: Collection[str] | None = None) -> list[BatchFile]:
        """What the batches, as their manifests stand, announce: per batch and name the newest claimed content."""
        stand = [(self._table(table, None).stamp, len(self._held_of(table))) for table in (BATCHES, BATCH_FILES)]
        if self._announced is None or self._announced[0] != stand:
            named = {(batch.batch_id, file.key) for batch in self.batches().values() for file in batch.files}
            found = self._newest(_BATCH_FILE)
            self._announced = stand, [f for f in found if (f.batch_id, normalise(f.file_name)) in named]
        return [file for file in self._announced[1] if batches is None or file.batch_id in batches]

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
        return sorted(self._newest(_RUN), key=lambda run: run.started_at)

    def record_tasks(self, tasks: Sequence[TaskRun]) -> None:
        self._append(TASKS, [self._stamped(task) for task in tasks])

    def tasks(self, batch_id: str | None = None, run_id: str | None = None) -> list[TaskRun]:
        where = {name: [value] for name, value in (("batch_id", batch_id), ("run_id", run_id)) if value}
        return sorted(self._newest(_TASK, where), key=lambda task: task.started_at)

    # decisions about quarantined records

    def record_decisions(self, decisions: Iterable[Decision]) -> None:
        self._append(DECISIONS, [self._stamped(one) for one in decisions])

    def decisions(self) -> list[Decision]:
        """Those that stand: of each record the newest."""
        return self._newest(_DECISION)

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
        return self._newest(_PREPARATION)

    def preparation(self, batch_id: str) -> Preparation | None:
        return next((one for one in self.preparations() if one.batch_id == batch_id), None)

    def publish(self, publication: Publication) -> None:
        """This commit is the moment of publication. Raises CommitConflict if another process published meanwhile."""
        if not self._append_next(PUBLICATIONS, vars(publication), "publication_id"):
            raise CommitConflict("published_meanwhile", "another process published meanwhile", hint="Run it again.")
        recorded("published", [publication], "publication_id", "batch_id", "kind")

    def publications(self) -> list[Publication]:
        """All publications, oldest first."""
        return self._newest(_PUBLICATION)

    def latest_publication(self) -> Publication:
        published = self.publications()
        return published[-1] if published else NOTHING_PUBLISHED

    def record_maintenance(self, steps: Sequence[MaintenanceStep]) -> None:
        self._append(MAINTENANCE, [self._stamped(step) for step in steps])

    def maintenance(self) -> list[MaintenanceStep]:
        return [made(MaintenanceStep, row) for row in self._rows(MAINTENANCE)]

    def _newest(self, kind: Kind[Record], where: Where | None = None) -> list[Record]:
        return self._table(kind.table, where).newest(kind, self._held_of(kind.table))

    def _rows(self, table: Table) -> list[Row]:
        """The rows of a ledger table, oldest first."""
        return self._table(table, None).rows(self._held_of(table))

    def _table(self, table: Table, where: Where | None) -> LedgerTable:
        if where and len(self._known) > _MOST_KNOWN:  # a watch asks for the tasks of each batch
            self._known = {key: known for key, known in self._known.items() if key[1] == str(None)}
        found = self._known.setdefault((table.name, str(where)), LedgerTable(table, where or {}))
        if last := found.read(self._engine):
            self._last = max(self._last, _time(last["published_at" if table is PUBLICATIONS else "recorded_at"]))
        return found

    def _held_of(self, table: Table) -> list[Row]:
        return self._held[table.name][1] if self._held and table.name in self._held else []

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
            self._held, self._afterwards, self._announced = {}, [], None

    def once_committed(self, action: Callable[[], object]) -> None:
        """`action` runs when everything recorded so far is committed and on the disk."""
        if self._held is None:
            self._engine.sync()
            action()
        else:
            self._afterwards.append(action)

    def _append(self, table: Table, rows: Sequence[Mapping[str, Any]], *, at_once: bool = False) -> None:
        shown = [{name: row[name] for name in table.column_names} for row in rows]
        if self._held is None or at_once:
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
            if name == table.name:
                known.committed(shown, before, version)

    def _stamped(self, record: object) -> dict[str, Any]:
        return vars(record) | {"recorded_at": self.now()}


def _time(value: object) -> datetime:
    return cast(datetime, value)
