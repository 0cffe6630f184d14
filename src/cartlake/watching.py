"""When to look at the landing folders again.

An event is a hint, the scan is the truth: network mounts send no events, so every `scan_seconds` there is a look in any
case. A manifest is looked at as soon as it stands still for a moment; a data file may be in the middle of a long copy,
so its events count only once they have ceased for a while, and removals (mostly our own tidying) do not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from cartlake.core.names import is_ignored
from cartlake.settings import Settings

SCAN_SECONDS = 30.0
MANIFEST_STILL_MS = 20
DATA_STILL_SECONDS = 0.5
_TICK_MS = 100
_POLL_SECONDS = 0.25
FOLLOW_SECONDS = 1.0

Clock = Callable[[], float]


def arrivals(settings: Settings, stop: Callable[[], bool], scan_seconds: float = SCAN_SECONDS) -> Iterator[None]:
    """Yields once at the start and then whenever landing is worth a look, until `stop` says so."""
    if settings.landing.trigger == "quiet":
        scan_seconds = min(scan_seconds, settings.landing.quiet_seconds)
    landing = settings.landing_folder
    if find_spec("watchfiles") is not None and landing.is_dir():
        changes = _notified(landing, stop)
    else:
        changes = _polled(landing, stop)
    return looks(changes, landing / settings.landing.manifests, scan_seconds)


def attempts(stop: Callable[[], bool], seconds: float = _POLL_SECONDS) -> Iterator[None]:
    """Yields at once and then again and again, after so many seconds each, until `stop` says so."""
    while not stop():
        yield
        time.sleep(seconds)


def looks(
    changes: Iterable[set[Path]], manifests: Path, scan_seconds: float, clock: Clock = time.monotonic
) -> Iterator[None]:
    """When to look, given the paths that came or changed since the last step, in many small steps."""
    looked_at: float | None = None
    data_changed_at: float | None = None
    for paths in changes:
        now = clock()
        landed = [path for path in paths if not is_ignored(path.name)]
        if any(manifests not in path.parents for path in landed):
            data_changed_at = now
        is_settled = data_changed_at is not None and now - data_changed_at >= DATA_STILL_SECONDS
        is_announced = any(manifests in path.parents for path in landed)
        if looked_at is None or is_announced or is_settled or now - looked_at >= scan_seconds:
            if is_settled:
                data_changed_at = None
            yield
            looked_at = clock()


def _notified(folder: Path, stop: Callable[[], bool]) -> Iterator[set[Path]]:
    """What the system reports of `folder`, gathered until nothing more came for a moment; at least every tick."""
    from watchfiles import Change, watch

    reported = watch(
        folder,
        watch_filter=None,
        step=MANIFEST_STILL_MS,
        rust_timeout=_TICK_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
        stop_event=_StopEvent(stop),
    )
    for changes in reported:
        if stop():
            return
        yield {Path(path) for change, path in changes if change is not Change.deleted}


class _StopEvent:
    """`stop` in the form that watchfiles asks for."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self.is_set = stop


def _polled(folder: Path, stop: Callable[[], bool]) -> Iterator[set[Path]]:
    """The same by listing `folder` again and again."""
    before: dict[Path, tuple[int, int]] = {}
    while not stop():
        states = _states(folder)
        yield {path for path, state in states.items() if before.get(path) != state}
        before = states
        time.sleep(_POLL_SECONDS)


def _states(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and modification time of every file below `folder`."""
    found = {}
    for path in folder.rglob("*"):
        try:
            state = path.stat()
        except OSError:  # it went while we looked
            continue
        if path.is_file():
            found[path] = (state.st_size, state.st_mtime_ns)
    return found
