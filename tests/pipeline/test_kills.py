"""Real processes are killed, wherever they are; the next one makes the same tables, and nothing piles up.

The processes are forked from one that has loaded everything, so that a kill costs the part of a run before it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from cartlake import failpoints
from cartlake.errors import CartlakeError
from cartlake.lake import Lake
from tests.cli.conftest import start
from tests.pipeline.shop import Shop, customer, order, product, shipment, stock

pytestmark = pytest.mark.posix
PROCESSES: Any = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
PROCESSES.set_forkserver_preload(["cartlake.lake", "cartlake.engines.embedded", "tests.pipeline.test_kills"])
REFUSED = 3


def deliver(shop: Shop, number: int) -> None:
    """Batches that insert, change, repeat, and have a record that goes into quarantine."""
    day = str(date(2025, 3, 1) + timedelta(number - 1))
    at = f"{day} 08:00:00"
    shop.deliver(
        f"b{number}",
        day,
        orders=[
            order("O-1", order_status=f"state {number}", updated_timestamp=at),
            order(f"O-{number}", order_amount="?"),
        ],
        customers=[customer(city=f"Town {number}", created_timestamp=at), customer(f"C-{number}")],
        products=[product(f"P-{number}")],
        inventory=[stock(f"P-{number}")],
        shipping=[shipment(f"S-{number}", "O-1")],
    )


def kill(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def raise_error(_: str) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def disk_full(_: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def run(project: str, place: str, happens: Callable[[str], None]) -> None:
    """A process that runs the lake; at `place` something happens, each time. Ends with REFUSED for an error of ours."""

    def on_reach(name: str) -> None:
        if name == place:
            happens(name)

    failpoints.on_reach = on_reach
    try:
        with Lake(project) as lake:
            lake.run()
    except CartlakeError:
        sys.exit(REFUSED)


def exit_code(project: Path, place: str, happens: Callable[[str], None]) -> int | None:
    process = PROCESSES.Process(target=run, args=(str(project), place, happens))
    process.start()
    process.join(120)
    code: int | None = process.exitcode
    return code


@dataclass(frozen=True)
class Places:
    """Where a first run goes through and a second does not, and where the second goes through."""

    of_the_first: tuple[str, ...]
    of_the_second: tuple[str, ...]

    def sampled(self) -> Places:
        """Of where tables are made a few; of the three places of each table one, in turn; all others."""
        return Places(self.of_the_first[::8], tuple(_sampled(self.of_the_second)))


def _sampled(places: Sequence[str]) -> Iterator[str]:
    kinds = ("written", "commit", "committed")
    tables = list(dict.fromkeys(table for table, _, kind in map(_parted, places) if kind in kinds))
    for place in places:
        table, _, kind = _parted(place)
        if kind not in kinds or kind == kinds[tables.index(table) % 3]:
            yield place


def _parted(place: str) -> tuple[str, str, str]:
    return place.partition(": ")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    shop = Shop(tmp_path_factory.mktemp("places") / "shop")
    runs: list[dict[str, None]] = []
    for number in (1, 2):
        reached: list[str] = []
        deliver(shop, number)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(failpoints, "on_reach", reached.append)
            shop.run()
        shop.lake.close()
        runs.append(dict.fromkeys(reached))
    first, second = runs
    return Places(tuple(place for place in first if place not in second), tuple(second))


def undisturbed(folder: Path, batches: int) -> Mapping[str, object]:
    shop = Shop(folder)
    for number in range(1, batches + 1):
        deliver(shop, number)
    shop.run()
    tables = shop.production()
    shop.lake.close()
    return tables


def disturb(shop: Shop, places: Places, happens: Callable[[str], None], ends_with: int) -> int:
    """In one project, a process for each place: the next has to cope with what the one before left. What is no longer
    reached needs a new batch. How many batches there are in the end."""
    deliver(shop, 1)
    for place in places.of_the_first:
        ended = exit_code(shop.project, place, happens)
        assert ended == ends_with or (ended == 0 and happens is not kill), place
    assert exit_code(shop.project, "", happens) == 0
    batches = 1
    for place in places.of_the_second:
        ended = exit_code(shop.project, place, happens)
        if ended == 0:
            batches += 1
            deliver(shop, batches)
            ended = exit_code(shop.project, place, happens)
        assert ended == (0 if happens is not kill and goes_on_after(place) else ends_with), place
    assert exit_code(shop.project, "", happens) == 0
    return batches


def goes_on_after(place: str) -> bool:
    """Where an error is none: a file that stays in landing is tidied the next time, a commit that stands was made."""
    return place.startswith("landing: ") or place.endswith(": committed")


def leftovers(shop: Shop) -> list[str]:
    """What nobody needs, after maintenance. (What dead claims left goes after a day: test_landing.)"""
    shop.lake.maintain()
    names = [path.relative_to(shop.project).as_posix() for path in shop.project.rglob("*") if path.is_file()]
    odd = [name for name in names if name.endswith((".tmp", ".torn")) or "#" in name]
    return odd + [step.name for step in shop.lake.maintain(dry_run=True)]


def assert_whole(shop: Shop, batches: int, elsewhere: Path) -> None:
    assert shop.statuses() == {f"b{number}": "published" for number in range(1, batches + 1)}
    assert shop.production() == undisturbed(elsewhere, batches)
    assert shop.lake.verify().findings == ()
    assert shop.one("SELECT sum(rows_in) = sum(rows_staged + rows_quarantined + rows_duplicate) FROM batches") is True
    assert list(shop.landing.rglob("*.csv")) == list(shop.landing.rglob("*.json")) == []
    assert leftovers(shop) == []


@pytest.mark.timeout(900)
def test_a_process_that_is_killed_at_any_step_is_followed_by_one_that_finishes(
    shop: Shop, tmp_path: Path, places: Places
) -> None:
    batches = disturb(shop, places.sampled(), kill, -signal.SIGKILL)
    assert_whole(shop, batches, tmp_path / "undisturbed")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "happens", [kill, *(pytest.param(each, marks=pytest.mark.ci) for each in (raise_error, disk_full))]
)
def test_whatever_happens_at_any_step_the_next_process_finishes(
    shop: Shop, tmp_path: Path, places: Places, happens: Callable[[str], None]
) -> None:
    batches = disturb(shop, places, happens, -signal.SIGKILL if happens is kill else REFUSED)
    assert_whole(shop, batches, tmp_path / "undisturbed")


@pytest.mark.slow
@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(30, marks=[pytest.mark.ci, pytest.mark.timeout(1800)]),
        pytest.param(500, marks=pytest.mark.timeout(7200)),
    ],
)
def test_a_watch_that_is_killed_at_random_under_a_stream_of_batches_loses_and_repeats_nothing(
    shop: Shop, tmp_path: Path, kills: int
) -> None:
    chance, batches = random.Random(kills), 0  # noqa: S311 - no secrets
    for _ in range(kills):
        batches += 1
        deliver(shop, batches)
        watch = start("watch", "--project", shop.project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until_it_works(shop, watch.pid)
        time.sleep(chance.random() * 2)
        watch.kill()
        watch.wait()
    shop.run()
    assert_whole(shop, batches, tmp_path / "undisturbed")


def wait_until_it_works(shop: Shop, process: int) -> None:
    holder, until = shop.project / ".cartlake" / "holder.json", time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(FileNotFoundError):  # it is gone whenever nobody works
            if f'"process":{process},' in holder.read_text():
                return
        time.sleep(0.01)
    raise AssertionError("it never began")
