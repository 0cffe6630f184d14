"""Folders for what an engine puts on disk for a while: one for each opened lake, gone when it closes, and removed by
others when its process died."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

FOLDER = Path(".cartlake", "tmp")
_DOOR, _LIFE = "door", ".lock"


class Scratch:
    """A new folder below the project's `.cartlake/tmp`. A lock beside it tells that its process lives: the system frees
    it however the process ends. Where nothing can be written, in a copy to be looked at, one for us alone elsewhere."""

    def __init__(self, project: Path) -> None:
        self._life: FileLock | None = None
        try:
            self.folder = self._below(project / FOLDER)
        except OSError:
            self.folder = Path(tempfile.mkdtemp(prefix="cartlake-"))

    def _below(self, parent: Path) -> Path:
        parent.mkdir(parents=True, exist_ok=True)
        folder = parent / secrets.token_hex(4)
        life = FileLock(_life_of(folder), thread_local=False)
        with FileLock(parent / _DOOR):
            life.acquire()
            folder.mkdir()
        self._life = life
        return folder

    def new_file(self, suffix: str) -> Path:
        """The path of a file that does not exist yet."""
        return self.folder / f"{secrets.token_hex(8)}{suffix}"

    def close(self) -> None:
        if self._life is None:
            _remove(self.folder)
            return
        with FileLock(self.folder.parent / _DOOR):
            _remove(self.folder)
            self._life.release()
            _life_of(self.folder).unlink(missing_ok=True)


def sweep(project: Path) -> None:
    """The folders of dead processes are gone; those of living ones, and of this one, are as they were."""
    parent = project / FOLDER
    if not parent.is_dir():
        return
    with FileLock(parent / _DOOR):
        names = {path.name.removesuffix(_LIFE) for path in parent.iterdir()} - {_DOOR}
        for folder in (parent / name for name in names):
            life = FileLock(_life_of(folder))
            try:
                life.acquire(timeout=0)
            except Timeout:
                continue
            _remove(folder)
            life.release()
            _life_of(folder).unlink(missing_ok=True)


def _life_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LIFE}")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
