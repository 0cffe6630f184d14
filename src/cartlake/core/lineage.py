"""Which columns a column is made of: from the contracts for files, logs and histories, from the SQL for models.

Lineage is that of values: a column that only decides which rows count (a filter, a join, a group) is no source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from sqlglot import exp
from sqlglot.lineage import Node, lineage

from cartlake.core.contract import Contract
from cartlake.core.dialect import query_tree
from cartlake.core.functions import FUNCTIONS
from cartlake.core.memo import remembered
from cartlake.core.model import Model
from cartlake.core.table import Column
from cartlake.core.tables import LINEAGE, history_table, stage_table

Kind = Literal["file", "log", "history", "table", "view", "check", "ledger"]
COPIED, COMPUTED, AGGREGATED = HOW = ("copied", "computed", "aggregated")
T = TypeVar("T")


@dataclass(frozen=True)
class Relation:
    """The files of a feed, a table, a view, a check, or a relation of the ledger that a model reads; `reads` are the
    relations that it is made of."""

    name: str
    kind: Kind
    columns: tuple[str, ...]
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flow:
    """`column` of `relation` takes values of `from_column` of `from_relation`: `copied`, `computed` or `aggregated`."""

    relation: str
    column: str
    from_relation: str
    from_column: str
    how: str


@dataclass(frozen=True)
class LineageGraph:
    """Relations in the order in which they are made, and the flows between their columns."""

    relations: tuple[Relation, ...]
    flows: tuple[Flow, ...]

    def relation(self, name: str) -> Relation:
        return next(relation for relation in self.relations if relation.name == name)

    def readers(self, name: str) -> tuple[str, ...]:
        return tuple(relation.name for relation in self.relations if name in relation.reads)

    def sources(self, relation: str, column: str) -> tuple[Flow, ...]:
        """Where the values of a column come from, one step back."""
        return tuple(flow for flow in self.flows if (flow.relation, flow.column) == (relation, column))

    def uses(self, relation: str, column: str) -> tuple[Flow, ...]:
        """Where the values of a column go, one step on."""
        return tuple(flow for flow in self.flows if (flow.from_relation, flow.from_column) == (relation, column))

    def of_relation(self, name: str) -> LineageGraph:
        """What a relation is made of, however far back, and what is made of it."""
        back = _reached(name, lambda each: self.relation(each).reads)
        return self._part(back | _reached(name, self.readers), self.flows)

    def of_column(self, relation: str, column: str) -> LineageGraph:
        """The flows that lead to a column, and those that lead from it."""
        start = (relation, column)
        before = _reached(start, lambda at: [(f.from_relation, f.from_column) for f in self.sources(*at)])
        after = _reached(start, lambda at: [(f.relation, f.column) for f in self.uses(*at)])
        flows = [
            flow
            for flow in self.flows
            if (flow.relation, flow.column) in before or (flow.from_relation, flow.from_column) in after
        ]
        return self._part({relation, *(f.relation for f in flows), *(f.from_relation for f in flows)}, flows)

    def _part(self, names: Iterable[str], flows: Sequence[Flow]) -> LineageGraph:
        kept = set(names)
        relations = tuple(
            Relation(each.name, each.kind, each.columns, tuple(name for name in each.reads if name in kept))
            for each in self.relations
            if each.name in kept
        )
        return LineageGraph(relations, tuple(f for f in flows if f.relation in kept and f.from_relation in kept))


def _reached(start: T, following: Callable[[T], Iterable[T]]) -> set[T]:
    reached, waiting = {start}, [start]
    while waiting:
        new = set(following(waiting.pop())) - reached
        reached |= new
        waiting += new
    return reached


def files_of(contract: Contract) -> str:
    """How the graph names the files of a feed."""
    return f"{contract.folder}/{contract.file_pattern}"


def lineage_graph(
    contracts: Sequence[Contract], models: Sequence[Model], types: Mapping[str, Sequence[Column]]
) -> LineageGraph:
    """The graph of a project. `types` are the columns of every relation that a model may read."""
    relations = {each.name: each for contract in contracts for each in _relations_of_feed(contract)}
    flows = [flow for contract in contracts for flow in _flows_of_feed(contract)]
    for model in models:
        stand_in = {name: _stand_in(name, contracts) for name in model.inputs}
        for name in stand_in.values():
            relations.setdefault(name, Relation(name, "ledger", _names(types.get(name, ()))))
        reads = tuple(dict.fromkeys(stand_in.values()))
        relations[model.name] = Relation(model.name, model.kind, _names(model.columns), reads)
        made = (replace(flow, from_relation=stand_in[flow.from_relation]) for flow in flows_of_model(model, types))
        flows += [flow for flow in made if flow.from_column in relations[flow.from_relation].columns]
    return LineageGraph(tuple(relations.values()), tuple(dict.fromkeys(flows)))


def _stand_in(name: str, contracts: Sequence[Contract]) -> str:
    """The log or history that a check reads as `batch_<feed>`, `known_<feed>` or `ended_<feed>`."""
    part, _, feed = name.partition("_")
    contract = next((each for each in contracts if each.feed == feed), None)
    if contract is None or part not in ("batch", "known", "ended"):
        return name
    return contract.stage_table if part == "batch" else contract.table


def _names(columns: Iterable[Column]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def _relations_of_feed(contract: Contract) -> Iterator[Relation]:
    files = files_of(contract)
    yield Relation(files, "file", tuple(field.name for field in contract.fields))
    yield Relation(contract.stage_table, "log", stage_table(contract).column_names, (files,))
    yield Relation(contract.table, "history", history_table(contract).column_names, (contract.stage_table,))


def _flows_of_feed(contract: Contract) -> Iterator[Flow]:
    files, log, history = files_of(contract), contract.stage_table, contract.table
    for field in contract.fields:
        how = COPIED if field.canonical == "none" else COMPUTED
        yield Flow(log, field.name, files, field.name, how)
        yield Flow(history, field.name, log, field.name, COPIED)
    for name in contract.sequence:
        yield Flow(log, "_sequence", files, name, COPIED if len(contract.sequence) == 1 else COMPUTED)
    for column in (*_names(LINEAGE), "_sequence"):
        yield Flow(history, column, log, column, COPIED)
    for column, how in (("valid_from", COPIED), ("valid_to", COMPUTED), ("is_current", COMPUTED)):
        yield Flow(history, column, log, "_sequence", how)


def flows_of_model(model: Model, types: Mapping[str, Sequence[Column]]) -> Iterator[Flow]:
    """The flows from the relations that a model reads, by the names that it uses for them."""
    for line in _flows(model.sql, schema_of(model, types)):
        column, from_relation, from_column, how = line.split(" ")
        yield Flow(model.name, column, from_relation, from_column, how)


def schema_of(model: Model, types: Mapping[str, Sequence[Column]]) -> tuple[str, ...]:
    """Each relation that a model reads, as a text of its name and columns."""
    return tuple(" ".join((name, *_names(types[name]))) for name in model.inputs if name in types)


def as_mapping(schema: tuple[str, ...]) -> dict[str, object]:
    """What `schema_of` tells, as sqlglot wants it; the types of columns do not matter to it."""
    return {name: dict.fromkeys(names, "string") for name, *names in (text.split() for text in schema)}


@remembered
def _flows(sql: str, schema: tuple[str, ...]) -> tuple[str, ...]:
    """Of a query over relations, as `schema_of` tells them: `column relation column how` for each flow."""
    found = lineage(None, query_tree(sql), schema=as_mapping(schema), dialect="spark", trim_selects=False, copy=False)
    return tuple(
        " ".join((column, relation, from_column, how))
        for column, node in found.items()
        for (relation, from_column), how in sorted(_leaves(node).items())
    )


def _leaves(root: Node) -> dict[tuple[str, str], str]:
    """The columns of relations that a column of a query goes back to, each with the most that happens on the way."""
    leaves: dict[tuple[str, str], str] = {}
    seen: set[tuple[int, str]] = set()
    waiting = [(root, COPIED)]
    while waiting:
        node, how = waiting.pop()
        if (id(node), how) in seen:
            continue
        seen.add((id(node), how))
        if isinstance(node.expression, exp.Table):
            leaf = node.expression.name, node.name.rpartition(".")[2]
            leaves[leaf] = max(how, leaves.get(leaf, COPIED), key=HOW.index)
        else:
            step = max(how, _how(node.expression), key=HOW.index)
            waiting += [(below, step) for below in node.downstream]
    return leaves


def _how(expression: exp.Expr) -> str:
    """What one SELECT does to make a column."""
    made = expression.unalias()
    if isinstance(made, exp.Column | exp.Query):
        return COPIED
    called = [FUNCTIONS[call.name.lower()] for call in made.find_all(exp.Anonymous)]
    return AGGREGATED if any(each.kind == "aggregate" for each in called) else COMPUTED
