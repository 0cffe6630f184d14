"""The quarantine: records that broke a rule, why, and what was decided about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from cartlake.core.contract import Contract
from cartlake.core.decided import STATES
from cartlake.core.entries import Decision
from cartlake.core.rules import cast_code, missing_code
from cartlake.dashboard.reader import View
from cartlake.engines.base import Row
from cartlake.errors import CartlakeError, UsageError
from cartlake.tasks.archived import ArchivedFile
from cartlake.tasks.context import Context

PAGE_ROWS, DECISIONS_SHOWN = 50, 20
QUICK_BYTES = 4 << 20
"""A file up to this size is read for the cells of a record without being asked to."""
ACCEPTED = "accepted"
_LISTED = "id, batch_id, feed, source_file, batch_date, record, line, reasons, state"
PAGE = """
WITH found AS (
    SELECT {listed}, row_number() OVER (ORDER BY batch_date DESC, feed, source_file, record) AS place_
    FROM quarantine WHERE {condition}
)
SELECT {listed} FROM found WHERE place_ BETWEEN :first_ AND :last_ ORDER BY place_
"""
GROUPS = """
SELECT batch_id, feed, reasons, state, count(*) AS records FROM quarantine
GROUP BY batch_id, feed, reasons, state ORDER BY batch_id, feed, reasons
"""


@dataclass(frozen=True)
class Filter:
    """What is looked for; an empty text stands for all. `number` is the page, from 1."""

    feed: str = ""
    batch: str = ""
    reason: str = ""
    state: str = "open"
    number: int = 1

    def admits(self, row: Row) -> bool:
        return (
            self.feed in ("", row["feed"])
            and self.batch in ("", row["batch_id"])
            and (not self.reason or self.reason in str(row["reasons"]).split(","))
            and self.state in ("all", row["state"])
        )


@dataclass(frozen=True)
class Decided:
    """A decision that stands, and what became of its record: a state, or `accepted` once it left the quarantine."""

    decision: Decision
    became: str


@dataclass(frozen=True)
class Quarantine:
    """One page of what the filter admits; the choices are those that records exist for."""

    chosen: Filter
    rows: Sequence[Row]
    found: int
    feeds: Sequence[str]
    batches: Sequence[str]
    reasons: Sequence[tuple[str, int]]
    decided: Sequence[Decided]

    def address(self, number: int) -> str:
        """Where the same filter shows another page."""
        asked = {"feed": self.chosen.feed, "batch": self.chosen.batch, "reason": self.chosen.reason}
        return "/quarantine?" + urlencode({**asked, "state": self.chosen.state, "page": number})

    @property
    def pages(self) -> int:
        return _pages(self.found)


@dataclass(frozen=True)
class Cell:
    """A cell of a record as it would be staged; `is_wrong` if one of the record's reasons is about it."""

    name: str
    text: str
    is_wrong: bool


@dataclass(frozen=True)
class Record:
    """One record with its reasons, each with what its rule says. `cells` is empty where no record can be repaired: a
    whole file, or one that the archive no longer has; `unreadable` then says why. A large file is read when somebody
    asks for the cells: until then the record `waits`."""

    row: Row
    state: str
    reasons: Sequence[tuple[str, str]]
    decision: Decision | None
    cells: Sequence[Cell]
    unreadable: str | None
    waits: bool

    @property
    def is_file(self) -> bool:
        return self.row["record"] == 0


def quarantine(view: View, chosen: Filter) -> Quarantine:
    """A page behind the last one is the last one."""
    groups = view.recorded(GROUPS)
    admitted = [group for group in groups if chosen.admits(group)]
    found = sum(int(str(group["records"])) for group in admitted)
    chosen = replace(chosen, number=min(chosen.number, _pages(found)))
    return Quarantine(
        chosen,
        _page(view, chosen, admitted),
        found,
        sorted({str(group["feed"]) for group in groups}),
        sorted({str(group["batch_id"]) for group in groups}),
        _reasons(groups),
        _decided(view),
    )


def record(view: View, record_id: str, proposed: Mapping[str, str], *, is_asked: bool = False) -> Record:
    """The record with the cells that somebody `proposed` in the place of its own; `is_asked` for cells, also of a large
    file. Raises UsageError if it is not and never was in quarantine."""
    rows = view.recorded("SELECT * FROM quarantine WHERE id = :id", id=record_id)
    decision = next((one for one in view.context.ledger.decisions() if one.id == record_id), None)
    if not rows and decision is None:
        raise UsageError("record_unknown", "there is no such record in quarantine")
    row = rows[0] if rows else vars(decision)
    contract = next((contract for contract in view.context.contracts if contract.feed == row["feed"]), None)
    said = {rule.code: rule.description for rule in contract.rules} if contract else {}
    codes = str(row["reasons"]).split(",")
    state = str(rows[0]["state"]) if rows else ACCEPTED
    can_change = state in ("open", *STATES.values())
    waits = can_change and not (is_asked or proposed or _is_quick(view.context, row))
    cells, unreadable = _cells(view, row, contract) if can_change and not waits else ({}, None)
    wrong = _at_fault(contract, codes) if contract else set()
    return Record(
        row,
        state,
        [(code, said.get(code, "")) for code in codes],
        decision,
        [Cell(name, proposed.get(name, text), name in wrong) for name, text in cells.items()],
        unreadable,
        waits,
    )


def _is_quick(context: Context, row: Row) -> bool:
    files = context.ledger.files(str(row["feed"]))
    return all(file.bytes <= QUICK_BYTES for file in files if file.file_sha256 == row["file_sha256"])


def _cells(view: View, row: Row, contract: Contract | None) -> tuple[dict[str, str], str | None]:
    """By column; of a record that cannot be read, empty ones. Or why there are none."""
    if contract is None or row["record"] == 0:
        return {}, None
    key, ordinal = (str(row["feed"]), str(row["file_sha256"]), row["batch_date"]), int(str(row["record"]))

    def read(context: Context) -> tuple[dict[str, str], str | None]:
        try:
            judged = ArchivedFile(context, key).judged([ordinal])[ordinal]  # type: ignore[arg-type]
        except CartlakeError as error:
            return {}, error.message
        found = judged.cells or {}
        return {field.name: found.get(field.name, "") for field in contract.fields}, None

    return view.once(("cells", row["id"]), read)


def _at_fault(contract: Contract, codes: Sequence[str]) -> set[str]:
    """The columns that the reasons are about."""
    of_casts = {code: field.name for field in contract.fields for code in (missing_code(field), cast_code(field))}
    of_rules = {rule.code: str(dict(rule.arguments).get("column", "")) for rule in contract.rules}
    columns = of_casts | of_rules
    return {columns[code] for code in codes if code in columns}


def _decided(view: View) -> list[Decided]:
    """The newest decisions, the latest first."""
    newest = sorted(view.context.ledger.decisions(), key=lambda one: str(one.recorded_at), reverse=True)[
        :DECISIONS_SHOWN
    ]
    if not newest:
        return []
    ids = tuple(sorted({one.id for one in newest}))
    states = {
        row["id"]: str(row["state"])
        for row in view.recorded("SELECT id, state FROM quarantine WHERE id IN :ids", ids=ids)
    }
    return [Decided(one, states.get(one.id, ACCEPTED)) for one in newest]


def _reasons(groups: Sequence[Row]) -> list[tuple[str, int]]:
    """Every reason, with the open records that have it."""
    counts: dict[str, int] = {}
    for group in groups:
        for code in str(group["reasons"]).split(","):
            counts[code] = counts.get(code, 0) + int(str(group["records"])) * (group["state"] == "open")
    return sorted(counts.items())


def _pages(found: int) -> int:
    return max(1, -(-found // PAGE_ROWS))


def _page(view: View, chosen: Filter, admitted: Sequence[Row]) -> list[Row]:
    """The records of the groups that the filter admits, in the order of their files."""
    if not admitted:
        return []
    named = {"feed": chosen.feed, "batch_id": chosen.batch, "state": "" if chosen.state == "all" else chosen.state}
    given: dict[str, object] = {f"{column}_": value for column, value in named.items() if value}
    conditions = [f"{column} = :{column}_" for column, value in named.items() if value]
    if chosen.reason:
        given["reasons_"] = tuple(sorted({str(group["reasons"]) for group in admitted}))
        conditions.append("reasons IN :reasons_")
    first = (chosen.number - 1) * PAGE_ROWS
    given |= {"first_": first + 1, "last_": first + PAGE_ROWS}
    return view.recorded(PAGE.format(listed=_LISTED, condition=" AND ".join(conditions) or "true"), **given)
