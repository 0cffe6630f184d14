"""What arrives and what is to be done about it: whose a file is, which batch is ready, what can be tidied away.

Nothing here looks at a file or a clock; `plan` returns rows for the ledger and files to tidy away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from cartlake.core.batch import (
    OPEN,
    Batch,
    BatchStatus,
    Known,
    LandedManifest,
    Landing,
    Plan,
    Policy,
    announced,
    refusal,
)
from cartlake.core.manifest import Manifest
from cartlake.core.names import LandedFile, normalise, shown
from cartlake.errors import ManifestRefused

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NAMES_IN_REASON = 5


def owners(files: Iterable[LandedFile], known: Known) -> dict[LandedFile, str]:
    """Which batch each landed file belongs to: of the open batches that name it, the one with the newest manifest.

    A running batch comes first for what it has not claimed yet, and has no use for other content than it claimed.
    A batch that only announces takes nothing.
    """
    named: dict[str, list[Batch]] = {}
    for batch in known.batches.values():
        if batch.status in OPEN and batch.files and not batch.only_announces:
            for key in {file.key for file in batch.files}:
                named.setdefault(key, []).append(batch)
    owned = {}
    for file in files:
        wanting = [batch for batch in named.get(file.key, ()) if _wants(batch, file, known)]
        if wanting:
            first = max(wanting, key=lambda batch: (batch.status is BatchStatus.RUNNING, batch.newness))
            owned[file] = first.batch_id
    return owned


def files_to_claim(batch: Batch, files: Iterable[LandedFile], known: Known) -> dict[str, LandedFile]:
    """The landed file of each name that the batch may claim now, by the name in its manifest."""
    files = tuple(files)
    scene, whose = _Scene(files, known), owners(files, known)
    lying = {file.name: scene.lying(batch, file.key) for file in batch.files}
    return {
        name: found[0] for name, found in lying.items() if len(found) == 1 and whose.get(found[0]) == batch.batch_id
    }


def files_to_hash(seen: Landing, known: Known) -> tuple[LandedFile, ...]:
    """The landed files whose content decides something: a batch that can change by it has claimed their names."""
    landed = {manifest.content.batch_id for manifest in seen.manifests if isinstance(manifest.content, Manifest)}
    asking = {BatchStatus.FAILED, BatchStatus.RUNNING}
    ids = {batch.batch_id for batch in known.batches.values() if batch.status in asking or batch.batch_id in landed}
    keys = {key for batch_id in ids for key in known.claimed_by(batch_id)}
    return tuple(file for file in seen.files if file.key in keys)


def plan(seen: Landing, known: Known, policy: Policy, now: datetime) -> Plan:
    """What changes because of what lies in landing. Planning again after it was done changes nothing.

    * A manifest of a new id announces its batch; one of a known id with other content replaces it while nothing of it
      is decided or under way, and is refused otherwise. Older manifests are followed first, so the newest stands.
    * A refused manifest is a failed row as long as it lies there.
    * A manifest that once stood and was replaced does not come back: it moves to the archive.
    * The manifest that stands: of a settled batch it moves to the archive, with the repeated files. If it was dropped
      after the batch was settled and its files have other content, that is other content of the batch.
    * An open batch is ready when each of its files lies in landing exactly once and is its own, or is claimed.
    * A failed batch goes on when all files it waits for have landed with new content; if it names none, when any file
      it claimed has.
    """
    draft = _Draft(seen, known, now)
    for landed in sorted(seen.manifests, key=_newness):
        draft.follow(landed)
    draft.let_go()
    draft.tidy()
    draft.arrive(policy)
    return draft.plan()


def _wants(batch: Batch, file: LandedFile, known: Known) -> bool:
    claimed = known.claimed_by(batch.batch_id).get(file.key) if batch.status is BatchStatus.RUNNING else None
    return claimed is None or known.hashes.get(file) == claimed


def _newness(landed: LandedManifest) -> tuple[datetime, date, str]:
    if isinstance(landed.content, Manifest):
        return announced(landed.content, landed.landed_at).newness
    return _LONG_AGO, date.min, landed.name


def _is_replaceable(batch: Batch) -> bool:
    undecided = batch.status in {BatchStatus.WAITING, BatchStatus.READY} and not batch.is_decided
    return undecided or batch.status in {BatchStatus.FAILED, BatchStatus.REJECTED}


def _listed(parts: Collection[str]) -> str:
    more = len(parts) - _NAMES_IN_REASON
    return ", ".join(list(parts)[:_NAMES_IN_REASON]) + (f" and {more} more" if more > 0 else "")


class _Scene:
    """The landed files seen from the batches."""

    def __init__(self, files: tuple[LandedFile, ...], known: Known) -> None:
        self._known = known
        self.owners = owners(files, known)
        self._by_key: dict[str, list[LandedFile]] = {}
        for file in files:
            self._by_key.setdefault(file.key, []).append(file)

    def lying(self, batch: Batch, key: str) -> list[LandedFile]:
        """The landed files of that name which are not another batch's."""
        own = {batch.batch_id, None}
        return [file for file in self._by_key.get(key, ()) if self.owners.get(file) in own]

    def repeated(self, batch: Batch) -> dict[LandedFile, str]:
        """Landed files, nobody else's, that hold what the batch claimed under their name."""
        claimed, hashes = self._known.claimed_by(batch.batch_id), self._known.hashes
        return {file: hashes[file] for file in self._named(batch) if hashes.get(file, "") == claimed.get(file.key)}

    def changed(self, batch: Batch) -> list[LandedFile]:
        """Landed files, nobody else's, that hold other content than the batch claimed, or that it never claimed, or
        that are of another feed than the one that rejected them."""
        claimed, hashes = self._known.claimed_by(batch.batch_id), self._known.hashes
        feeds = {normalise(name): folder for name, folder in self._known.rejected_in.get(batch.batch_id, {}).items()}
        return [
            file
            for file in self._named(batch)
            if hashes.get(file, claimed.get(file.key)) != claimed.get(file.key, "")
            or feeds.get(file.key, file.folder) != file.folder
        ]

    def missing(self, batch: Batch) -> dict[str, str]:
        """Why files are not there, by name."""
        claimed = self._known.claimed_by(batch.batch_id)
        reasons = {}
        for file in batch.files:
            found = self.lying(batch, file.key)
            if len(found) > 1:
                places = _listed([f"{shown(lying.folder)}/{shown(lying.name)}" for lying in found])
                reasons[file.name] = f"{shown(file.name)} lies there more than once ({places})"
            elif not found and file.key not in claimed:
                others = {self.owners[lying] for lying in self._by_key.get(file.key, ())}
                landed = "".join(f" (landed for batch {other})" for other in others)
                reasons[file.name] = shown(file.name) + (landed or self._known.taken(file.key, batch))
        return reasons

    def _named(self, batch: Batch) -> list[LandedFile]:
        return [lying for file in batch.files for lying in self.lying(batch, file.key)]


class _Draft:
    """A plan under way: `_known` is what will be known once it is done."""

    def __init__(self, seen: Landing, known: Known, now: datetime) -> None:
        self._seen, self._before, self._now = seen, known, now
        self._known = known.after(known.batches.values())
        self._replaced: list[Batch] = []
        self._refused: set[str] = set()
        self._manifests: list[LandedManifest] = []
        self._files: dict[LandedFile, str] = {}
        self._notices = list(seen.notices)

    def follow(self, landed: LandedManifest) -> None:
        """A manifest that cannot be followed is refused, one that says something new is recorded."""
        manifest = landed.content
        if isinstance(manifest, ManifestRefused):
            self._refuse(landed, ". ".join(str(manifest).splitlines()))
            return
        stands = self._known.batches.get(manifest.batch_id)
        if landed.sha256 in self._known.manifests.get(manifest.batch_id, {}):
            return
        if stands is None or _is_replaceable(stands):
            self._announce(manifest)
        else:
            self._refuse_content(landed, stands, "another manifest")

    def let_go(self) -> None:
        """Refused manifests that no longer lie there ask for nothing."""
        lying = {landed.sha256 for landed in self._seen.manifests}
        refused = [row for row in self._known.batches.values() if row.is_refusal and row.status is BatchStatus.FAILED]
        gone = [row for row in refused if row.batch_id not in lying]
        self._record(*(replace(row, status=BatchStatus.REJECTED, recorded_at=self._now) for row in gone))

    def tidy(self) -> None:
        """Manifests that have nothing more to say move to the archive."""
        scene = _Scene(self._seen.files, self._known)
        for landed in self._seen.manifests:
            if not isinstance(landed.content, Manifest) or landed.sha256 in self._refused:
                continue
            stands = self._known.batches[landed.content.batch_id]
            if stands.manifest_sha256 != landed.sha256:
                self._tidy(landed, f"was replaced by {shown(stands.manifest_name)}")
            elif stands.status not in OPEN:
                self._settle(landed, landed.content, stands, scene)
            elif landed.name != self._kept(stands):
                self._tidy(landed, f"repeats {shown(self._kept(stands))}")

    def arrive(self, policy: Policy) -> None:
        """Open batches go on when their files are there."""
        scene = _Scene(self._seen.files, self._known)
        self._record(*(self._arrived(batch, scene, policy) for batch in self._known.batches.values()))

    def plan(self) -> Plan:
        before = self._before.batches
        changed = [row for row in self._known.batches.values() if row != before.get(row.batch_id)]
        return Plan((*self._replaced, *changed), tuple(self._manifests), self._files, tuple(self._notices))

    def _record(self, *rows: Batch) -> None:
        self._known = self._known.after(rows)

    def _announce(self, manifest: Manifest) -> None:
        stood = self._known.batches.get(manifest.batch_id)
        if stood is not None and stood is not self._before.batches.get(manifest.batch_id):
            self._replaced.append(stood)
        self._record(announced(manifest, self._now))

    def _refuse_content(self, landed: LandedManifest, stands: Batch, what: str) -> None:
        said = f'{what} for batch "{stands.batch_id}", which is {stands.status}: a correction takes a new trigger_id'
        self._refuse(landed, f"{said} (`cartlake manifest create` makes one)", stands.batch_date)

    def _refuse(self, landed: LandedManifest, reason: str, batch_date: date | None = None) -> None:
        self._refused.add(landed.sha256)
        stands = self._known.batches.get(landed.sha256)
        if stands is not None and (stands.status is not BatchStatus.REJECTED or stands.actor):
            return  # told before, and it lies there since, or somebody decided
        self._record(refusal(landed, reason, batch_date, self._now))
        self._notices.append(f"{shown(landed.name)} is refused: {reason}")

    def _kept(self, stands: Batch) -> str:
        """The name under which the manifest stays in landing while its batch is open, if it lies there repeatedly."""
        names = sorted(landed.name for landed in self._seen.manifests if landed.sha256 == stands.manifest_sha256)
        return stands.manifest_name if stands.manifest_name in names else names[0]

    def _settle(self, landed: LandedManifest, manifest: Manifest, stands: Batch, scene: _Scene) -> None:
        changed = scene.changed(stands) if landed.landed_at > stands.recorded_at else []
        if not changed:
            self._files |= scene.repeated(stands)
            self._tidy(landed, f'its batch "{stands.batch_id}" is {stands.status}: nothing to do')
        elif stands.status is BatchStatus.REJECTED:
            self._announce(manifest)
        else:
            names = _listed([shown(file.name) for file in changed])
            self._refuse_content(landed, stands, f"other content of {names}")

    def _tidy(self, landed: LandedManifest, why: str) -> None:
        self._manifests.append(landed)
        self._notices.append(f"{shown(landed.name)}: {why}; goes to the archive")

    def _arrived(self, batch: Batch, scene: _Scene, policy: Policy) -> Batch:
        """The batch as its files let it stand; itself where they change nothing."""
        is_failed, is_ready = batch.status is BatchStatus.FAILED, batch.status is BatchStatus.READY
        if batch.status not in OPEN or batch.status is BatchStatus.RUNNING or batch.is_decided or not batch.files:
            return batch
        if is_failed and not self._corrected(batch, scene):
            return batch
        missing = scene.missing(batch)
        status, reason = self._standing(batch, missing, policy)
        stays_ready = is_ready and status is BatchStatus.READY and batch.waiting_for == tuple(missing)
        if stays_ready or (is_failed and status is not BatchStatus.READY):
            return batch
        row = replace(
            batch, status=status, reason=reason, waiting_for=tuple(missing), verdict=None, gate=None, run_id=None
        )
        return batch if row == batch else replace(row, recorded_at=self._now)

    def _standing(self, batch: Batch, missing: Mapping[str, str], policy: Policy) -> tuple[BatchStatus, str | None]:
        if batch.only_announces:
            return BatchStatus.WAITING, "announced: its manifest says that the files are not ready"
        if not missing:
            return BatchStatus.READY, None
        files = _listed(list(missing.values()))
        since = self._known.manifests[batch.batch_id][batch.manifest_sha256]
        wait = policy.wait_for_files
        if policy.on_missing == "wait" or wait is None or self._now - since < timedelta(seconds=wait):
            return BatchStatus.WAITING, f"waiting for {files}"
        if policy.on_missing == "fail":
            return BatchStatus.FAILED, f"not there after {wait:g} seconds: {files}"
        if len(missing) == len(batch.files):
            return BatchStatus.WAITING, f"waiting for {files}"
        return BatchStatus.READY, f"goes without what was not there after {wait:g} seconds: {files}"

    def _corrected(self, batch: Batch, scene: _Scene) -> bool:
        new = {file.key for file in scene.changed(batch)}
        waited_for = {normalise(name) for name in batch.waiting_for}
        return waited_for <= new if waited_for else not new.isdisjoint(self._known.claimed_by(batch.batch_id))
