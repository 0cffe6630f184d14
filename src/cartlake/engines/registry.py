"""The engines there are. Each is imported when it is asked for: none is needed for `--help`."""

from __future__ import annotations

from importlib import import_module

from cartlake.engines.base import Engine
from cartlake.settings import Settings

ENGINES = {
    "embedded": ("cartlake.engines.embedded", "EmbeddedEngine"),
    "spark": ("cartlake.engines.spark.engine", "SparkEngine"),
}


def open_engine(settings: Settings, **given: object) -> Engine:
    """The engine that the settings name. `given` goes to it: `session`, for Spark."""
    module, name = ENGINES[settings.engine.name]
    engine: Engine = getattr(import_module(module), name)(settings, **given)
    return engine
