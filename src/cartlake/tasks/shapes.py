"""Contracts that change what their tables are made of: refused where it would make history wrong, carried out where
nothing of the feed is in production yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from cartlake.core.batch import BatchStatus
from cartlake.core.contract import Contract
from cartlake.core.definition import Definition, differences, is_read_anew
from cartlake.core.entries import Publication
from cartlake.core.production import entered_at
from cartlake.core.table import Column, Table
from cartlake.core.tables import (
    STAGE_COLUMNS,
    VERSION_COLUMNS,
    added_columns,
    field_columns,
    history_table,
    stage_table,
)
from cartlake.errors import ContractError
from cartlake.tasks.accepted import evolved
from cartlake.tasks.context import Context

OUTDATED = "outdated"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_TODAYS = "not made with today's settings and SQL"
MADE_ANEW = "The next publication makes them anew; `cartlake rebuild` does it now."


def settle_definitions(context: Context) -> None:
    """The tables are as today's contracts want them, and the ledger says what they are made with.

    Raises ContractError, with nothing changed, for other columns, types, key, sequence or tracked columns of a feed in
    production, and while a rebuild for that is not finished.
    """
    require_same(context)
    known = {definition.name: definition for definition in context.ledger.definitions()}
    _begin_anew(context, [c for c in context.contracts if known.get(c.table, today(context, c)) != today(context, c)])
    context.ledger.record_definitions(context.definitions.values())


def require_same(context: Context) -> None:
    """What is in production was made with the contracts as they are. Raises ContractError that says what differs."""
    outdated = outdated_feeds(context)
    if outdated:
        raise _refusal(context, outdated)


def changed_contracts(context: Context) -> tuple[str, ...]:
    """A word to people for each feed whose last file was read by another contract than today's: what that says of
    rules, names and formats holds from the next file on."""
    notices = []
    for contract in context.contracts:
        files = [file for file in context.ledger.files(contract.feed) if file.status == "staged"]
        if files and max(files, key=lambda file: file.recorded_at or _EPOCH).contract_hash != contract.hash:
            earlier = sum(file.contract_hash != contract.hash for file in files)
            notices.append(
                f"the contract of {contract.feed} is another one than before: its rules, names and formats hold for"
                " files from now on; `cartlake batch retry` and `cartlake rebuild --from-archive` read the"
                f" {earlier:,} of before again"
            )
    return tuple(notices)


def today(context: Context, contract: Contract) -> Definition:
    return context.definitions[contract.table]


def outdated_feeds(context: Context) -> dict[str, Definition]:
    """Per history in production what it, or its log, was made with where that is not what it is made with today."""
    known = context.ledger.definitions()
    base = context.ledger.latest_publication()
    made = {(definition.name, definition.hash): definition for definition in known}
    newest = {definition.name: definition for definition in known}
    found = {}
    for table in [contract.table for contract in context.contracts if contract.stage_table in base.tables]:
        published = made.get((table, base.definitions.get(table, "")), newest.get(table))
        if {published, newest.get(table)} - {context.definitions[table], None}:
            found[table] = published or context.definitions[table]
    return found


def outdated_models(context: Context) -> tuple[str, ...]:
    """The stored models that were published with other settings or SQL than today's, or not at all yet: the next
    publication makes them anew."""
    base = context.ledger.latest_publication()
    names = [model.name for model in context.stored_models] if base.publication_id else []
    return tuple(name for name in names if base.definitions.get(name) != context.definition_hashes[name])


def outdated_notices(context: Context) -> tuple[str, ...]:
    """What to tell people of them, if there are any."""
    outdated = outdated_models(context)
    return (f"{NOT_TODAYS}: {', '.join(outdated)}. {MADE_ANEW}",) if outdated else ()


def _refusal(context: Context, outdated: Mapping[str, Definition]) -> ContractError:
    contract = next(contract for contract in context.contracts if contract.table in outdated)
    before, after = outdated[contract.table], today(context, contract)
    if before == after:
        return ContractError(
            "rebuild_interrupted",
            f"a rebuild of {contract.feed} with another contract was not finished",
            file=contract.path,
            hint="`cartlake rebuild --from-archive` makes the tables with the contracts as they are now.",
        )
    said = "; ".join(differences(before, after))
    way = "cartlake rebuild --from-archive" if is_read_anew(before, after) else "cartlake rebuild"
    return ContractError(
        "contract_changed",
        f"the tables of {contract.feed} in production were made with another contract: {said}",
        file=contract.path,
        hint=f"Put the contract back, or make the tables again with it: `{way}`.",
    )


def _begin_anew(context: Context, contracts: Sequence[Contract]) -> None:
    """The feeds' logs and histories are empty and of today's columns; what was staged is staged again before anything
    reads it, also by a run that has its stage loads behind it."""
    begin_logs_anew(context, contracts)
    for contract in contracts:
        _empty(context, history_table(contract))


def begin_logs_anew(context: Context, contracts: Sequence[Contract]) -> None:
    """The feeds' logs are empty and of today's columns."""
    if not contracts:
        return
    ledger, feeds = context.ledger, {contract.feed for contract in contracts}
    files = [file for file in ledger.files() if file.feed in feeds and file.status == "staged"]
    announced = [file for file in ledger.batch_files() if file.feed in feeds and file.status == "staged"]
    ledger.record_files(
        [replace(file, status=OUTDATED) for file in files], [replace(file, status=OUTDATED) for file in announced]
    )
    batches, concerned = ledger.batches(), {file.batch_id for file in announced}
    ledger.record_batches(
        replace(batches[batch_id], status=BatchStatus.READY, run_id=None)
        for batch_id in sorted(concerned)
        if batches[batch_id].status is BatchStatus.RUNNING
    )
    for contract in contracts:
        _empty(context, stage_table(contract))


def _empty(context: Context, table: Table) -> None:
    with context.engine.scope():
        context.engine.values("nothing", table.columns, [])
        context.engine.replace(table, {}, "nothing")


def tables_as_published(context: Context, publication: Publication) -> list[Table]:
    """The production tables and logs with the columns that they had then; a contract or model may have others since."""
    made = {(definition.name, definition.hash): definition.columns for definition in context.ledger.definitions()}
    then = {name: made[name, hashed] for name, hashed in publication.definitions.items() if (name, hashed) in made}
    tables = [
        replace(table, columns=_in_order(then.get(table.name, table.columns), table.columns))
        for table in map(context.model_table, context.stored_models)
    ]
    earlier = (each for each in context.ledger.publications() if each.publication_id <= publication.publication_id)
    for contract in evolved(context, {*entered_at(earlier)}).contracts:
        declared = field_columns(contract)
        columns = _in_order(then.get(contract.table, declared), declared)
        shown = (*columns, *added_columns(contract), *VERSION_COLUMNS)
        tables.append(replace(history_table(contract), columns=shown))
        tables.append(replace(stage_table(contract), columns=(*columns, *STAGE_COLUMNS)))
    return tables


def _in_order(columns: Iterable[Column], today: Sequence[Column]) -> tuple[Column, ...]:
    """Columns in today's order, those that are gone last: a definition does not keep an order."""
    places = {column.name: place for place, column in enumerate(today)}
    return tuple(sorted(columns, key=lambda column: places.get(column.name, len(places))))
