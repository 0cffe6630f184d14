"""What is committed without delta-rs, delta-rs reads; and of two that commit at once one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, Field, Schema
from deltalake.schema import PrimitiveType

from cartlake.engines.embedded.commits import write_commit
from cartlake.engines.embedded.files import DataFile
from cartlake.engines.upkeep import commit_path
from cartlake.errors import CommitConflict

FILE = DataFile("day=2025-03-01/a b.parquet", 7, 3, {"day": "2025-03-01"}, {"id": "K1"}, {"id": "K9"}, {"id": 0})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    schema = Schema([Field("id", PrimitiveType("string")), Field("day", PrimitiveType("string"))])
    DeltaTable.create(tmp_path / "notes", schema=schema, partition_by=["day"])
    return tmp_path / "notes"


def files_of(folder: Path) -> list[Any]:
    return list(DeltaTable(folder).get_add_actions(flatten=True).to_struct_array().to_pylist())


def test_files_that_were_added_and_removed_are_those_that_delta_rs_finds(folder: Path) -> None:
    write_commit(commit_path(folder, 1), "m1", [FILE], [], True)
    [ours] = files_of(folder)
    assert (ours["num_records"], ours["min.id"], ours["max.id"], ours["null_count.id"]) == (3, "K1", "K9", 0)
    assert ours["partition.day"] == "2025-03-01"
    stored = DataFile(str(ours["path"]), 7, 3, FILE.partition, {}, {}, {})
    write_commit(commit_path(folder, 2), "m2", [], [stored], False)
    assert files_of(folder) == []
    told = [(commit["version"], commit["operation"]) for commit in DeltaTable(folder).history(2)]
    assert told == [(2, "OPTIMIZE"), (1, "WRITE")]


def test_of_two_that_commit_a_version_the_second_is_refused_and_leaves_nothing(folder: Path) -> None:
    write_commit(commit_path(folder, 1), "m1", [FILE], [], True)
    before = commit_path(folder, 1).read_text()
    with pytest.raises(CommitConflict, match="notes"):
        write_commit(commit_path(folder, 1), "m2", [], [], True)
    assert commit_path(folder, 1).read_text() == before
    assert json.loads(before.splitlines()[0])["commitInfo"]["cartlake"] == "m1"
    assert sorted(path.suffix for path in (folder / "_delta_log").iterdir()) == [".json", ".json"]


def test_a_commit_that_the_disk_had_no_room_for_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(path: Path, text: str, *_: object) -> int:
        path.write_bytes(text.encode()[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="No space"):
        write_commit(commit_path(folder, 1), "m1", [FILE], [], True)
    assert [path.name for path in (folder / "_delta_log").iterdir()] == [commit_path(folder, 0).name]
