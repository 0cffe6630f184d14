"""Task 7: what the next publication changes in every production table, computed from the staging logs.

Nothing is published here. The changes stand in the `prepared_*` tables and one ledger row names their versions and
the publication they were computed from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cartlake.core import history
from cartlake.core.contract import Contract
from cartlake.core.entries import BatchFile, Preparation, Publication
from cartlake.core.known import UNTRACKED_CHANGE
from cartlake.core.snapshots import every_key
from cartlake.core.sqltext import names, semi_join
from cartlake.core.table import STRING, Column, Table
from cartlake.core.tables import history_table, prepared_table, stage_table
from cartlake.core.verdict import RuleResult
from cartlake.tasks import derive
from cartlake.tasks.accepted import (
    AcceptedKey,
    Announced,
    accepted_files,
    define_accepted,
    event_times,
    evolved,
    revisions,
    same_file,
    slices,
    with_batch,
)
from cartlake.tasks.context import Context
from cartlake.tasks.results import add_results
from cartlake.tasks.snapshots import define_absences, find_snapshots

# From here on first versions are not copied.
_MANY = 50_000


@dataclass(frozen=True)
class Acceptance:
    """Which batches production is made of, before and after, and the batches whose files were staged again, or are
    to be looked at again: of all feeds, or of `feeds`."""

    before: frozenset[str]
    after: frozenset[str]
    restaged: frozenset[str] = field(default=frozenset())
    feeds: frozenset[str] | None = None

    def of(self, contract: Contract, base: Publication) -> Acceptance:
        """As far as it concerns a feed. What `base` has no table of was never accepted before."""
        return Acceptance(
            self.before if contract.table in base.tables else frozenset(),
            self.after,
            self.restaged if self.feeds is None or contract.feed in self.feeds else frozenset(),
        )


OnFound = Callable[[RuleResult], None]


def prepare(context: Context, acceptance: Acceptance, batch_id: str, run_id: str, kind: str) -> Preparation:
    """The prepared tables hold exactly the changes from the latest publication to `acceptance.after`."""
    base, found = context.ledger.latest_publication(), list[RuleResult]()
    with context.engine.scope():
        changed = changed_tables(context, acceptance, base, found.append)
        prepared = {table.name: _write(context, table) for table in changed}
        add_results(context, batch_id, found, run_id)
    preparation = Preparation(batch_id, run_id, base.publication_id, kind, prepared, context.definition_hashes)
    context.ledger.record_preparation(preparation)
    return preparation


def changed_tables(
    context: Context, acceptance: Acceptance, base: Publication, on_found: OnFound = lambda _: None
) -> list[Table]:
    """The production tables that differ between `base` and `acceptance.after`, each with `changes_<table>` defined.
    `on_found` is told what is worth a row in `validation_results`."""
    context, files = evolved(context, acceptance.after), context.ledger.batch_files()
    touched = [
        history_table(contract)
        for contract in context.contracts
        if _history_changes(context, contract, acceptance, base, files, on_found)
    ]
    _define_after(context)
    return touched + derive.stored_model_changes(context, base, {table.name for table in touched})


def _write(context: Context, table: Table) -> int:
    prepared = prepared_table(table)
    context.engine.create(prepared)
    return context.engine.replace(prepared, {}, f"changes_{table.name}")


def _history_changes(
    context: Context,
    contract: Contract,
    acceptance: Acceptance,
    base: Publication,
    files: Sequence[BatchFile],
    on_found: OnFound,
) -> bool:
    """Defines `before_<table>` and `changes_<table>`; whether there are changes. `files` are those of all batches."""
    engine, table = context.engine, history_table(contract)
    before, touched = f"before_{table.name}", f"touched_{table.name}"
    if table.name in base.tables:
        engine.read(before, table, base.tables[table.name])
    else:
        engine.values(before, table.columns, [])
    files = [file for file in files if file.feed == contract.feed]
    own, times, given = acceptance.of(contract, base), event_times(context, contract), revisions(context)
    changed = _changed_files(files, own, times, given)
    snapshots = None
    if contract.delivery == "snapshot":
        snapshots = find_snapshots(context, contract, own.before, own.after, changed)
    engine.values(f"changes_{table.name}", _change_columns(table), [])
    if not changed and not (snapshots and snapshots.differ):
        return False
    engine.define("history_before", f"SELECT * FROM {before}")
    _define_changed_events(context, contract, changed, base)
    _define_known_deletes(context, contract, accepted_files(files, acceptance.after, times, given))
    if snapshots:
        define_absences(context, contract, snapshots)
    is_walked_whole = snapshots is not None and not snapshots.is_in_order
    keys = every_key(contract) if is_walked_whole else history.touched_keys(contract)
    facts = _Touched(**engine.tally(touched, keys, history.TOUCHED_FACTS))
    if facts.walked:
        _define_walk(context, contract, facts)
        if contract.untracked and facts.walked > facts.late:
            on_found(_untracked_change(context, contract, facts))
    return facts.touched > 0 and _define_changes(context, contract, facts) > 0


@dataclass(frozen=True)
class _Touched:
    """How many keys of a feed are touched, walked, late, and have several changed events."""

    touched: int
    walked: int
    late: int
    repeated: int


def _define_walk(context: Context, contract: Contract, facts: _Touched) -> None:
    """`computed` and `stored`: the versions of the walked keys as they will be and as they are."""
    engine, has_late_keys = context.engine, facts.late > 0
    engine.define("touched", f"SELECT * FROM touched_{contract.table}")
    engine.materialise("open_versions", history.open_versions(contract))
    if has_late_keys:
        logged = f"changed_events_{contract.table}"
        if contract.delivery == "changes":
            engine.read("log_all", stage_table(contract))
            logged = f"({with_batch(contract, 'log_all', 'accepted')})"
        late = f"(SELECT * FROM touched_{contract.table} WHERE is_late)"
        engine.define("logged_events", semi_join(logged, late, contract.key))
    engine.define("events", history.events(contract, has_late_keys))
    engine.define("computed", history.versions(contract, has_late_keys or facts.repeated > 0))
    engine.define("stored", history.stored_versions(contract, has_late_keys))


def _untracked_change(context: Context, contract: Contract, facts: _Touched) -> RuleResult:
    """What would have been versions if every column were tracked."""
    [counted] = context.engine.rows(history.untracked_changes(contract))
    keys, *moved = (int(str(count)) for count in counted.values())
    named = [f"{contract.feed}.{name} {n}" for name, n in zip(contract.untracked, moved, strict=True) if n]
    return RuleResult.of(UNTRACKED_CHANGE, facts.touched, keys, ", ".join(named))


def _define_changes(context: Context, contract: Contract, facts: _Touched) -> int:
    """`changes_<table>`; about how many rows it has. Many first versions are read from the log again whenever they are
    asked for: that is cheaper than a copy of all their columns."""
    table, first = history_table(contract), facts.touched - facts.walked
    changes, columns = f"changes_{table.name}", names(column.name for column in _change_columns(table))
    firsts = history.first_versions(contract, f"changed_events_{table.name}", f"touched_{table.name}")
    walked = history.version_changes(contract, _looked_at(context))
    parts = ([f"SELECT {columns} FROM ({walked}) w"] if facts.walked else []) + ([firsts] if first else [])
    if first < _MANY:
        return context.engine.materialise(changes, " UNION ALL ".join(parts))
    if facts.walked:
        context.engine.materialise(f"walked_{changes}", parts[0])
        parts[0] = f"SELECT {columns} FROM walked_{changes}"
    context.engine.define(changes, " UNION ALL ".join(parts))
    return first


def _looked_at(context: Context) -> frozenset[str]:
    """Every word of the stored models: the columns they read are among them."""
    return frozenset(word for model in context.stored_models for word in re.findall(r"\w+", model.sql))


def _change_columns(table: Table) -> tuple[Column, ...]:
    return (*table.columns, Column("_change", STRING), Column("_is_effective", "boolean"))


def _changed_files(
    files: Sequence[BatchFile], acceptance: Acceptance, times: Mapping[str, datetime], given: Mapping[str, int]
) -> dict[AcceptedKey, tuple[Announced, bool]]:
    """Files whose acceptance, lineage or revision changes: how they are announced, and whether they are simply new."""
    before, after, restaged = (
        accepted_files(files, batches, times, given)
        for batches in (acceptance.before, acceptance.after, acceptance.restaged)
    )
    return {
        key: (after[key] if key in after else before[key], key not in before)
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) or key in restaged
    }


def _define_changed_events(
    context: Context, contract: Contract, changed: Mapping[AcceptedKey, tuple[Announced, bool]], base: Publication
) -> None:
    """`changed_events`, as `changed_events_<table>` too: staged rows of the changed files as they are and, for files
    accepted before, as they were. Of a snapshot feed they are `changed_rows_<table>`."""
    engine, stage, table = context.engine, stage_table(contract), contract.table
    define_accepted(context, f"changed_files_{table}", changed)
    where = slices(changed)
    engine.read(f"log_now_{table}", stage, where=where)
    events = with_batch(contract, f"log_now_{table}", f"changed_files_{table}")
    if not all(added for _, added in changed.values()):
        engine.read(f"log_then_{table}", stage, base.tables.get(stage.name, 0), where=where)
        then = with_batch(contract, f"log_then_{table}", f"changed_files_{table}")
        events += f" UNION ALL {then} WHERE f.is_added = 0"
    if contract.delivery == "snapshot":
        engine.define(f"changed_rows_{table}", events)
        return
    engine.define(f"changed_events_{table}", events)
    engine.define("changed_events", f"SELECT * FROM changed_events_{table}")


def _define_known_deletes(context: Context, contract: Contract, accepted: Mapping[AcceptedKey, Announced]) -> None:
    """`accepted`, the files of the log that count, and `known_deletes`, the deletes accepted before. Files
    without a delete, nearly all, are not opened."""
    engine, key = context.engine, contract.key
    define_accepted(context, "accepted", {key: (each, False) for key, each in accepted.items()})
    engine.read("log_deletes", stage_table(contract), where={"_op": ["delete"]})
    deleted = with_batch(contract, "log_deletes", "accepted")
    is_changed = same_file("e", "f") + (" AND e._sequence = f.event_time" if contract.takes_batch_time else "")
    engine.define(
        "known_deletes",
        f"SELECT {names(key, 'e')}, e._sequence AS deleted_at FROM ({deleted}) e"
        f" LEFT ANTI JOIN changed_files_{contract.table} f ON {is_changed}",
    )


def _define_after(context: Context) -> None:
    """`after_<table>` of every history: what it holds once the changes are published."""
    for contract in context.contracts:
        table = history_table(contract)
        context.engine.define(
            f"after_{table.name}",
            history.after(table.column_names, table.key, f"before_{table.name}", f"changes_{table.name}"),
        )
