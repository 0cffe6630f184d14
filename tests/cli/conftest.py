from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cartlake.cli import main
from cartlake.generate import ShopPlan, generate
from cartlake.lake import Lake
from cartlake.scaffold import create_project

SRC = Path(__file__).resolve().parents[2] / "src"
PROGRAM = [sys.executable, "-m", "cartlake"]


@dataclass(frozen=True)
class Answer:
    """What one call of the program left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Answer]


@pytest.fixture
def cartlake(capsys: pytest.CaptureFixture[str]) -> Call:
    """The program, called in this process."""

    def call(*arguments: str | Path) -> Answer:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Answer(ended.value.code, out, err)

    return call


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would make Python's own output forget that a pipe broke."""
    return {**os.environ, "PYTHONPATH": str(SRC), "PYTHONUNBUFFERED": "", **more}


def start(*arguments: str | Path, **pipes: Any) -> subprocess.Popen[str]:
    """The program in a process of its own."""
    return subprocess.Popen([*PROGRAM, *map(str, arguments)], env=environment(), text=True, **pipes)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project to be read only: two published days with quarantined rows, a failed, a held and a waiting batch, a
    refused manifest, and a file that no manifest names."""
    project = tmp_path_factory.mktemp("cli") / "shop"
    create_project(project)
    faults = frozenset({"bad_rows", "missing_files"})
    generate(project, ShopPlan(days=2, orders_per_day=20, customers=15, products=8, seed=3, faults=faults))
    header = (project / "landing/customer_data/source/customers_2025_01_01.csv").read_text().splitlines()[0]
    people = [f"C{number},,,no address,,{'':,<11}" for number in range(30)]
    deliver(project, "held", "customer_data/source/customers_held.csv", "\n".join([header, *people]))
    deliver(project, "failed", "orders_data/source/orders_failed.csv", "colour,shape\nred,round")
    (project / "landing/orders_data/source/orders_unannounced.csv").write_text("order_id\n1\n")
    (project / "landing/trigger_file/refused.json").write_text('{"expected_files": ["../secret"]}')
    with Lake(project) as lake:
        lake.run()
    return project


def deliver(project: Path, batch_id: str, path: str, text: str) -> None:
    """One file with its manifest."""
    (project / "landing" / path).write_text(f"{text}\n", encoding="utf-8")
    manifest = {
        "trigger_id": batch_id,
        "batch_date": "2025-01-05",
        "data_files_ready": True,
        "expected_files": [Path(path).name],
    }
    (project / f"landing/trigger_file/{batch_id}.json").write_text(json.dumps(manifest))
