"""A feed's contract as frozen data. `core/odcs.py` reads it from YAML; nothing else knows that format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

Criticality = Literal["error", "warn"]
Format = Literal["csv", "ndjson", "debezium"]
Encoding = Literal["epoch_days", "epoch_millis", "epoch_micros", "epoch_nanos", "base64", "json"]

ENCODINGS: Mapping[Encoding, str] = {
    "epoch_days": "date",
    "epoch_millis": "timestamp",
    "epoch_micros": "timestamp",
    "epoch_nanos": "timestamp",
    "base64": "decimal",
    "json": "string",
}
"""How a value of a JSON record may be written, by the kind of column that it is for."""


def spelled(name: str) -> str:
    """The form in which names of columns are compared."""
    return re.sub(r"[\s-]+", "_", name.strip().casefold())


@dataclass(frozen=True)
class Field:
    """One column of a feed. `source_names` are header names accepted besides `name`; `formats` are date patterns
    (`dd.MM.yyyy`) accepted besides ISO; `encoding` is how JSON records write the value, if not as themselves;
    `default` is the value of a column that the file, or the JSON record, lacks."""

    name: str
    type: str
    required: bool = False
    source_names: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    encoding: Encoding | None = None
    canonical: Literal["none", "lower", "upper", "token"] = "none"
    default: str | None = None
    tracked: bool = True
    ignore_null_updates: bool = False
    personal: bool = False
    description: str = ""


@dataclass(frozen=True)
class RowRule:
    """One check of one record: `function` is a name in `core.rules.FUNCTIONS`, `filter` a Spark SQL condition
    under which the rule applies. Breaking an `error` rule quarantines the record, a `warn` rule flags it."""

    code: str
    criticality: Criticality
    function: str
    arguments: tuple[tuple[str, object], ...] = ()
    filter: str | None = None
    description: str = ""


@dataclass(frozen=True)
class CrossRule:
    """What a contract changes of the cross-table rule `code`; NULL keeps what the rule's model says.
    `threshold` is in the rule's own unit; `line` is where the contract says so."""

    code: str
    line: int
    severity: Literal["high", "medium", "low"] | None = None
    action: Literal["report", "hold"] | None = None
    threshold: Decimal | None = None


@dataclass(frozen=True)
class Relationship:
    """`columns` of this feed name the key `to_columns` of the feed `to_feed`."""

    columns: tuple[str, ...]
    to_feed: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True)
class ServiceLevel:
    """A feed is delivered every `frequency`, and at most `latency` after the end of the business day that it is about;
    None says nothing."""

    frequency: timedelta | None = None
    latency: timedelta | None = None

    def due_at(self, newest: date, timezone: str) -> datetime | None:
        """When the delivery after that of the day `newest` has to be there; None where the contract does not say."""
        if self.frequency is None or self.latency is None:
            return None
        return end_of_day(newest, timezone) + self.frequency + self.latency


def end_of_day(day: date, timezone: str) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(timezone))


@dataclass(frozen=True)
class Contract:
    """What one feed delivers and how it becomes tables.

    `sequence` are the fields of which the first that is not NULL is the time of an event; `sequence_then` are
    further fields that choose between events of one time. `folder` is the landing folder (`orders_data`),
    `table` the history (`orders`), `stage_table` the log (`orders_stage`), `task` the task that loads it
    (`orders_stage_load`). `hash` identifies the text it was read from. `added` are the columns that `evolve: add` took
    up from the accepted files: the log has their values in `_rescued`, the history a column each (`core.evolution`).
    """

    feed: str
    version: str
    description: str
    path: str
    folder: str
    table: str
    stage_table: str
    task: str
    key: tuple[str, ...]
    sequence: tuple[str, ...]
    sequence_then: tuple[str, ...]
    fields: tuple[Field, ...]
    rules: tuple[RowRule, ...]
    relationships: tuple[Relationship, ...]
    file_pattern: str
    delimiter: str | None
    encoding: str | None
    decimal_mark: Literal[".", ","]
    timezone: str
    delivery: Literal["changes", "snapshot"]
    observe: bool
    sequence_ahead_days: int
    hash: str
    cross_rules: tuple[CrossRule, ...] = ()
    service: ServiceLevel = ServiceLevel()
    format: Format = "csv"
    evolve: Literal["rescue", "add"] = "rescue"
    added: tuple[Field, ...] = ()

    def field(self, name: str) -> Field:
        return next(field for field in self.versioned if field.name == name)

    @property
    def versioned(self) -> tuple[Field, ...]:
        """The columns of its history: those declared, then those added."""
        return (*self.fields, *self.added)

    @property
    def ids(self) -> frozenset[str]:
        """The columns that name a record of this feed or of another."""
        return frozenset({*self.key, *(name for each in self.relationships for name in each.columns)})

    @property
    def takes_batch_time(self) -> bool:
        """Whether its events have no time of their own."""
        return not self.sequence

    @property
    def tracked(self) -> tuple[str, ...]:
        """The columns whose change makes a new version: all but key, sequence and those excluded."""
        outside = {*self.key, *self.sequence, *self.sequence_then}
        return tuple(field.name for field in self.versioned if field.tracked and field.name not in outside)

    @property
    def untracked(self) -> tuple[str, ...]:
        """Those excluded."""
        inside = {*self.key, *self.sequence, *self.sequence_then, *self.tracked}
        return tuple(field.name for field in self.fields if field.name not in inside)
