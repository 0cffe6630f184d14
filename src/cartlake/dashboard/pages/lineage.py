"""Lineage: what tables and columns are made from, and where rows came from, down to the file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cartlake import lineage as known
from cartlake.core.lineage import Flow, LineageGraph
from cartlake.dashboard import graph
from cartlake.dashboard.pages.tables import TableInfo, find, tables
from cartlake.dashboard.reader import View
from cartlake.lineage import RowLineage
from cartlake.tasks.context import Context

_DRAWN = ("log", "history", "table", "view")


@dataclass(frozen=True)
class ColumnLineage:
    """The flows that lead to a column, however far back, and those that lead from it."""

    column: str
    sources: Sequence[Flow]
    uses: Sequence[Flow]


@dataclass(frozen=True)
class Lineage:
    """The graph of all tables; `near` are those that the `chosen` one comes from or goes into, `shown` what has a page:
    a check has none."""

    drawing: graph.Drawing
    inputs: Mapping[str, Sequence[str]]
    chosen: TableInfo | None
    near: frozenset[str]
    used_by: Sequence[str]
    files: Mapping[str, str]
    column: ColumnLineage | None
    shown: frozenset[str]

    def is_near(self, edge: graph.Edge) -> bool:
        return edge.source in self.near and edge.target in self.near


@dataclass(frozen=True)
class Origins:
    table: str
    key: Sequence[str]
    rows: Sequence[RowLineage]


def lineage(view: View, table: str, column: str) -> Lineage:
    """Raises UsageError if there is no such table or column; an empty name chooses none."""
    inputs = _inputs(view.once("lineage", lambda context: known.graph(context, None)))
    chosen = find(view, table) if table else None
    near = graph.around(inputs, table) if table in inputs else set()
    return Lineage(
        graph.draw(inputs),
        inputs,
        chosen,
        frozenset(near),
        [name for name, sources in inputs.items() if table in sources],
        {contract.stage_table: f"{contract.folder}/source" for contract in view.context.contracts},
        view.once(("lineage", table, column), lambda context: _column(context, table, column)) if column else None,
        frozenset(each.name for each in tables(view)),
    )


def origins(view: View, table: str, key: Sequence[str]) -> Origins:
    """Raises UsageError if the rows of the table are not followed or there is no such key."""
    return Origins(table, key, known.rows(view.context, table, key))


def _inputs(whole: LineageGraph) -> dict[str, list[str]]:
    """Per relation those that it is made from; files and the ledger, and what is made of that alone, are left out."""
    inputs: dict[str, list[str]] = {}
    for relation in whole.relations:
        sources = [name for name in relation.reads if name in inputs]
        if relation.kind in _DRAWN and (sources or relation.kind == "log"):
            inputs[relation.name] = sources
    return inputs


def _column(context: Context, table: str, column: str) -> ColumnLineage:
    part = known.graph(context, f"{table}.{column}")
    ahead, used = [(table, column)], set()
    while ahead:
        at = ahead.pop()
        if at not in used:
            used.add(at)
            ahead += [(flow.relation, flow.column) for flow in part.uses(*at)]
    uses = [flow for flow in part.flows if (flow.from_relation, flow.from_column) in used]
    return ColumnLineage(column, [flow for flow in reversed(part.flows) if flow not in uses], uses)
