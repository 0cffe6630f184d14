"""SHA-256 beside other work."""

from __future__ import annotations

import hashlib
from threading import Thread

WORTH_A_THREAD = 1 << 18  # bytes


class Sha256:
    """As `hashlib.sha256`; a large chunk is hashed while the caller goes on, since hashing lets other threads run.

    Holds the chunk until the next call.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._running: Thread | None = None

    def update(self, chunk: bytes) -> None:
        self._wait()
        if len(chunk) < WORTH_A_THREAD:
            self._hash.update(chunk)
            return
        self._running = Thread(target=self._hash.update, args=(chunk,))
        self._running.start()

    def hexdigest(self) -> str:
        self._wait()
        return self._hash.hexdigest()

    def _wait(self) -> None:
        if self._running:
            self._running.join()
        self._running = None
