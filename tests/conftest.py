"""What every test may ask for: the two sample batches, fixed random examples, marks for what a system lacks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from cartlake.errors import ConfigError
from cartlake.settings import EngineSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[1]

# Tests write and flush many small files: they do so in memory where there is room. (Containers often have 64 MB.)
_MEMORY = Path("/dev/shm")  # noqa: S108
if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

# `fixed` draws the same examples on every machine; `search` (make test-all) draws new ones and says how to repeat them.
settings.register_profile("fixed", derandomize=True, database=None, deadline=None, max_examples=50)
settings.register_profile("search", database=None, deadline=None, max_examples=500, print_blob=True)
settings.load_profile("fixed")


def examples(fixed: int) -> int:
    """So many examples in `make test`, and as many times more in `make test-all` as its profile has."""
    return fixed * settings.default.max_examples // settings.get_profile("fixed").max_examples  # type: ignore[union-attr]


# For tables of a few rows: nothing is compiled, and there is one of everything.
SMALL_SPARK = {
    "spark.default.parallelism": "1",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "spark" in item.keywords:  # one process has the one session, however many run tests
            item.add_marker(pytest.mark.xdist_group("spark"))
        elif item.get_closest_marker("xdist_group") is None and _shares_work(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        if "slow" in item.keywords and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(1800))  # minutes on a free machine, more beside others
    if os.name == "posix":
        return
    lacking = pytest.mark.skip(reason="needs what only POSIX systems have")
    for item in items:
        if "posix" in item.keywords:
            item.add_marker(lacking)


def _shares_work(item: pytest.Item) -> bool:
    """Whether a test needs what its module makes once: two processes would make it twice."""
    fixtures = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    return any(each[-1].scope == "module" for each in fixtures.values() if each)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """The groups are kept: pytest-xdist tells them by the names of tests, and stops doing so without a word where
    pytest keeps those elsewhere (9.2)."""
    if getattr(session.config.option, "loadgroup", False):
        lost = [item for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
        assert not lost, "pytest-xdist does not group tests with this version of pytest"


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder with the batches 2025-01-15 and 2025-01-16 in the landing layout; to be read, never written."""
    folder = ROOT.parent / "shared" / "data" / "sample"
    if not folder.is_dir():
        pytest.skip("the sample batches do not stand beside this checkout (../shared/data/sample)")
    return folder


@pytest.fixture(scope="session")
def spark_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one Spark of a test run, behind Spark Connect."""
    if find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed (make spark-setup)")
    from cartlake.engines.spark.session import LOCAL, local_session

    options = "spark.driver.extraJavaOptions"
    # The simple compiler alone would get 48 MB, which five clients fill.
    java = {options: f"{LOCAL[options]} -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"}
    warehouse = {"spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    try:
        session = local_session(EngineSettings(name="spark", threads=2), SMALL_SPARK | java | warehouse)
    except ConfigError as error:
        pytest.skip(f"Spark cannot start: {error.message}")
    yield session
    session.stop()
