"""What readers see: a relation of every documented name, here or, where tables stand in a catalog, as a view there."""

from __future__ import annotations

from datetime import date
from hashlib import sha256

from cartlake.core.entries import Publication
from cartlake.core.ledger_views import LEDGER_VIEWS
from cartlake.core.model import PUBLICATION
from cartlake.core.tables import (
    OF_BATCHES,
    QUARANTINE,
)
from cartlake.tasks.context import Context
from cartlake.tasks.ledger_views import define_ledger
from cartlake.tasks.quarantined import define_quarantine
from cartlake.tasks.shapes import tables_as_published


def show_to_readers(context: Context) -> None:
    """Where readers have views of their own, these show the latest publication, as today's models have it."""
    publication = context.ledger.latest_publication()
    views = [(model.name, model.sql) for model in context.models if model.kind == "view"]
    made_with = repr((sorted(context.definition_hashes.items()), views, sorted(context.parameters.items())))
    stamp = f"{publication.publication_id}-{sha256(made_with.encode()).hexdigest()[:16]}"
    if context.engine.shows(stamp):
        return
    with context.engine.scope():
        define_published(context, publication)
        context.engine.expose(published_names(context), stamp)


def published_names(context: Context) -> list[str]:
    """The tables and views that a query may read."""
    views = [model.name for model in context.models if model.kind == "view"]
    tables = [table.name for table in (*context.production_tables, *context.stage_tables)]
    ledger = [*(table.name for table in OF_BATCHES), QUARANTINE.name, "batches", *LEDGER_VIEWS]
    return sorted([*views, *tables, *ledger])


def define_published(context: Context, publication: Publication) -> None:
    """`published_names` are defined: the tables at their versions, models over them, the ledger as it is."""
    engine = context.engine
    for table in tables_as_published(context, publication):
        engine.read(table.name, table, publication.tables.get(table.name, 0))
    for table in OF_BATCHES:
        engine.read(table.name, table)
    define_ledger(context.engine)
    define_quarantine(context)
    _define_publication(context, publication)
    for model in context.models:
        if model.kind == "view":
            engine.define(model.name, model.sql, context.parameters)


def _define_publication(context: Context, publication: Publication) -> None:
    """`publication`, which models read: one row, or none in an empty lake."""
    values = {column.name: getattr(publication, column.name) for column in PUBLICATION}
    context.engine.define(
        "publication",
        "SELECT CAST(:publication_id AS bigint) AS publication_id, nullif(:as_of_date, :never) AS as_of_date,"
        f" :published_at AS published_at FROM (VALUES (1)) AS one (n) WHERE n = {min(publication.publication_id, 1)}",
        values | {"as_of_date": publication.as_of_date or date.min, "never": date.min},
    )
