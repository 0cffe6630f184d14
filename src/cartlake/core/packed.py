"""Files that come packed by gzip. What counts is their content: it is archived, hashed, and what places refer to."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import SEEK_END, BufferedIOBase

from cartlake.errors import FileRejected

MOST_TIMES = 200  # how much larger a content may be than its file; text of a shop is rarely 30 times larger
ALWAYS = 64 << 20  # bytes that any file may unpack to
MAGIC = b"\x1f\x8b"
_CHUNK = 2 << 20
_SUFFIX = ".gz"


def is_packed(name: str) -> bool:
    """Whether a file of this name is unpacked when it is claimed."""
    return name.casefold().endswith(_SUFFIX)


def unpacked_name(name: str) -> str:
    """The name of the content: `orders.csv` of `orders.csv.gz`."""
    return name[: -len(_SUFFIX)] if is_packed(name) else name


def content(file: BufferedIOBase, name: str) -> Iterator[bytes]:
    """The content of a landed file, in chunks: of a packed one what is in it; a file that cannot be unpacked as it is,
    so that it is kept and its rejection can say why."""
    can, size = False, file.seek(0, SEEK_END)
    file.seek(0)
    if is_packed(name):
        with suppress(FileRejected):
            require_unpackable(file, size)
            can = True
        file.seek(0)
    if can:
        yield from _unpacked(file, size)
        return
    left = size + 1  # one that grows for ever is not read for ever
    while left > 0 and (chunk := file.read(_CHUNK)):
        left -= len(chunk)
        yield chunk


def sha256_of(file: BufferedIOBase, name: str = "") -> str:
    """The hash of the content of a file that has landed under that name; without a name, of the file as it is."""
    digest = hashlib.sha256()
    for chunk in content(file, name):
        digest.update(chunk)
    return digest.hexdigest()


def require_unpackable(file: BufferedIOBase, size: int) -> None:
    """Raises FileRejected for what `content` leaves packed: gzip_damaged, gzip_cut_off, gzip_too_large."""
    for _ in _unpacked(file, size):
        pass


def _unpacked(file: BufferedIOBase, size: int) -> Iterator[bytes]:
    """All members, one after the other; never more than one chunk over the limit."""
    left = max(ALWAYS, size * MOST_TIMES)
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as opened:
            while chunk := opened.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    message = f"the file would unpack to more than {MOST_TIMES} times its size"
                    raise FileRejected("gzip_too_large", message, hint="Deliver it unpacked, or in parts.")
                yield chunk
    except EOFError:
        hint = "The transfer broke off? Deliver it again."
        raise FileRejected("gzip_cut_off", "the gzip archive ends before its end mark", hint=hint) from None
    except (gzip.BadGzipFile, zlib.error):
        hint = "Pack it again; nothing may follow behind its end."
        raise FileRejected("gzip_damaged", "the gzip archive is damaged", hint=hint) from None
