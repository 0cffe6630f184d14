"""Task 8: prepared changes become production tables, are checked, and are made visible in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from cartlake.core.batch import BatchStatus
from cartlake.core.contract import Contract
from cartlake.core.entries import Preparation, Publication
from cartlake.core.sqltext import names, semi_join
from cartlake.core.table import Table
from cartlake.core.tables import prepared_table
from cartlake.errors import EngineError
from cartlake.tasks.context import Context
from cartlake.tasks.derive import ORDER_LINES, is_anew
from cartlake.tasks.enrich import Acceptance


def publish(context: Context, preparation: Preparation, acceptance: Acceptance, batch_id: str | None) -> Publication:
    """The prepared changes are in the production tables, checked, and visible to readers, all in the one commit that
    appends the publication. Raises EngineError, with nothing visible, if a check fails."""
    with context.engine.scope():
        tables = [table for table in context.production_tables if table.name in preparation.tables]
        for table in tables:
            context.engine.read(f"changes_{table.name}", prepared_table(table), preparation.tables[table.name])
        return publish_changes(context, tables, acceptance, batch_id, preparation.kind)


def publish_changes(
    context: Context, tables: Sequence[Table], acceptance: Acceptance, batch_id: str | None, kind: str
) -> Publication:
    """The same for changes that stand in the relations `changes_<table>`, computed from the latest publication."""
    base = context.ledger.latest_publication()
    versions = dict(base.tables) | {table.name: _merge(context, table, base) for table in tables}
    _check(context, tables, versions)
    versions |= _log_versions(context, base, acceptance, batch_id)
    publication = Publication(
        publication_id=base.publication_id + 1,
        batch_id=batch_id,
        kind=kind,
        published_at=context.ledger.now(),
        as_of_date=_as_of_date(context, acceptance),
        tables=versions,
        contracts_hash=context.contracts_hash,
        definitions=context.definition_hashes,
    )
    context.ledger.publish(publication)
    return publication


def _log_versions(context: Context, base: Publication, acceptance: Acceptance, batch_id: str | None) -> dict[str, int]:
    """The staging logs of the feeds in production as they are; as they were while a published batch that was staged
    again waits for its repair, which needs to know what its files held before."""
    restaged = [batch for batch in context.ledger.batches().values() if batch.restage and batch.batch_id != batch_id]
    is_repair_due = any(batch.status is BatchStatus.PUBLISHED for batch in restaged)
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
    return context.engine.merge(table, f"changes_{table.name}")


def _as_of_date(context: Context, acceptance: Acceptance) -> date | None:
    """The greatest batch date among the accepted batches."""
    batches = context.ledger.batches()
    days = [batches[batch_id].batch_date for batch_id in acceptance.after]
    return max((day for day in days if day is not None), default=None)


def _check(context: Context, tables: Sequence[Table], versions: Mapping[str, int]) -> None:
    """The touched keys of every merged table are as they must be."""
    contracts = {contract.table: contract for contract in context.contracts}
    for table in tables:
        context.engine.read("merged", table, versions[table.name])
        _refuse(context, table, _key_checks(table) | _interval_checks(table, contracts.get(table.name)))
    if {table.name for table in tables} & {"orders", ORDER_LINES}:
        _check_no_fan_out(context, versions)


def _key_checks(table: Table) -> dict[str, str]:
    """Keys are unique, and as many of the prepared rows stand in the table as were not deletes."""
    key, touched = names(table.key), semi_join("merged", f"changes_{table.name}", table.key)
    return {
        "keys_not_unique": f"SELECT count(*) AS n FROM (SELECT {key} FROM ({touched}) t GROUP BY {key}"
        " HAVING count(*) > 1) AS repeated",
        "changes_lost": f"SELECT abs(kept - expected) AS n FROM (SELECT count(*) AS kept FROM ({touched}) t) t"
        f" CROSS JOIN (SELECT count_if(_change <> 'delete') AS expected FROM changes_{table.name}) p",
    }


def _interval_checks(table: Table, contract: Contract | None) -> dict[str, str]:
    """No two versions of a key overlap, at most one is open, none has zero width. Only tables with history have any."""
    if contract is None:
        return {}
    touched = f"({semi_join('merged', f'changes_{table.name}', contract.key)})"
    following = f"lead(valid_from) OVER (PARTITION BY {names(contract.key)} ORDER BY valid_from) AS next_from"
    return {
        "intervals_overlap": f"SELECT count(*) AS n FROM (SELECT valid_to, {following} FROM {touched} t) v"
        " WHERE next_from IS NOT NULL AND (valid_to IS NULL OR valid_to > next_from)",
        "interval_empty": f"SELECT count(*) AS n FROM {touched} t"
        " WHERE valid_to <= valid_from OR is_current <> (valid_to IS NULL)",
    }


def _check_no_fan_out(context: Context, versions: Mapping[str, int]) -> None:
    """As many enriched order lines as current order lines."""
    tables = {table.name: table for table in context.production_tables}
    for name in ("orders", ORDER_LINES):
        context.engine.read(f"merged_{name}", tables[name], versions.get(name, 0))
    counts = (
        "SELECT abs(lines - enriched) AS n FROM (SELECT count(*) AS lines FROM merged_orders WHERE is_current) o"
        f" CROSS JOIN (SELECT count(*) AS enriched FROM merged_{ORDER_LINES}) e"
    )
    _refuse(context, tables[ORDER_LINES], {"order_lines_differ": counts})


def _refuse(context: Context, table: Table, checks: Mapping[str, str]) -> None:
    """Raises EngineError for the first check that counts a case."""
    counted = " UNION ALL ".join(f"SELECT '{code}' AS code, n FROM ({sql}) AS c" for code, sql in checks.items())
    for row in context.engine.rows(f"SELECT code, n FROM ({counted}) AS counted WHERE n > 0"):
        raise EngineError(
            str(row["code"]),
            f"after the merge {table.name} breaks its promise ({row['n']} cases); nothing was published",
            hint="Readers still see the last publication. Run `cartlake doctor`, and please report this.",
        )
