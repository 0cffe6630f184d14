"""The trigger manifest: the JSON that announces a batch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, NoReturn

from cartlake.core.jsontext import too_deep_at
from cartlake.core.names import FIRST_YEAR, HASH_IN_NAME, LAST_YEAR, check_file_name, normalise, shown
from cartlake.core.packed import is_packed
from cartlake.errors import ManifestRefused

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 20

_BATCH_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+:-]{0,99}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(_DATE.pattern + r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_BIGGEST = 2**63 - 1


@dataclass(frozen=True)
class ExpectedFile:
    """A file that a manifest names, and what it says of its content (None: nothing). `rows` are records of data."""

    name: str
    rows: int | None = None
    bytes: int | None = None
    sha256: str | None = None

    @property
    def key(self) -> str:
        """The name as names are compared."""
        return normalise(self.name)


@dataclass(frozen=True)
class Manifest:
    """What one manifest file says. `sha256` is of its bytes, `text` its JSON with every key, also unknown ones.

    `ready` false only announces. `triggered_at` is in UTC. `name` is the file's name in the manifest folder.
    """

    batch_id: str
    batch_date: date
    ready: bool
    files: tuple[ExpectedFile, ...]
    revision: int | None
    triggered_at: datetime | None
    source_system: str | None
    text: str
    sha256: str
    name: str

    @property
    def unused(self) -> tuple[str, ...]:
        """What it says of its files under keys that nothing looks at, the keys in order."""
        entries = json.loads(self.text).get("files") or []
        return tuple(sorted({key for entry in entries for key in entry} - {each.name for each in fields(ExpectedFile)}))


def parse_manifest(name: str, data: bytes) -> Manifest:
    """The manifest in `data`; ManifestRefused for anything that cannot be followed, with the line where it is known.

    A key whose value is null counts as absent (but `data_files_ready` is true or false). A file that both
    `expected_files` and `files` name is one file. A `trigger_timestamp` without a zone is UTC.
    """
    return _Reader(name, _decoded(name, data)).manifest(hashlib.sha256(data).hexdigest())


def render_manifest(
    batch_id: str, batch_date: date, files: Iterable[ExpectedFile], triggered_at: datetime | None
) -> bytes:
    """A manifest that `parse_manifest` reads back as given: names under `expected_files`, details under `files`."""
    files = tuple(files)
    details = [{key: value for key, value in vars(file).items() if value is not None} for file in files]
    body = {
        "trigger_id": batch_id,
        "trigger_timestamp": triggered_at and triggered_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "batch_date": batch_date.isoformat(),
        "data_files_ready": True,
        "expected_files": [file.name for file in files],
        "files": [detail for detail in details if len(detail) > 1] or None,
    }
    said = {key: value for key, value in body.items() if value is not None}
    return (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode()


def differs(
    expected: ExpectedFile, *, rows: int | None, content: tuple[int, str], landed: tuple[int, str] | None = None
) -> str | None:
    """How a claimed file is not what the manifest says of it, or None. `rows` None: not counted yet, not compared.
    `bytes` and `sha256` of a manifest are those of the file as it landed; of one that came packed they are known when
    it is claimed, and not compared later."""
    size, sha256 = landed or ((None, None) if is_packed(expected.name) else content)
    pairs = (("rows", expected.rows, rows), ("bytes", expected.bytes, size), ("sha256", expected.sha256, sha256))
    wrong = [
        f"{what} is {found}, the manifest says {said}"
        for what, said, found in pairs
        if said is not None and found is not None and said != found
    ]
    return "; ".join(wrong) or None


def _decoded(name: str, data: bytes) -> str:
    if len(data) > MAX_BYTES:
        hint = "Is it a data file? Those belong in their feed's folder."
        raise ManifestRefused("manifest_too_large", f"over {MAX_BYTES} bytes", file=shown(name), hint=hint)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        found = "UTF-16" if utf16 else f"byte {error.object[error.start]:#04x} at offset {error.start}"
        raise ManifestRefused(
            "manifest_not_utf8",
            f"a manifest is UTF-8 text, and this has {found}",
            file=shown(name),
            line=None if utf16 else data.count(b"\n", 0, error.start) + 1,
            hint="Save it as UTF-8.",
        ) from None


class _Reader:
    """Reads the fields of one manifest; every refusal names the file and the line of the key at fault."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._body = self._json()

    def manifest(self, sha256: str) -> Manifest:
        return Manifest(
            batch_id=self._batch_id() or f"batch-{sha256[:HASH_IN_NAME]}",
            batch_date=self._batch_date(),
            ready=self._ready(),
            files=self._files(),
            revision=self._count(self._body, "revision"),
            triggered_at=self._triggered_at(),
            source_system=self._source_system(),
            text=self._text,
            sha256=sha256,
            name=self._name,
        )

    def _refuse(self, code: str, message: str, at: str | int | None = None, hint: str | None = None) -> NoReturn:
        """`at` is the line, or the text in whose line the fault stands."""
        line = self._line_of(at) if isinstance(at, str) else at
        raise ManifestRefused(code, message, file=shown(self._name), line=line, hint=hint)

    def _line_of(self, value: str) -> int | None:
        """The line where the text first stands in quotes; None if it stands there in another spelling."""
        at = self._text.find(json.dumps(value, ensure_ascii=False))
        return None if at < 0 else self._text.count("\n", 0, at) + 1

    def _json(self) -> Mapping[str, Any]:
        self._check_depth()
        try:
            body = json.loads(self._text, object_pairs_hook=self._unique, parse_constant=self._no_constant)
        except json.JSONDecodeError as error:
            hint = "Correct the manifest, or let `cartlake manifest create` write one."
            refused = ManifestRefused("manifest_not_json", f"this is not JSON: {error.msg}", hint=hint)
            refused.file, refused.line, refused.column = shown(self._name), error.lineno, error.colno
            raise refused from None
        except ValueError:  # an integer of thousands of digits
            self._refuse("manifest_not_json", "a number in it is too long")
        if not isinstance(body, dict):
            self._refuse("manifest_not_object", "a manifest is a JSON object", hint='It begins with "{".')
        return body

    def _check_depth(self) -> None:
        at = too_deep_at(self._text, MAX_DEPTH)
        if at is not None:
            line = self._text.count("\n", 0, at) + 1
            self._refuse("manifest_too_deep", f"brackets stand more than {MAX_DEPTH} deep in each other", line)

    def _unique(self, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for key, value in pairs:
            if key in entries:
                self._refuse("manifest_duplicate_key", f'the key "{shown(key)}" stands twice in one object', key)
            entries[key] = value
        return entries

    def _no_constant(self, constant: str) -> NoReturn:
        self._refuse("manifest_not_json", f"this is not JSON: {constant}")

    def _wrong(self, key: str, wanted: str, hint: str | None = None) -> NoReturn:
        self._refuse("manifest_field", f'"{shown(key)}" is {wanted}', key, hint)

    def _text_of(self, entries: Mapping[str, Any], key: str, wanted: str = "a text") -> str | None:
        value = entries.get(key)
        if value is not None and not isinstance(value, str):
            self._wrong(key, wanted)
        return value

    def _count(self, entries: Mapping[str, Any], key: str) -> int | None:
        value = entries.get(key)
        if value is not None and (type(value) is not int or not 0 <= value <= _BIGGEST):
            self._wrong(key, "a whole number from 0")
        return value

    def _batch_id(self) -> str | None:
        value = self._text_of(self._body, "trigger_id")
        if value is not None and not _BATCH_ID.fullmatch(value):
            wanted = "1 to 100 of the signs A-Z a-z 0-9 . _ - + : and begins with a letter, a digit or _"
            self._wrong("trigger_id", wanted, "Without a trigger_id the batch is named by the manifest's content.")
        return value

    def _batch_date(self) -> date:
        value = self._text_of(self._body, "batch_date", "a date such as 2025-01-15")
        if value is None:
            hint = 'Add the business date: "batch_date": "2025-01-15".'
            self._refuse("manifest_field", '"batch_date" is missing', hint=hint)
        try:
            day = date.fromisoformat(value) if _DATE.fullmatch(value) else None
        except ValueError:
            day = None
        if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
            self._wrong("batch_date", f"a date such as 2025-01-15, from {FIRST_YEAR} to {LAST_YEAR}")
        return day

    def _ready(self) -> bool:
        value = self._body.get("data_files_ready", True)
        if not isinstance(value, bool):
            self._wrong("data_files_ready", "true or false, without quotes")
        return value

    def _triggered_at(self) -> datetime | None:
        value = self._text_of(self._body, "trigger_timestamp", "a time such as 2025-01-15T10:00:00Z")
        if value is None:
            return None
        try:
            time = datetime.fromisoformat(value) if _TIME.fullmatch(value) else None
            time = time and (time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            time = None
        if time is None or not FIRST_YEAR <= time.year <= LAST_YEAR:
            self._wrong("trigger_timestamp", "a time such as 2025-01-15T10:00:00Z")
        return time

    def _source_system(self) -> str | None:
        value = self._text_of(self._body, "source_system")
        if value is not None and not (value.isprintable() and 0 < len(value) <= 100):
            self._wrong("source_system", "a text of 1 to 100 printable signs")
        return value

    def _files(self) -> tuple[ExpectedFile, ...]:
        named = self._distinct(ExpectedFile(self._file_name(name)) for name in self._list("expected_files"))
        detailed = self._distinct(self._file(entry) for entry in self._list("files"))
        if not named and not detailed:
            hint = 'Name them: "expected_files": ["orders_2025-01-15.csv"].'
            self._refuse("manifest_names_no_file", "the manifest names no file", hint=hint)
        return tuple((named | detailed).values())

    def _list(self, key: str) -> list[Any]:
        value = self._body.get(key)
        if value is not None and not isinstance(value, list):
            self._wrong(key, "a list")
        return value or []

    def _distinct(self, files: Iterable[ExpectedFile]) -> dict[str, ExpectedFile]:
        """The files of one list by the form in which names are compared."""
        distinct: dict[str, ExpectedFile] = {}
        for file in files:
            if file.key in distinct:
                message = f'the file "{shown(file.name)}" is named twice (names that differ only by case are one)'
                self._refuse("manifest_duplicate_file", message, file.name)
            distinct[file.key] = file
        return distinct

    def _file(self, entry: object) -> ExpectedFile:
        if not isinstance(entry, dict):
            self._wrong("files", 'a list of objects such as {"name": "orders.csv", "rows": 20}')
        sha256 = self._text_of(entry, "sha256")
        if sha256 is not None and not _SHA256.fullmatch(sha256):
            self._wrong("sha256", "64 hexadecimal digits")
        name = self._file_name(entry.get("name"))
        return ExpectedFile(name, self._count(entry, "rows"), self._count(entry, "bytes"), sha256 and sha256.lower())

    def _file_name(self, name: object) -> str:
        if not isinstance(name, str):
            self._refuse("manifest_file_name", "a file's name is a text", hint="Names of files, in quotes.")
        reason = check_file_name(name)
        if reason:
            message = f'the file name "{shown(name)}" is refused: {reason}'
            hint = "A manifest names files as they lie in the feeds' folders: the name alone."
            self._refuse("manifest_file_name", message, name, hint)
        return name
