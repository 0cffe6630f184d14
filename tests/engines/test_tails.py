"""What a process or a power failure leaves at the end of a table's log, and what stands there afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cartlake.core.table import Column, Table
from cartlake.engines.embedded import EmbeddedEngine
from cartlake.errors import EngineError
from cartlake.settings import load_settings

STOCK = Table("stock", (Column("product_id", "string"), Column("pieces", "bigint")), key=("product_id",))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EmbeddedEngine]:
    opened = EmbeddedEngine(load_settings(tmp_path, {}))
    yield opened
    opened.close()


@pytest.fixture
def log(engine: EmbeddedEngine, tmp_path: Path) -> Path:
    """That of a table with a row of each of the versions 1 to 3."""
    engine.create(STOCK)
    for version in (1, 2, 3):
        assert put(engine, version) == version
    engine.sync()
    return tmp_path / "lake" / "stock" / "_delta_log"


def put(engine: EmbeddedEngine, pieces: int) -> int:
    engine.values("rows", STOCK.columns, [[f"P-{pieces}", pieces]])
    return engine.append(STOCK, "rows")


def stored(engine: EmbeddedEngine) -> list[object]:
    engine.read("now", STOCK)
    return [row["pieces"] for row in engine.rows("SELECT pieces FROM now ORDER BY pieces")]


def commit(log: Path, version: int) -> Path:
    return log / f"{version:020}.json"


def data_file(log: Path, version: int) -> Path:
    text = commit(log, version).read_text()
    return next(path for path in log.parent.glob("*.parquet") if path.name in text)


def change(path: Path, changed: Callable[[bytes], bytes]) -> None:
    path.write_bytes(changed(path.read_bytes()))


def flipped(data: bytes) -> bytes:
    return data[:40] + bytes([data[40] ^ 1]) + data[41:]


DAMAGE: dict[str, Callable[[Path], object]] = {
    "an empty commit": lambda log: commit(log, 3).write_bytes(b""),
    "half a commit": lambda log: change(commit(log, 3), lambda data: data[: len(data) // 2]),
    "a commit of zeros": lambda log: change(commit(log, 3), lambda data: bytes(len(data))),
    "no data file": lambda log: data_file(log, 3).unlink(),
    "half a data file": lambda log: change(data_file(log, 3), lambda data: data[: len(data) // 2]),
    "a data file with other bytes": lambda log: change(data_file(log, 3), flipped),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_commit_that_is_not_whole_is_set_aside_and_its_number_given_again(
    engine: EmbeddedEngine, log: Path, damage: Callable[[Path], object]
) -> None:
    damage(log)
    assert engine.recover(["stock"]) == {"stock": 1}
    assert stored(engine) == [1, 2]
    assert put(engine, 4) == 3
    assert stored(engine) == [1, 2, 4]
    assert len(list(log.glob("*.torn"))) == 1, "it can still be looked at"
    assert engine.recover(["stock"]) == {}


def test_commits_after_one_that_is_lost_are_set_aside_with_it(engine: EmbeddedEngine, log: Path) -> None:
    commit(log, 2).unlink()
    assert engine.recover(["stock"]) == {"stock": 1}
    assert stored(engine) == [1]


def test_a_file_that_a_later_commit_removed_may_be_gone(engine: EmbeddedEngine, log: Path) -> None:
    first = data_file(log, 1)
    engine.values("changes", (*STOCK.columns, Column("_change", "string")), [["P-1", 9, "update"]])
    engine.merge(STOCK, "changes")
    first.unlink()
    assert engine.recover(["stock"]) == {}
    assert stored(engine) == [2, 3, 9]


def test_what_a_dead_writer_left_between_the_commits_is_removed(engine: EmbeddedEngine, log: Path) -> None:
    (log / "00000000000000000004.json#1").write_text("{}")
    (log / "00000000000000000004.json.tmp").write_text("{}")
    assert engine.recover(["stock", "orders"]) == {}, "a table that is not there is none of its business"
    assert sorted(path.name for path in log.iterdir()) == [commit(log, version).name for version in range(4)]


@pytest.mark.parametrize("torn", ["*.checkpoint.parquet", "_last_checkpoint"])
def test_a_torn_checkpoint_is_done_without(engine: EmbeddedEngine, log: Path, torn: str) -> None:
    for version in range(4, 22):
        put(engine, version)
    [path] = log.glob(torn)
    change(path, lambda data: data[: len(data) // 2])
    assert engine.recover(["stock"]) == {}
    assert stored(engine) == list(range(1, 22))
    assert put(engine, 22) == 22


def test_an_error_after_the_commit_is_none(engine: EmbeddedEngine, log: Path) -> None:
    """delta-rs commits, goes on to write a checkpoint, and fails at that."""
    (log / "_last_checkpoint" / "in the way").mkdir(parents=True)
    assert [put(engine, version) for version in range(4, 22)] == list(range(4, 22))
    assert stored(engine) == list(range(1, 22)), "each row once"
    assert list(log.glob("*.checkpoint.parquet")), "it got so far"


def test_an_error_before_the_commit_is_one(engine: EmbeddedEngine, log: Path) -> None:
    commit(log, 4).mkdir()
    with pytest.raises(EngineError):
        put(engine, 4)
