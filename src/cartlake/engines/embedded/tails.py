"""The end of a table's log after a process died or the power failed: what is whole stays, what is not stands aside.

Commits that were acknowledged are on the disk. Of later ones a power failure may leave any part: an empty commit file,
half of one, one whose data files are not there, none in the middle of others.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from cartlake.engines.embedded.files import is_intact
from cartlake.engines.upkeep import LOG
from cartlake.failpoints import reach

ASIDE = ".torn"
MOST_UNSYNCED = 20  # commits, of all tables together


@dataclass(frozen=True)
class Tail:
    """How many commits were set aside, and what was found whole: commit files, checkpoints and data files."""

    set_aside: int
    whole: tuple[Path, ...]


@dataclass(frozen=True)
class _Commit:
    """A commit file with the data files that it adds and their sizes, and those that it removes."""

    path: Path
    added: dict[Path, int]
    removed: frozenset[Path]


def settle(folder: Path) -> Tail:
    """The log of the table in `folder` ends with a commit that is whole, and has no traces of writes that died."""
    log = folder / LOG
    if not log.is_dir():
        return Tail(0, ())
    for trace in [path for path in log.iterdir() if "#" in path.name or path.suffix == ".tmp"]:
        reach("log: trace")
        trace.unlink()
    commits = {int(path.stem): path for path in log.glob("*.json") if path.stem.isdigit()}
    known = max(max(commits, default=-1) - MOST_UNSYNCED, min(commits, default=0) - 1)
    whole = _whole(folder, commits, known)
    found = known + len(whole)
    files = [path for commit in whole for path in (commit.path, *commit.added) if path.exists()]
    files += _settle_checkpoints(log, known, found)
    torn = sorted((version for version in commits if version > found), reverse=True)
    for version in torn:  # the newest first: should this end here, no gap is left
        reach("log: set aside")
        commits[version].rename(log / f"{commits[version].stem}.{secrets.token_hex(4)}{ASIDE}")
    return Tail(len(torn), tuple(files))


def _whole(folder: Path, commits: Mapping[int, Path], known: int) -> list[_Commit]:
    """The commits that follow version `known` up to the first that is not whole. A file that a later one of them
    removes may be gone."""
    read = list[_Commit]()
    while (commit := _read(folder, commits.get(known + 1 + len(read)))) is not None:
        read.append(commit)
    while True:
        removed = {path for commit in read for path in commit.removed}
        wanted = ({path: size for path, size in commit.added.items() if path not in removed} for commit in read)
        damaged = (any(not is_intact(path, size) for path, size in files.items()) for files in wanted)
        first = next((place for place, is_damaged in enumerate(damaged) if is_damaged), None)
        if first is None:
            return read
        read = read[:first]


def _read(folder: Path, path: Path | None) -> _Commit | None:
    """None if it is not there, or not all of it."""
    try:
        actions = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path else []
        added = {folder / unquote(a["add"]["path"]): int(a["add"]["size"]) for a in actions if "add" in a}
        removed = frozenset(folder / unquote(a["remove"]["path"]) for a in actions if "remove" in a)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return _Commit(path, added, removed) if path and actions else None


def _settle_checkpoints(log: Path, known: int, found: int) -> Iterator[Path]:
    """Checkpoints of commits that are whole and not known to be on the disk; others of the kind are gone, and a hint to
    one. A checkpoint only repeats what the commits say."""
    kept = list[int]()
    for path in sorted(log.glob("*.checkpoint*.parquet")):
        version = int(path.name[:20])
        if version <= known or (version <= found and _is_parquet(path)):
            kept.append(version)
            yield path
        else:
            reach("log: checkpoint")
            path.unlink()
    hint = log / "_last_checkpoint"
    if hint.exists():
        if _hinted(hint) in kept:
            yield hint
        else:
            reach("log: hint")
            hint.unlink()


def _is_parquet(path: Path) -> bool:
    data = path.read_bytes()
    return data[:4] == data[-4:] == b"PAR1" and len(data) > 8


def _hinted(hint: Path) -> int | None:
    try:
        return int(json.loads(hint.read_bytes())["version"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
