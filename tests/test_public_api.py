"""The names that programs may import, and what each says of itself. A change here is one for CHANGELOG.md."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cartlake
from cartlake import Lake

SRC = Path(__file__).resolve().parents[1] / "src"

NAMES = [
    "BatchDetail",
    "BatchReport",
    "CartlakeError",
    "CaseResult",
    "Changes",
    "ConfigError",
    "DataError",
    "DecisionReport",
    "EngineError",
    "Exported",
    "FeedHealth",
    "FileReport",
    "Lake",
    "LineageGraph",
    "Locked",
    "RowLineage",
    "RunReport",
    "Settings",
    "Status",
    "UsageError",
    "Verification",
    "Version",
    "load_settings",
]
CALLS = {
    "batch": ["batch_id"],
    "batches": [],
    "changes": ["table", "since"],
    "close": [],
    "create_manifest": ["batch_date"],
    "discard": ["ids", "why", "actor", "dry_run"],
    "export_quarantine": ["path", "batch_id", "feed"],
    "fix": ["path", "why", "actor", "dry_run"],
    "fix_record": ["record_id", "cells", "why", "actor", "dry_run"],
    "follow": ["table", "stop", "on_changes", "since"],
    "export": ["what", "path", "at", "delimiter", "bom", "force"],
    "export_all": ["folder", "at", "force"],
    "files": ["wanted"],
    "history": ["table", "key"],
    "lineage": ["target"],
    "maintain": ["dry_run"],
    "metrics": ["batch_id", "feed"],
    "prometheus": [],
    "quarantine": ["batch_id", "feed", "every"],
    "query": ["sql", "at"],
    "rebuild": ["tables", "since", "from_archive"],
    "reject": ["batch_id", "why", "actor"],
    "replay": ["ids", "batch_id", "feed", "why", "actor", "dry_run"],
    "release": ["batch_id", "why", "actor"],
    "release_all": ["batch_ids", "why", "actor"],
    "retry": ["batch_id", "actor"],
    "rollback": ["batch_id", "actor"],
    "row_lineage": ["table", "key"],
    "run": ["on_task"],
    "status": [],
    "stream": ["stop", "on_run", "every"],
    "task": ["name", "batch_id", "run_id", "on_task"],
    "test": [],
    "verify": ["deep"],
    "watch": ["stop", "on_run", "on_task"],
}


def test_the_public_names_are_these() -> None:
    assert cartlake.__all__ == NAMES
    assert dir(cartlake) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    said = vars(getattr(cartlake, name)).get("__doc__") or getattr(cartlake, name).__doc__
    assert said
    assert not said.startswith(f"{name}("), "a signature says nothing"


def test_a_lake_can_do_this_and_each_call_says_what_is_true_afterwards() -> None:
    calls = {name: call for name, call in inspect.getmembers(Lake, inspect.isfunction) if name[0] != "_"}
    assert {name: list(inspect.signature(call).parameters)[1:] for name, call in calls.items()} == CALLS
    assert [name for name, call in calls.items() if not call.__doc__] == []


def test_a_name_that_is_not_there_is_the_usual_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Pond'"):
        _ = cartlake.Pond


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    program = "import cartlake, sys; print(sorted(name for name in sys.modules if name.startswith('cartlake')))"
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['cartlake']"
