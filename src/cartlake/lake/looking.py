"""The part of `Lake` that shows what is there. Nothing here writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartlake import health, lineage, queries, whereabouts
from cartlake.changefeed import Changes, changes
from cartlake.core.entries import Publication
from cartlake.core.lineage import LineageGraph
from cartlake.core.names import LandedFile, shown
from cartlake.core.unannounced import namesakes, unannounced, unread
from cartlake.engines.base import Row
from cartlake.export import Exported, ExportFormat, export, export_all
from cartlake.health import FeedHealth
from cartlake.lake.opened import Opened
from cartlake.lineage import RowLineage
from cartlake.queries import BatchDetail, BatchReport, CaseResult, Version
from cartlake.tasks import quarantined
from cartlake.tasks.arrivals import look
from cartlake.tasks.shapes import outdated_notices
from cartlake.verify import Verification, verify
from cartlake.whereabouts import FileReport


@dataclass(frozen=True)
class Status:
    """The lake at a glance; `open_rows` are quarantined records that nothing was decided about."""

    project: Path
    batches: tuple[BatchReport, ...]
    unannounced: tuple[LandedFile, ...]
    publication: Publication
    feeds: tuple[FeedHealth, ...]
    open_rows: int
    notices: tuple[str, ...]


class Looking(Opened):
    """See `Lake`."""

    def status(self) -> Status:
        """Everything at a glance, without changing anything."""
        context = self._door.context()
        seen, known = look(context)
        nobodys = unannounced(seen, known)
        told = [f"{shown(manifest.name)}: not read yet, the next run does" for manifest in unread(seen, known)]
        return Status(
            self.settings.project,
            tuple(queries.batch_reports(context)),
            nobodys,
            context.ledger.latest_publication(),
            tuple(health.feeds(context)),
            sum(quarantined.open_records(context).values()),
            (*seen.notices, *told, *namesakes(nobodys), *outdated_notices(context)),
        )

    def batches(self) -> list[BatchReport]:
        """All batches, by date."""
        return queries.batch_reports(self._door.context())

    def batch(self, batch_id: str) -> BatchDetail:
        """One batch with its files, task attempts and rule results. Raises UsageError with close names."""
        return queries.batch_detail(self._door.context(), batch_id)

    def quarantine(self, batch_id: str | None = None, feed: str | None = None, *, every: bool = False) -> list[Row]:
        """The records that count as quarantined, or `every` one that was ever decided about or superseded too: `id`,
        `batch_id`, `feed`, `source_file`, `line`, `reasons`, `raw`, `state`, `decision`, ... Raises UsageError with
        close names for an unknown batch or feed."""
        context = self._door.context()
        queries.require_known(context, batch_id, feed)
        return quarantined.quarantine(context, quarantined.within(batch_id, feed), every=every)

    def metrics(self, batch_id: str | None = None, feed: str | None = None) -> list[Row]:
        """What was measured of the batches, the rows of `dq_metrics`: `batch_id`, `batch_date`, `feed`, `metric`,
        `column_name`, `rule`, `value`, `part`, `whole`, ... Raises UsageError with close names for an unknown batch
        or feed."""
        return health.metrics(self._door.context(), batch_id, feed)

    def prometheus(self) -> str:
        """The state of the lake as the text that Prometheus scrapes."""
        return health.prometheus(self._door.context())

    def query(self, sql: str, at: str | None = None) -> tuple[list[str], list[Row]]:
        """Columns and rows of one SELECT over the published tables and views; `at` is a batch: as published then.

        The columns are their names, in order. All rows come at once, each a dict by these names with Python's own
        values: `str`, `int`, `Decimal`, `date`, `bool`, `datetime` in UTC, lists and dicts, and None for NULL.
        """
        return queries.query(self._door.context(), sql, at)

    def history(self, table: str, key: Sequence[str]) -> list[Version]:
        """The life of one key. Raises UsageError if the table has no history or there is no such key."""
        return queries.history(self._door.context(), table, key)

    def lineage(self, target: str | None = None) -> LineageGraph:
        """What relations and columns are made of: the whole project, or what leads to and from a relation or a
        `relation.column`. Raises UsageError with close names."""
        return lineage.graph(self._door.context(), target)

    def row_lineage(self, table: str, key: Sequence[str]) -> list[RowLineage]:
        """Batch, file and line of every version of a key, or of those that a row of `enriched_orders` shows. Raises
        UsageError if the rows of the table are not followed or there is no such key."""
        return lineage.rows(self._door.context(), table, key)

    def changes(self, table: str, since: int | str | None = None) -> Changes:
        """What each publication after `since` (its number, or a batch that it published) changed in a stored table: the
        net change of each key. Without `since` all rows, as inserts."""
        return changes(self._door.context(), table, since)

    def follow(
        self,
        table: str,
        stop: Callable[[], bool],
        on_changes: Callable[[Changes], None],
        since: int | str | None = None,
    ) -> None:
        """The same now, and again after each publication, until `stop` says so; there may be nothing in it."""
        from cartlake.watching import FOLLOW_SECONDS, attempts

        for _ in attempts(stop, FOLLOW_SECONDS):
            found = self.changes(table, since)
            if found.publication_id != since:
                on_changes(found)
            since = found.publication_id

    def verify(self, *, deep: bool = False) -> Verification:
        """Everything is read again and compared with what was written, with `deep` production also with what a rebuild
        would make. See `cartlake.verify`."""
        return verify(self._door.as_it_is(), deep=deep)

    def files(self, wanted: str | None = None) -> list[FileReport]:
        """Where files are: those whose name contains `wanted` or whose SHA-256 begins with it, or all; also those that
        only lie in landing, or are waited for. Raises UsageError with close names if there is none."""
        return whereabouts.files(self._door.context(), wanted)

    def export(
        self,
        what: str,
        path: Path | str,
        *,
        at: str | None = None,
        delimiter: str = ",",
        bom: bool = False,
        force: bool = False,
    ) -> Exported:
        """The rows of a table, a view or one SELECT stand in a `.csv`, `.parquet` or `.xlsx` file, whole or not at all;
        `at` is a batch: as published then. Raises UsageError, and leaves what is there, unless `force` is given."""
        return export(self._door.context(), what, Path(path), ExportFormat(delimiter, bom), at, force=force)

    def export_all(self, folder: Path | str, *, at: str | None = None, force: bool = False) -> list[Exported]:
        """A folder with every published table and view as Parquet, `open.sql` for DuckDB and `snapshot.json`."""
        return export_all(self._door.context(), Path(folder), at, force=force)

    def test(self) -> list[CaseResult]:
        """Every given/expect case of the project's models, run on the engine."""
        return queries.run_cases(self._door.context())
