"""A delivered file: a claimed content with all that it came with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from cartlake.core.batch import Batch
from cartlake.core.contract import Contract
from cartlake.core.manifest import ExpectedFile
from cartlake.core.profile import Profile
from cartlake.errors import EngineError
from cartlake.tasks.context import Context


@dataclass(frozen=True)
class Delivery:
    """A claimed content under the name, batch and revision it came with. What is published is not rejected again.
    `landed`: size and SHA-256 of the file as it landed, where that is known."""

    contract: Contract
    batch: Batch
    expected: ExpectedFile
    path: Path
    profile: Profile
    revision: int
    is_published: bool
    landed: tuple[int, str] | None = None

    @property
    def day(self) -> date:
        return day_of(self.batch)

    @property
    def id_prefix(self) -> str:
        """What the ids of its records in quarantine begin with: stable for a content and date, so that a record keeps
        its id however often it is staged."""
        identity = f"{self.contract.feed}/{self.profile.sha256}/{self.day}"
        return hashlib.sha256(identity.encode()).hexdigest()[:12]

    @property
    def slice(self) -> dict[str, list[str]]:
        return {"_file_sha256": [self.profile.sha256], "_batch_date": [self.day.isoformat()]}


def day_of(batch: Batch) -> date:
    """The batch's date. Only refused manifests have none, and they never run."""
    if batch.batch_date is None:
        raise EngineError("batch_without_date", f"batch {batch.batch_id} has no date")
    return batch.batch_date


def parameters_of(context: Context, delivery: Delivery) -> dict[str, object]:
    """What `stage_queries` needs. Events without a time of their own stand at the start of the batch's date here: when
    the batch was triggered belongs to its announcement (`tasks/accepted.py`), and the content may have several."""
    batch = delivery.batch
    return {
        "batch_id": batch.batch_id,
        "batch_date": delivery.day,
        "revision": delivery.revision,
        "file_sha256": delivery.profile.sha256,
        "source_file": delivery.expected.name,
        "source_system": batch.source_system,
        "ingested_at": context.ledger.now(),
        "batch_sequence": datetime.combine(delivery.day, time(), UTC),
    }
