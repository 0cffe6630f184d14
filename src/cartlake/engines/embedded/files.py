"""Data files of Delta tables and what their statistics tell of the rows inside."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from deltalake import DeltaTable

from cartlake.core.table import Table
from cartlake.engines.base import Where
from cartlake.engines.embedded.duck import quote

_LONGEST_STATISTIC = 200
FOUND_BY = frozenset({"id", "batch_id", "batch_date", "feed", "file_sha256", "run_id"})
_HASHED = re.compile(r"[0-9a-f]{12}-(?P<hash>[0-9a-f]{32})\.parquet")


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a version; `least` and `most` are the bounds of its columns where they are known, `nulls` how
    many of its `rows` have none."""

    path: str
    size: int
    rows: int
    partition: Mapping[str, str]
    least: Mapping[str, object]
    most: Mapping[str, object]
    nulls: Mapping[str, object]

    def statistics(self) -> str:
        """As the log has them."""
        bounds = {"minValues": self.least, "maxValues": self.most, "nullCount": self.nulls}
        return json.dumps({"numRecords": self.rows, **bounds})

    @property
    def is_ours(self) -> bool:
        """Whether the embedded engine wrote it. Files of others may have columns that are none of the table's: Spark
        leaves `_change_type` and `__is_cdc` in what it rewrites."""
        return not self.path.rpartition("/")[2].startswith("part-")

    def may_hold(self, where: Where) -> bool:
        return all(any(self._within(column, value) for value in values) for column, values in where.items())

    def is_within(self, where: Where) -> bool:
        """All rows have the same value in each column of `where`, and it is one of those listed there."""
        return all(
            least == most and least in values and (column in self.partition or self.nulls.get(column) == 0)
            for column, values in where.items()
            for least, most in [self._bounds(column)]
        )

    def _within(self, column: str, value: str) -> bool:
        least, most = self._bounds(column)
        return (least is None or least <= value) and (most is None or value <= most)

    def _bounds(self, column: str) -> tuple[str | None, str | None]:
        """The least and the greatest value as text; None where unknown, or where text has another order."""
        if column in self.partition:
            return self.partition[column], self.partition[column]
        return _ordered_text(self.least.get(column)), _ordered_text(self.most.get(column))


def _ordered_text(value: object) -> str | None:
    return str(value) if isinstance(value, str | date) else None


def data_files(handle: DeltaTable) -> tuple[DataFile, ...]:
    actions = handle.get_add_actions(flatten=False)
    columns = {name: actions.column(name).to_pylist() for name in actions.schema.names}
    count = len(columns["path"])
    nothing: list[dict[str, object]] = [{}] * count
    return tuple(
        DataFile(path, size, rows, {n: str(value) for n, value in partition.items()}, *map(_known, bounds))
        for path, size, rows, partition, *bounds in zip(
            columns["path"],
            columns["size_bytes"],
            columns["num_records"],
            columns.get("partition", nothing),
            columns.get("min", nothing),
            columns.get("max", nothing),
            columns.get("null_count", nothing),
            strict=True,
        )
    )


def _known(bounds: Mapping[str, object] | None) -> dict[str, object]:
    return {name: value for name, value in (bounds or {}).items() if value is not None}


def written_file(
    table: Table, path: str, partition: Mapping[str, str], size: int, rows: int, told: Mapping[str, Mapping[str, str]]
) -> DataFile:
    """A file that DuckDB wrote, with what DuckDB told of its columns: bounds of text, integer and date columns, as the
    log spells them. Only of those that rows are found by: a bound is a cell, and cells of people have no business in a
    log."""
    least, most, nulls = dict[str, object](), dict[str, object](), dict[str, object]()
    for column in table.columns:
        found = told.get(quote(column.name))
        if found is None:
            continue
        nulls[column.name] = int(found.get("null_count", 0))
        low, high = found.get("min"), found.get("max")
        is_looked_for = column.name in table.key or column.name in FOUND_BY or column.name.startswith("_")
        if low is None or high is None or not is_looked_for or column.type not in ("string", "bigint", "date"):
            continue
        if "false" in (found.get("min_is_exact"), found.get("max_is_exact")) or len(high) > _LONGEST_STATISTIC:
            continue
        least[column.name], most[column.name] = (int(low), int(high)) if column.type == "bigint" else (low, high)
    return DataFile(path, size, rows, partition, least, most, nulls)


def hashed_name(path: Path) -> str:
    """A new name for a data file, which ends in the hash of what it holds."""
    return f"{secrets.token_hex(6)}-{_hash(path)}.parquet"


def is_intact(path: Path, size: int) -> bool:
    """Whether a file is there, of that size, with the bytes that its name tells of; those of others tell nothing."""
    try:
        if path.stat().st_size != size:
            return False
        named = _HASHED.fullmatch(path.name)
        return named is None or named["hash"] == _hash(path)
    except OSError:
        return False


def _hash(path: Path) -> str:
    """128 bits of SHA-256: against damage, not against forgers, who could write the name as well."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
