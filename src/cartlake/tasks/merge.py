"""Task 8: prepared changes become production tables, are checked, and are made visible in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from cartlake.core.contract import Contract
from cartlake.core.sqltext import names, same, semi_join
from cartlake.core.table import Table
from cartlake.core.tables import history_table, prepared_table
from cartlake.errors import EngineError
from cartlake.ledger import Preparation, Publication
from cartlake.tasks.context import Context, accepted_files
from cartlake.tasks.derive import ORDER_LINES
from cartlake.tasks.enrich import Acceptance


def publish(context: Context, preparation: Preparation, acceptance: Acceptance, batch_id: str | None) -> Publication:
    """The prepared changes are in the production tables, checked, and visible to readers, all in the one commit that
    appends the publication. Raises EngineError, with nothing visible, if a check fails."""
    base = context.ledger.latest_publication()
    versions = dict(base.tables)
    for table in context.production_tables:
        if table.name in preparation.tables:
            versions[table.name] = _merge(context, table, base, preparation.tables[table.name])
    _check(context, preparation, versions)
    for stage in context.stage_tables:
        versions[stage.name] = context.engine.version(stage.name)
    publication = Publication(
        publication_id=base.publication_id + 1,
        batch_id=batch_id,
        kind=preparation.kind,
        published_at=context.ledger.now(),
        as_of_date=_as_of_date(context, acceptance),
        tables=versions,
        contracts_hash=context.contracts_hash,
    )
    context.ledger.publish(publication)
    return publication


def _merge(context: Context, table: Table, base: Publication, prepared_version: int) -> int:
    """The table's published version with the changes on top, whatever an interrupted run left at its head."""
    engine = context.engine
    published = base.tables.get(table.name, 0)
    if engine.version(table.name) != published:
        engine.restore(table.name, published)
    with engine.scope():
        engine.read("prepared", prepared_table(table), prepared_version)
        return engine.merge(table, "prepared")


def _as_of_date(context: Context, acceptance: Acceptance) -> date | None:
    days = [day for _, _, day in accepted_files(context.ledger.batch_files(), acceptance.after)]
    return max(days, default=None)


def _check(context: Context, preparation: Preparation, versions: Mapping[str, int]) -> None:
    """The touched keys of every table are as they must be."""
    with context.engine.scope():
        for contract in context.contracts:
            table = history_table(contract)
            if table.name in preparation.tables:
                _check_history(context, contract, table, preparation, versions)
        for model in context.stored_models:
            if model.name in preparation.tables:
                _check_keys(context, context.model_table(model), preparation, versions)
        if preparation.tables.keys() & {"orders", ORDER_LINES}:
            _check_no_fan_out(context, versions)


def _define_touched(
    context: Context, table: Table, key: tuple[str, ...], preparation: Preparation, versions: Mapping[str, int]
) -> None:
    """`touched`: the rows of the merged table whose `key` the changes name."""
    context.engine.read("merged", table, versions[table.name])
    context.engine.read("prepared", prepared_table(table), preparation.tables[table.name])
    context.engine.define("touched", semi_join("merged", "prepared", key))


def _check_keys(context: Context, table: Table, preparation: Preparation, versions: Mapping[str, int]) -> None:
    _define_touched(context, table, table.key, preparation, versions)
    key = names(table.key)
    _refuse(
        context,
        table,
        "keys_not_unique",
        f"SELECT {key} FROM touched GROUP BY {key} HAVING count(*) > 1",
    )
    _refuse(
        context,
        table,
        "changes_lost",
        "SELECT kept FROM (SELECT count(*) AS kept FROM touched) t CROSS JOIN"
        " (SELECT count_if(_change <> 'delete') AS expected FROM prepared) p WHERE kept <> expected",
    )


def _check_history(
    context: Context, contract: Contract, table: Table, preparation: Preparation, versions: Mapping[str, int]
) -> None:
    """No two versions of a key overlap, at most one is open, none has zero width."""
    _check_keys(context, table, preparation, versions)
    _define_touched(context, table, contract.key, preparation, versions)
    key = names(contract.key)
    several = f"SELECT {key} FROM touched GROUP BY {key} HAVING count(*) > 1"
    _refuse(
        context,
        table,
        "intervals_overlap",
        f"SELECT 1 AS found FROM (SELECT t.valid_to, lead(t.valid_from) OVER"
        f" (PARTITION BY {names(contract.key, 't')} ORDER BY t.valid_from) AS next_from"
        f" FROM touched t LEFT SEMI JOIN ({several}) s ON {same(contract.key, 't', 's')}) v"
        " WHERE next_from IS NOT NULL AND (valid_to IS NULL OR valid_to > next_from)",
    )
    _refuse(
        context,
        table,
        "interval_empty",
        "SELECT 1 AS found FROM touched WHERE valid_to <= valid_from OR is_current <> (valid_to IS NULL)",
    )


def _check_no_fan_out(context: Context, versions: Mapping[str, int]) -> None:
    """As many enriched order lines as current order lines."""
    tables = {table.name: table for table in context.production_tables}
    for name in ("orders", ORDER_LINES):
        context.engine.read(f"merged_{name}", tables[name], versions.get(name, 0))
    _refuse(
        context,
        tables[ORDER_LINES],
        "order_lines_differ",
        "SELECT lines FROM (SELECT count(*) AS lines FROM merged_orders WHERE is_current) o CROSS JOIN"
        f" (SELECT count(*) AS enriched FROM merged_{ORDER_LINES}) e WHERE lines <> enriched",
    )


def _refuse(context: Context, table: Table, code: str, offending: str) -> None:
    found = context.engine.rows(f"SELECT count(*) AS n FROM ({offending}) AS offending")[0]["n"]
    if found:
        raise EngineError(
            code,
            f"after the merge {table.name} breaks its promise ({found} cases); nothing was published",
            hint="Readers still see the last publication. Run `cartlake doctor`, and please report this.",
        )
