"""Files in the archive that people decide about, read and judged again by today's contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cartlake.core.contract import Contract
from cartlake.core.decided import Judged
from cartlake.core.entries import Decision
from cartlake.errors import UsageError
from cartlake.tasks.archive import delivery_of
from cartlake.tasks.context import Context, FileKey
from cartlake.tasks.judging import judge, standing
from cartlake.tasks.loading import require_readable


class ArchivedFile:
    """One staged or rejected file. Raises UsageError if the archive has it no longer, FileRejected if today's contract
    refuses it."""

    def __init__(self, context: Context, key: FileKey) -> None:
        contract_of(context, key[0])
        staged = {(f.feed, f.file_sha256, f.batch_date): f for f in context.ledger.files()}[key]
        self._context = context
        self._delivery = delivery_of(context, staged)
        self._source = require_readable(self._delivery)
        self._standing = {one.record: one for one in standing(context, self._delivery)}

    def judged(self, records: Sequence[int], new: Mapping[int, Decision] | None = None) -> dict[int, Judged]:
        """The records under the decisions that stand and the `new` ones."""
        decisions = list({**self._standing, **(new or {})}.values())
        found = judge(self._context, self._delivery, self._source, records, decisions) if records else {}
        if gone := {*records} - found.keys():
            said = f"today's contract of {self._delivery.contract.feed} finds no record {min(gone)}"
            hint = f"Put the contract back, or read all again: cartlake batch retry {self._delivery.batch.batch_id}"
            raise UsageError("record_gone", said, file=self._delivery.expected.name, hint=hint)
        return found


def contract_of(context: Context, feed: str) -> Contract:
    """Raises UsageError where the project no longer has the feed."""
    found = next((contract for contract in context.contracts if contract.feed == feed), None)
    if found is None:
        names = ", ".join(contract.feed for contract in context.contracts)
        raise UsageError("feed_unknown", f"there is no contract for {feed!r}", hint=f"Feeds are {names}.")
    return found
