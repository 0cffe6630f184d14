"""The eight tasks and what each waits for. With more feeds there are more stage loads, the rest stays."""

from __future__ import annotations

from collections.abc import Sequence

from cartlake.core.contract import Contract

VALIDATION, ENRICHMENT, MERGE = "data_validation", "data_enrichment", "final_merge_operation"


def task_names(contracts: Sequence[Contract]) -> tuple[str, ...]:
    """All tasks in an order in which they can run."""
    return (*(contract.task for contract in contracts), VALIDATION, ENRICHMENT, MERGE)


def needs(task: str, contracts: Sequence[Contract]) -> tuple[str, ...]:
    """The tasks that must have run before `task`."""
    loads = tuple(contract.task for contract in contracts)
    return {VALIDATION: loads, ENRICHMENT: (VALIDATION,), MERGE: (ENRICHMENT,)}.get(task, ())
