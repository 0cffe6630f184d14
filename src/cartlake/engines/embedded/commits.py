"""A commit to the log of a Delta table on a local disk: a file of JSON lines stands under the next number, whole or not
at all (https://github.com/delta-io/delta/blob/master/PROTOCOL.md, "Delta Log Entries" and "Actions").

Why not by delta-rs: docs/adr/0054.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from cartlake.engines.embedded.files import DataFile
from cartlake.errors import CommitConflict
from cartlake.failpoints import reach

Files = Sequence[DataFile]


def write_commit(path: Path, mark: str, added: Files, removed: Files, is_change: bool) -> None:
    """`path` is a commit that adds and removes these files and can be told by `mark`; without `is_change` the rows are
    the same before and after. Raises CommitConflict if it is there already."""
    lines = [json.dumps(action, separators=(",", ":")) for action in _actions(mark, added, removed, is_change)]
    part = path.with_name(f"{uuid.uuid4().hex}.tmp")
    try:
        part.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        reach("log: written")
        path.hardlink_to(part)  # fails if it is there, on every system
    except FileExistsError:
        said = f"another process committed to {path.parent.parent.name} at the same time"
        raise CommitConflict("commit_conflict", said, hint="Run it again.") from None
    finally:
        part.unlink(missing_ok=True)


def _actions(mark: str, added: Files, removed: Files, is_change: bool) -> Iterator[dict[str, object]]:
    now = int(time.time() * 1000)
    about = {
        "timestamp": now,
        "operation": "WRITE" if is_change else "OPTIMIZE",
        "operationParameters": {"mode": "Append"} if is_change else {},
        "engineInfo": "cartlake",
        "cartlake": mark,
    }
    yield {"commitInfo": about}
    for file in added:
        told = {"modificationTime": now, "dataChange": is_change, "stats": file.statistics()}
        yield {"add": _of(file) | told}
    for file in removed:
        told = {"deletionTimestamp": now, "dataChange": is_change, "extendedFileMetadata": True}
        yield {"remove": _of(file) | told}


def _of(file: DataFile) -> dict[str, object]:
    return {"path": quote(file.path, safe="/=%"), "partitionValues": dict(file.partition), "size": file.size}
