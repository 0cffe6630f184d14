"""What the dashboard may change: decisions about batches. Each opens the lake as the command line does, under the
lake's lock, and lets it go again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from cartlake.errors import UsageError
from cartlake.lake import Lake
from cartlake.settings import Settings

WAIT_SECONDS = 2.0
DONE = {
    "release": "The batch will be published with the next run.",
    "retry": "The next run reads the files of the batch again.",
    "reject": "The batch is rejected; nothing of it is in production.",
}
"""What a page says after an action; an address names it by its key."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Form:
    """The fields of a form in their order."""

    fields: Sequence[tuple[str, str]]

    def one(self, name: str) -> str:
        return next((value.strip() for field, value in self.fields if field == name), "")

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]


@dataclass(frozen=True)
class Action:
    """`act` does it and returns the page to go to and a key of DONE; `page` shows what went wrong."""

    path: str
    page: str
    act: Callable[[Settings, Mapping[str, str], Form], tuple[str, str]]


def decide(settings: Settings, path: Mapping[str, str], form: Form) -> tuple[str, str]:
    """A batch is released, retried or rejected. Raises UsageError, Locked."""
    batch_id, decision, why = path["batch_id"], form.one("decision"), form.one("why")
    calls: Mapping[str, Callable[[Lake], object]] = {
        "release": lambda lake: lake.release(batch_id, why),
        "retry": lambda lake: lake.retry(batch_id),
        "reject": lambda lake: lake.reject(batch_id, why),
    }
    if decision not in calls:
        raise UsageError("usage", "there is no such decision")
    if not why:
        raise UsageError("usage", "a decision needs a reason", hint="Say why; it is recorded.")
    _with_lake(settings, calls[decision])
    return f"/batches/{quote(batch_id, safe='')}", decision


def _with_lake(settings: Settings, action: Callable[[Lake], Answer]) -> Answer:
    with Lake(settings=settings, wait=WAIT_SECONDS) as lake:
        return action(lake)


ACTIONS = (Action("/batches/{batch_id}/decide", "batch", decide),)
