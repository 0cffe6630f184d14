"""The change feed of production tables: from publication to publication, what became of each key. It only reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cartlake.core.changes import CHANGE_TYPE, as_columns_of, net_changes
from cartlake.core.closest import closest
from cartlake.core.entries import Publication
from cartlake.core.retention import gone_below, moved_with
from cartlake.core.table import Table
from cartlake.engines.base import Row
from cartlake.errors import UsageError
from cartlake.ledger import NOTHING_PUBLISHED
from cartlake.tasks.context import Context
from cartlake.tasks.shapes import tables_as_published


@dataclass(frozen=True)
class Changes:
    """The changes of a table, oldest first: its columns, `_change_type`, `_commit_version`, `_commit_timestamp`, and
    `_publication_id`. `publication_id` is the last publication looked at, from which to go on; `key` are the columns
    that tell rows apart."""

    rows: tuple[Row, ...]
    key: tuple[str, ...]
    publication_id: int


def changes(context: Context, table: str, since: int | str | None = None) -> Changes:
    """What each publication after `since` (its number, or the batch that it published) changed in a table; without
    `since` the rows of the latest one as inserts. Raises UsageError if there is no such table or publication, or it is
    no longer kept."""
    publications, known = context.ledger.publications(), [table.name for table in context.production_tables]
    if table not in known:
        said = f"{table!r} is no stored table of production"
        raise UsageError("table_unknown", said, hint=closest(table, known))
    every = [NOTHING_PUBLISHED, *publications]
    if since is None:
        steps = [(NOTHING_PUBLISHED, publications[-1])] if publications else []
    else:
        first = _publication(publications, since)
        _require_kept(context, first, table)
        steps = [step for step in pairwise(every) if step[0].publication_id >= first.publication_id]
    key = next(each.key for each in context.production_tables if each.name == table)
    found = [row for before, after in steps for row in _changes_between(context, table, before, after)]
    return Changes(tuple(found), key, every[-1].publication_id)


def _publication(publications: Sequence[Publication], since: int | str) -> Publication:
    """The latest that published the batch, or the one of that number."""
    batch = [one for one in publications if one.batch_id == since and one.kind == "batch"]
    number = int(since) if str(since).isdecimal() else None
    numbered = [one for one in (NOTHING_PUBLISHED, *publications) if one.publication_id == number]
    if not batch and not numbered:
        said = f"there is no publication {since}" if number is not None else f"no publication is of batch {since!r}"
        hint = '`cartlake query "SELECT publication_id, kind, batch_id FROM publications"` shows them.'
        raise UsageError("publication_unknown", said, hint=hint)
    return (batch or numbered)[-1]


def _require_kept(context: Context, since: Publication, table: str) -> None:
    steps = context.ledger.maintenance()
    version = since.tables.get(table)
    if version is not None and (version < gone_below(steps).get(table, 0) or moved_with(since, steps)):
        raise UsageError(
            "publication_gone",
            f"publication {since.publication_id} of {table} is no longer kept",
            hint="Without --since all rows are inserts, and the feed goes on from the latest publication.",
        )


def _changes_between(context: Context, name: str, before: Publication, after: Publication) -> Iterator[Row]:
    version = after.tables.get(name)
    if version is None or version == before.tables.get(name):
        return
    table = _as_published(context, name, after)
    with context.engine.scope():
        _define(context, table, before, version)
        for row in context.engine.rows(net_changes(table)):
            change = row.pop(CHANGE_TYPE)
            yield row | {
                CHANGE_TYPE: change,
                "_commit_version": version,
                "_commit_timestamp": after.published_at,
                "_publication_id": after.publication_id,
            }


def _as_published(context: Context, name: str, publication: Publication) -> Table:
    return next(table for table in tables_as_published(context, publication) if table.name == name)


def _define(context: Context, table: Table, before: Publication, version: int) -> None:
    """`before` and `after`, in the columns of `table`, which it has in `version`."""
    engine, earlier = context.engine, before.tables.get(table.name)
    if earlier is None:
        engine.values("before", table.columns, [])
        engine.read("after", table, version)
        return
    had = _as_published(context, table.name, before)
    if had.columns == table.columns:
        engine.differing(("before", "after"), table, (earlier, version))
        return
    engine.read("as_it_was", had, earlier)
    engine.define("before", as_columns_of(table, had.columns, "as_it_was"))
    engine.read("after", table, version)
