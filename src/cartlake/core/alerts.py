"""What somebody should be told: conditions as data, each told once as long as it lasts. No values of rows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from cartlake.core.batch import Batch, BatchStatus
from cartlake.errors import CartlakeError

Kind = Literal["failed", "held", "late", "rule", "freshness"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Alert:
    """A condition as it stands; `subject` is a batch or a feed."""

    kind: Kind
    subject: str
    message: str

    @property
    def key(self) -> str:
        """The same for the same thing: another reason is another alert."""
        said = hashlib.sha256(self.message.encode()).hexdigest()[:12]
        return f"{self.kind}/{self.subject}/{said}"


def batch_alerts(
    batches: Iterable[Batch], first_seen: Mapping[str, datetime], now: datetime, late_after: timedelta
) -> Iterator[Alert]:
    """Batches that failed, are held, or have waited for their files for longer than `late_after`."""
    for batch in batches:
        if batch.status is BatchStatus.FAILED:
            yield Alert("failed", batch.batch_id, f"batch {batch.batch_id} failed: {batch.reason}")
        elif batch.status is BatchStatus.HELD:
            yield Alert("held", batch.batch_id, f"batch {batch.batch_id} is held: {batch.reason}")
        elif batch.status is BatchStatus.WAITING and now - first_seen.get(batch.batch_id, now) > late_after:
            files = ", ".join(batch.waiting_for)
            yield Alert("late", batch.batch_id, f"batch {batch.batch_id} still waits for {files or 'its manifest'}")


def run_alert(error: CartlakeError) -> Alert:
    """That a run ended with an error of the engine, the settings or a contract; its batches wait for the next one."""
    return Alert("failed", "run", f"a run ended early ({error.code}): {error.message}")


def trial(project: str) -> Alert:
    return Alert("failed", project, "this is only a trial: alerts of this project arrive here")


def rule_alert(batch_id: str, rule: str, failed: int, checked: int) -> Alert:
    said = f"batch {batch_id}: {rule} failed for {failed:,} of {checked:,} rows"
    return Alert("rule", batch_id, said)


def freshness_alert(feed: str, newest: object, due_at: datetime) -> Alert:
    said = f"feed {feed} is late: its newest day is {newest}, the next was due at {due_at:%Y-%m-%d %H:%M}Z"
    return Alert("freshness", feed, said)


def untold(alerts: Sequence[Alert], told: Collection[str]) -> list[Alert]:
    """Those that were not told yet. What has ended is to be forgotten, so that it is told when it begins again."""
    return [each for each in alerts if each.key not in told]


def document(project: str, alerts: Sequence[Alert]) -> dict[str, object]:
    """What is sent: `text` as Slack and its like show it, `alerts` for programs."""
    lines = "\n".join(f"• {each.message}" for each in alerts)
    return {
        "text": f"cartlake, {project}:\n{lines}",
        "project": project,
        "alerts": [{"kind": each.kind, "subject": each.subject, "message": each.message} for each in alerts],
    }
