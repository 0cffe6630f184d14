"""What every part of `Lake` stands on: the settings and the way into the project folder."""

from __future__ import annotations

import getpass
from pathlib import Path

from cartlake.ledger import Clock, utc_now
from cartlake.opening import Door
from cartlake.settings import Settings, load_settings


class Opened:
    """The settings of one project folder, and its door."""

    def __init__(
        self,
        project: Path | str = ".",
        *,
        settings: Settings | None = None,
        clock: Clock = utc_now,
        wait: float | None = 0,
        spark: object = None,
    ) -> None:
        self.settings = settings or load_settings(Path(project))
        self._door = Door(self.settings, clock, wait, **({} if spark is None else {"session": spark}))

    def close(self) -> None:
        """Everything is released; the next call opens the lake again, with contracts and models as they are then."""
        self._door.close()


def who() -> str:
    """The user of this system, as the ledger records who decided."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # the latter where Windows tells no name to Python before 3.13
        return "unknown"
