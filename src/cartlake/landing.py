"""The landing folder and the archive: what lies there, claims, and tidying. The decisions are `core.arrival`'s.

Where the system has no-follow opens and directory sync they are used. Windows has neither: there a link is recognised
before the open only, and a rename may be lost with the power.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path, PurePosixPath

from cartlake.core.batch import LandedManifest, Landing, Plan
from cartlake.core.manifest import MAX_BYTES, Manifest, parse_manifest
from cartlake.core.names import LandedFile, archive_path, check_file_name, is_ignored, normalise, shown
from cartlake.core.packed import content, is_packed, sha256_of
from cartlake.core.profile import Profile, Profiler
from cartlake.disk import flush, sync_new
from cartlake.errors import DataError, EngineError, FileRejected, ManifestRefused
from cartlake.failpoints import reach
from cartlake.hashing import Sha256

_IS_WINDOWS = os.name == "nt"
_STALE_SECONDS = 24 * 60 * 60
_FLAGS = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")  # a system has some of them
_OPEN_FLAGS = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in _FLAGS)


@dataclass(frozen=True)
class Claimed:
    """A file's content, at `path` in the archive; `landed`: size and SHA-256 of the file, which may be packed."""

    sha256: str
    profile: Profile
    path: Path
    landed: tuple[int, str]


def feed_folder(landing: Path, folder: str) -> Path:
    """Where the files of a feed land whose contract names `folder`."""
    return landing / folder / "source"


def landed_path(landing: Path, file: LandedFile) -> Path:
    return feed_folder(landing, file.folder) / file.name


def look(landing: Path, folders: Iterable[str], manifest_folder: str) -> Landing:
    """What lies in the folders of the feeds (by their contracts' names for them) and in the manifest folder, by name.

    Data files are listed, not opened. Links, folders, pipes and names that no manifest can name are told of and left
    alone; ignored names are passed over. A folder that is not there is empty.
    """
    notices: list[str] = []
    files = landed_files(landing, folders, notices)
    manifests: list[LandedManifest] = []
    for file in _regular_files(landing / manifest_folder, manifest_folder, notices):
        if file.name.lower().endswith(".json"):
            manifests += _read_manifest(landing / manifest_folder / file.name, file, notices)
        else:
            notices.append(f"{shown(file.name)}: not read, a manifest's name ends in .json")
    used = {file.folder: feed_folder(landing, file.folder) for file in files}
    used |= {manifest_folder: landing / manifest_folder} if manifests else {}
    if closed := [shown(name) for name, folder in used.items() if not os.access(folder, os.W_OK)]:
        notices.append(f"{', '.join(closed)}: cartlake may not write here; what it has loaded stays until it may")
    return Landing(tuple(manifests), files, tuple(notices))


def landed_files(
    landing: Path, folders: Iterable[str], notices: list[str], keys: Collection[str] | None = None
) -> tuple[LandedFile, ...]:
    """The files of `look` alone, of `keys` those with such keys; what is to tell is added to `notices`."""
    paths = ((feed_folder(landing, folder), folder) for folder in folders)
    return tuple(file for path, folder in paths for file in _regular_files(path, folder, notices, keys))


def hashes(landing: Path, files: Iterable[LandedFile]) -> dict[LandedFile, str]:
    """Contents (sha256) of landed files. One that cannot be read now, or changed since the look, is left out."""
    found = {}
    for file in files:
        with contextlib.suppress(DataError), _opened(landed_path(landing, file)) as opened:
            sha256 = sha256_of(opened, file.name)
            if _landed(file.folder, file.name, os.fstat(opened.fileno())) == file:
                found[file] = sha256
    return found


def tidy(landing: Path, archive: Path, manifest_folder: str, decided: Plan) -> None:
    """The plan's finished manifests are in the archive and its repeated files gone, where they are unchanged."""
    for file, sha256 in decided.tidy_files.items():
        remove_landed(landed_path(landing, file), sha256)
    for landed in decided.tidy_manifests:
        archive_manifest(landed, landing / manifest_folder, archive)


def claim(source: Path, archive: Path, relative_of: Callable[[str], PurePosixPath]) -> Claimed:
    """The content of `source` (of a `.gz` what is packed in it) stands on disk at `relative_of(sha256)` in the archive.

    A target of the same content is kept. The source is not touched. Raises DataError: `file_missing`,
    `file_not_regular`, `file_not_readable`; `file_still_written` when it changed meanwhile or another program holds it
    (try again later); `archive_conflict` when other content stands there. EngineError `archive_failed`: the disk is
    full, or the like. No temporary file is left.
    """
    part = archive / f"claim-{uuid.uuid4().hex}.part"
    try:
        archive.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as copy, _opened(source) as opened:
            _remove_stale(archive, os.fstat(copy.fileno()).st_mtime)
            profile = _copy(opened, copy, source.name)
            landed = os.fstat(opened.fileno()).st_size, sha256_of(opened) if is_packed(source.name) else profile.sha256
        target = archive / relative_of(profile.sha256)
        _place(part, target, profile.sha256)
        reach("claim: placed")
        sync_new(target, archive)  # also if it stood there: the claim that put it there may have died since
    except OSError as error:
        said = f"the file cannot be copied to the archive: {error.strerror}"
        hint = "Is the disk full, or the archive read-only?"
        raise EngineError("archive_failed", said, file=shown(source.name), hint=hint) from error
    finally:
        part.unlink(missing_ok=True)
    return Claimed(profile.sha256, profile, target, landed)


def profile_archived(path: Path) -> Profile:
    """The profile of an archived file, as its claim had it."""
    profiler = Profiler(Sha256())
    with _opened(path) as opened:
        for chunk in content(opened, ""):
            profiler.update(chunk)
    return profiler.finish()


def remove_landed(source: Path, sha256: str) -> bool:
    """Whether `source` was removed: only if it is a file and still holds that content. False if it is gone already."""
    with contextlib.suppress(DataError, OSError):
        with _opened(source) as opened:
            before, is_same = _state(os.fstat(opened.fileno())), sha256_of(opened, source.name) == sha256
        if is_same and _state(source.lstat()) == before:
            reach("landing: remove")
            source.unlink()
            reach("landing: removed")
            return True
    return False


def archive_manifest(landed: LandedManifest, folder: Path, archive: Path) -> bool:
    """Whether the manifest moved from `folder` to `<archive>/<folder's name>/<batch date>/`: only if its content is
    still the one that was looked at, so that a manifest dropped since then stays."""
    if not isinstance(landed.content, Manifest):
        return False
    source, day = folder / landed.name, landed.content.batch_date
    with contextlib.suppress(DataError):
        claimed = claim(source, archive, lambda sha256: archive_path(folder.name, day, source.name, sha256))
        return claimed.sha256 == landed.sha256 and remove_landed(source, claimed.sha256)
    return False


def _regular_files(
    folder: Path, called: str, notices: list[str], keys: Collection[str] | None = None
) -> list[LandedFile]:
    """The regular files of a folder with acceptable names; of the others the notices tell."""
    found = []
    try:
        names = sorted(path.name for path in folder.iterdir() if not is_ignored(path.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        notices.append(f"{shown(called)}: the folder cannot be read: {error.strerror}")
        return []
    for name in names:
        if keys is not None and normalise(name) not in keys:
            continue
        with contextlib.suppress(FileNotFoundError):  # it went while we looked
            state, reason = (folder / name).lstat(), check_file_name(name)
            if stat.S_ISREG(state.st_mode) and reason is None:
                found.append(_landed(called, name, state))
            else:
                why = f"no manifest can name it: {reason}" if reason else "it is no regular file"
                notices.append(f"{shown(called)}/{shown(name)}: passed over, {why}")
    return found


def _landed(folder: str, name: str, state: os.stat_result) -> LandedFile:
    """A copy may keep the modification time of its original; the inode's time (on Windows: of creation) tells it."""
    changed_at = datetime.fromtimestamp(max(state.st_mtime, state.st_ctime), UTC)
    return LandedFile(folder, name, state.st_size, changed_at)


def _read_manifest(path: Path, file: LandedFile, notices: list[str]) -> list[LandedManifest]:
    """One, or none if it cannot be read now. One over the limit is read and hashed only so far that this is seen."""
    try:
        with _opened(path) as opened:
            data = opened.read(MAX_BYTES + 1)
            if _landed(file.folder, file.name, os.fstat(opened.fileno())) != file:
                raise _still_written(shown(file.name))
    except DataError as error:
        notices.append(str(error))
        return []
    content: Manifest | ManifestRefused
    try:
        content = parse_manifest(file.name, data)
    except ManifestRefused as refused:
        content = refused
    return [LandedManifest(file.name, hashlib.sha256(data).hexdigest(), file.changed_at, content)]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    """The regular file at `path`, opened without following a link or waiting for a pipe's other end."""
    name = shown(path.name)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _irregular(name)
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        raise _unopened(error, name) from None
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _irregular(name)
        yield opened


def _irregular(name: str) -> DataError:
    return DataError("file_not_regular", "not a regular file", file=name, hint="Put the file itself there, no link.")


def _still_written(name: str) -> DataError:
    hint = "It is tried again; close the program that has it open."
    return DataError("file_still_written", "another program is working on the file", file=name, hint=hint)


def _unopened(error: OSError, name: str) -> DataError:
    if error.errno == errno.ELOOP:
        return _irregular(name)
    if isinstance(error, PermissionError) and _IS_WINDOWS:
        return _still_written(name)
    code = "file_missing" if isinstance(error, FileNotFoundError) else "file_not_readable"
    return DataError(code, f"the file cannot be read: {error.strerror}", file=name, hint="May cartlake read it?")


def _copy(opened: BufferedIOBase, copy: BufferedIOBase, name: str) -> Profile:
    """The profile of what was copied; DataError if the source changed on the way (one that grows for ever, too)."""
    profiler, before = Profiler(Sha256()), _state(os.fstat(opened.fileno()))
    try:
        for chunk in content(opened, name):
            profiler.update(chunk)
            copy.write(chunk)
    except FileRejected:
        raise _still_written(shown(name)) from None  # it could be unpacked a moment ago
    profile = profiler.finish()
    if _state(os.fstat(opened.fileno())) != before or not (is_packed(name) or profile.bytes == before[0]):
        raise _still_written(shown(name))
    _flush(copy)
    return profile


def _place(part: Path, target: Path, sha256: str) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        reach("claim: copied")
        part.replace(target)
        return
    with _opened(target) as standing:
        if sha256_of(standing) != sha256:
            hint = "Move that file away; it is damaged, or somebody made it to have this name."
            raise DataError("archive_conflict", "the archive has other content there", file=str(target), hint=hint)


def _remove_stale(archive: Path, now: float) -> None:
    """Temporary files of claims that died more than a day ago are gone; `now` is the file system's own time."""
    for part in archive.glob("claim-*.part"):
        with contextlib.suppress(OSError):
            if now - part.lstat().st_mtime > _STALE_SECONDS:
                reach("claim: clean up")
                part.unlink()


def _state(state: os.stat_result) -> tuple[int, int]:
    return state.st_size, state.st_mtime_ns


def _flush(written: BufferedIOBase) -> None:
    written.flush()
    flush(written.fileno())
