"""Where things come from: the columns of a table, and the rows of a key. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from cartlake import queries
from cartlake.core.closest import closest
from cartlake.core.contract import Contract
from cartlake.core.fitting import relation_types
from cartlake.core.lineage import LineageGraph, lineage_graph
from cartlake.core.tables import VERSION_COLUMNS
from cartlake.engines.base import Row
from cartlake.errors import UsageError
from cartlake.queries import Version
from cartlake.tasks.context import Context

ENRICHED = "enriched_orders"
_LINE = ("order_id", "order_line", "customer_id", "product_id", "ordered_at", "valid_from")
_SHOWN = ("customer_valid_from", "product_valid_from")
_VERSION = tuple(column.name for column in VERSION_COLUMNS)


@dataclass(frozen=True)
class Origin:
    """A version that a row shows or was made of, and the record it came from. `line` is None where the archive no
    longer has the file."""

    table: str
    key: Mapping[str, object]
    valid_from: datetime | None
    valid_to: datetime | None
    batch_id: str
    batch_date: date
    source_file: str | None
    archive_path: str | None
    file_sha256: str
    record: int
    line: int | None


@dataclass(frozen=True)
class RowLineage:
    """A row of `table`, named by `key`, and the versions that made it."""

    table: str
    key: Mapping[str, object]
    origins: tuple[Origin, ...]


def graph(context: Context, target: str | None) -> LineageGraph:
    """The lineage of the project, or the part around a relation or `relation.column`. Raises UsageError with close
    names."""
    types = relation_types(context.contracts, context.models)
    whole = lineage_graph(context.contracts, context.models, types)
    if target is None:
        return whole
    relation, _, column = target.partition(".")
    known = {each.name: each for each in whole.relations}
    if relation not in known:
        raise UsageError("table_unknown", f"there is no table or view {relation!r}", hint=closest(relation, known))
    if not column:
        return whole.of_relation(relation)
    columns = known[relation].columns
    if column not in columns:
        raise UsageError("column_unknown", f"{relation} has no column {column!r}", hint=closest(column, columns))
    return whole.of_column(relation, column)


def rows(context: Context, table: str, key: Sequence[str]) -> list[RowLineage]:
    """The rows of a history or of `enriched_orders` that have the key, or begin with it, and where each came from.
    Raises UsageError for another table or a key that is not there."""
    if table == ENRICHED:
        return _enriched(context, key)
    if table not in {contract.table for contract in context.contracts}:
        names = ", ".join((*(contract.table for contract in context.contracts), ENRICHED))
        hint = f"Rows are followed in {names}; what is computed of many rows is followed column by column."
        raise UsageError("table_unknown", f"the rows of {table!r} are not followed", hint=hint)
    return [*_histories(context, table, queries.history(context, table, key))]


def _histories(context: Context, table: str, versions: Sequence[Version]) -> Iterator[RowLineage]:
    contract = _contract(context, table)
    for key, life in groupby(versions, lambda version: tuple(version.row[column] for column in contract.key)):
        named = dict(zip(contract.key, key, strict=True))
        yield RowLineage(table, named, tuple(_origin(context, contract, version) for version in life))


def _enriched(context: Context, key: Sequence[str]) -> list[RowLineage]:
    """The order lines of an order, each with the versions that it shows."""
    model = next(model for model in context.models if model.name == ENRICHED)
    if not 1 <= len(key) <= len(model.key):
        raise UsageError("key_wrong", f"the key of {ENRICHED} is {', '.join(model.key)}", hint="Give their values.")
    lines = queries.rows_where(context, ENRICHED, dict(zip(model.key, key, strict=False)), (*_LINE, *_SHOWN))
    if not lines:
        raise UsageError("key_unknown", f"{ENRICHED} has no {model.key[0]} {'/'.join(key)}")
    return [
        RowLineage(ENRICHED, {column: line[column] for column in model.key}, tuple(_contributing(context, line)))
        for line in lines
    ]


def _contributing(context: Context, line: Row) -> Iterator[Origin]:
    """The version of the order line, of its customer, product and stock as of the order, and its current shipments."""
    yield from _shown(context, "orders", (line["order_id"], line["order_line"]), line["valid_from"])
    yield from _shown(context, "customers", (line["customer_id"],), line["customer_valid_from"])
    yield from _shown(context, "products", (line["product_id"],), line["product_valid_from"])
    for life in _lives(context, "inventory", "product_id", line["product_id"]):
        before = [version for version in life if version.row["valid_from"] <= line["ordered_at"]]  # type: ignore[operator]
        yield _origin(context, _contract(context, "inventory"), before[-1] if before else life[0])
    for life in _lives(context, "shipping", "order_id", line["order_id"]):
        if life[-1].row["is_current"]:
            yield _origin(context, _contract(context, "shipping"), life[-1])


def _shown(context: Context, table: str, key: Sequence[object], valid_from: object) -> Iterator[Origin]:
    contract = _contract(context, table)
    if valid_from is not None:
        given = {column: str(value) for column, value in zip(contract.key, key, strict=True)}
        for version in queries.versions_where(context, table, given, _VERSION):
            if version.row["valid_from"] == valid_from:
                yield _origin(context, contract, version)


def _lives(context: Context, table: str, column: str, value: object) -> list[list[Version]]:
    """The versions, key by key, of the keys that have this value in a column of theirs."""
    if value is None:
        return []
    versions = queries.versions_where(context, table, {column: str(value)}, _VERSION)
    key = _contract(context, table).key
    return [list(life) for _, life in groupby(versions, lambda version: [version.row[name] for name in key])]


def _contract(context: Context, table: str) -> Contract:
    return next(contract for contract in context.contracts if contract.table == table)


def _origin(context: Context, contract: Contract, version: Version) -> Origin:
    row = version.row
    sha256, day = str(row["_file_sha256"]), row["_batch_date"]
    staged = context.ledger.files(contract.feed)
    file = next((each for each in staged if (each.file_sha256, each.batch_date) == (sha256, day)), None)
    return Origin(
        table=contract.table,
        key={column: row[column] for column in contract.key},
        valid_from=row["valid_from"],  # type: ignore[arg-type]
        valid_to=row["valid_to"],  # type: ignore[arg-type]
        batch_id=str(row["_batch_id"]),
        batch_date=day,  # type: ignore[arg-type]
        source_file=version.source_file,
        archive_path=None if file is None else file.archive_path,
        file_sha256=sha256,
        record=int(str(row["_record"])),
        line=version.line,
    )
