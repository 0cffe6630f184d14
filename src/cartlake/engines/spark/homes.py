"""Where stored tables live: below one folder, or in a schema of a catalog."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cartlake.engines.spark.text import quote
from cartlake.engines.upkeep import commit_path
from cartlake.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrameWriter


class Home(Protocol):
    def name(self, table: str) -> str:
        """The table in SQL."""
        ...

    def setup(self) -> tuple[str, ...]:
        """Statements after which tables can be created."""
        ...

    def save(self, writer: DataFrameWriter, table: str) -> None:
        """What is written stands in the table."""
        ...

    def is_newest(self, table: str, version: int) -> bool:
        """True if it is sure that nobody committed after `version`."""
        ...

    @property
    def root(self) -> Path | None:
        """The folder of the tables, if this process sees their files."""
        ...

    @property
    def views(self) -> str | None:
        """The schema of the readers' views, if they have any."""
        ...


@dataclass(frozen=True)
class Folder:
    """Path tables on a file system that this process sees too: one look for the next commit file tells what asking
    Spark would take a hundred times as long to tell."""

    root: Path

    @property
    def views(self) -> None:
        return None

    def name(self, table: str) -> str:
        return f"delta.{quote((self.root / table).as_posix())}"

    def setup(self) -> tuple[str, ...]:
        return ()

    def save(self, writer: DataFrameWriter, table: str) -> None:
        writer.save((self.root / table).as_posix())

    def is_newest(self, table: str, version: int) -> bool:
        return not commit_path(self.root / table, version + 1).exists()


@dataclass(frozen=True)
class Catalog:
    """Managed tables in `<schema>_store` of a catalog, for readers views in `<schema>`."""

    catalog: str
    schema: str

    @property
    def views(self) -> str:
        return f"{quote(self.catalog)}.{quote(self.schema)}"

    @property
    def store(self) -> str:
        return f"{quote(self.catalog)}.{quote(self.schema + '_store')}"

    @property
    def root(self) -> None:
        return None

    def name(self, table: str) -> str:
        return f"{self.store}.{quote(table)}"

    def setup(self) -> tuple[str, ...]:
        return (f"CREATE SCHEMA IF NOT EXISTS {self.store}", f"CREATE SCHEMA IF NOT EXISTS {self.views}")

    def save(self, writer: DataFrameWriter, table: str) -> None:
        writer.saveAsTable(self.name(table))

    def is_newest(self, table: str, version: int) -> bool:  # noqa: ARG002
        return False


def home_of(settings: Settings) -> Home:
    """The schema that the settings name, else the lake folder."""
    engine = settings.engine
    return Catalog(engine.catalog, engine.schema_name) if engine.schema_name else Folder(settings.lake_folder)
