"""What people look at: batches, quarantine, published tables, the life of a key. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from cartlake.core.batch import Batch
from cartlake.core.closest import closest
from cartlake.core.contract import Contract
from cartlake.core.entries import BatchFile, Counts, Publication, TaskRun
from cartlake.core.fitting import relation_types
from cartlake.core.model import Case, Model, case_difference, case_relations
from cartlake.core.retention import require_kept
from cartlake.core.sqltext import name, names
from cartlake.core.table import STRING, Column
from cartlake.core.tables import VALIDATION_RESULTS
from cartlake.engines.base import Row
from cartlake.errors import UsageError
from cartlake.published import define_published, published_names
from cartlake.runs import published_batches
from cartlake.settings import Settings
from cartlake.tasks.accepted import evolved
from cartlake.tasks.context import Context
from cartlake.tasks.places import line_of
from cartlake.tasks.shapes import tables_as_published


@dataclass(frozen=True)
class BatchReport:
    """A batch as it stands, with the sums over its files."""

    batch: Batch
    counts: Counts

    def to_json(self) -> dict[str, object]:
        batch = self.batch
        return {
            "batch_id": batch.batch_id,
            "batch_date": batch.batch_date,
            "status": batch.status.value,
            "verdict": batch.verdict,
            **vars(self.counts),
            "gate": batch.gate,
            "reason": batch.reason,
            "waiting_for": list(batch.waiting_for),
        }


@dataclass(frozen=True)
class BatchDetail:
    """A batch with its files, the attempts of its tasks, all its states, and the results of the cross-table rules."""

    report: BatchReport
    files: tuple[BatchFile, ...]
    tasks: tuple[TaskRun, ...]
    states: tuple[Batch, ...]
    results: tuple[Row, ...]


@dataclass(frozen=True)
class Version:
    """One version in the life of a key: its row, the columns that changed since the one before, and the file and line
    that it came from."""

    row: Row
    changed: tuple[str, ...]
    source_file: str | None
    line: int | None


@dataclass(frozen=True)
class CaseResult:
    """One given/expect case; `difference` are the rows that differ, empty if it passed."""

    model: str
    case: Case
    difference: tuple[Row, ...]


def batch_reports(context: Context, only: Sequence[str] | None = None) -> list[BatchReport]:
    """Batches by date; in the order of `only` if given."""
    batches = context.ledger.batches()
    counts: dict[str, Counts] = {}
    for file in context.ledger.batch_files(only):
        counts[file.batch_id] = counts.get(file.batch_id, Counts()) + file.counts
    chosen = [batches[batch_id] for batch_id in only] if only is not None else _by_date(batches.values())
    return [BatchReport(batch, counts.get(batch.batch_id, Counts())) for batch in chosen]


def _by_date(batches: Iterable[Batch]) -> list[Batch]:
    return sorted(batches, key=lambda batch: (str(batch.batch_date or ""), batch.recorded_at))


def find_batch(context: Context, batch_id: str) -> Batch:
    batches = context.ledger.batches()
    if batch_id not in batches:
        hint = closest(batch_id, batches, "`cartlake batch list` shows the batches.")
        raise UsageError("batch_unknown", f"there is no batch {batch_id!r}", hint=hint)
    return batches[batch_id]


def require_known(context: Context, batch_id: str | None, feed: str | None) -> None:
    """Raises UsageError with close names if a batch or feed is named that there is not, and never was."""
    if batch_id is not None:
        find_batch(context, batch_id)
    feeds = {contract.feed for contract in context.contracts}
    if feed is not None and feed not in feeds | {file.feed for file in context.ledger.batch_files()}:
        raise UsageError("feed_unknown", f"there is no feed {feed!r}", hint=closest(feed, feeds))


def batch_detail(context: Context, batch_id: str) -> BatchDetail:
    find_batch(context, batch_id)
    with context.engine.scope():
        context.engine.read("validation_results", VALIDATION_RESULTS, where={"batch_id": [batch_id]})
        results = context.engine.rows(
            "SELECT * FROM validation_results ORDER BY outcome, CASE severity WHEN 'high' THEN 1 WHEN 'medium' THEN 2"
            " ELSE 3 END, rule"
        )
    return BatchDetail(
        report=batch_reports(context, [batch_id])[0],
        files=tuple(context.ledger.batch_files([batch_id])),
        tasks=tuple(context.ledger.tasks(batch_id=batch_id)),
        states=tuple(context.ledger.batch_history(batch_id)),
        results=tuple(results),
    )


@contextmanager
def published(context: Context, at: str | None = None) -> Iterator[Publication]:
    """Relations of every documented name: the tables of one publication, the views over them, logs and ledger."""
    publication = find_publication(context, at)
    with context.engine.scope():
        define_published(context, publication)
        yield publication


def find_publication(context: Context, at: str | None) -> Publication:
    """The latest publication, or the latest that published the batch `at`."""
    if at is None:
        return context.ledger.latest_publication()
    find_batch(context, at)
    made = [p for p in context.ledger.publications() if p.batch_id == at and p.kind == "batch"]
    if not made:
        raise UsageError("batch_not_published", f"batch {at} was never published")
    require_kept(made[-1], context.ledger.maintenance())
    return made[-1]


def query(context: Context, sql: str, at: str | None) -> tuple[list[str], list[Row]]:
    with published(context, at):
        return context.engine.select(sql, published_names(context))


def history(context: Context, table: str, key: Sequence[str]) -> list[Version]:
    """The versions of one key, oldest first. `key` are the values of the key's columns, or of its first ones."""
    contract = _with_history(context, table)
    if not 1 <= len(key) <= len(contract.key):
        raise UsageError("key_wrong", f"the key of {table} is {', '.join(contract.key)}", hint="Give their values.")
    versions = versions_where(context, table, dict(zip(contract.key, key, strict=False)))
    if not versions:
        raise UsageError("key_unknown", f"{table} has no {contract.key[0]} {'/'.join(key)}")
    return versions


def versions_where(
    context: Context, table: str, given: Mapping[str, str], columns: Sequence[str] = ()
) -> list[Version]:
    """The versions of every key that has these texts in columns of the key: key by key, the oldest first. All columns,
    or those of the key and these, among which has to be what tells where a row came from."""
    contract = _with_history(context, table)
    rows = rows_where(context, table, given, (*contract.key, *columns) if columns else ())
    places = _places(context, contract, rows)
    return [
        Version(row, _changed(contract, before, row), *places.get(_identity(row), (None, None)))
        for before, row in zip([None, *rows], rows, strict=False)
    ]


def rows_where(context: Context, table: str, given: Mapping[str, str], columns: Sequence[str] = ()) -> list[Row]:
    """The rows of a published table that have these texts in columns of theirs, in the order of their key: these
    columns, or all. Only this is read: no other table is opened, and what is a text is compared as it stands, so that
    what files say of themselves spares most of them."""
    publication = context.ledger.latest_publication()
    shown = next(each for each in tables_as_published(context, publication) if each.name == table)
    texts = {column.name for column in shown.columns if column.type == STRING}
    compared = [name(column) if column in texts else f"text({name(column)})" for column in given]
    condition = " AND ".join(f"{column} = :given_{number}" for number, column in enumerate(compared))
    values = {f"given_{number}": value for number, value in enumerate(given.values())}
    with context.engine.scope():
        context.engine.read(table, shown, publication.tables.get(table, 0))
        found = f"SELECT {names(columns) or '*'} FROM {table} WHERE {condition}"
        context.engine.materialise("found", found, values)  # asked once, however its few rows are fetched
        return context.engine.rows(f"SELECT * FROM found ORDER BY {names(shown.key)}")


def _with_history(context: Context, table: str) -> Contract:
    contracts = evolved(context, published_batches(context)).contracts
    contract = next((contract for contract in contracts if contract.table == table), None)
    if contract is None:
        known = ", ".join(contract.table for contract in context.contracts)
        raise UsageError("table_unknown", f"{table!r} has no history", hint=f"Tables with history are {known}.")
    return contract


def _changed(contract: Contract, before: Row | None, row: Row) -> tuple[str, ...]:
    if before is None or any(before[name] != row[name] for name in contract.key):
        return ()
    return tuple(name for name in contract.tracked if name in row and before[name] != row[name])


def _identity(row: Row) -> tuple[object, ...]:
    return row["_file_sha256"], row["_batch_date"], row["_record"]


def _places(
    context: Context, contract: Contract, rows: Sequence[Row]
) -> dict[tuple[object, ...], tuple[str, int | None]]:
    """File name and line of the records that rows came from."""
    files = {(f.file_sha256, f.batch_date): f for f in context.ledger.files(contract.feed)}
    found: dict[tuple[object, ...], tuple[str, int | None]] = {}
    for row in rows:
        sha256, day, record = _identity(row)
        file = files.get((str(sha256), day))  # type: ignore[arg-type]
        if file is not None:
            found[_identity(row)] = (file.file_name, line_of(context, contract, file, int(str(record))))
    return found


def run_cases(context: Context) -> list[CaseResult]:
    """Every case of every model, each on relations of its own: those of the project's models with its settings, those
    of the package's with the defaults, which they are about."""
    types = relation_types(context.contracts, context.models)
    by_default = replace(context, settings=Settings(project=context.settings.project))
    return [
        CaseResult(model.name, case, tuple(_run_case(given, model, case, types)))
        for model in context.models
        for given in [by_default if model.is_shipped else context]
        for case in model.cases
    ]


def _run_case(context: Context, model: Model, case: Case, types: dict[str, tuple[Column, ...]]) -> list[Row]:
    wanted = {name: types[name] for name in model.inputs if name in types}
    parameters = {**context.parameters, **case.params}
    with context.engine.scope():
        for name, sql in case_relations(case, wanted).items():
            context.engine.define(name, sql)
        return context.engine.rows(case_difference(model, case), parameters)
