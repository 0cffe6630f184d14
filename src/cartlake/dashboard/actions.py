"""What the dashboard may change: batches and quarantined records. Each action opens the lake as the command line does,
under the lake's lock, and lets it go again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from cartlake.core.deciding import DecisionReport, RecordDecision
from cartlake.errors import UsageError
from cartlake.lake import Lake
from cartlake.settings import Settings

WAIT_SECONDS = 2.0
CELL = "cell_"
DONE = {
    "release": "The batch will be published with the next run.",
    "retry": "The next run reads the files of the batch again.",
    "reject": "The batch is rejected; nothing of it is in production.",
    "passes": "The record passes every rule. The next run stages it.",
    "fails": "The repair is recorded, but the record still breaks a rule and stays in quarantine.",
    "same": "Nothing was changed: the record stands as it did.",
    "replay": "The next run stages what passes now.",
    "replay_same": "Judged again, and every record comes out as before.",
    "discard": "Discarded: the records stay out for good. Replaying one opens it again.",
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

    @property
    def cells(self) -> dict[str, str]:
        """What stands in the fields for a record's cells, by column."""
        return {field.removeprefix(CELL): value for field, value in self.fields if field.startswith(CELL)}

    @property
    def why(self) -> str:
        """Raises UsageError if it says none."""
        if not self.one("why"):
            raise UsageError("usage", "a decision needs a reason", hint="Say why; it is recorded.")
        return self.one("why")


@dataclass(frozen=True)
class Outcome:
    """`done`, a key of DONE, is said on the page `path`; or `said` on the page of the form, which keeps its values."""

    path: str = ""
    done: str = ""
    said: str = ""


@dataclass(frozen=True)
class Action:
    """`page` is the page of the form."""

    path: str
    page: str
    act: Callable[[Settings, Mapping[str, str], Form], Outcome]


def decide_batch(settings: Settings, path: Mapping[str, str], form: Form) -> Outcome:
    """A batch is released, retried or rejected. Raises UsageError, Locked."""
    batch_id, decision = path["batch_id"], form.one("decision")
    calls: Mapping[str, Callable[[Lake], object]] = {
        "release": lambda lake: lake.release(batch_id, form.why),
        "retry": lambda lake: lake.retry(batch_id),
        "reject": lambda lake: lake.reject(batch_id, form.why),
    }
    _with_lake(settings, _chosen(calls, decision))
    return Outcome(f"/batches/{quote(batch_id, safe='')}", decision)


def fix_record(settings: Settings, path: Mapping[str, str], form: Form) -> Outcome:
    """A record has other cells, or it is only said how it would be judged with them. Raises UsageError, Locked."""
    record_id, cells = path["record_id"], form.cells
    if form.one("decision") == "check":
        report = _with_lake(settings, lambda lake: lake.fix_record(record_id, cells, dry_run=True))
        return Outcome(said=_foretold(report.records[0]))
    why = form.why
    report = _with_lake(settings, lambda lake: lake.fix_record(record_id, cells, why=why))
    [record] = report.records
    done = "same" if not record.is_new else "passes" if record.passes else "fails"
    return Outcome(f"/quarantine/{quote(record_id, safe='')}", done)


def decide_records(settings: Settings, _: Mapping[str, str], form: Form) -> Outcome:
    """Records are judged again, or stay out for good. Raises UsageError, Locked."""
    ids, why, decision = form.all("id"), form.why, form.one("decision")
    if not ids:
        raise UsageError("usage", "no record is chosen", hint="Tick the records that you mean.")
    calls: Mapping[str, Callable[[Lake], DecisionReport]] = {
        "replay": lambda lake: lake.replay(ids=ids, why=why),
        "discard": lambda lake: lake.discard(ids, why=why),
    }
    report = _with_lake(settings, _chosen(calls, decision))
    is_same = decision == "replay" and not any(record.is_new for record in report.records)
    return Outcome("/quarantine", "replay_same" if is_same else decision)


def _chosen(calls: Mapping[str, Callable[[Lake], Answer]], decision: str) -> Callable[[Lake], Answer]:
    if decision not in calls:
        raise UsageError("usage", "there is no such decision")
    return calls[decision]


def _foretold(record: RecordDecision) -> str:
    if record.passes:
        return "With these cells the record passes every rule."
    reasons = ", ".join(code.replace("_", " ") for code in record.reasons_then)
    return f"With these cells the record would still be in quarantine: {reasons}."


def _with_lake(settings: Settings, action: Callable[[Lake], Answer]) -> Answer:
    with Lake(settings=settings, wait=WAIT_SECONDS) as lake:
        return action(lake)


ACTIONS = (
    Action("/batches/{batch_id}/decide", "batch", decide_batch),
    Action("/quarantine/decide", "quarantine", decide_records),
    Action("/quarantine/{record_id}/fix", "record", fix_record),
)
