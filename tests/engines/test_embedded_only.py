"""What only the embedded engine can meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartlake.core.table import STRING, Column
from cartlake.engines.registry import open_engine
from cartlake.errors import EngineError
from cartlake.settings import load_settings


def test_too_little_memory_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    engine = open_engine(load_settings(tmp_path, {}, {"engine": {"memory_limit": "5MB"}}))
    try:
        engine.values("few", [Column("t", STRING)], [[f"text {n} " * 20] for n in range(600)])
        with pytest.raises(EngineError) as refused:
            engine.rows("SELECT DISTINCT concat_ws('-', a.t, b.t) AS x FROM few a CROSS JOIN few b")
    finally:
        engine.close()
    assert "memory_limit" in str(refused.value.hint)
    assert "text 1" not in str(refused.value)
