"""What can be made again and is kept for the user meanwhile, outside every project: no project's folder is trusted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel

from cartlake.core import memo

_MOST = 5000  # results, a few megabytes: as many as a dozen projects need


def folder() -> Path:
    """Our folder below the user's cache; it may not exist."""
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cartlake"


def recall() -> None:
    """What earlier processes of this source compiled is known, if it was kept: half of the time of a first batch."""
    memo.learn(_kept())


def keep() -> None:
    """What this process compiled is kept for the next one, where the user's cache can be written."""
    kept = _kept()
    if memo.known().keys() <= kept.keys():
        return
    found = memo.known() if len(kept) > _MOST else {**kept, **memo.known()}
    with contextlib.suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder(), delete=False) as written:
            written.write(_Compiled(source=_source(), found=dict(found)).model_dump_json())
        Path(written.name).replace(_file())


class _Compiled(BaseModel):
    source: str
    found: dict[str, memo.Result]


def _kept() -> Mapping[str, memo.Result]:
    with contextlib.suppress(OSError, ValueError):
        compiled = _Compiled.model_validate_json(_file().read_bytes())
        if compiled.source == _source():
            return compiled.found
    return {}


def _file() -> Path:
    return folder() / "compiled.json"


@cache
def _source() -> str:
    """Another source, ours or sqlglot's, may compile otherwise."""
    source = hashlib.sha256(version("sqlglot").encode())
    for file in sorted(files("cartlake").joinpath("core").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".py"):
            source.update(file.read_bytes())
    return source.hexdigest()
