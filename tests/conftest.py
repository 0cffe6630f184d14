"""What every test may ask for: the two sample batches, fixed random examples, marks for what a system lacks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# `fixed` draws the same examples on every machine; `search` (make test-all) draws new ones and says how to repeat them.
settings.register_profile("fixed", derandomize=True, database=None, deadline=None, max_examples=50)
settings.register_profile("search", database=None, deadline=None, max_examples=500, print_blob=True)
settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.name == "posix":
        return
    lacking = pytest.mark.skip(reason="needs what only POSIX systems have")
    for item in items:
        if "posix" in item.keywords:
            item.add_marker(lacking)


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder with the batches 2025-01-15 and 2025-01-16 in the landing layout; to be read, never written."""
    folder = ROOT.parent / "shared" / "data" / "sample"
    if not folder.is_dir():
        pytest.skip("the sample batches do not stand beside this checkout (../shared/data/sample)")
    return folder
