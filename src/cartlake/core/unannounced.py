"""Landed files that no manifest names, as far as anybody can tell from what lies there and what the ledger knows."""

from __future__ import annotations

from collections.abc import Iterable

from cartlake.core.batch import OPEN, Known, Landing
from cartlake.core.manifest import Manifest
from cartlake.core.names import LandedFile, shown


def unread(seen: Landing, known: Known) -> tuple[Manifest, ...]:
    """The landed manifests that no run has looked at yet."""
    found = ((landed.sha256, landed.content) for landed in seen.manifests if landed.sha256 not in known.batches)
    manifests = ((sha256, content) for sha256, content in found if isinstance(content, Manifest))
    return tuple(each for sha256, each in manifests if sha256 not in known.manifests.get(each.batch_id, {}))


def unannounced(seen: Landing, known: Known) -> tuple[LandedFile, ...]:
    """The landed files that neither an open batch names nor a manifest that no run has looked at yet."""
    named = {file.key for batch in known.batches.values() if batch.status in OPEN for file in batch.files}
    named |= {file.key for manifest in unread(seen, known) for file in manifest.files}
    return tuple(file for file in seen.files if file.key not in named)


def namesakes(files: Iterable[LandedFile]) -> tuple[str, ...]:
    """What to tell of the names that several of these files have: a manifest can name none of them."""
    places: dict[str, list[str]] = {}
    for file in files:
        places.setdefault(file.key, []).append(f"{shown(file.folder)}/source/{shown(file.name)}")
    repeated = (", ".join(found) for found in places.values() if len(found) > 1)
    return tuple(f"{found} have one name, and a manifest names files by it alone" for found in repeated)


def misspelt(manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """What to tell of manifests whose files have keys that nothing looks at, perhaps meant as others."""
    found = ((shown(each.name), ", ".join(map(shown, each.unused))) for each in manifests if each.unused)
    return tuple(f"{name}: of its files nothing reads {keys}; known are bytes, rows, sha256" for name, keys in found)
