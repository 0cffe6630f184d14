"""Tables as data: names and Spark SQL types, the same on every engine."""

from __future__ import annotations

from dataclasses import dataclass

STRING, BIGINT, DATE, TIMESTAMP, BOOLEAN = "string", "bigint", "date", "timestamp", "boolean"
TEXT_MAP = "map<string,string>"


@dataclass(frozen=True)
class Column:
    """One column; `type` is a Spark SQL type: string, bigint, decimal(p,s), date, timestamp, boolean, map<k,v>."""

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """A stored table. `key` is what a MERGE matches on and unique in every version; empty for logs. Of one that
    `evolves` an earlier version, or a file, may lack columns: they are NULL there; others that it has are not read."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    evolves: bool = False

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)
