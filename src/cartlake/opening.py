"""A lake that is opened once and then used: its tables exist, and who writes holds its lock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartlake import pipeline, runs, usercache
from cartlake.engines.registry import open_engine
from cartlake.engines.scratch import sweep
from cartlake.errors import ConfigError, UsageError
from cartlake.ledger import Clock
from cartlake.lock import LakeLock
from cartlake.losses import require_contents, require_ledger, require_no_gap, require_tables
from cartlake.owning import require_no_run
from cartlake.published import show_to_readers
from cartlake.settings import Settings
from cartlake.tasks.context import Context
from cartlake.tasks.shapes import settle_definitions

_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\\]|%[0-9A-Fa-f]{2}")


class Door:
    """The way into one project folder. `wait` seconds for the lock; None waits as long as it takes. `given` goes to the
    engine: `session`, a Spark session to use."""

    def __init__(self, settings: Settings, clock: Clock, wait: float | None, **given: object) -> None:
        self._settings = settings
        self._clock = clock
        self._given = given
        self._wait = -1 if wait is None else wait
        self._opened: Context | None = None
        self._is_created = False
        self._lock = LakeLock(settings.project)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.engine.close()
            self._opened, self._is_created = None, False
            usercache.keep()

    def context(self, *, anew: bool = False) -> Context:
        """The opened lake, to look at; its tables exist."""
        if not self._is_created:
            if pipeline.missing_tables(self.as_it_is()):
                if not anew:
                    require_no_gap(self.as_it_is())
                with self._held():
                    pipeline.create_tables(self.as_it_is())
                    if not anew:
                        settle_definitions(self.as_it_is())
            require_contents(self.as_it_is())
            self._is_created = True
        return self.as_it_is()

    def as_it_is(self) -> Context:
        """The opened lake, to look at; what is there may be damaged."""
        self._opened = self._opened or self._open()
        return self._opened

    def _open(self) -> Context:
        require_project(self._settings)
        _require_writable_name(self._settings.lake_folder)
        usercache.recall()
        engine = open_engine(self._settings, **self._given)
        return pipeline.open_context(self._settings, engine, self._clock)

    @contextmanager
    def locked(self, *, anew: bool = False, beside_runs: bool = False) -> Iterator[Context]:
        """The opened lake, to write to; its tables are as today's contracts want them, unless the caller makes them
        `anew`. What was done is on the disk when the lock is given back. Where the engine lets several processes write,
        there is no lock, and only who works `beside_runs` may while a run is under way. Raises Locked, ContractError.
        """
        with self._held():
            context = self.context(anew=anew)
            require_ledger(context)
            if not anew:
                require_tables(context)
            if not beside_runs:
                require_no_run(context)
            sweep(self._settings.project)
            if not anew:
                settle_definitions(context)
            show_to_readers(context)
            try:
                yield context
                show_to_readers(context)
            finally:
                context.engine.sync()

    @contextmanager
    def _held(self) -> Iterator[None]:
        if self.as_it_is().engine.arbitrates:
            yield
            return
        with self._lock.held(self._wait) as is_left_by_dead:
            if is_left_by_dead:
                self.close()  # what it read may be set aside
                runs.recover_tables(self.as_it_is())
            yield


def require_project(settings: Settings) -> None:
    """Raises UsageError if the folder is none of a project."""
    if not settings.landing_folder.is_dir():
        raise UsageError(
            "not_a_project",
            f"{settings.project} has no folder {settings.landing.path}",
            hint="`cartlake init DIR` makes a project; --project DIR names one.",
        )


def _require_writable_name(lake: Path) -> None:
    """Delta tables are named by URLs: control characters and backslashes cannot stand there, and `%20` is a blank."""
    found = _UNWRITABLE.search(lake.as_posix())
    if found:
        raise ConfigError(
            "lake_path",
            f"{lake.as_posix()!r} cannot hold Delta tables, because of {found[0]!r} in it",
            hint="Rename the folder, or name another one for the tables: [engine] lake in cartlake.toml.",
        )
