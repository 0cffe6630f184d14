"""Batches as data, and what is known where something is decided about them; `core.arrival` decides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Literal

from cartlake.core.manifest import ExpectedFile, Manifest
from cartlake.core.names import LandedFile, normalise
from cartlake.errors import ManifestRefused

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class BatchStatus(StrEnum):
    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    PUBLISHED = "published"
    HELD = "held"
    REJECTED = "rejected"
    FAILED = "failed"


OPEN = frozenset({BatchStatus.WAITING, BatchStatus.READY, BatchStatus.RUNNING, BatchStatus.FAILED})
"""A batch of these may still take files from landing; the others are settled."""


@dataclass(frozen=True)
class Batch:
    """One row of the ledger's `batches`: a batch as it stands since `recorded_at`.

    `waiting_for` names the files that must land before it can go on (of a failed batch: those that were rejected or
    missing; of one that is ready without all its files: those it does without). A refused manifest is a failed row
    under the hash of its content, rejected once it no longer lies there: without files, without a date where none could
    be read.
    """

    batch_id: str
    batch_date: date | None
    status: BatchStatus
    files: tuple[ExpectedFile, ...]
    manifest_name: str
    manifest_sha256: str
    manifest_text: str
    revision: int | None
    source_system: str | None
    triggered_at: datetime | None
    recorded_at: datetime
    reason: str | None = None
    waiting_for: tuple[str, ...] = ()
    verdict: Literal["PASS", "WARN", "FAIL"] | None = None
    gate: Literal["publish", "hold"] | None = None
    run_id: str | None = None
    is_released: bool = False
    restage: bool = False
    actor: str | None = None

    @property
    def only_announces(self) -> bool:
        """Its manifest says that the files are not ready; it takes none and waits for the next manifest of its id."""
        return json.loads(self.manifest_text).get("data_files_ready", True) is False

    @property
    def is_refusal(self) -> bool:
        """It stands for a manifest that cannot be followed."""
        return self.batch_id == self.manifest_sha256

    @property
    def event_time(self) -> datetime:
        """The time of events that have none of their own: when the batch was triggered, else the start of its date."""
        return self.triggered_at or datetime.combine(self.batch_date or date.min, time(), UTC)

    @property
    def is_restaged(self) -> bool:
        """Its claimed files are to be read again, and it waits for no others."""
        return self.restage and self.status is not BatchStatus.WAITING

    @property
    def is_decided(self) -> bool:
        """Somebody let it through, or changed it after it was published: its content stands."""
        return self.is_released or self.is_restaged

    @property
    def newness(self) -> tuple[datetime, date, str]:
        """The order of manifests: by trigger time (none is oldest), then date, then name."""
        return self.triggered_at or _LONG_AGO, self.batch_date or date.min, self.manifest_name


@dataclass(frozen=True)
class LandedManifest:
    """A file in the manifest folder: what it says or why it is refused. `landed_at` is when it last changed."""

    name: str
    sha256: str
    landed_at: datetime
    content: Manifest | ManifestRefused


@dataclass(frozen=True)
class Landing:
    """What lies in landing; `notices` tell of what was not looked into."""

    manifests: tuple[LandedManifest, ...] = ()
    files: tuple[LandedFile, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What the ledger knows.

    `batches`: how each stands. `claimed`: per batch the names and contents (sha256) whose load or rejection is in the
    ledger, per name the newest. `refused`: name, content and date of the files that were rejected. `manifests`: per
    batch every manifest (sha256) it ever had, and when it was first recorded. `hashes`: contents of landed files, at
    least of `files_to_hash`. `rejected_in`: per batch and name the folder of what was rejected of it. `unread`: by the
    form in which names are compared, where files lie that no contract reads.
    """

    batches: Mapping[str, Batch] = field(default_factory=dict)
    claimed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    manifests: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)
    hashes: Mapping[LandedFile, str] = field(default_factory=dict)
    refused: frozenset[tuple[str, str, date]] = frozenset()
    rejected_in: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    def claimed_by(self, batch_id: str) -> dict[str, str]:
        """Contents by the form in which names are compared. A corrected file can land before its manifest: the batch of
        the first manifest claims and rejects it. For one that names this very content it is there."""
        own = {normalise(name): sha256 for name, sha256 in self.claimed.get(batch_id, {}).items()}
        batch = self.batches.get(batch_id)
        if not self.refused or batch is None or batch.status not in OPEN - {BatchStatus.FAILED}:
            return own
        known = (file for file in batch.files if (file.name, file.sha256, batch.batch_date) in self.refused)
        return {file.key: str(file.sha256) for file in known} | own

    def taken(self, key: str, batch: Batch) -> str:
        """What to tell of a missing file: that another batch of the same date took one of that name, or where it lies
        instead."""
        others = (each for each in self.batches.values() if each.batch_date == batch.batch_date and each is not batch)
        takers = (other.batch_id for other in others if key in self.claimed_by(other.batch_id))
        lies = f" (lies in {self.unread[key]}, which no contract reads)" if key in self.unread else ""
        return next((f" (batch {taker} took one of that name)" for taker in takers), lies)

    def after(self, rows: Iterable[Batch]) -> Known:
        """What is known once these rows are recorded."""
        batches = dict(self.batches)
        manifests = {batch_id: dict(seen) for batch_id, seen in self.manifests.items()}
        for row in rows:
            batches[row.batch_id] = row
            manifests.setdefault(row.batch_id, {}).setdefault(row.manifest_sha256, row.recorded_at)
        return replace(self, batches=batches, manifests=manifests)


@dataclass(frozen=True)
class Policy:
    """After `wait_for_files` seconds (None: never) an incomplete batch waits on, fails, or goes without the missing."""

    wait_for_files: float | None = None
    on_missing: Literal["wait", "fail", "partial"] = "wait"


@dataclass(frozen=True)
class Plan:
    """Rows to append to `batches`, in this order; then manifests and landed files (with their contents) to tidy away;
    what to tell."""

    batches: tuple[Batch, ...] = ()
    tidy_manifests: tuple[LandedManifest, ...] = ()
    tidy_files: Mapping[LandedFile, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def announced(manifest: Manifest, now: datetime) -> Batch:
    """The batch of a manifest before anyone looked for its files."""
    return Batch(
        batch_id=manifest.batch_id,
        batch_date=manifest.batch_date,
        status=BatchStatus.WAITING,
        files=manifest.files,
        manifest_name=manifest.name,
        manifest_sha256=manifest.sha256,
        manifest_text=manifest.text,
        revision=manifest.revision,
        source_system=manifest.source_system,
        triggered_at=manifest.triggered_at,
        recorded_at=now,
        waiting_for=tuple(file.name for file in manifest.files),
    )


def refusal(landed: LandedManifest, reason: str, batch_date: date | None, at: datetime) -> Batch:
    """The row that stands for a manifest that cannot be followed."""
    return Batch(
        batch_id=landed.sha256,
        batch_date=batch_date,
        status=BatchStatus.FAILED,
        files=(),
        manifest_name=landed.name,
        manifest_sha256=landed.sha256,
        manifest_text=landed.content.text if isinstance(landed.content, Manifest) else "",
        revision=None,
        source_system=None,
        triggered_at=None,
        recorded_at=at,
        reason=reason,
    )
