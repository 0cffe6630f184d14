"""The ledger as relations."""

from __future__ import annotations

from cartlake.core.ledger_views import LEDGER_VIEWS, batch_files_view, batches_view, newest
from cartlake.core.tables import BATCH_FILES, BATCHES
from cartlake.engines.base import Engine


def define_ledger(engine: Engine) -> None:
    """The relations `batches`, `batch_files`, `files`, `runs`, `tasks`, … as people query them."""
    engine.read("_ledger_batches", BATCHES)
    for name, (table, identity) in LEDGER_VIEWS.items():
        rows = f"_{table.name}"
        engine.read(rows, table)
        sql = batch_files_view(rows, "_ledger_batches") if table is BATCH_FILES else newest(table, identity, rows)
        engine.define(name, sql)
    engine.define("batches", batches_view("_ledger_batches"))
