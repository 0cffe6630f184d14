"""A disk that forgets, as one does when the power fails: only what was flushed is sure to be there afterwards."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

State = tuple[int, int, int]


class Disk:
    """What was flushed below `root` since `watched`: the bytes of files, the names in folders."""

    def __init__(self, root: Path, copies: Path) -> None:
        self._root = root
        self._copies = copies
        self._names: dict[Path, dict[str, State]] = {}
        self._bytes: dict[State, Path] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """All that is there at the start is on the disk; later only what is flushed."""
        real = os.fsync

        def fsync(descriptor: int) -> None:
            real(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path == self._root.parent or path.is_relative_to(self._root):
                self._flushed(path)

        for path in self._root.rglob("*"):
            self._flushed(path)
        self._flushed(self._root)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            yield

    def after_a_failure(self, target: Path, *, names_survive: bool) -> None:
        """`target` is the project as the next start finds it. What was removed is gone; what was not flushed is lost
        or, where the names of new files survive, half of each is there."""
        self._restore(self._root, target, names_survive)

    def _restore(self, folder: Path, target: Path, names_survive: bool) -> None:
        target.mkdir()
        flushed = self._names.get(folder, {})
        there = _names(folder) if folder.is_dir() else {}
        kept = flushed | there if names_survive else {name: flushed[name] for name in flushed.keys() & there.keys()}
        for name, state in kept.items():
            path = folder / name
            if path in self._names or path.is_dir():
                self._restore(path, target / name, names_survive)
            elif state in self._bytes:
                shutil.copyfile(self._bytes[state], target / name)
            else:
                data = path.read_bytes() if path.exists() else b""
                (target / name).write_bytes(data[: len(data) // 2])

    def _flushed(self, path: Path) -> None:
        if path.is_dir():
            self._names[path] = _names(path)
        elif path.is_file():
            state = _state(path)
            self._bytes[state] = self._copies / "-".join(map(str, state))
            shutil.copyfile(path, self._bytes[state])


def _names(folder: Path) -> dict[str, State]:
    return {path.name: _state(path) for path in folder.iterdir()}


def _state(path: Path) -> State:
    """A file by its number and its content's age, as numbers are given again; of a folder only the number."""
    found = path.lstat()
    is_folder = stat.S_ISDIR(found.st_mode)
    return (found.st_ino, 0, 0) if is_folder else (found.st_ino, found.st_mtime_ns, found.st_size)
