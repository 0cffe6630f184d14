"""Whether the models of a project fit its contracts: each column that they read is there, what they show has room, and
each rule that a contract changes is one.

Otherwise a run would fail in its middle, an engine would round values to the narrower type, or a gate stay open that
somebody wanted shut, and nobody be told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.qualify import qualify

from cartlake.core import known, snapshots
from cartlake.core.closest import closest
from cartlake.core.contract import Contract, CrossRule
from cartlake.core.dialect import query_tree
from cartlake.core.ledger_views import LEDGER_VIEWS
from cartlake.core.lineage import COPIED, as_mapping, flows_of_model, schema_of
from cartlake.core.memo import remembered
from cartlake.core.model import BATCH_COUNTS, EARLIER_COUNTS, PUBLICATION, Model
from cartlake.core.syntax import place_of
from cartlake.core.table import BIGINT, DATE, STRING, TIMESTAMP, Column
from cartlake.core.tables import history_table, stage_table
from cartlake.errors import ContractError, ModelError

_DIGITS = 18  # of the greatest number that a feed may bring as bigint
_UNRESOLVED = re.compile(r"(?:Unknown column: |Column ')(?:\w+\.)*(\w+)")
_CASTS = {(DATE, TIMESTAMP), (BIGINT, STRING)}  # whose values all have their like on either engine
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def relation_types(contracts: Sequence[Contract], models: Sequence[Model]) -> dict[str, tuple[Column, ...]]:
    """The columns of every relation that a model may read; without those that `evolve: add` adds."""
    types = {model.name: model.columns for model in models}
    types |= {name: table.columns for name, (table, _) in LEDGER_VIEWS.items()}
    types |= {"publication": PUBLICATION, "batch_counts": BATCH_COUNTS, "earlier_counts": EARLIER_COUNTS}
    for contract in contracts:
        types |= _of_feed(contract)
    return types


def _of_feed(contract: Contract) -> dict[str, tuple[Column, ...]]:
    feed = contract.feed
    return {
        contract.table: history_table(contract).columns,
        contract.stage_table: stage_table(contract).columns,
        f"batch_{feed}": known.batch_columns(contract),
        f"known_{feed}": known.known_columns(contract),
        f"ended_{feed}": known.ended_columns(contract),
    }


def require_fitting(contracts: Sequence[Contract], models: Sequence[Model]) -> None:
    """Raises ModelError for the first column that a model reads and nothing has, and for the first that it copies into
    a type that cannot hold every value; of feeds with `evolve: add` nobody knows yet which columns they will have.
    Raises ContractError for a contract that changes a rule that there is not."""
    _require_rules(contracts, models)
    types = relation_types(contracts, models)
    evolving = {name for contract in contracts if contract.evolve == "add" for name in _of_feed(contract)}
    for model in models:
        if types.keys() - evolving >= {*model.inputs}:
            _require_columns(model, types)
        _require_room(model, types)


def _require_rules(contracts: Sequence[Contract], models: Sequence[Model]) -> None:
    """Of a rule that several contracts change in several ways the last one would count."""
    codes = {rule.code for rule in (*snapshots.RULES, *(rule for model in models for rule in model.rules))}
    codes |= {rule.code for contract in contracts for rule in known.rules(contract)}
    changed: dict[str, tuple[Contract, CrossRule]] = {}
    for contract, rule in ((each, rule) for each in contracts for rule in each.cross_rules):
        other, first = changed.setdefault(rule.code, (contract, rule))
        if rule.code not in codes:
            said, hint = "there is no cross-table rule of this name", closest(rule.code, codes)
        elif rule.threshold is not None and (rule.code, contract.delivery) != (snapshots.DELETES_MANY.code, "snapshot"):
            said = "it has no threshold here"
            hint = f"Only `{snapshots.DELETES_MANY.code}` of a snapshot has; other bounds are settings of `business`."
        elif rule.code == known.UNTRACKED_CHANGE.code and rule.action == "hold":
            said, hint = "it is found once the batch is through the gate", "Only its severity can be changed."
        elif (rule.severity, rule.action) != (first.severity, first.action):
            said = f"{other.path} changes it too, in another way"
            hint = "It is one rule for all feeds: say the same of it in each contract, or in one alone."
        else:
            continue
        raise ContractError("rule_change", f"`{rule.code}`: {said}", file=contract.path, line=rule.line, hint=hint)


def _require_columns(model: Model, types: Mapping[str, Sequence[Column]]) -> None:
    column = _unresolved(model.sql, schema_of(model, types))
    if column is None:
        return
    used = next((each for each in query_tree(model.sql).find_all(exp.Column) if each.name == column), None)
    line, place = (None, None) if used is None else place_of(used)
    there = {each.name for name in model.inputs for each in types[name]}
    if column in there:
        said = f"`{column}` is read where nothing has it, or where several have it"
        hint = "A step has only what it selects; where several relations have a column, say which (`o.name`)."
    else:
        said = f"`{column}` is in nothing that the query reads: {', '.join(model.inputs)}"
        hint = (
            f"{closest(column, there) or ''} A contract keeps the names that models read, and gives those of its files"
            " as `sourceNames`; or bring a model of your own, under the same name in the folder `models`."
        ).strip()
    raise ModelError("column_unknown", said, file=model.path, line=line, column=place, hint=hint)


@remembered
def _unresolved(sql: str, schema: tuple[str, ...]) -> str | None:
    """The first column of a query that none of the relations has."""
    try:
        qualify(query_tree(sql), dialect="spark", schema=as_mapping(schema), identify=False, quote_identifiers=False)
    except OptimizeError as error:
        found = _UNRESOLVED.match(str(error))
        return found[1] if found else str(error)
    return None


def _require_room(model: Model, types: Mapping[str, Sequence[Column]]) -> None:
    own = {column.name: column.type for column in model.columns}
    read = {(name, column.name): column.type for name in model.inputs for column in types.get(name, ())}
    for flow in flows_of_model(model, types):
        given = read.get((flow.from_relation, flow.from_column))
        if flow.how == COPIED and given is not None and not _has_room(given, own[flow.column]):
            source = f"{flow.from_relation}.{flow.from_column}"
            raise ModelError(
                "type_too_narrow",
                f"{model.name}.{flow.column} is {own[flow.column]} and shows {source}, which is {given}:"
                " some values would be rounded, or not fit",
                file=model.path,
                hint=f"Declare {source} as {own[flow.column]} in its contract, or bring {model.name}.sql and .yml of"
                " your own in the folder `models`, with a type that has room.",
            )


def _has_room(given: str, own: str) -> bool:
    """Whether every value of one type is one of the other."""
    (digits, scale), (most, places) = _size(given), _size(own)
    is_wider = scale is not None and places is not None and scale <= places and digits <= most
    return given == own or (given, own) in _CASTS or is_wider


def _size(kind: str) -> tuple[int, int | None]:
    """Digits before and after the point; of what is no number None after it."""
    if kind == BIGINT:
        return _DIGITS, 0
    found = _DECIMAL.fullmatch(kind)
    return (int(found[1]) - int(found[2]), int(found[2])) if found else (0, None)
