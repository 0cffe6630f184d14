"""The part of `Lake` where people decide about quarantined records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cartlake import queries, runs
from cartlake.core.deciding import DecisionReport
from cartlake.lake.opened import Opened, who
from cartlake.tasks import decide, sheets
from cartlake.tasks.context import Context


class Repairing(Opened):
    """Decisions are recorded with who, when and why, and left to the next run, which stages the files again and repairs
    their batches; with `dry_run` nothing is recorded. Each call may be repeated: what is decided already changes
    nothing."""

    def export_quarantine(self, path: Path | str, *, batch_id: str | None = None, feed: str | None = None) -> int:
        """The open records stand in CSV files that a spreadsheet opens and `fix` takes back; how many they are. `path`
        is a file (`….csv`) for one feed, or a folder that gets one for each. Raises UsageError if that is there
        already, or lies in landing, the archive or the lake, and for an unknown batch or feed."""
        context = self._door.context()
        queries.require_known(context, batch_id, feed)
        return sheets.export(context, Path(path), batch_id, feed)

    def fix(
        self, path: Path | str, *, why: str | None = None, actor: str | None = None, dry_run: bool = False
    ) -> DecisionReport:
        """Each row of an exported file that somebody changed since is decided as by `fix_record`. Raises UsageError
        with the line of the first row that cannot be, and nothing is decided."""
        with self._deciding(why, actor, dry_run) as (context, by):
            return decide.decide(context, sheets.wishes(context, Path(path)), by)

    def fix_record(
        self,
        record_id: str,
        cells: Mapping[str, str],
        *,
        why: str | None = None,
        actor: str | None = None,
        dry_run: bool = False,
    ) -> DecisionReport:
        """The record has these cells, by column, in the place of its own; the next run judges it with them. The report
        says whether it passes. Equal cells change nothing."""
        with self._deciding(why, actor, dry_run) as (context, by):
            return decide.fix_record(context, record_id, cells, by)

    def replay(
        self,
        *,
        ids: Iterable[str] = (),
        batch_id: str | None = None,
        feed: str | None = None,
        why: str | None = None,
        actor: str | None = None,
        dry_run: bool = False,
    ) -> DecisionReport:
        """The records, or all open ones of a batch or feed, are judged by today's contracts; the next run stages those
        that come out otherwise. A discarded one named by its id is open again."""
        with self._deciding(why, actor, dry_run) as (context, by):
            queries.require_known(context, batch_id, feed)
            return decide.replay(context, tuple(ids), batch_id, feed, by)

    def discard(
        self, ids: Iterable[str], *, why: str | None = None, actor: str | None = None, dry_run: bool = False
    ) -> DecisionReport:
        """The records stay out for good, whatever contracts say later; they still count as quarantined."""
        with self._deciding(why, actor, dry_run) as (context, by):
            return decide.discard(context, tuple(ids), by)

    @contextmanager
    def _deciding(self, why: str | None, actor: str | None, dry_run: bool) -> Iterator[tuple[Context, decide.Decider]]:
        by = decide.Decider(actor or who(), why, dry_run)
        if dry_run:
            yield self._door.context(), by
            return
        with self._door.locked() as context:
            runs.recover(context)
            yield context, by
