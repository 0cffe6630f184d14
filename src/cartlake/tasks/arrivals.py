"""What lies in landing, together with what the ledger knows of it; and a manifest that is put there."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from cartlake import landing
from cartlake.core.arrival import files_to_claim, files_to_hash
from cartlake.core.batch import Batch, BatchStatus, Known, Landing
from cartlake.core.names import LandedFile, is_ignored, normalise, shown
from cartlake.disk import flush, sync
from cartlake.errors import UsageError
from cartlake.failpoints import reach
from cartlake.tasks.context import Context

_DELIVERED = (".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl", ".gz", ".xlsx")
_MOST_NAMES = 5


def look(context: Context) -> tuple[Landing, Known]:
    """Landing as it is now, and the ledger's knowledge with the contents of the landed files that decide something."""
    settings, folders = context.settings, _folders(context)
    seen = landing.look(settings.landing_folder, folders, settings.landing.manifests)
    seen = replace(seen, notices=(*seen.notices, *_strays(settings.landing_folder, folders)))
    batches, manifests = context.ledger.recorded_batches()
    known = Known(
        batches,
        _claimed(context, batches),
        manifests,
        refused=_refused(context),
        rejected_in=_rejected_in(context),
        unread=_unread(settings.landing_folder, {*folders, settings.landing.manifests}),
    )
    return seen, _hashed(context, seen, known)


def claimable(context: Context, batch: Batch) -> dict[str, LandedFile]:
    """The landed files that the batch may claim now, by the name in its manifest. Nothing else that lies in landing is
    looked at."""
    keys = {file.key for file in batch.files}
    seen = Landing(files=landing.landed_files(context.settings.landing_folder, _folders(context), [], keys))
    refused, batches = _refused(context), context.ledger.batches()
    running = {name: each for name, each in batches.items() if each.status is BatchStatus.RUNNING}
    known = _hashed(context, seen, Known(batches, _claimed(context, running), refused=refused))
    return files_to_claim(batch, seen.files, known)


def _folders(context: Context) -> tuple[str, ...]:
    return tuple(contract.folder for contract in context.contracts)


def _strays(landing_folder: Path, folders: Collection[str]) -> Iterator[str]:
    """What to tell of files that lie beside the folders where files land: nobody looks at them there."""
    for place in (landing_folder, *(landing_folder / folder for folder in folders)):
        with contextlib.suppress(OSError):
            files = (path for path in place.iterdir() if path.suffix.lower() in _DELIVERED and path.is_file())
            if names := sorted(shown(path.name) for path in files if not is_ignored(path.name)):
                more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
                where = shown(place.relative_to(landing_folder.parent).as_posix())
                found = f"{where}: {', '.join(names[:_MOST_NAMES])}{more} not looked at"
                yield f"{found}; files land in <feed's folder>/source"


def _unread(landing_folder: Path, folders: Collection[str]) -> dict[str, str]:
    """Where the files lie that are in other folders than these, made as those of feeds are, by their names."""
    found: dict[str, str] = {}
    for place in sorted((*landing_folder.glob("*/source"), *landing_folder.glob("*"))):
        where = place.relative_to(landing_folder)
        if where.parts[0] not in folders and place.is_dir():
            with contextlib.suppress(OSError):
                names = [path.name for path in place.iterdir() if path.is_file()]
                found |= {normalise(name): shown(f"{landing_folder.name}/{where.as_posix()}") for name in names}
    return found


def _hashed(context: Context, seen: Landing, known: Known) -> Known:
    return replace(known, hashes=landing.hashes(context.settings.landing_folder, files_to_hash(seen, known)))


def _refused(context: Context) -> frozenset[tuple[str, str, date]]:
    rejected = (file for file in context.ledger.files() if file.status == "rejected")
    return frozenset((file.file_name, file.file_sha256, file.batch_date) for file in rejected)


def _rejected_in(context: Context) -> dict[str, dict[str, str]]:
    """Per batch the folders of the files that were rejected."""
    folders = {contract.feed: contract.folder for contract in context.contracts}
    found: dict[str, dict[str, str]] = {}
    for file in context.ledger.batch_files():
        if file.status == "rejected" and file.feed in folders:
            found.setdefault(file.batch_id, {})[file.file_name] = folders[file.feed]
    return found


def _claimed(context: Context, batches: Mapping[str, Batch]) -> dict[str, dict[str, str]]:
    """Per batch of these the contents it has claimed. A rejected one counts until the batch runs again: it is no
    correction of itself, but once the batch runs it takes what has landed in its place."""
    claimed: dict[str, dict[str, str]] = {}
    for file in context.ledger.batch_files(batches):
        if file.status != "rejected" or batches[file.batch_id].status is not BatchStatus.RUNNING:
            claimed.setdefault(file.batch_id, {})[file.file_name] = file.file_sha256
    return claimed


def write_manifest(folder: Path, name: str, data: bytes) -> Path:
    """The manifest stands in `folder`, whole from its first moment. UsageError if the name is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / name, folder / f".{uuid.uuid4().hex}.tmp"
    if os.path.lexists(target):
        raise UsageError("manifest_exists", f"there is a manifest {shown(name)} already", file=str(target))
    try:
        with part.open("xb") as written:
            written.write(data)
            written.flush()
            flush(written.fileno())
        reach("manifest: written")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    sync(folder)
    return target
