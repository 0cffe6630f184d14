"""The lake's lock: one process at a time writes. Whoever has it is named beside it, and what a dead process left there
tells the next one that there may be something to put in order."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from cartlake.core.names import shown
from cartlake.disk import sync_new
from cartlake.errors import CartlakeError, EngineError, Locked
from cartlake.failpoints import reach

STATE_FOLDER = ".cartlake"


class _Holder(BaseModel):
    process: int
    host: str
    since: datetime
    command: str

    def __str__(self) -> str:
        since = f"{self.since:%Y-%m-%d %H:%M:%S} UTC"
        return f"{shown(self.command)}, process {self.process} on {shown(self.host)}, since {since}"


class LakeLock:
    """The system frees the lock however its process ends."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._holder = project / STATE_FOLDER / "holder.json"
        self._lock = FileLock(project / STATE_FOLDER / "lock", thread_local=False)

    @contextmanager
    def held(self, wait: float = 0) -> Iterator[bool]:
        """Inside, this process has the lock; it may have it already. Whether the one that had it last died, or met an
        error that says little of what it left. Raises Locked, which names who has it, after `wait` seconds (-1: never).
        """
        with self._writing():
            self._holder.parent.mkdir(parents=True, exist_ok=True)
        if self._lock.is_locked:
            yield False
            return
        self._acquire(wait)
        try:
            is_left = self._holder.exists()
            self._sign()
            yield is_left
            with self._writing():
                reach("lock: done")
                self._holder.unlink()
        except CartlakeError as error:
            if not isinstance(error, EngineError):
                self._holder.unlink(missing_ok=True)
            raise
        finally:
            self._lock.release()

    def require_free(self) -> None:
        """Raises Locked if another process has it; nothing changes."""
        self._acquire(0)
        self._lock.release()

    def _acquire(self, wait: float) -> None:
        with self._writing():
            try:
                self._lock.acquire(timeout=wait)
            except Timeout:  # an OSError, too
                raise self._locked() from None

    def _sign(self) -> None:
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])  # further arguments may quote data
        holder = _Holder(process=os.getpid(), host=socket.gethostname(), since=datetime.now(UTC), command=command)
        with self._writing():
            reach("lock: taken")
            self._holder.write_text(holder.model_dump_json(), "utf-8")
            sync_new(self._holder, self._holder.parent)
            reach("lock: signed")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = f"{self._holder.parent} cannot be written to: {error.strerror}"
            raise EngineError("lock_failed", said, hint="Is the disk full, or the folder read-only?") from None

    def _locked(self) -> Locked:
        said = f"another process works on {self._project}"
        with suppress(OSError, ValidationError):
            said += f": {_Holder.model_validate_json(self._holder.read_bytes())}"
        return Locked("lake_locked", said, hint="Try again when it is done, or use --wait.")
