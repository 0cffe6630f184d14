"""Contracts that change what their tables are made of: refused where it would make history wrong, carried out where
nothing of the feed is in production yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cartlake.core.batch import BatchStatus
from cartlake.core.contract import Contract
from cartlake.core.definition import Definition, differences
from cartlake.core.tables import history_table, stage_table
from cartlake.errors import ContractError
from cartlake.tasks.context import Context

OUTDATED = "outdated"


def settle_definitions(context: Context) -> None:
    """The tables are as today's contracts want them, and the ledger says what they are made with.

    Raises ContractError, with nothing changed, for other columns, types, key, sequence or tracked columns of a feed in
    production.
    """
    known = {definition.name: definition for definition in context.ledger.definitions()}
    changed = [
        contract
        for contract in context.contracts
        if known.get(contract.table, context.definitions[contract.table]) != context.definitions[contract.table]
    ]
    published = context.ledger.latest_publication().tables if changed else {}
    for contract in changed:
        if contract.stage_table in published:
            raise _refusal(context, contract, known[contract.table])
    _begin_anew(context, changed)
    context.ledger.record_definitions(context.definitions.values())


def _refusal(context: Context, contract: Contract, before: Definition) -> ContractError:
    said = "; ".join(differences(before, context.definitions[contract.table]))
    archive = context.settings.landing.archive.joinpath(contract.folder).as_posix()
    return ContractError(
        "contract_changed",
        f"the tables of {contract.feed} in production were made with another contract: {said}",
        file=contract.path,
        hint="Put the contract back, or begin anew with it: name another lake folder in cartlake.toml ([engine] lake)"
        f" and drop the archived files (those of this feed are in {archive}) into landing again.",
    )


def _begin_anew(context: Context, contracts: Sequence[Contract]) -> None:
    """The feeds' logs and histories are empty and of today's columns; what was staged is staged again before anything
    reads it, also by a run that has its stage loads behind it."""
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
    for table in [table(contract) for contract in contracts for table in (stage_table, history_table)]:
        with context.engine.scope():
            context.engine.values("nothing", table.columns, [])
            context.engine.replace(table, {}, "nothing")
