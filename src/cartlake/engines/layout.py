"""How stored tables are made, the same by every engine, and how ours are told from others."""

from __future__ import annotations

from collections.abc import Sequence

from cartlake.errors import TableForeign

LAYOUT_PROPERTY, LAYOUT = "cartlake.layout", 1
CHECKPOINT_INTERVAL = 20  # commits
PROPERTIES = {
    "delta.enableChangeDataFeed": "true",
    "delta.enableDeletionVectors": "false",
    "delta.checkpointInterval": str(CHECKPOINT_INTERVAL),
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
    LAYOUT_PROPERTY: str(LAYOUT),
}
ASK_VERIFY = "`cartlake verify` says which files are missing or damaged, and what repairs them."


def cannot_be(done: str, versions: Sequence[int | None]) -> list[str]:
    """What is said of the versions of a table that cannot be `done`; nothing where there are none."""
    if len(versions) > 1:
        return [f"{len(versions)} versions, from {versions[0]} to {versions[-1]}, cannot be {done}"]
    return [f"{'its newest version' if each is None else f'version {each}'} cannot be {done}" for each in versions]


def require_ours(table: str, layout: str | None) -> None:
    """Raises TableForeign unless the table's layout property is one that this cartlake knows."""
    if layout is None:
        raise TableForeign(
            "table_foreign",
            f"the table {table} was not made by cartlake",
            hint="Move it away, or give this project another lake ([engine] lake, or schema, in cartlake.toml).",
        )
    if int(layout) > LAYOUT:
        raise TableForeign(
            "table_newer",
            f"the table {table} has layout {layout}; this cartlake knows {LAYOUT}",
            hint="Install the cartlake version that wrote it, or a newer one.",
        )
