"""Every accepted file is read again from the archive, with today's contracts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from cartlake.core.entries import BatchFile, StagedFile
from cartlake.core.manifest import ExpectedFile
from cartlake.errors import FileRejected, UsageError
from cartlake.landing import profile_archived
from cartlake.tasks.context import Context, FileKey
from cartlake.tasks.delivery import Delivery
from cartlake.tasks.loading import load, require_readable
from cartlake.tasks.shapes import OUTDATED, begin_logs_anew, outdated_feeds
from cartlake.tasks.stage import announced_as


def read_again(context: Context, published: Collection[str], lost: Collection[str]) -> int:
    """The logs and the quarantine hold what today's contracts make of every file of the `published` batches; how many
    they are. Of the `lost` logs what other batches staged is to be staged again, too. Raises UsageError if the archive
    lacks a file, FileRejected if a contract refuses one, before anything is changed. Until the caller publishes, the
    batches are to be staged again."""
    ledger, accepted = context.ledger, _accepted(context, published)
    deliveries = [delivery_of(context, file) for file in accepted.values()]
    ledger.record_batches(replace(ledger.batches()[batch_id], restage=True) for batch_id in sorted(published))
    outdated = outdated_feeds(context)
    anew = [each for each in context.contracts if each.table in outdated or each.stage_table in lost]
    begin_logs_anew(context, anew)
    ledger.record_definitions(context.definitions.values())
    with ledger.together():
        for delivery, file in zip(deliveries, accepted.values(), strict=True):
            staged = replace(load(context, delivery), staged_by=file.staged_by, file_name=file.file_name)
            ledger.record_files([staged], [_announced(staged, each) for each in _announcing(context, staged)])
    return len(deliveries)


def _accepted(context: Context, published: Collection[str]) -> dict[FileKey, StagedFile]:
    """The files that published batches announce, oldest first; none of a feed whose contract is gone."""
    feeds = {contract.feed for contract in context.contracts}
    wanted = {
        (file.feed, file.file_sha256, file.batch_date)
        for file in context.ledger.batch_files()
        if file.batch_id in published and file.feed in feeds and file.status in ("staged", OUTDATED)
    }
    files = {(file.feed, file.file_sha256, file.batch_date): file for file in context.ledger.files()}
    return {key: files[key] for key in sorted(wanted, key=lambda key: (key[2], key[0], files[key].revision, key[1]))}


def delivery_of(context: Context, file: StagedFile) -> Delivery:
    """The file as it was delivered, from the archive; UsageError if it is not there."""
    path = context.settings.archive_folder / file.archive_path
    if not path.is_file():
        said = f"the archive no longer has {file.file_name} of batch {file.staged_by}"
        raise UsageError("archive_gone", said, hint="Put it back, or make the tables from the logs: cartlake rebuild.")
    contract = next(contract for contract in context.contracts if contract.feed == file.feed)
    batch = replace(context.ledger.batches()[file.staged_by], batch_date=file.batch_date)
    expected, profile = _expected(file), profile_archived(path)
    delivery = Delivery(contract, batch, expected, path, profile, file.revision, is_published=True)
    if profile.sha256 != file.file_sha256:
        said = f"{file.archive_path} is not what was claimed of batch {file.staged_by}"
        raise UsageError("archive_changed", said, hint="Put the claimed file back.")
    try:
        require_readable(delivery)
    except FileRejected as rejected:
        raise FileRejected(
            rejected.code,
            f"today's contract of {file.feed} refuses it: {rejected.message}",
            file=file.file_name,
            line=rejected.line,
            hint=f"Nothing was changed. Correct the contract, or take batch {file.staged_by} out (batch reject).",
        ) from None
    return delivery


def _expected(file: StagedFile) -> ExpectedFile:
    """What was accepted without a record was announced as empty, where a format needs to be told."""
    is_empty = file.rows_in == 0 and file.status in ("staged", OUTDATED)
    return ExpectedFile(file.file_name, rows=0 if is_empty else None)


def _announcing(context: Context, staged: StagedFile) -> list[BatchFile]:
    """How batches announce the file, whatever became of them."""
    key = (staged.feed, staged.file_sha256, staged.batch_date)
    announced = [f for f in context.ledger.batch_files() if (f.feed, f.file_sha256, f.batch_date) == key]
    return [file for file in announced if file.status in ("staged", OUTDATED)]


def _announced(staged: StagedFile, known: BatchFile) -> BatchFile:
    is_new_event = known.rows_duplicate < known.rows_in
    return announced_as(staged, known.batch_id, ExpectedFile(known.file_name), is_new_event=is_new_event)
