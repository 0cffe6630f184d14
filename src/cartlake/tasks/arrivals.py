"""What lies in landing, together with what the ledger knows of it."""

from __future__ import annotations

from dataclasses import replace

from cartlake import landing
from cartlake.core.arrival import files_to_hash
from cartlake.core.batch import Known, Landing
from cartlake.tasks.context import Context


def look(context: Context) -> tuple[Landing, Known]:
    """Landing as it is now, and the ledger's knowledge with the contents of the landed files that decide something."""
    settings = context.settings
    folders = tuple(contract.folder for contract in context.contracts)
    seen = landing.look(settings.landing_folder, folders, settings.landing.manifests)
    claimed: dict[str, dict[str, str]] = {}
    for file in context.ledger.batch_files():
        claimed.setdefault(file.batch_id, {})[file.file_name] = file.file_sha256
    known = Known(context.ledger.batches(), claimed, context.ledger.manifests_seen())
    hashes = landing.hashes(settings.landing_folder, files_to_hash(seen, known))
    return seen, replace(known, hashes=hashes)
