"""File names that come from outside: which are accepted, which are one, and what they become in the archive."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import PurePosixPath

from cartlake.core.packed import unpacked_name

MAX_NAME = 200
FIRST_YEAR, LAST_YEAR = 1900, 2261
HASH_IN_NAME = 12

_IGNORED = re.compile(r"\.|~\$|thumbs\.db\Z|.*\.(tmp|crdownload)\Z", re.DOTALL)
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ ]*(\.|\Z)")
_BIDIRECTIONAL = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL = frozenset({"Cc", "Zl", "Zp", "Cs"})
_DATE = r"(?P<year>[0-9]{4})[-_.]?(?P<month>[0-9]{2})[-_.]?(?P<day>[0-9]{2})"
_WILDCARDS = {"{date}": _DATE, "*": ".*", "?": "."}


@dataclass(frozen=True)
class LandedFile:
    """A file in a feed's folder: `folder` relative to landing, `name` as the folder lists it, `changed_at` the latest
    of what the system knows as its last change. Equal means that it did not change."""

    folder: str
    name: str
    size: int
    changed_at: datetime

    @property
    def key(self) -> str:
        return normalise(self.name)


def check_file_name(name: str) -> str | None:
    """Why `name` is refused in a manifest, or None: it is one file's name on every system and never a path.

    Length is counted in characters after NFC. A name that landing ignores is refused too: its batch would wait for
    ever. `:`, `*` and other signs that only some systems allow are accepted: names are compared, never opened.
    """
    return next((reason for is_refused, reason in _REFUSALS if is_refused(name)), None)


def is_ignored(name: str) -> bool:
    """Spreadsheet locks, partial downloads, hidden files: nobody delivered them."""
    return _IGNORED.match(normalise(name)) is not None


def normalise(name: str) -> str:
    """The form in which names are compared: composed (NFC) and case-folded. Equal forms are one name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def shown(name: str) -> str:
    """The name as a message may print it: at most 80 characters, what does not print as an escape."""
    cut = name if len(name) <= 80 else name[:79] + "…"
    return printable(cut)


def printable(text: str) -> str:
    """The text with escapes for what does not print: no control sequence, no line end, nothing invisible."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def short_hashes(text: str) -> str:
    """The text with as much of each hash of a file as the ids of quarantined records have, for people."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", text)


def safe_stem(name: str) -> str:
    """The name without its last suffix as 1 to 40 of `a-z 0-9 _ -`, no reserved device name. Not unique."""
    stem = _slug(_split(name)[0])[:40].strip("-") or "file"
    return f"file-{stem}"[:40] if _RESERVED.match(stem) else stem


def archive_path(folder: str, batch_date: date, name: str, sha256: str) -> PurePosixPath:
    """Where the content stands in the archive: `<folder>/<batch_date>/<stem>.<first 12 of the hash><suffix>`; what
    came packed stands there unpacked."""
    name = unpacked_name(name)
    suffix = re.sub(r"[^a-z0-9]", "", _slug(_split(name)[1]))[:10]
    end = f".{suffix}" if suffix else ""
    return PurePosixPath(folder, batch_date.isoformat(), f"{safe_stem(name)}.{sha256[:HASH_IN_NAME]}{end}")


def hash_in_path(path: str) -> str | None:
    """The first signs of the hash of what stands at a path that `archive_path` made; None for another path."""
    found = re.search(rf"\.([0-9a-f]{{{HASH_IN_NAME}}})(\.[a-z0-9]+)?$", path)
    return found[1] if found else None


def date_in_name(pattern: str, name: str) -> date | None:
    """The date that stands in `name` where `pattern` says `{date}`: year, month, day, with or without `- _ .` between.

    `*` and `?` stand for any signs, case does not matter. None if the name is another, or the date no date of the years
    1900 to 2261.
    """
    parts = re.split(r"(\{date\}|\*+|\?)", normalise(pattern))
    expression = "".join(_WILDCARDS.get(part[:1] if part[:1] == "*" else part, re.escape(part)) for part in parts)
    found = re.fullmatch(expression, normalise(name), re.DOTALL)
    if not found or "year" not in found.groupdict():
        return None
    try:
        stands = date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None
    return stands if FIRST_YEAR <= stands.year <= LAST_YEAR else None


def by_date(files: Iterable[LandedFile], patterns: Mapping[str, str]) -> dict[date, tuple[LandedFile, ...]]:
    """The files by business date, oldest first; `patterns` gives per folder the contract's file pattern.

    A file whose name has no date belongs to the newest date among the others; if no name has one, the date is that of
    the newest file's last change in UTC. Names that lie there more than once belong nowhere: nobody can say which.
    """
    every = list(files)
    counts = Counter(file.key for file in every)
    single = [file for file in every if counts[file.key] == 1]
    dates = {file: date_in_name(patterns.get(file.folder, ""), file.name) for file in single}
    newest = max((file.changed_at.astimezone(UTC).date() for file in single), default=date.min)
    otherwise = max((day for day in dates.values() if day), default=newest)
    days = sorted({day or otherwise for day in dates.values()})
    return {day: tuple(file for file in single if (dates[file] or otherwise) == day) for day in days}


def new_trigger_id(batch_date: date, used: Collection[str]) -> str:
    """`<batch_date>-<n>` with the first n from 1 that is not among `used`."""
    return next(made for n in range(1, len(used) + 2) if (made := f"{batch_date.isoformat()}-{n}") not in used)


_REFUSALS: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda name: not name.strip(), "it is empty"),
    (lambda name: re.search(r"[/\\]", name), "it is a path; only the file's name is allowed"),
    (lambda name: any(unicodedata.category(sign) in _CONTROL for sign in name), "it holds control characters"),
    (_BIDIRECTIONAL.search, "it holds characters that change the direction of writing"),
    (lambda name: name != name.strip() or name.endswith("."), "it begins or ends with a blank, or ends with a dot"),
    (lambda name: _RESERVED.match(normalise(name)), "it is a reserved device name"),
    (is_ignored, "hidden and temporary files are ignored"),
    (lambda name: len(unicodedata.normalize("NFC", name)) > MAX_NAME, f"it is longer than {MAX_NAME} characters"),
)


def _split(name: str) -> tuple[str, str]:
    """Stem and suffix; a name without a dot, or with only a first one, has no suffix."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, suffix) if dot and stem else (name, "")


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")
