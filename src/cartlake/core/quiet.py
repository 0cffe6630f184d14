"""Batches without manifests: files that have been still for a while announce themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from cartlake.core.batch import OPEN, Batch, BatchStatus, Known, Landing, announced
from cartlake.core.manifest import ExpectedFile, Manifest, parse_manifest, render_manifest
from cartlake.core.names import LandedFile, by_date, new_trigger_id
from cartlake.core.unannounced import unannounced

_MOST_QUIET_FILES = 1000  # their manifest stays under its limit whatever the names


def perhaps_loaded(seen: Landing, known: Known) -> dict[LandedFile, frozenset[str]]:
    """The landed files that nobody announced and that have not changed since settled batches took some of that name,
    with the contents (sha256) that these took: one that still has one of them was loaded and could not be removed."""
    claims: dict[str, list[tuple[datetime, str]]] = {}
    for batch in known.batches.values():
        if batch.status not in OPEN:
            for key, sha256 in known.claimed_by(batch.batch_id).items():
                claims.setdefault(key, []).append((batch.recorded_at, sha256))
    found = {
        file: frozenset(sha256 for at, sha256 in claims.get(file.key, ()) if file.changed_at <= at)
        for file in unannounced(seen, known)
    }
    return {file: contents for file, contents in found.items() if contents}


def quiet_batches(
    seen: Landing, known: Known, patterns: Mapping[str, str], still_for: timedelta, now: datetime
) -> tuple[Batch, ...]:
    """A ready batch per business date of the unannounced files, once all files of that date are still.

    Waiting for all of a date keeps one delivery in one batch, however long its largest file takes to copy. A batch
    takes at most 1000 files; the next takes the rest. Its manifest is made here and recorded with it, under no name.
    """
    used = {*known.batches, *(m.content.batch_id for m in seen.manifests if isinstance(m.content, Manifest))}
    made = []
    for day, files in by_date(unannounced(seen, known), patterns).items():
        if all(now - file.changed_at >= still_for for file in files):
            expected = [ExpectedFile(file.name) for file in files[:_MOST_QUIET_FILES]]
            manifest = parse_manifest("", render_manifest(new_trigger_id(day, used), day, expected, None))
            made.append(replace(announced(manifest, now), status=BatchStatus.READY, waiting_for=()))
    return tuple(made)
