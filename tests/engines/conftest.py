"""Every test here runs on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cartlake.engines.base import Engine
from cartlake.engines.registry import ENGINES, open_engine
from cartlake.settings import Settings, load_settings

PARAMS = [pytest.param(name, id=name, marks=[pytest.mark.spark] if name == "spark" else []) for name in ENGINES]


@pytest.fixture(scope="module", params=PARAMS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(name: str, tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "a shop's lake", {}, {"engine": {"name": name}})


@pytest.fixture
def engine(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Engine]:
    is_spark = settings.engine.name == "spark"
    given = {"session": request.getfixturevalue("spark_session")} if is_spark else {}
    opened = open_engine(settings, **given)
    yield opened
    opened.close()
