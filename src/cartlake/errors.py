"""Every error a caller can see: one root, the facts as attributes, the exit code of the command line.

CartlakeError
├── UsageError            2   the call is wrong: unknown batch, unknown table, not one SELECT
├── DataError             1   the data are wrong; the rest of the lake is untouched
│   ├── FileRejected          a file that cannot be read under its contract
│   └── ManifestRefused       a trigger manifest that cannot be followed
├── ConfigError           3   settings, contract or model are wrong; nothing was started
│   ├── ContractError
│   └── ModelError
├── EngineError           3   the engine or the storage failed; the run can be repeated
│   ├── TableMissing
│   ├── TableForeign          a table of our name that is not ours, or of a newer layout
│   └── CommitConflict        somebody else committed; read again and decide again
└── Locked               75   another process works on this lake
"""

from __future__ import annotations

from typing import ClassVar


class CartlakeError(Exception):
    """What happened, where, and what to do about it; `code` is stable, the words are not."""

    exit_code: ClassVar[int] = 3

    def __init__(
        self,
        code: str,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.hint = hint

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        said = f"{place}: {self.message}" if place else self.message
        return f"{said}\n{self.hint}" if self.hint else said

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__.copy()))

    def to_json(self) -> dict[str, object]:
        """The machine form: `code`, `message`, `file`, `line`, `hint`."""
        return {
            "code": self.code,
            "message": self.message,
            "file": self.file,
            "line": self.line,
            "hint": self.hint,
        }


def _rebuild(kind: type[CartlakeError], state: dict[str, object]) -> CartlakeError:
    error = kind(str(state["code"]), str(state["message"]))
    error.__dict__.update(state)
    return error


class UsageError(CartlakeError):
    """The call is wrong: an unknown batch, an unknown table, not one SELECT."""

    exit_code = 2


class DataError(CartlakeError):
    """The data are wrong; the rest of the lake is untouched."""

    exit_code = 1


class FileRejected(DataError):
    pass


class ManifestRefused(DataError):
    pass


class ConfigError(CartlakeError):
    """Settings, contract or model are wrong; nothing was started."""


class ContractError(ConfigError):
    pass


class ModelError(ConfigError):
    pass


class EngineError(CartlakeError):
    """The engine or the storage failed; the run can be repeated."""


class TableMissing(EngineError):
    pass


class TableForeign(EngineError):
    pass


class CommitConflict(EngineError):
    pass


class Locked(CartlakeError):
    """Another process works on this lake."""

    exit_code = 75
