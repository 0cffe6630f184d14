"""What people are told of an exception."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import typer

from cartlake.errors import CartlakeError, ConfigError, EngineError, UsageError

EXTRAS = {
    "dashboard": ("the dashboard", {"jinja2", "markupsafe", "starlette", "uvicorn"}),
    "local": ("the embedded engine", {"arro3", "deltalake", "duckdb"}),
    "spark": ("the Spark engine", {"grpc", "pandas", "pyarrow", "pyspark"}),
    "xlsx": ("Excel output", {"xlsxwriter"}),
}
_REFUSALS = {errno.EACCES, errno.EDQUOT, errno.ENAMETOOLONG, errno.ENOSPC, errno.EPERM, errno.EROFS}
_ClickUsageError = typer.BadParameter.__mro__[1]  # where its module is depends on typer's version


def explained(error: Exception) -> CartlakeError:
    """The error as people see it; of one that nobody foresaw only its kind and place, because its words may quote
    data. CARTLAKE_DEBUG=1 prints the traceback."""
    if isinstance(error, CartlakeError):
        return error
    if isinstance(error, _ClickUsageError):
        return _misused(error)
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        where = f"{error.filename}: " if error.filename else ""
        hint = "Is the disk full, the name too long, or is this user not allowed to write there?"
        return EngineError("file_refused", f"{where}{error.strerror}", hint=hint)
    if os.environ.get("CARTLAKE_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    missing = str(error.name).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    for extra, (part, packages) in EXTRAS.items():
        if missing in packages:
            hint = f'{part[0].upper()}{part[1:]} comes with: pip install "cartlake[{extra}]"'
            return ConfigError("engine_missing", f"the package {missing} is not installed", hint=hint)
    file, line = _place(error)
    return CartlakeError(
        "unexpected",
        f"unexpected {type(error).__name__}: this is a defect of cartlake",
        file=file,
        line=line,
        hint="Repeating the command is safe. CARTLAKE_DEBUG=1 shows where it happened.",
    )


def _misused(error: Exception) -> UsageError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "cartlake"
    said = getattr(error, "format_message", lambda: str(error))()
    return UsageError("usage", said.strip(), hint=f"`{command} --help` says what there is.")


def _place(error: Exception) -> tuple[str | None, int | None]:
    """The innermost line of our own code."""
    import traceback

    package = Path(__file__).parents[1]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(package):
            return Path(frame.filename).relative_to(package.parent).as_posix(), frame.lineno
    return None, None
