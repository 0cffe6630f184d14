"""Which files of a Delta table are too small; and of one on a local disk, which nobody needs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import unquote

from cartlake.engines.base import Removal
from cartlake.failpoints import reach

LOG = "_delta_log"
SMALL, LARGE = 32 * 1024 * 1024, 128 * 1024 * 1024  # bytes: files below the one are joined up to about the other
MANY = 8  # so many small files of one partition are worth a new one


class Sized(Protocol):
    """A data file, as far as its size matters."""

    @property
    def size(self) -> int: ...

    @property
    def partition(self) -> Mapping[str, str]: ...


File = TypeVar("File", bound=Sized)


def commit_path(folder: Path, version: int) -> Path:
    """The commit file of a version of the table in `folder`."""
    return folder / LOG / f"{version:020}.json"


def groups_to_join(files: Sequence[File]) -> list[list[File]]:
    """Small files of one partition that become one file each; partitions with few of them are left alone."""
    partitions: dict[tuple[tuple[str, str], ...], list[File]] = {}
    for file in files:
        if file.size < SMALL:
            partitions.setdefault(tuple(file.partition.items()), []).append(file)
    return [group for small in partitions.values() if len(small) >= MANY for group in _filled(small)]


def _filled(files: Sequence[File]) -> Iterator[list[File]]:
    group: list[File] = []
    for file in files:
        if sum(one.size for one in group) >= LARGE - SMALL:
            yield group
            group = []
        group.append(file)
    if len(group) > 1:
        yield group


def version_at(folder: Path, newest: int, moment: datetime) -> int:
    """The version that was the newest at `moment`, by the times of the commit files; the oldest that is left if all are
    later."""
    at = moment.timestamp()
    version = newest
    while commit_path(folder, version).stat().st_mtime > at and commit_path(folder, version - 1).exists():
        version -= 1
    return version


def clean_up(
    folder: Path,
    oldest: int,
    newest: int,
    needed: Collection[str],
    *,
    dry_run: bool,
) -> Removal:
    """Gone are the files that no version from `oldest` (whose data files are `needed`) to `newest` needs."""
    spare = _spare_files(folder, oldest, newest, needed)
    removal = Removal(len(spare), sum(path.stat().st_size for path in spare))
    for path in [] if dry_run else spare:
        reach(f"{folder.name}: clean up")
        path.unlink()
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)  # Spark's checksum of a local file
    return removal


def _spare_files(folder: Path, oldest: int, newest: int, needed: Collection[str]) -> list[Path]:
    """The files that no version from `oldest` (whose data files are `needed`) to `newest` needs: data files, leftovers
    of writes that died, and the log's entries before the last checkpoint that all these versions can start from. In
    this order they can go one by one, and what remains can be read at any moment."""
    kept = {*needed, *_added_later(folder, oldest, newest)}
    kept |= {unquote(path) for path in kept}
    data = {path.relative_to(folder): path for path in sorted(folder.rglob("[!.]*")) if path.is_file()}
    spare = [path for name, path in data.items() if name.parts[0] != LOG and name.as_posix() not in kept]
    return spare + _spare_log(folder / LOG, oldest)


def _added_later(folder: Path, oldest: int, newest: int) -> Iterator[str]:
    """The paths of all files that the commits after `oldest` mention as there."""
    for version in range(oldest + 1, newest + 1):
        for line in commit_path(folder, version).read_text("utf-8").splitlines():
            action = json.loads(line)
            for kind in ("add", "cdc"):
                if kind in action:
                    yield action[kind]["path"]


def _spare_log(log: Path, oldest: int) -> list[Path]:
    entries = {path: int(path.name[:20]) for path in sorted(log.iterdir()) if path.name[:20].isdigit()}
    died = [path for path in sorted(log.iterdir()) if "#" in path.name or path.suffix in (".tmp", ".torn")]
    checkpoints = [entries[path] for path in entries if path.name.endswith(".checkpoint.parquet")]
    first = max((version for version in checkpoints if version <= oldest), default=0)
    return [path for path, version in entries.items() if version < first and path not in died] + died
