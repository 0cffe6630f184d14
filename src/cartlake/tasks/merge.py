"""Task 8: prepared changes become production tables, are checked, and are made visible in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from cartlake.core.batch import BatchStatus
from cartlake.core.entries import Preparation, Publication
from cartlake.core.invariants import no_fan_out, sound_intervals, unique_keys
from cartlake.core.sqltext import semi_join
from cartlake.core.table import Table
from cartlake.core.tables import prepared_table
from cartlake.errors import CommitConflict, EngineError
from cartlake.tasks.accepted import evolved
from cartlake.tasks.context import Context
from cartlake.tasks.derive import ORDER_LINES, is_anew
from cartlake.tasks.enrich import Acceptance


def publish(context: Context, preparation: Preparation, acceptance: Acceptance, batch_id: str | None) -> Publication:
    """The prepared changes are in the production tables, checked, and visible to readers, all in the one commit that
    appends the publication. Raises EngineError, with nothing visible, if a check fails."""
    with context.engine.scope():
        produced = evolved(context, acceptance.after).production_tables
        tables = [table for table in produced if table.name in preparation.tables]
        for table in tables:
            context.engine.read(f"changes_{table.name}", prepared_table(table), preparation.tables[table.name])
        return publish_changes(context, tables, acceptance, batch_id, preparation.kind)


def publish_changes(
    context: Context,
    tables: Sequence[Table],
    acceptance: Acceptance,
    batch_id: str | None,
    kind: str,
    base: Publication | None = None,
) -> Publication:
    """The same for changes that stand in the relations `changes_<table>`, computed from `base` (the latest publication
    if None). A table that `base` does not name is replaced whole."""
    base = base or context.ledger.latest_publication()
    merged = {table.name: _merge(context, table, base) for table in tables}
    _check(context, tables, dict(base.tables) | merged, base)
    return publish_versions(context, merged, acceptance, batch_id, kind)


def publish_versions(
    context: Context, versions: Mapping[str, int], acceptance: Acceptance, batch_id: str | None, kind: str
) -> Publication:
    """These versions, and of every other table the one published last, are visible to readers."""
    base = context.ledger.latest_publication()
    publication = Publication(
        publication_id=base.publication_id + 1,
        batch_id=batch_id,
        kind=kind,
        published_at=context.ledger.now(),
        as_of_date=_as_of_date(context, acceptance),
        tables=dict(base.tables) | dict(versions) | _log_versions(context, base, acceptance),
        contracts_hash=context.contracts_hash,
        definitions=context.definition_hashes,
    )
    context.ledger.publish(publication)
    return publication


def _log_versions(context: Context, base: Publication, acceptance: Acceptance) -> dict[str, int]:
    """The staging logs of the feeds in production as they are; as they were while a published batch that was staged
    again waits for its repair, which needs to know what its files held before."""
    restaged = [batch for batch in context.ledger.batches().values() if batch.restage]
    is_repair_due = any(
        batch.status is BatchStatus.PUBLISHED and batch.batch_id not in acceptance.restaged for batch in restaged
    )
    announced = {file.feed for file in context.ledger.batch_files() if file.batch_id in acceptance.after}
    stages = {contract.stage_table: contract.feed for contract in context.contracts}
    in_production = [name for name, feed in stages.items() if feed in announced or name in base.tables]
    heads = {name: context.engine.version(name) for name in in_production}
    return heads | {name: base.tables[name] for name in heads if is_repair_due and name in base.tables}


def _merge(context: Context, table: Table, base: Publication) -> int:
    """The table's published version with the changes on top, whatever an interrupted run left at its head. What was
    computed anew takes the place of all that stood there."""
    if is_anew(context, table, base):
        return context.engine.replace(table, {}, f"changes_{table.name}")
    published = base.tables[table.name]
    if context.engine.version(table.name) != published:
        context.engine.restore(table.name, published)
    before = context.engine.widen(table)
    made = context.engine.merge(table, f"changes_{table.name}")
    if made > before + 1:
        said = f"another process committed to {table.name} during the merge; nothing was published"
        raise CommitConflict("commit_conflict", said, hint="Run it again.")
    return made


def _as_of_date(context: Context, acceptance: Acceptance) -> date | None:
    """The greatest batch date among the accepted batches."""
    batches = context.ledger.batches()
    days = [batches[batch_id].batch_date for batch_id in acceptance.after]
    return max((day for day in days if day is not None), default=None)


def _check(context: Context, tables: Sequence[Table], versions: Mapping[str, int], base: Publication) -> None:
    """The touched keys of every merged table are as they must be; of one that was replaced whole, all keys are."""
    contracts = {contract.table: contract for contract in context.contracts}
    for table in tables:
        context.engine.read("merged", table, versions[table.name])
        contract = contracts.get(table.name)
        key, kept, touched = contract.key if contract else table.key, "merged", "merged"
        if not is_anew(context, table, base):
            changes = f"changes_{table.name}"
            kept, touched = (f"({semi_join('merged', changes, each)})" for each in (table.key, key))
        own = sound_intervals(key, touched) if contract else unique_keys(key, touched)
        _refuse(context, table, own, _changes_check(table, kept))
    if {table.name for table in tables} & {"orders", ORDER_LINES}:
        _check_no_fan_out(context, versions)


def _changes_check(table: Table, kept: str) -> str:
    """As many of the changed rows stand in the table as were not deletes."""
    expected = f"SELECT count_if(_change <> 'delete') AS expected FROM changes_{table.name}"
    counted = f"SELECT count(*) AS kept FROM {kept} r"
    return f"SELECT abs(kept - expected) AS changes_lost FROM ({counted}) k CROSS JOIN ({expected}) e"


def _check_no_fan_out(context: Context, versions: Mapping[str, int]) -> None:
    """As many enriched order lines as current order lines."""
    tables = {table.name: table for table in context.production_tables}
    for name in ("orders", ORDER_LINES):
        context.engine.read(f"merged_{name}", tables[name], versions.get(name, 0))
    _refuse(context, tables[ORDER_LINES], no_fan_out("merged_orders", f"merged_{ORDER_LINES}"))


def _refuse(context: Context, table: Table, *checks: str) -> None:
    """Raises EngineError for the first column of the checks, each of one row, that counts a case."""
    joined = " CROSS JOIN ".join(f"({sql}) AS c{number}" for number, sql in enumerate(checks))
    [counted] = context.engine.rows(f"SELECT * FROM {joined}")
    for code, cases in counted.items():
        if int(str(cases)):
            raise EngineError(
                code,
                f"after the merge {table.name} breaks its promise ({cases} cases); nothing was published",
                hint="Readers still see the last publication. Run `cartlake doctor`, and please report this.",
            )
