"""Tasks 1 to 5: the files of one feed are claimed and loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from cartlake import landing
from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.contract import Contract
from cartlake.core.entries import BatchFile, Counts, StagedFile
from cartlake.core.manifest import ExpectedFile, differs
from cartlake.core.names import LandedFile, archive_path, normalise
from cartlake.core.profile import Profile
from cartlake.errors import FileRejected
from cartlake.tasks.arrivals import claimable
from cartlake.tasks.context import Context, TaskResult
from cartlake.tasks.delivery import Delivery, day_of
from cartlake.tasks.loading import load


@dataclass(frozen=True)
class _Intake:
    """One feed's part of one batch; `again` stages claimed files anew with today's contract. `notes` are for people."""

    context: Context
    contract: Contract
    batch: Batch
    again: bool
    notes: list[str]

    def in_archive(self, name: str, sha256: str) -> PurePosixPath:
        return archive_path(self.contract.folder, day_of(self.batch), name, sha256)


def stage_load(context: Context, contract: Contract, batch: Batch, *, again: bool = False) -> TaskResult:
    """Every file of this feed that the batch names is claimed, staged or rejected, and in the ledger; its landing file
    is gone. `again` stages claimed files anew with today's contract."""
    intake = _Intake(context, contract, batch, again, notes=[])
    return _summary(list(_taken_in(intake)), intake.notes)


def _taken_in(intake: _Intake) -> Iterator[BatchFile]:
    ledger, feed = intake.context.ledger, intake.contract.feed
    every = {file.file_name: file for file in ledger.batch_files([intake.batch.batch_id])}
    landed = claimable(intake.context, intake.batch)
    for expected in intake.batch.files:
        file, known = landed.get(expected.name), every.get(expected.name)
        ours = known if known is not None and known.feed == feed else None
        if file is not None and file.folder == intake.contract.folder:
            yield _from_landing(intake, expected, file, ours)
        elif file is not None and (known is None or known.status == "rejected"):
            continue  # it is another feed's
        elif ours is not None:
            yield _from_archive(intake, expected, ours)
        elif known is None and (refused := _refused_elsewhere(intake, expected)) is not None:
            yield _deliver(intake, expected, refused, landing.profile_archived(refused))


def _from_landing(intake: _Intake, expected: ExpectedFile, landed: LandedFile, known: BatchFile | None) -> BatchFile:
    settings = intake.context.settings
    source = landing.landed_path(settings.landing_folder, landed)
    claimed = landing.claim(source, settings.archive_folder, partial(intake.in_archive, expected.name))
    if known is None or known.file_sha256 != claimed.sha256 or known.status != "staged":
        known = _deliver(intake, expected, claimed.path, claimed.profile, claimed.landed)
    intake.context.ledger.once_committed(lambda: landing.remove_landed(source, claimed.sha256))
    return known


def _refused_elsewhere(intake: _Intake, expected: ExpectedFile) -> Path | None:
    """The archived content that the manifest names, where another batch claimed and rejected it."""
    context, wanted = intake.context, (expected.name, expected.sha256, intake.batch.batch_date)
    files = context.ledger.files(intake.contract.feed)
    found = [f for f in files if f.status == "rejected" and (f.file_name, f.file_sha256, f.batch_date) == wanted]
    paths = [context.settings.archive_folder / file.archive_path for file in found]
    return next((path for path in paths if path.is_file()), None)


def _from_archive(intake: _Intake, expected: ExpectedFile, known: BatchFile) -> BatchFile:
    if known.status == "staged" and not intake.again and not _is_decided_since(intake, known.file_sha256):
        return known
    path = intake.context.settings.archive_folder / intake.in_archive(expected.name, known.file_sha256)
    try:
        return _deliver(intake, expected, path, landing.profile_archived(path))
    except FileRejected as rejected:
        intake.notes.append(f"{expected.name} stays as it was published: {rejected.message}")
        return known


def _deliver(
    intake: _Intake, expected: ExpectedFile, path: Path, profile: Profile, landed: tuple[int, str] | None = None
) -> BatchFile:
    """The content is staged for the batch's date, by this batch or an earlier one, and the ledger says so."""
    ledger, batch = intake.context.ledger, intake.batch
    files, announcing = ledger.files(intake.contract.feed), _announcing(intake, profile)
    # Other events than those batches made of it: where the batch's own time is that of its events, and none has it.
    is_new_event = intake.contract.takes_batch_time and batch.event_time not in {one.event_time for one in announcing}
    same = next((f for f in files if f.file_sha256 == profile.sha256 and f.batch_date == batch.batch_date), None)
    is_decided = _is_decided_since(intake, profile.sha256)
    if same is not None and same.status == "staged" and not intake.again and not is_decided:
        announced = announced_as(same, batch.batch_id, expected, landed, is_new_event=is_new_event)
        ledger.record_files([], [announced])
        if batch.revision is None and any(_corrects(file, same) for file in files):
            back = "a manifest with a greater `revision` goes back to it"
            intake.notes.append(f"{expected.name} is what a later file of its name corrected, which counts: {back}")
        return announced
    others = [other for other in announcing if other.status is BatchStatus.PUBLISHED]  # this changes them too
    revision = same.revision if same else _revision(batch, expected, files)
    is_published = bool(others) or batch.status is BatchStatus.PUBLISHED
    delivery = Delivery(
        intake.contract, batch, expected, path, profile, revision, is_published=is_published, landed=landed
    )
    staged = load(intake.context, delivery)
    if same is not None and same.status != "rejected":
        staged = replace(staged, staged_by=same.staged_by, file_name=same.file_name)
    announced = announced_as(staged, batch.batch_id, expected, is_new_event=is_new_event)
    owner = [] if staged.staged_by == batch.batch_id else [announced_as(staged, staged.staged_by, _as_staged(staged))]
    # The same content, decisions and contract give the same log; two batches would mark each other for ever.
    is_as_before = same is not None and same.status == "staged" and same.contract_hash == staged.contract_hash
    if not is_as_before or is_decided:
        ledger.record_batches((replace(other, restage=True) for other in others), at_once=True)
    ledger.record_files([staged], [*owner, announced])
    return announced


def _is_decided_since(intake: _Intake, sha256: str) -> bool:
    """Whether somebody decided about a record of the content since it was staged: then it is staged again."""
    ledger, key = intake.context.ledger, (intake.contract.feed, sha256, intake.batch.batch_date)
    decided = [d.recorded_at for d in ledger.decisions() if (d.feed, d.file_sha256, d.batch_date) == key]
    files = ledger.files(key[0]) if decided else []
    staged = [f.recorded_at for f in files if (f.feed, f.file_sha256, f.batch_date) == key]
    return any(at > before for at in decided for before in staged if at and before)


def _corrects(file: StagedFile, earlier: StagedFile) -> bool:
    """Whether it is a later content of the same name and date."""
    places = [(normalise(each.file_name), each.batch_date, each.status) for each in (file, earlier)]
    return places[0] == places[1] and file.revision > earlier.revision


def _announcing(intake: _Intake, profile: Profile) -> list[Batch]:
    """The other batches that announce this content for this date."""
    ledger, key = intake.context.ledger, (intake.contract.feed, profile.sha256, intake.batch.batch_date)
    found = {f.batch_id for f in ledger.batch_files() if (f.feed, f.file_sha256, f.batch_date) == key}
    others = sorted(found - {intake.batch.batch_id})
    batches = ledger.batches() if others else {}
    return [batches[batch_id] for batch_id in others]


def _as_staged(file: StagedFile) -> ExpectedFile:
    return ExpectedFile(file.file_name)


def _revision(batch: Batch, expected: ExpectedFile, files: Sequence[StagedFile]) -> int:
    """The manifest's, else how many earlier contents came under that name."""
    if batch.revision is not None:
        return batch.revision
    return len({file.file_sha256 for file in files if normalise(file.file_name) == expected.key})


def announced_as(
    file: StagedFile,
    batch_id: str,
    expected: ExpectedFile,
    landed: tuple[int, str] | None = None,
    *,
    is_new_event: bool = False,
) -> BatchFile:
    """The file in a batch; all its records are repetitions where it was staged by another batch or under another name,
    unless the batch makes new events of it. A repeated file that is not what this batch's manifest says of it is
    rejected in this batch."""
    is_repeated = (file.staged_by, file.file_name) != (batch_id, expected.name) and file.status == "staged"
    counts = Counts(file.rows_in, rows_duplicate=file.rows_in) if is_repeated and not is_new_event else file.counts
    status, reason = file.status, file.reason
    content = (file.bytes, file.file_sha256)
    wrong = differs(expected, rows=file.rows_in, content=content, landed=landed) if is_repeated else None
    if wrong:
        status, reason, counts = "rejected", f"the file is not what its manifest says: {wrong}", Counts(1, 0, 1, 0)
    return BatchFile(
        batch_id=batch_id,
        feed=file.feed,
        file_name=expected.name,
        file_sha256=file.file_sha256,
        batch_date=file.batch_date,
        status=status,
        reason=reason,
        **vars(counts),
    )


def _summary(files: Sequence[BatchFile], notes: Sequence[str]) -> TaskResult:
    counts = sum((file.counts for file in files), Counts())
    rejected = [file for file in files if file.status == "rejected"]
    if rejected:
        message = "; ".join(f"{file.file_name}: {file.reason}" for file in rejected)
        return TaskResult(counts, error_code="file_rejected", error_message=message)
    if files and not counts.rows_in:
        where = files[0].file_name if len(files) == 1 else f"{len(files)} files"
        notes = [*notes, f"no records in {where}"]
        return TaskResult(counts, has_warnings=len(notes) > 1, note="; ".join(notes))
    return TaskResult(counts, has_warnings=counts.rows_quarantined > 0 or bool(notes), note="; ".join(notes))
