"""The engine protocol: few verbs, Delta tables in, Delta tables out.

Relations are names, never rows in the driver; a relation lives until the scope it was made in ends. SQL is the
dialect of `core.dialect`. Every write is one commit, or none where nothing would change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from cartlake.core.header import Layout
from cartlake.core.profile import Profile
from cartlake.core.table import Column, Table

Value = object
Row = dict[str, Value]
Where = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class RecordSource:
    """One archived file and all that is known of how to read it."""

    path: Path
    profile: Profile
    codec: str
    layout: Layout

    @property
    def may_be_read_fast(self) -> bool:
        """Whether a lenient reader may try it; what it finds is to be looked at by `core.clean`."""
        return self.profile.clean and self.codec == "utf-8" and bool(self.layout.delimiter)


@dataclass(frozen=True)
class RecordCount:
    """`rows_in` records were found, `unreadable` of them have no cells."""

    rows_in: int
    unreadable: int


@dataclass(frozen=True)
class Compaction:
    """In `version`, `files_added` files hold what `files_removed` held; both are 0 if nothing was to be gained."""

    version: int
    files_removed: int = 0
    files_added: int = 0


@dataclass(frozen=True)
class Removal:
    """Files of a table that are gone, and the space they took; 0 where a catalog does not tell."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Commit:
    """A version of a table, when it was made, and what Delta calls the operation (`WRITE`, `MERGE`, `RESTORE`, ...)."""

    version: int
    at: datetime
    operation: str


class Engine(Protocol):
    """What cartlake asks of an engine. Errors are EngineError and its kinds; no foreign exception passes."""

    @property
    def target(self) -> Literal["duckdb", "spark"]:
        """The dialect `core.dialect` compiles to."""
        ...

    @property
    def arbitrates(self) -> bool:
        """Whether several processes may write: of two that meet, one gets CommitConflict. If not, callers hold the
        lake's lock."""
        ...

    @property
    def rows_at_once(self) -> int | None:
        """How many rows a task should join with many others in one query, for the sake of memory; None for any."""
        ...

    def scope(self) -> AbstractContextManager[None]:
        """Relations made inside are gone afterwards."""
        ...

    def close(self) -> None: ...

    # tables

    def create(self, table: Table) -> None:
        """`table` exists, with our layout property. Raises TableForeign if one of that name is not ours."""
        ...

    def version(self, table: str) -> int:
        """The newest version. Raises TableMissing."""
        ...

    def commits(self, table: str, most: int) -> list[Commit]:
        """The newest commits, at most so many, the newest first; the log of older ones may be gone. Raises
        TableMissing."""
        ...

    def append(self, table: Table, relation: str) -> int:
        """All rows of `relation` are in `table`; the version that holds them. An empty relation commits nothing."""
        ...

    def append_next(self, table: Table, relation: str, number: str) -> bool:
        """The one row of `relation` is in `table`, unless a row there has the same or a greater `number` (a bigint
        column); whether it is. Of several processes that try at once, one succeeds."""
        ...

    def replace(self, table: Table, where: Where, relation: str | None) -> int:
        """The rows whose columns equal `where` (all rows if empty) are exactly those of `relation`, which has no others
        (no rows if None); the version. With an empty `where` the table also has exactly the columns of `table`,
        whatever it had before."""
        ...

    def merge(self, table: Table, changes: str) -> int:
        """`changes` (the table's columns and `_change` = insert, update or delete, one row a key) are applied in one
        commit; the version. The caller has computed them from the table's newest version."""
        ...

    def widen(self, table: Table) -> int:
        """A table that evolves has a column for each of `table`'s, NULL in all rows where it is new; the version."""
        ...

    def restore(self, table: str, version: int) -> int:
        """The table's newest version holds what `version` held; its number (`version` itself if it is the newest)."""
        ...

    def sync(self) -> None:
        """What was committed so far survives a power failure, as far as the storage can promise that."""
        ...

    def recover(self, tables: Iterable[str]) -> dict[str, int]:
        """After a process died or the power failed: the newest version of each of the `tables` that exist is whole and
        on the disk. Per table how many commits, none of them acknowledged, were half written and set aside."""
        ...

    def damage(self, table: Table, versions: Iterable[int | None]) -> list[str]:
        """What of the files that these versions are made of (None: the newest) is not as it was written; nothing if all
        can be read. No cell stands in it."""
        ...

    # upkeep; of a dry run the results are what would be

    def version_at(self, table: str, moment: datetime) -> int:
        """The version that was the newest at `moment`, or the oldest that is known of."""
        ...

    def optimize(self, table: Table, *, dry_run: bool = False) -> Compaction:
        """The newest version holds the same rows in few files; to readers of changes nothing changed."""
        ...

    def vacuum(self, table: str, oldest_version: int, *, dry_run: bool = False) -> Removal:
        """Gone are the files that no version from `oldest_version` on needs, among them those of writes that were never
        committed. Earlier versions cannot be read any more. Nobody may write to the table meanwhile."""
        ...

    # arrivals

    def stream(
        self, folder: Path, checkpoint: Path, act: Callable[[object], None], every: float | None = None
    ) -> Generator[int | None]:
        """What lands in `folder` makes micro-batches, and `checkpoint` remembers which are done. `act` has been called
        for each, in whatever process, with what `open_engine` there takes as `session`; again for one that died. Yields
        the number of each that ended, and None while nothing does. It looks every so many seconds until it is closed;
        with None, what is there is handled, and that is all. Raises UsageError where an engine has no streams."""
        ...

    # relations

    def read(self, name: str, table: Table, version: int | None = None, where: Where | None = None) -> None:
        """`name` is `table` at `version` (the newest if None), restricted to rows whose columns are in `where`."""
        ...

    def differing(self, names: tuple[str, str], table: Table, versions: tuple[int, int]) -> None:
        """`names` are the rows of two versions of `table`, but for some that are the same in both: where the engine can
        tell, those in files that belong to both versions."""
        ...

    def define(self, name: str, sql: str, params: Mapping[str, Value] | None = None) -> None:
        """`name` is the result of `sql`, computed whenever it is read."""
        ...

    def materialise(self, name: str, sql: str, params: Mapping[str, Value] | None = None) -> int:
        """`name` is the result of `sql`, computed once, now; how many rows it has."""
        ...

    def tally(
        self, name: str, sql: str, conditions: Mapping[str, str], params: Mapping[str, Value] | None = None
    ) -> dict[str, int]:
        """The same as `materialise`; of how many of the rows each condition is true. Conditions use no function of our
        dialect."""
        ...

    def values(self, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> None:
        """`name` holds `rows`, typed as `columns`."""
        ...

    def records(self, name: str, source: RecordSource) -> RecordCount:
        """`name` holds the readable records of a file: `_record`, `_line`, `_start`, `_end` (byte range, NULL where the
        file is one record a line), a string column per field of the layout, `_rescued`. `<name>_unreadable` holds the
        others: `_record`, `_line`, `_start`, `_end`, `_raw`, `_reason`. Together they are all records of the file."""
        ...

    def rows(self, sql: str, params: Mapping[str, Value] | None = None) -> list[Row]:
        """A small result. Decimals, dates and UTC datetimes are Python's."""
        ...

    def select(self, sql: str, relations: Collection[str]) -> tuple[list[str], list[Row]]:
        """The columns and rows of a person's own SELECT, in the engine's dialect, checked to be one over `relations`.
        Raises UsageError."""
        ...

    def pieces(self, sql: str, relations: Collection[str]) -> tuple[list[str], Iterator[list[Row]]]:
        """The same as `select`, the rows in lists of some thousands; they are read before anything else is asked."""
        ...

    def parquet(self, sql: str, relations: Collection[str]) -> tuple[Path, int]:
        """A new Parquet file with the rows of the same, and how many they are; whoever asked takes it away."""
        ...

    # readers that do not come through cartlake

    def shows(self, stamp: str) -> bool:
        """Whether their views are those that were exposed last with this stamp; True where tables stand in no catalog,
        and nobody has views."""
        ...

    def expose(self, relations: Collection[str], stamp: str) -> None:
        """Each of the relations, made by `read` and `define`, is a view there, replaced one by one: tables at the
        version they were read at, those read at none as they are whenever somebody looks. Raises TableForeign, with
        nothing replaced, if something that is not ours has the name of one."""
        ...
