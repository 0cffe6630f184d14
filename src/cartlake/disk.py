"""What was written stands on the disk, and not only in the memory of the system.

Windows cannot flush a folder: there the name of a new file may be lost with the power. macOS flushes a disk's own
memory only on a call of its own, which is used.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cartlake.errors import UsageError

_IS_WINDOWS = os.name == "nt"
_AT_ONCE = 16


def sync(path: Path) -> None:
    """What `path` holds survives a power failure: the bytes of a file, the names in a folder. Raises OSError."""
    if _IS_WINDOWS and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if _IS_WINDOWS else os.O_RDONLY)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def flush(descriptor: int) -> None:
    """The same for an open file."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_new(path: Path, root: Path) -> None:
    """A new file, and the folders that name it and `root`, survive a power failure."""
    for each in (path, *_folders(path, root)):
        sync(each)


def require_no_folder(path: Path) -> None:
    """Raises UsageError if a folder is where a file is to stand."""
    if path.is_dir():
        raise UsageError("is_folder", f"{path} is a folder", hint="Name a file.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; afterwards it has taken the place of `path`, or is gone if it was not done."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


class Unsynced:
    """Files below `root` that were written and are not known to be on the disk. Folders below `root` come and stay."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths: set[Path] = set()
        self._named: set[Path] = set()  # folders whose names are on the disk
        self._threads = ThreadPoolExecutor(_AT_ONCE, "flush")

    def add(self, path: Path) -> None:
        """`path` was written, and perhaps the folders on the way to it."""
        self._paths.add(path)
        for folder in _folders(path, self._root):
            self._paths.add(folder)
            if folder in self._named:
                return

    def sync(self) -> None:
        """All of them, and the folders that name them, survive a power failure. At once, because a system that has
        many to flush does it in few steps. Raises OSError; they are tried again the next time."""
        paths = {path for path in self._paths if path.exists()}  # a file may have been removed since
        list(self._threads.map(sync, sorted(paths)))
        self._named.update(path for path in paths if path.parent in paths and path.is_dir())
        self._paths.clear()


def _folders(path: Path, root: Path) -> Iterator[Path]:
    """Those that name `path`, from its own up to the one that names `root`."""
    yield from (folder for folder in path.parents if folder.is_relative_to(root))
    yield root.parent
