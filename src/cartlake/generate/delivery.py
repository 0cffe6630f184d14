"""One day's delivery: its files and manifests while they are prepared, and how they land."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal

from cartlake.generate.files import CHUNK, FEEDS, FeedFile

FIRST = "001"  # the label of the manifest that announces a day's five files


@dataclass(frozen=True)
class FileReport:
    """A file that landed; `rows` are its records without the header."""

    feed: str
    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class FaultReport:
    """`count` defects of one kind, in these files."""

    name: str
    count: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class DayReport:
    """What landed for one day. `manifests` are paths, in the order they were written."""

    day: date
    files: tuple[FileReport, ...]
    manifests: tuple[Path, ...]
    faults: tuple[FaultReport, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True)
class Notice:
    """A manifest to be: the batch's date, a label that tells it from others of that date, what it announces, and names
    it announces although they do not exist."""

    day: date
    label: str
    files: tuple[FeedFile, ...]
    missing: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        return f"trigger_{self.day:%Y_%m_%d}{'' if self.label == FIRST else '_' + self.label}.json"

    def content(self, at: datetime) -> dict[str, object]:
        files = [{"name": f.name, "rows": f.rows, "bytes": f.bytes, "sha256": f.sha256} for f in self.files]
        return {
            "trigger_id": f"batch_{self.day:%Y_%m_%d}_{self.label}",
            "trigger_timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "batch_date": self.day.isoformat(),
            "client_name": "generated_shop",
            "data_files_ready": True,
            "expected_files": [*(file.name for file in self.files), *self.missing],
            "files": files,
            "source_system": "generated_shop",
            "processing_priority": "normal",
        }


@dataclass
class Delivery:
    """`index` counts days from 0. `waits` holds the delivery back until the next day's: `after` it, or `with` it but
    with its manifests last. `notices[0]` announces the day's five files."""

    index: int
    day: date
    is_last: bool
    folder: Path
    files: dict[str, FeedFile] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    faults: list[FaultReport] = field(default_factory=list)
    waits: Literal["no", "after", "with"] = "no"

    def create(self, feed: str, suffix: str = "", day: date | None = None) -> FeedFile:
        """A new file of the feed, not yet announced."""
        name = f"{feed}_{day or self.day:%Y_%m_%d}{suffix}.csv"
        return FeedFile(FEEDS[feed], name, self.folder / name)

    def copy(self, file: FeedFile, suffix: str) -> FeedFile:
        """A file of the same bytes under another name."""
        file.flush()
        name = file.name.replace(".csv", f"{suffix}.csv")
        with file.path.open("rb") as source:
            copied = FeedFile(file.feed, name, self.folder / name, header=b"")
            while chunk := source.read(CHUNK):
                copied.write_bytes(chunk, 0)
        copied.rows = file.rows
        return copied

    def samples(self, feed: str) -> list[dict[str, str]]:
        """The first records of the feed's file, by column."""
        lines = io.StringIO(b"".join(self.files[feed].first_lines).decode())
        return list(csv.DictReader(lines, FEEDS[feed].columns))

    def land_files(self, landing: Path) -> None:
        for file in self._all_files():
            file.close()
            place = landing / file.feed.folder / "source"
            place.mkdir(parents=True, exist_ok=True)
            file.path.replace(place / file.name)

    def announce(self, landing: Path, at: datetime) -> DayReport:
        """The manifests stand in the trigger folder, each whole from its first moment."""
        place = landing / "trigger_file"
        place.mkdir(parents=True, exist_ok=True)
        manifests = []
        for number, notice in enumerate(self.notices):
            unfinished = self.folder / notice.file_name
            content = json.dumps(notice.content(at + timedelta(minutes=number)), indent=2)
            unfinished.write_bytes(content.encode() + b"\n")
            manifests.append(unfinished.replace(place / notice.file_name))
        files = tuple(FileReport(f.feed.name, f.name, f.rows, f.bytes, f.sha256) for f in self._all_files())
        shutil.rmtree(self.folder)
        return DayReport(self.day, files, tuple(manifests), tuple(self.faults))

    def _all_files(self) -> list[FeedFile]:
        return [file for notice in self.notices for file in notice.files]


def line(feed: str, values: Mapping[str, str]) -> str:
    """One record of the feed; columns that are not given stay empty."""
    text = io.StringIO()
    csv.DictWriter(text, FEEDS[feed].columns, restval="", lineterminator="\n").writerow(values)
    return text.getvalue()
