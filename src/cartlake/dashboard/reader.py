"""What pages look at: a lake that is only read, and what it answered before.

Nothing here takes the lake's lock or creates a table, so looking never stands in the way of a run.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

from cartlake import pipeline
from cartlake.core.entries import Publication
from cartlake.core.tables import BATCHES, LEDGER, PUBLICATIONS
from cartlake.engines.base import Row, Value
from cartlake.errors import EngineError
from cartlake.ledger import utc_now
from cartlake.losses import require_contents
from cartlake.opening import Door
from cartlake.published import define_published
from cartlake.settings import Settings
from cartlake.tasks.context import Context

Answer = TypeVar("Answer")
_ANSWERS_KEPT = 500


class NothingYet(Exception):
    """The tables of the lake do not exist: nothing has run here."""


class _Answers:
    """Answers to questions about one state of the lake; those not asked for longest make room."""

    def __init__(self) -> None:
        self._state: Hashable = None
        self._answers: OrderedDict[Hashable, object] = OrderedDict()

    def of(self, state: Hashable, question: Hashable, ask: Callable[[], Answer]) -> Answer:
        if state != self._state:
            self._state = state
            self._answers.clear()
        if question not in self._answers:
            self._answers[question] = ask()
        self._answers.move_to_end(question)
        if len(self._answers) > _ANSWERS_KEPT:
            self._answers.popitem(last=False)
        return self._answers[question]  # type: ignore[return-value]


class View:
    """The lake as it stands while one page is made. `newest` is the number of the latest publication, which may be
    later than the one that is shown."""

    def __init__(
        self, context: Context, shown: Publication | None, by_state: _Answers, by_publication: _Answers
    ) -> None:
        latest = context.ledger.latest_publication()
        self.context = context
        self.newest = latest.publication_id
        self.publication = shown or latest
        self.stamp = (self.publication.publication_id, *_versions(context))
        self._by_state = by_state
        self._by_publication = by_publication

    def published(self, sql: str) -> list[Row]:
        """Rows of a SELECT over production tables and views; computed once in a publication."""
        return self._by_publication.of(self.publication.publication_id, sql, lambda: self._ask(sql, {}))

    def recorded(self, sql: str, **given: Value) -> list[Row]:
        """Rows of a SELECT that also reads logs, quarantine or ledger; computed once until something is recorded."""
        question = (sql, tuple(given.items()))
        return self._by_state.of(self.stamp, question, lambda: self._ask(sql, given))

    def once(self, question: Hashable, answer: Callable[[Context], Answer]) -> Answer:
        """What `answer` finds in the context; computed once until something is recorded."""
        return self._by_state.of(self.stamp, question, lambda: answer(self.context))

    def _ask(self, sql: str, given: dict[str, Value]) -> list[Row]:
        with self.context.engine.scope():
            define_published(self.context, self.publication)
            return self.context.engine.rows(sql, given)


class Looking(Protocol):
    """A lake that pages can be made of."""

    settings: Settings

    def look(self, page: Callable[[View], Answer]) -> Answer:
        """What `page` makes of the lake. Raises NothingYet, EngineError, ConfigError."""
        ...


class Reader:
    """One project's lake, opened to look at. Calls from several threads take turns. One that `stays` shows the
    publication that it saw first, as long as the same definitions hold."""

    def __init__(self, settings: Settings, *, stays: bool = False) -> None:
        self.settings = settings
        self._stays = stays
        self._shown: Publication | None = None
        self._turn = threading.Lock()
        self._door = Door(settings, utc_now, wait=0)
        self._seen: tuple[str, dict[str, str]] | None = None
        self._by_state, self._by_publication = _Answers(), _Answers()

    def look(self, page: Callable[[View], Answer]) -> Answer:
        """What `page` makes of the lake as it stands. Raises NothingYet, EngineError, ConfigError."""
        with self._turn:
            try:
                view = self._view()
                if self._is_outdated(view):
                    self._close()
                    view = self._view()
                return page(view)
            except (NothingYet, EngineError):
                self._close()  # the next look finds what is there then
                raise

    def close(self) -> None:
        with self._turn:
            self._close()

    def _view(self) -> View:
        if self.settings.engine.schema_name is None and not self.settings.lake_folder.is_dir():
            raise NothingYet
        context = self._door.as_it_is()
        _require_whole(context)
        view = View(context, self._shown, self._by_state, self._by_publication)
        if self._stays:
            self._shown = view.publication
        return view

    def _is_outdated(self, view: View) -> bool:
        """Whether something was published with other definitions than the last time: then the project's contracts and
        models are read anew."""
        latest = view.context.ledger.latest_publication()
        seen, self._seen = self._seen, (latest.contracts_hash, dict(latest.definitions))
        return seen is not None and seen != self._seen

    def _close(self) -> None:
        self._door.close()
        self._shown = None
        self._by_state, self._by_publication = _Answers(), _Answers()


def _require_whole(context: Context) -> None:
    """Raises NothingYet if nothing has run here; EngineError if something has, and a table is not there, or the one of
    batches or publications was lost: else the lake would seem empty."""
    missing = pipeline.missing_tables(context)
    told = {BATCHES.name: context.ledger.batches, PUBLICATIONS.name: context.ledger.publications}
    if missing and not any(ask() for table, ask in told.items() if table not in missing):
        raise NothingYet
    if missing:
        raise EngineError(
            "table_missing",
            f"the lake has no table {missing[0]}",
            hint="If a contract or model is new, `cartlake status` makes its tables. Otherwise bring the table's folder"
            " back from a backup; `cartlake verify` says what else is missing.",
        )
    require_contents(context)


def _versions(context: Context) -> tuple[int, ...]:
    """The versions of the ledger's tables: they differ once anything was recorded."""
    return tuple(context.engine.version(table.name) for table in LEDGER)
