"""What lies in landing, together with what the ledger knows of it."""

from __future__ import annotations

from dataclasses import replace

from cartlake import landing
from cartlake.core.arrival import files_to_hash
from cartlake.core.batch import BatchStatus, Known, Landing
from cartlake.tasks.context import Context


def look(context: Context) -> tuple[Landing, Known]:
    """Landing as it is now, and the ledger's knowledge with the contents of the landed files that decide something."""
    settings = context.settings
    folders = tuple(contract.folder for contract in context.contracts)
    seen = landing.look(settings.landing_folder, folders, settings.landing.manifests)
    ledger = context.ledger
    rejected = (file for file in ledger.files() if file.status == "rejected")
    refused = frozenset((file.file_name, file.file_sha256, file.batch_date) for file in rejected)
    known = Known(ledger.batches(), _claimed(context), ledger.manifests_seen(), refused=refused)
    hashes = landing.hashes(settings.landing_folder, files_to_hash(seen, known))
    return seen, replace(known, hashes=hashes)


def _claimed(context: Context) -> dict[str, dict[str, str]]:
    """Per batch the contents it has claimed. A rejected one counts until the batch runs again: it is no correction of
    itself, but once the batch runs it takes what has landed in its place."""
    batches = context.ledger.batches()
    claimed: dict[str, dict[str, str]] = {}
    for file in context.ledger.batch_files():
        if file.status != "rejected" or batches[file.batch_id].status is not BatchStatus.RUNNING:
            claimed.setdefault(file.batch_id, {})[file.file_name] = file.file_sha256
    return claimed
