"""Production computed from the logs as a rebuild would, and compared with what is published. It only reads."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace

from cartlake.core.changes import CHANGE_TYPE, net_changes
from cartlake.core.entries import Publication
from cartlake.core.production import entered_at
from cartlake.core.table import Table
from cartlake.tasks.context import Context
from cartlake.tasks.derive import is_anew
from cartlake.tasks.enrich import Acceptance, changed_tables
from cartlake.tasks.shapes import tables_as_published

_ROWS = (("insert", "rows are missing"), ("delete", "rows should not be there"), ("update_postimage", "rows differ"))


def compared_with_logs(context: Context, damaged: Container[str]) -> Iterator[tuple[str, list[str]]]:
    """Per published table, but for those that are `damaged`, what a rebuild would change in it. Which file a record was
    taken from is no difference. The logs can be read, and were made with today's contracts."""
    publications = context.ledger.publications()
    base, accepted = publications[-1], frozenset(entered_at(publications))
    made_here = {table.name for table in context.production_tables} & base.tables.keys()
    logs_alone = {name: version for name, version in base.tables.items() if name not in made_here}
    with context.engine.scope():
        changed_tables(context, Acceptance(accepted, accepted), replace(base, tables=logs_alone))
        for table in tables_as_published(context, base):
            if table.name in made_here and table.name not in damaged:
                yield table.name, list(_difference(context, table, base))


def _difference(context: Context, table: Table, base: Publication) -> Iterator[str]:
    engine = context.engine
    if is_anew(context, table, base):
        yield "it was made with other SQL or settings"
        return
    engine.read("before", table, base.tables[table.name])
    engine.define("after", f"SELECT * FROM after_{table.name}")
    counts = ", ".join(f"count_if({CHANGE_TYPE} = '{change}') AS `{change}`" for change, _ in _ROWS)
    [counted] = engine.rows(f"SELECT {counts} FROM ({net_changes(table)}) d")
    yield from (f"{counted[change]} {said}" for change, said in _ROWS if counted[change])
