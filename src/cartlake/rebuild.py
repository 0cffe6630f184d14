"""Production made again: from the logs as they were judged, or from the archived files with today's contracts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

from cartlake.core.closest import closest
from cartlake.core.definition import differences, is_read_anew
from cartlake.core.entries import MaintenanceStep, Publication
from cartlake.core.retention import MOVE
from cartlake.errors import ContractError, UsageError
from cartlake.losses import lost_logs, lost_tables, require_logs
from cartlake.runs import published_batches
from cartlake.tasks.accepted import evolved
from cartlake.tasks.archive import read_again
from cartlake.tasks.context import Context
from cartlake.tasks.enrich import Acceptance, changed_tables
from cartlake.tasks.merge import publish_changes
from cartlake.tasks.shapes import outdated_feeds, today


@dataclass(frozen=True)
class Rebuild:
    """A publication of tables made again, and how many files were read for it from the archive."""

    publication: Publication
    tables: tuple[str, ...]
    files_read: int


def rebuild(context: Context, tables: Sequence[str], since: date | None, *, from_archive: bool) -> Rebuild:
    """The tables, and all that is made of them (all tables if none is named), are what the accepted records and today's
    definitions make of them, in one publication. `since`: histories only where a key has a record in a batch of that
    date or later. Raises UsageError, ContractError, EngineError if a log is lost, and with `from_archive` FileRejected,
    with nothing changed."""
    if from_archive and (tables or since):
        said = "--from-archive reads every accepted file and makes every table"
        raise UsageError("usage", said, hint="Leave the tables and --from out.")
    wanted, files, published = _with_what_is_made_of_them(context, tables), 0, published_batches(context)
    if not from_archive:
        require_logs(context)
    _note_a_move(context)
    if from_archive:
        files = read_again(context, published, lost_logs(context))
    else:
        wanted |= _with_what_is_made_of_them(context, _changed_histories(context)) if outdated_feeds(context) else set()
        context.ledger.record_definitions(context.definitions.values())
    publication = _publish(context, wanted, since)
    if from_archive:
        batches = context.ledger.batches()
        context.ledger.record_batches(replace(batches[batch_id], restage=False) for batch_id in sorted(published))
    return Rebuild(publication, tuple(t.name for t in context.production_tables if t.name in wanted), files)


def _publish(context: Context, wanted: Collection[str], since: date | None) -> Publication:
    real, accepted = context.ledger.latest_publication(), published_batches(context)
    batches = context.ledger.batches()
    again = frozenset(one for one in accepted if since and _is_since(batches[one].batch_date, since))
    feeds = frozenset(contract.feed for contract in context.contracts if contract.table in wanted)
    kept = {contract.table for contract in context.contracts} - outdated_feeds(context).keys() if since else set()
    acceptance = Acceptance(accepted, accepted, restaged=again, feeds=feeds)
    base = replace(
        real, tables={name: number for name, number in real.tables.items() if name in kept or name not in wanted}
    )
    with context.engine.scope():
        changed = changed_tables(context, acceptance, base)
        made = [
            table
            for table in evolved(context, accepted).production_tables
            if table in changed or (table.name in real.tables and table.name not in base.tables)
        ]
        is_whole = since is None and {table.name for table in context.production_tables} <= set(wanted)
        settled = replace(acceptance, restaged=accepted if is_whole else frozenset())
        return publish_changes(context, made, settled, None, "rebuild", base)


def _note_a_move(context: Context) -> None:
    """Where the ledger came from elsewhere without the tables, or a table was removed, earlier publications name
    versions that are none of these tables': the ledger says so before there are any."""
    if lost_tables(context):
        base = context.ledger.latest_publication()
        said = "tables of earlier publications were removed, or stayed where the ledger came from"
        context.ledger.record_maintenance([MaintenanceStep("lake", MOVE, said, base.publication_id + 1)])


def _is_since(day: date | None, since: date) -> bool:
    return day is not None and day >= since


def _with_what_is_made_of_them(context: Context, tables: Collection[str]) -> set[str]:
    """The tables, and the stored models that read one of them; every production table if none is named."""
    names = [table.name for table in context.production_tables]
    unknown = [table for table in tables if table not in names]
    if unknown:
        said = f"there is no stored table {unknown[0]!r} in production"
        raise UsageError("table_unknown", said, hint=closest(unknown[0], names))
    made = set(tables or names)
    for model in context.stored_models:
        if made & set(model.inputs):
            made.add(model.name)
    return made


def _changed_histories(context: Context) -> list[str]:
    """The histories in production that today's contracts make otherwise. Raises ContractError if the log itself was."""
    outdated = outdated_feeds(context)
    for contract in context.contracts:
        before, after = outdated.get(contract.table), today(context, contract)
        if before is not None and (before == after or is_read_anew(before, after)):
            said = "; ".join(differences(before, after)) or "a rebuild with another contract was not finished"
            raise ContractError(
                "contract_changed",
                f"the log of {contract.feed} was made with another contract: {said}",
                file=contract.path,
                hint="Read the archived files again with this one: cartlake rebuild --from-archive.",
            )
    return list(outdated)
