"""Files go through the claim and the stage load, without manifests and runs; what became of them is asked later."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from cartlake import landing
from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.contract import Contract
from cartlake.core.entries import StagedFile
from cartlake.core.items import Bad, Record
from cartlake.core.lines import physical_lines
from cartlake.core.manifest import ExpectedFile
from cartlake.core.names import archive_path
from cartlake.core.odcs import parse_contract
from cartlake.core.packed import content
from cartlake.core.tables import QUARANTINE, stage_table
from cartlake.engines.base import Row
from cartlake.engines.registry import open_engine
from cartlake.errors import FileRejected
from cartlake.pipeline import create_tables, open_context
from cartlake.settings import load_settings
from cartlake.tasks.delivery import Delivery
from cartlake.tasks.loading import load, require_readable

DAY = date(2025, 3, 1)


@cache
def contract(feed: str) -> Contract:
    return parse_contract(files("cartlake").joinpath(f"contracts/{feed}.yaml").read_text("utf-8"), f"{feed}.yaml")


def changed(feed: str, wants: Mapping[str, Any]) -> Contract:
    """The feed's contract with other settings; `formats` and `names` (of the source) are those of columns."""
    formats, names = wants.get("formats", {}), wants.get("names", {})
    fields = tuple(
        replace(
            field,
            formats=tuple(formats.get(field.name, field.formats)),
            source_names=(names[field.name],) if field.name in names else field.source_names,
        )
        for field in contract(feed).fields
    )
    settings = {name: value for name, value in wants.items() if name not in ("formats", "names")}
    return replace(contract(feed), fields=fields, **settings)


@dataclass(frozen=True)
class Loaded:
    """A file that went through the stage load; `data` is its content. `lines` are those of its records by their
    ordinals, as one pass of the splitter has them."""

    file: StagedFile
    data: bytes
    lines: Mapping[int, int]

    @property
    def key(self) -> tuple[str, date]:
        return self.file.file_sha256, self.file.batch_date


class Intake:
    """The same content may come several times: each time for a later date."""

    def __init__(self, project: Path, engine: str = "embedded", **given: object) -> None:
        settings = load_settings(project, {}, {"engine": {"name": engine}})
        self.context = open_context(settings, open_engine(settings, **given))
        create_tables(self.context)
        self._landing = project / "landing"
        self._landing.mkdir(exist_ok=True)
        self._seen: Counter[bytes] = Counter()

    def load(self, of: Contract, data: bytes, name: str = "delivery.csv") -> Loaded:
        held = b"".join(content(io.BytesIO(data), name))
        source, day = self._landing / name, DAY + timedelta(days=self._seen[held])
        self._seen[held] += 1
        source.write_bytes(data)
        claimed = landing.claim(
            source, self.context.settings.archive_folder, lambda sha256: archive_path(of.folder, day, name, sha256)
        )
        at = datetime(2025, 3, 1, 10, tzinfo=UTC)
        expected = ExpectedFile(name)
        batch = Batch(f"b-{day}", day, BatchStatus.RUNNING, (expected,), "b.json", "0" * 64, "{}", None, None, None, at)
        delivery = Delivery(of, batch, expected, claimed.path, claimed.profile, 0, False, claimed.landed)
        return Loaded(load(self.context, delivery), held, _lines(delivery))

    def staged(self, feed: str) -> dict[tuple[str, date], list[Row]]:
        """The rows of the feed's log by file."""
        self.context.engine.read("log", stage_table(contract(feed)))
        return _by_file(self.context.engine.rows("SELECT * FROM log ORDER BY _record"), "_file_sha256", "_batch_date")

    def quarantined(self) -> dict[tuple[str, date], list[Row]]:
        self.context.engine.read("left_out", QUARANTINE)
        return _by_file(self.context.engine.rows("SELECT * FROM left_out ORDER BY record"), "file_sha256", "batch_date")


def _by_file(rows: list[Row], sha256: str, day: str) -> dict[tuple[str, date], list[Row]]:
    found: dict[Any, list[Row]] = {}
    for each in rows:
        found.setdefault((each[sha256], each[day]), []).append(each)
    return found


def _lines(delivery: Delivery) -> dict[int, int]:
    try:
        source = require_readable(delivery)
    except FileRejected:
        return {}
    with source.path.open("rb") as file:
        items = source.layout.items(physical_lines(file, source.codec), source.codec)
        return {item.ordinal: item.line for item in items if isinstance(item, Record | Bad)}
