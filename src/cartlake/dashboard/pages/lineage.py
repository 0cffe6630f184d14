"""Lineage: what each table is made from, down to the file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cartlake.dashboard import graph
from cartlake.dashboard.pages.tables import TableInfo, find
from cartlake.dashboard.reader import View
from cartlake.tasks.context import Context


@dataclass(frozen=True)
class Lineage:
    """The graph of all tables; `near` are those that the `chosen` one comes from or goes into."""

    drawing: graph.Drawing
    inputs: Mapping[str, Sequence[str]]
    chosen: TableInfo | None
    near: frozenset[str]
    used_by: Sequence[str]
    files: Mapping[str, str]

    def is_near(self, edge: graph.Edge) -> bool:
        return edge.source in self.near and edge.target in self.near


def lineage(view: View, table: str) -> Lineage:
    """Raises UsageError if there is no such table; an empty name chooses none."""
    inputs = view.once("lineage", _inputs)
    chosen = find(view, table) if table else None
    near = graph.around(inputs, table) if chosen else set()
    used_by = [name for name, sources in inputs.items() if table in sources]
    files = {contract.stage_table: f"{contract.folder}/source" for contract in view.context.contracts}
    drawing = view.once("drawing", lambda _: graph.draw(inputs))
    return Lineage(drawing, inputs, chosen, frozenset(near), used_by, files)


def _inputs(context: Context) -> dict[str, list[str]]:
    """Per relation those that it is made from; the ledger's, and what is made of those alone, are left out."""
    inputs: dict[str, list[str]] = {contract.stage_table: [] for contract in context.contracts}
    inputs |= {contract.table: [contract.stage_table] for contract in context.contracts}
    for model in context.models:  # in the order of their making
        sources = [name for name in model.inputs if name in inputs]
        if sources and model.kind != "check":
            inputs[model.name] = sources
    return inputs
