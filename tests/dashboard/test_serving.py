"""The server around the pages."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TypeVar

import pytest

from cartlake.dashboard.catalogue import MENU
from cartlake.dashboard.reader import Reader, View
from cartlake.dashboard.serving import keep_warm, serve
from cartlake.errors import UsageError
from tests.dashboard.conftest import Dashboard
from tests.pipeline.shop import Shop, a_day

Answer = TypeVar("Answer")


class Counting(Reader):
    """Counts how often somebody looked."""

    looks = 0

    def look(self, page: Callable[[View], Answer]) -> Answer:
        self.looks += 1
        return super().look(page)


def test_a_port_that_is_taken_is_said_to_be_taken(traded: Shop) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1"):
            serve(traded.lake.settings, "127.0.0.1", other.getsockname()[1], print)


def test_a_host_that_is_none_is_said_to_be_none(traded: Shop) -> None:
    with pytest.raises(UsageError, match=r"cannot listen on no\.such\.host\.invalid"):
        serve(traded.lake.settings, "no.such.host.invalid", 0, print)


def test_the_pages_are_asked_for_ahead_once_for_each_publication(working: Dashboard) -> None:
    reader, looks = Counting(working.shop.lake.settings), []

    def wait(_: float) -> bool:
        looks.append(reader.looks)
        if len(looks) == 2:
            working.shop.deliver("b9", "2025-03-09", **a_day())
            working.shop.run()
        return len(looks) == 3

    keep_warm(reader, wait)
    reader.close()
    assert looks == [1 + len(MENU), 2 + len(MENU), 3 + 2 * len(MENU)]


def test_asking_ahead_waits_where_nothing_has_run(unused: Dashboard) -> None:
    keep_warm(Reader(unused.shop.lake.settings), lambda _: True)
