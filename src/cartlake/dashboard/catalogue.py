"""The pages: one entry, one function of the lake, one template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cartlake.dashboard.pages.business import business
from cartlake.dashboard.pages.lineage import lineage, origins
from cartlake.dashboard.pages.overview import overview
from cartlake.dashboard.pages.quality import quality
from cartlake.dashboard.pages.quarantine import Filter, quarantine, record
from cartlake.dashboard.pages.runs import batch_page, run_detail, runs
from cartlake.dashboard.pages.tables import life, table_detail, tables
from cartlake.dashboard.reader import View

_MOST_PAGES = 100_000


@dataclass(frozen=True)
class Asked:
    """What an address says besides the page: parts of the path, and the fields of the query in their order. `cells` are
    those of a form that was sent, by column."""

    path: Mapping[str, str]
    fields: tuple[tuple[str, str], ...]
    cells: Mapping[str, str] = field(default_factory=dict)

    def one(self, name: str) -> str:
        return next((value for known, value in self.fields if known == name), "")

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.fields if known == name]


@dataclass(frozen=True)
class Page:
    """`find` gives the template `pages/<name>.html` what it shows. `section` is the page of the menu to which this one
    belongs, `named` the part of the path that its title names. Who asks for `shows_people` needs the token; `is_live`
    pages follow what is recorded."""

    name: str
    path: str
    title: str
    find: Callable[[View, Asked], object]
    section: str = ""
    named: str = ""
    shows_people: bool = False
    is_live: bool = False

    @property
    def is_in_menu(self) -> bool:
        return not self.section


PAGES = (
    Page("overview", "/", "Overview", lambda view, _: overview(view), is_live=True),
    Page("runs", "/runs", "Runs", lambda view, _: runs(view), is_live=True),
    Page("quality", "/quality", "Data quality", lambda view, _: quality(view)),
    Page("quarantine", "/quarantine", "Quarantine", lambda view, asked: quarantine(view, _filter(asked))),
    Page("tables", "/tables", "Tables", lambda view, _: tables(view)),
    Page("lineage", "/lineage", "Lineage", lambda view, asked: lineage(view, asked.one("table"), asked.one("column"))),
    Page("business", "/business", "Business", lambda view, _: business(view)),
    Page(
        "run",
        "/runs/{run_id}",
        "Run",
        lambda view, asked: run_detail(view, asked.path["run_id"]),
        section="runs",
        named="run_id",
        is_live=True,
    ),
    Page(
        "batch",
        "/batches/{batch_id}",
        "Batch",
        lambda view, asked: batch_page(view, asked.path["batch_id"]),
        section="runs",
        named="batch_id",
    ),
    Page(
        "record",
        "/quarantine/{record_id}",
        "Record",
        lambda view, asked: record(view, asked.path["record_id"], asked.cells, is_asked=asked.one("cells") == "1"),
        section="quarantine",
        named="record_id",
        shows_people=True,
    ),
    Page(
        "table",
        "/tables/{table}",
        "Table",
        lambda view, asked: table_detail(view, asked.path["table"]),
        section="tables",
        named="table",
    ),
    Page(
        "origins",
        "/tables/{table}/origins",
        "Origins of a row of",
        lambda view, asked: origins(view, asked.path["table"], [key for key in asked.all("key") if key]),
        section="tables",
        named="table",
        shows_people=True,
    ),
    Page(
        "life",
        "/tables/{table}/life",
        "Life of a key in",
        lambda view, asked: life(view, asked.path["table"], [key for key in asked.all("key") if key]),
        section="tables",
        named="table",
        shows_people=True,
    ),
)
MENU = tuple(page for page in PAGES if page.is_in_menu)


def _filter(asked: Asked) -> Filter:
    number = asked.one("page")
    return Filter(
        feed=asked.one("feed"),
        batch=asked.one("batch"),
        reason=asked.one("reason"),
        state=asked.one("state") or "open",
        number=min(_MOST_PAGES, int(number)) if number.isdecimal() and number.isascii() and int(number) else 1,
    )
