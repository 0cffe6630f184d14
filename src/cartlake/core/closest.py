"""Hints for a name that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

_MOST_LISTED = 40


def closest(name: str, known: Collection[str], otherwise: str | None = None) -> str | None:
    """A hint that names the known names most like `name`. Where none is near: `otherwise`, else the first of them all;
    None without any."""
    near = difflib.get_close_matches(name, sorted(known), n=3)
    if near:
        return f"Did you mean {' or '.join(f'`{each}`' for each in near)}?"
    return otherwise or (f"Known here: {_listed(sorted(known))}." if known else None)


def _listed(names: Sequence[str]) -> str:
    said = ", ".join(f"`{name}`" for name in names[:_MOST_LISTED])
    return said if len(names) <= _MOST_LISTED else f"{said} and {len(names) - _MOST_LISTED:,} more"
