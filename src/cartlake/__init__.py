"""cartlake: the files a shop's systems drop in a folder become trustworthy Delta Lake tables.

`from cartlake import Lake` is the Python API. What stands here is loaded when it is first used: importing the package
costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cartlake.changefeed import Changes
    from cartlake.core.deciding import DecisionReport
    from cartlake.core.lineage import LineageGraph
    from cartlake.errors import CartlakeError, ConfigError, DataError, EngineError, Locked, UsageError
    from cartlake.export import Exported
    from cartlake.health import FeedHealth
    from cartlake.lake import Lake, RunReport, Status
    from cartlake.lineage import RowLineage
    from cartlake.queries import BatchDetail, BatchReport, CaseResult, Version
    from cartlake.settings import Settings, load_settings
    from cartlake.verify import Verification
    from cartlake.whereabouts import FileReport

__all__ = [
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

_HOMES = {
    "cartlake.changefeed": ("Changes",),
    "cartlake.lake": ("Lake", "RunReport", "Status"),
    "cartlake.core.lineage": ("LineageGraph",),
    "cartlake.export": ("Exported",),
    "cartlake.whereabouts": ("FileReport",),
    "cartlake.health": ("FeedHealth",),
    "cartlake.lineage": ("RowLineage",),
    "cartlake.core.deciding": ("DecisionReport",),
    "cartlake.queries": ("BatchDetail", "BatchReport", "CaseResult", "Version"),
    "cartlake.verify": ("Verification",),
    "cartlake.settings": ("Settings", "load_settings"),
    "cartlake.errors": ("CartlakeError", "ConfigError", "DataError", "EngineError", "Locked", "UsageError"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
