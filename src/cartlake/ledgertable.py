"""A ledger table in memory. Work on a ledger of ten thousand batches must not begin with each of them every time: rows
are read once, later only what others have committed, and what they stand for is made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from cartlake.core.table import Table
from cartlake.core.tables import PUBLICATIONS
from cartlake.engines.base import Engine, Row, Where

Record = TypeVar("Record")
Identity = tuple[object, ...]


class Kind(Generic[Record]):
    """What the rows of a table stand for, and the columns that tell one from another."""

    def __init__(self, table: Table, identity: Sequence[str], make: Callable[[Mapping[str, Any]], Record]) -> None:
        self.table = table
        self._identity = tuple(identity)
        self._make = make

    def fold(self, rows: Iterable[Row], into: dict[Identity, Record]) -> dict[Identity, Record]:
        """`into` with the record of each identity's last row, identities in the order of their first."""
        for row in rows:
            into[tuple(row[name] for name in self._identity)] = self._make(row)
        return into


class LedgerTable:
    """The rows of a ledger table that match `where`, oldest first."""

    def __init__(self, table: Table, where: Where) -> None:
        self._table, self._where = table, where
        self._version = -1
        self._rows: list[Row] = []
        self._made: dict[Kind[Any], tuple[int, dict[Identity, Any]]] = {}

    def read(self, engine: Engine) -> Row | None:
        """The rows are those of the newest version; the last of them if there are others than before."""
        version = engine.version(self._table.name)
        if version == self._version:
            return None
        order = "publication_id" if self._table is PUBLICATIONS else "recorded_at"
        with engine.scope():
            engine.read("_ledger", self._table, where=self._where or None)
            self._rows = sorted(engine.rows("SELECT * FROM _ledger"), key=lambda row: cast(Any, row[order]))
        self._version, self._made = version, {}
        return self._rows[-1] if self._rows else None

    @property
    def stamp(self) -> tuple[int, int]:
        """Another one when the rows are others."""
        return self._version, len(self._rows)

    def committed(self, rows: Iterable[Row], before: int, version: int) -> None:
        """These rows are in `version`. If it followed ours, there is nothing to read."""
        if self._version == before and version == before + 1:
            self._version = version
            self._rows += self.matching(rows)

    def matching(self, rows: Iterable[Row]) -> list[Row]:
        return [row for row in rows if all(row[name] in values for name, values in self._where.items())]

    def rows(self, held: Iterable[Row]) -> list[Row]:
        """Those of the version, and the held ones."""
        return [*self._rows, *self.matching(held)]

    def newest(self, kind: Kind[Record], held: Iterable[Row]) -> list[Record]:
        """The newest record of each identity, in the order in which the identities were first recorded."""
        count, known = self._made.get(kind, (0, {}))
        self._made[kind] = len(self._rows), kind.fold(self._rows[count:], known)
        more = self.matching(held)
        return list((kind.fold(more, {**known}) if more else cast(dict[Identity, Record], known)).values())
