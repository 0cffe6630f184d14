"""What is compiled once is known to later processes of the same source, and to no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cartlake import usercache
from cartlake.core import dialect, memo

QUERY = "SELECT order_id AS kept_once FROM orders WHERE order_id = :wanted"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a user who has nothing kept, in a process that knows nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setattr(memo, "_known", {})
    return tmp_path / "cache" / "cartlake" / "compiled.json"


def forget() -> None:
    """As if the process had just begun."""
    memo._known.clear()
    dialect._query.cache_clear()


def compiled() -> str:
    forget()
    return dialect.compile_sql(QUERY, "duckdb", {"wanted": 4711})


def test_a_later_process_parses_nothing_that_was_compiled_before(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiled()
    usercache.keep()
    forget()
    usercache.recall()

    def parse(sql: str) -> None:
        raise AssertionError(f"this is parsed again: {sql}")

    monkeypatch.setattr(dialect, "_query", parse)
    assert dialect.compile_sql(QUERY, "duckdb", {"wanted": 4711}) == before
    assert before.endswith("= 4711")


def test_no_value_of_a_parameter_is_kept(empty: Path) -> None:
    compiled()
    usercache.keep()
    assert "kept_once" in empty.read_text()
    assert "4711" not in empty.read_text()


def test_another_source_computes_everything_itself(empty: Path) -> None:
    compiled()
    usercache.keep()
    kept = json.loads(empty.read_text())
    empty.write_text(json.dumps(kept | {"source": "of another version"}))
    forget()
    usercache.recall()
    assert not memo.known()
    compiled()
    usercache.keep()
    assert json.loads(empty.read_text())["source"] == kept["source"], "the newest source takes the place"


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"source": 1}'])
def test_a_damaged_file_is_as_good_as_none_and_is_replaced(empty: Path, damaged: str) -> None:
    empty.parent.mkdir(parents=True)
    empty.write_text(damaged)
    usercache.recall()
    compiled()
    usercache.keep()
    assert json.loads(empty.read_text())["found"]


def test_what_two_processes_compiled_is_all_kept(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "_known", {"one": "1"})
    usercache.keep()
    monkeypatch.setattr(memo, "_known", {"two": ("2", "3")})
    usercache.keep()
    monkeypatch.setattr(memo, "_known", {})
    usercache.recall()
    assert dict(memo.known()) == {"one": "1", "two": ("2", "3")}


def test_a_cache_that_cannot_be_written_stops_nothing(empty: Path) -> None:
    empty.parent.parent.mkdir()
    empty.parent.write_text("a file stands where the folder should be")
    compiled()
    usercache.recall()
    usercache.keep()
    assert empty.parent.read_text().startswith("a file")


def test_the_cache_does_not_grow_without_end(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usercache, "_MOST", 3)
    for number in range(20):
        monkeypatch.setattr(memo, "_known", {f"query {number}": "SELECT 1"})
        usercache.keep()
        assert len(json.loads(empty.read_text())["found"]) <= 5
