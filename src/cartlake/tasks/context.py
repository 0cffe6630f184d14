"""What every task is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from cartlake.core.contract import Contract
from cartlake.core.definition import Definition
from cartlake.core.entries import NO_ROWS, Counts
from cartlake.core.model import Model
from cartlake.core.table import Table
from cartlake.core.tables import history_table, stage_table
from cartlake.engines.base import Engine
from cartlake.ledger import Ledger
from cartlake.settings import Settings

FileKey = tuple[str, str, date]


@dataclass(frozen=True)
class Context:
    """Settings, engine, ledger, and what the project declares. `contracts_hash` names the contracts' texts;
    `definitions` are what the tables are made with today, by their names."""

    settings: Settings
    engine: Engine
    ledger: Ledger
    contracts: tuple[Contract, ...]
    models: tuple[Model, ...]
    contracts_hash: str
    definitions: Mapping[str, Definition]

    @property
    def parameters(self) -> dict[str, object]:
        return self.settings.parameters()

    @property
    def stored_models(self) -> tuple[Model, ...]:
        return tuple(model for model in self.models if model.kind == "table")

    def model_table(self, model: Model) -> Table:
        return Table(model.name, model.columns, key=model.key)

    @property
    def production_tables(self) -> tuple[Table, ...]:
        histories = tuple(history_table(contract) for contract in self.contracts)
        return (*histories, *(self.model_table(model) for model in self.stored_models))

    @property
    def definition_hashes(self) -> dict[str, str]:
        return {name: definition.hash for name, definition in self.definitions.items()}

    @property
    def stage_tables(self) -> tuple[Table, ...]:
        return tuple(stage_table(contract) for contract in self.contracts)


@dataclass(frozen=True)
class TaskResult:
    """What a task found for one batch; `error_code` says why it failed, if it did."""

    counts: Counts = NO_ROWS
    has_warnings: bool = False
    error_code: str | None = None
    error_message: str | None = None
    note: str = ""

    @property
    def status(self) -> str:
        if self.error_code:
            return "FAILED"
        return "SUCCESS_WITH_WARNINGS" if self.has_warnings else "SUCCESS"
