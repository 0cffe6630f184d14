"""`Lake`: everything cartlake does, as Python. The command line calls nothing else."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from cartlake.lake.deciding import Deciding
from cartlake.lake.looking import Looking, Status
from cartlake.lake.repairing import Repairing
from cartlake.lake.running import Running, RunReport

__all__ = ["Lake", "RunReport", "Status"]


class Lake(Running, Deciding, Repairing, Looking, AbstractContextManager["Lake"]):
    """One project folder. What writes takes the lake's lock and raises Locked if another process has it
    (`wait` seconds: None waits as long as it takes). `spark` is a session to use instead of one of our own."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
