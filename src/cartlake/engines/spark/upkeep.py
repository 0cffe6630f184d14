"""Upkeep of Delta tables: through SQL, and of those in a folder by their files, which is exact and much faster.

In a catalog VACUUM goes by time, in whole hours: what was taken out of a table more than an hour before a version was
made goes, the rest another time. It writes no commit where that can be switched off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cartlake.core.table import Table
from cartlake.engines import upkeep
from cartlake.engines.base import Compaction, Removal
from cartlake.engines.spark.errors import FOREIGN, mapped
from cartlake.engines.spark.tables import SparkTables
from cartlake.engines.spark.text import belongs, names
from cartlake.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_BY_OUR_TIME = {
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
    "spark.databricks.delta.vacuum.logging.enabled": "false",
}


@dataclass(frozen=True)
class _File:
    size: int
    partition: Mapping[str, str]


class SparkUpkeep:
    """Compaction and clean-up of the tables of one home."""

    def __init__(self, session: SparkSession, tables: SparkTables) -> None:
        self._session = session
        self._tables = tables

    def version_at(self, table: str, moment: datetime) -> int:
        newest, folder = self._tables.version(table), self._tables.folder(table)
        with mapped(f"look at {table}", table):
            if folder is not None:
                return upkeep.version_at(folder, newest, moment)
            made = self._made_at(table)
        return max((version for version, at in made.items() if at <= moment), default=min(made))

    def optimize(self, table: Table, *, dry_run: bool) -> Compaction:
        groups = upkeep.groups_to_join(self._files(table))
        if dry_run or not groups:
            return Compaction(self._tables.version(table.name), sum(map(len, groups)), len(groups))
        partitions = {tuple(group[0].partition.items()): group[0].partition for group in groups}
        chosen = " OR ".join(
            f"({belongs(table, {name: [value] for name, value in each.items()})})" for each in partitions.values()
        )
        where = f" WHERE {chosen}" if table.partition_by else ""
        rows: list[Mapping[str, Mapping[str, int]]] = []
        version = self._tables.commit(
            table.name, f"OPTIMIZE {self._tables.name(table.name)}{where}", lambda found: rows.extend(found.collect())
        )
        removed, added = (
            sum(int(row["metrics"][count]) for row in rows) for count in ("numFilesRemoved", "numFilesAdded")
        )
        return Compaction(version, removed, added)

    def vacuum(self, table: str, oldest_version: int, *, dry_run: bool) -> Removal:
        newest, folder = self._tables.version(table), self._tables.folder(table)
        with mapped(f"clean up {table}", table):
            if folder is not None:
                needed = self._data_files(table, folder, oldest_version)
                return upkeep.clean_up(folder, oldest_version, newest, needed, dry_run=dry_run)
            return self._vacuum(table, oldest_version, dry_run)

    def _vacuum(self, table: str, oldest: int, dry_run: bool) -> Removal:
        """What was taken out before the version was made, no version from it on needs. Sizes are not told."""
        hours = hours_since(self._made_at(table)[oldest], datetime.now(UTC))
        statement = f"VACUUM {self._tables.name(table)} RETAIN {hours} HOURS"
        with self._by_our_time():
            spare = self._session.sql(f"{statement} DRY RUN").collect()
            if spare and not dry_run:
                self._session.sql(statement)
        return Removal(len(spare), 0)

    @contextmanager
    def _by_our_time(self) -> Iterator[None]:
        """The tables themselves say that nothing is removed for ten years, so that nobody else removes anything."""
        for name, value in _BY_OUR_TIME.items():
            with suppress(*FOREIGN):
                self._session.conf.set(name, value)
        try:
            yield
        finally:
            for name in _BY_OUR_TIME:
                with suppress(*FOREIGN):
                    self._session.conf.unset(name)

    def _made_at(self, table: str) -> dict[int, datetime]:
        """When each version that can still be read was made."""
        found = self._session.sql(f"DESCRIBE HISTORY {self._tables.name(table)}").select("version", "timestamp")
        rows = found.toArrow().to_pylist()
        if not rows:
            raise EngineError("engine_failed", f"table {table} has no history")
        return {int(row["version"]): row["timestamp"].astimezone(UTC) for row in rows}

    def _files(self, table: Table) -> list[_File]:
        """The data files of the newest version that hold rows."""
        if not self._tables.version(table.name):
            return []
        parts = "".join(f"CAST({name} AS STRING) AS {name}, " for name in map(names, [[n] for n in table.partition_by]))
        rows = self._session.sql(
            f"SELECT DISTINCT {parts}_metadata.file_path AS _path, _metadata.file_size AS _size"
            f" FROM {self._tables.name(table.name)}"
        )
        with mapped(f"look at {table.name}", table.name):
            found = rows.toArrow().to_pylist()
        return [_File(row["_size"], {name: row[name] for name in table.partition_by}) for row in found]

    def _data_files(self, table: str, folder: Path, version: int) -> set[str]:
        """The data files of a version, as paths below its folder."""
        uris = self._session.sql(f"SELECT * FROM {self._tables.name(table)} VERSION AS OF {version}").inputFiles()
        return {Path(unquote(urlsplit(uri).path)).relative_to(folder).as_posix() for uri in uris}


def hours_since(moment: datetime, now: datetime) -> int:
    """Whole hours that reach back at least to the moment: VACUUM would round 0.4 to 0, and remove what is needed."""
    return ceil((now - moment) / timedelta(hours=1))
