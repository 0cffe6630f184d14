"""A lake whose pages are known before they are asked for.

Views over a million orders take a second or more. So what a new publication says is asked beside the pages that answer:
they show the publication before, whole, until the pages of the new one are known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from cartlake.dashboard.catalogue import MENU, Asked, Page
from cartlake.dashboard.reader import Answer, Looking, NothingYet, Reader, View
from cartlake.errors import CartlakeError
from cartlake.settings import Settings

LOOK_AGAIN_SECONDS = 2.0
_NOTHING = Asked({}, ())


class Following:
    """`Looking` at the latest publication whose pages are known. Calls from several threads take turns."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._turn = threading.Lock()
        self._is_ready = threading.Event()
        self._reader = self._opened()
        self._known = -1

    def look(self, page: Callable[[View], Answer]) -> Answer:
        with self._turn:
            return self._reader.look(page)

    def close(self) -> None:
        with self._turn:
            self._reader.close()

    def wait_until_ready(self, seconds: float) -> None:
        """Returns once `follow` has caught up for the first time, or the seconds are over."""
        self._is_ready.wait(seconds)

    def follow(self, wait: Callable[[float], bool]) -> None:
        """Catches up soon after something was published. `wait` a number of seconds; true ends it."""
        while True:
            with suppress(NothingYet, CartlakeError):  # whoever asks for a page is told
                self.catch_up()
            self._is_ready.set()
            if wait(LOOK_AGAIN_SECONDS):
                return

    def catch_up(self) -> None:
        """The latest publication is shown, and what the pages of the menu say of it is known."""
        shown, newest = self.look(lambda view: (view.publication.publication_id, view.newest))
        if shown != newest:
            following = self._opened()
            with suppress(NothingYet, CartlakeError):
                _ask_ahead(following)
            with self._turn:
                self._reader, outdated = following, self._reader
            outdated.close()
        elif shown != self._known:
            _ask_ahead(self)
        self._known = newest

    def _opened(self) -> Reader:
        """Of local Spark there is one in a process: there pages move on at once."""
        return Reader(self.settings, stays=self.settings.engine.name != "spark")


def _ask_ahead(reader: Looking) -> None:
    for page in MENU:
        reader.look(partial(_shown, page))


def _shown(page: Page, view: View) -> object:
    return page.find(view, _NOTHING)
