"""The quarantine: records that broke a rule, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from cartlake.dashboard.reader import View
from cartlake.engines.base import Row
from cartlake.errors import UsageError

PAGE_ROWS = 50
_LISTED = "id, batch_id, feed, source_file, batch_date, record, line, reasons, is_open"
PAGE = """
WITH found AS (
    SELECT {listed}, row_number() OVER (ORDER BY batch_date DESC, feed, source_file, record) AS place_
    FROM quarantine WHERE {condition}
)
SELECT {listed} FROM found WHERE place_ BETWEEN :first_ AND :last_ ORDER BY place_
"""
GROUPS = """
SELECT batch_id, feed, reasons, is_open, count(*) AS records FROM quarantine
GROUP BY batch_id, feed, reasons, is_open ORDER BY batch_id, feed, reasons
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
            and (self.state == "all" or bool(row["is_open"]) == (self.state == "open"))
        )


@dataclass(frozen=True)
class Quarantine:
    """One page of what the filter admits; the choices are those that records exist for."""

    chosen: Filter
    rows: Sequence[Row]
    found: int
    feeds: Sequence[str]
    batches: Sequence[str]
    reasons: Sequence[tuple[str, int]]

    def address(self, number: int) -> str:
        """Where the same filter shows another page."""
        asked = {"feed": self.chosen.feed, "batch": self.chosen.batch, "reason": self.chosen.reason}
        return "/quarantine?" + urlencode({**asked, "state": self.chosen.state, "page": number})

    @property
    def pages(self) -> int:
        return max(1, -(-self.found // PAGE_ROWS))


@dataclass(frozen=True)
class Record:
    """One record with its reasons, each with what its rule says."""

    row: Row
    reasons: Sequence[tuple[str, str]]


def quarantine(view: View, chosen: Filter) -> Quarantine:
    groups = view.recorded(GROUPS)
    admitted = [group for group in groups if chosen.admits(group)]
    return Quarantine(
        chosen,
        _page(view, chosen, admitted),
        sum(int(str(group["records"])) for group in admitted),
        sorted({str(group["feed"]) for group in groups}),
        sorted({str(group["batch_id"]) for group in groups}),
        _reasons(groups),
    )


def record(view: View, record_id: str) -> Record:
    """Raises UsageError if there is no such record."""
    rows = view.recorded("SELECT * FROM quarantine WHERE id = :id", id=record_id)
    if not rows:
        raise UsageError("record_unknown", "there is no such record in quarantine")
    said = {
        rule.code: rule.description for c in view.context.contracts if c.feed == rows[0]["feed"] for rule in c.rules
    }
    return Record(rows[0], [(code, said.get(code, "")) for code in str(rows[0]["reasons"]).split(",")])


def _reasons(groups: Sequence[Row]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for group in groups:
        for code in str(group["reasons"]).split(","):
            counts[code] = counts.get(code, 0) + int(str(group["records"])) * bool(group["is_open"])
    return sorted(counts.items())


def _page(view: View, chosen: Filter, admitted: Sequence[Row]) -> list[Row]:
    """The records of the groups that the filter admits, in the order of their files."""
    if not admitted:
        return []
    named = {"feed_": chosen.feed, "batch_id_": chosen.batch}
    given: dict[str, object] = {name: value for name, value in named.items() if value}
    conditions = [f"{name} = :{name}_" for name in ("feed", "batch_id") if f"{name}_" in given]
    if chosen.reason:
        given["reasons_"] = tuple(sorted({str(group["reasons"]) for group in admitted}))
        conditions.append("reasons IN :reasons_")
    if chosen.state != "all":
        conditions.append("is_open" if chosen.state == "open" else "NOT is_open")
    first = (chosen.number - 1) * PAGE_ROWS
    given |= {"first_": first + 1, "last_": first + PAGE_ROWS}
    return view.recorded(PAGE.format(listed=_LISTED, condition=" AND ".join(conditions) or "true"), **given)
