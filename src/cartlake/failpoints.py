"""Places where a test may end or disturb the process: one in every step that changes something on disk.

A program never sets them, and there is no other way to: no variable of the environment, no setting.
"""

from __future__ import annotations

from collections.abc import Callable


def _nothing(_: str) -> None:
    pass


on_reach: Callable[[str], None] = _nothing


def reach(place: str) -> None:
    """The process is at `place` now."""
    on_reach(place)
