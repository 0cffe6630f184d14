"""Rows of the ledger's tables and the frozen data that they stand for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.entries import Run
from cartlake.core.manifest import ExpectedFile

Record = TypeVar("Record")


def batch_row(batch: Batch) -> dict[str, Any]:
    files = [vars(file) for file in batch.files]
    return vars(batch) | {
        "status": batch.status.value,
        "waiting_for": json.dumps(batch.waiting_for) if batch.waiting_for else None,
        "files": json.dumps(files, ensure_ascii=False),
    }


def batch_of(row: Mapping[str, Any]) -> Batch:
    waiting = row["waiting_for"]
    return made(
        Batch,
        {
            **row,
            "status": BatchStatus(str(row["status"])),
            "waiting_for": tuple(json.loads(str(waiting))) if waiting else (),
            "files": tuple(ExpectedFile(**file) for file in json.loads(str(row["files"]))),
        },
    )


def run_row(run: Run) -> dict[str, Any]:
    return vars(run) | {"batches": json.dumps(run.batches)}


def run_of(row: Mapping[str, Any]) -> Run:
    return made(Run, {**row, "batches": tuple(json.loads(str(row["batches"])))})


def made(kind: Callable[..., Record], row: Mapping[str, Any]) -> Record:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in row.items() if name in names})
