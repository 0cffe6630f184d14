"""Tables: what they hold, which versions were published, and the life of a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cartlake import queries
from cartlake.core.contract import Contract
from cartlake.core.entries import Publication
from cartlake.core.sqltext import name as quoted
from cartlake.core.table import Column
from cartlake.core.tables import history_table, stage_table
from cartlake.dashboard.reader import View
from cartlake.engines.base import Commit
from cartlake.errors import UsageError
from cartlake.queries import Version

KINDS = {
    "history": "Histories",
    "table": "Tables made from them",
    "view": "Views",
    "log": "Staging logs",
}
VERSIONS_SHOWN = 50


@dataclass(frozen=True)
class ColumnInfo:
    name: str
    type: str
    is_key: bool
    is_personal: bool
    description: str


@dataclass(frozen=True)
class TableInfo:
    """A relation that people may read. `version` is the published one; views and logs have none."""

    name: str
    kind: str
    description: str
    grain: str
    columns: Sequence[ColumnInfo]
    version: int | None

    @property
    def key(self) -> list[str]:
        return [column.name for column in self.columns if column.is_key]


@dataclass(frozen=True)
class TableVersion:
    """A commit of the table, and the first publication that made it visible; None if none did: a run made it on the way
    to another one, or left it behind."""

    commit: Commit
    published: Publication | None


@dataclass(frozen=True)
class TableDetail:
    """`rows` is None of a view: to count them it would have to be computed."""

    table: TableInfo
    rows: int | None
    current: int | None
    versions: Sequence[TableVersion]


@dataclass(frozen=True)
class Life:
    """The versions of one key, and the columns that hold data of people."""

    table: str
    key: Sequence[str]
    versions: Sequence[Version]


def tables(view: View) -> list[TableInfo]:
    """Every relation, in the order of its making."""
    return view.once("tables", lambda _: [*_of_contracts(view), *_of_models(view)])


def table_detail(view: View, name: str) -> TableDetail:
    """Raises UsageError if there is no such table."""
    table = find(view, name)
    rows, current = (None, None) if table.kind == "view" else _counts(view, table)
    return TableDetail(table, rows, current, _versions(view, table))


def _counts(view: View, table: TableInfo) -> tuple[int, int | None]:
    """The rows of a stored table, and of a history how many are current."""
    counted = "count(*) AS rows_" + (", count_if(is_current) AS current_" if table.kind == "history" else "")
    ask = view.recorded if table.kind == "log" else view.published
    [count] = ask(f"SELECT {counted} FROM {quoted(table.name)}")
    current = count.get("current_")
    return int(str(count["rows_"])), None if current is None else int(str(current))


def find(view: View, name: str) -> TableInfo:
    found = next((table for table in tables(view) if table.name == name), None)
    if found is None:
        raise UsageError("table_unknown", "there is no such table")
    return found


def life(view: View, name: str, key: Sequence[str]) -> Life:
    """Raises UsageError if the table has no history or there is no such key."""
    return Life(name, key, queries.history(view.context, name, key))


def _versions(view: View, table: TableInfo) -> list[TableVersion]:
    """The newest versions of a stored table, the newest first."""
    if table.kind == "view":
        return []
    first: dict[int | None, Publication] = {}
    for publication in reversed(view.context.ledger.publications()):
        first[publication.tables.get(table.name)] = publication
    commits = view.once(("commits", table.name), lambda context: context.engine.commits(table.name, VERSIONS_SHOWN))
    return [TableVersion(commit, first.get(commit.version)) for commit in commits]


def _of_contracts(view: View) -> list[TableInfo]:
    found = []
    for contract in view.context.contracts:
        history, log = history_table(contract), stage_table(contract)
        grain = f"one row per version of {', '.join(contract.key)}"
        columns = _columns(contract, history.columns, history.key)
        version = view.publication.tables.get(history.name)
        found.append(TableInfo(history.name, "history", contract.description, grain, columns, version))
        said = f"The records of {contract.feed} that passed the row rules; everything else can be made again from it"
        columns = _columns(contract, log.columns, ())
        found.append(TableInfo(log.name, "log", said, "one row per staged record", columns, None))
    return found


def _columns(contract: Contract, columns: Sequence[Column], key: Sequence[str]) -> list[ColumnInfo]:
    fields = {field.name: field for field in contract.fields}
    return [
        ColumnInfo(
            column.name,
            column.type,
            column.name in key,
            column.name in fields and fields[column.name].personal,
            fields[column.name].description if column.name in fields else "",
        )
        for column in columns
    ]


def _of_models(view: View) -> list[TableInfo]:
    versions = view.publication.tables
    return [
        TableInfo(
            model.name,
            model.kind,
            " ".join(model.description.split()),
            model.grain,
            [ColumnInfo(c.name, c.type, c.name in model.key, is_personal=False, description="") for c in model.columns],
            versions.get(model.name),
        )
        for model in view.context.models
        if model.kind != "check"
    ]
