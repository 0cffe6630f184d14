"""Whatever step a run dies at, the next run makes the same tables, and readers see whole batches meanwhile."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from cartlake import failpoints
from cartlake.engines.embedded import EmbeddedEngine
from cartlake.engines.embedded import engine as embedded
from cartlake.errors import Locked
from cartlake.lake import Lake
from cartlake.lock import LakeLock
from tests.pipeline.shop import Shop, a_day, customer, order, product, shipment, stock

WRITES = ("append", "replace", "merge", "restore")


class Killed(BaseException):
    """Not an Exception: nothing may catch it, as nothing catches a kill."""


def deliver_two_days(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[order("O-1"), order("O-2", order_amount="?")]))
    after = "2025-03-02 08:00:00"
    shop.deliver(
        "b2",
        "2025-03-02",
        orders=[order("O-1", order_status="shipped", updated_timestamp=after), order("O-3", customer_id="C-2")],
        customers=[customer("C-2"), customer(city="Peoria", created_timestamp=after)],
        products=[product(price="25.00", created_timestamp="2025-03-01 09:00:00")],
        inventory=[stock(stock_quantity="9", available_quantity="7", created_timestamp=after)],
        shipping=[shipment("S-3", "O-3")],
    )


def die_at(monkeypatch: pytest.MonkeyPatch, step: int, *, after: bool) -> list[int]:
    """The process dies at its `step`-th write, before or after the commit, and writes nothing from then on."""
    count = [0]

    def dying(verb: str) -> Any:
        real = getattr(EmbeddedEngine, verb)

        def write(self: EmbeddedEngine, *arguments: Any) -> int:
            count[0] += 1
            if count[0] > step or (count[0] == step and not after):
                raise Killed
            version: int = real(self, *arguments)
            if count[0] == step:
                raise Killed
            return version

        return write

    for verb in WRITES:
        monkeypatch.setattr(embedded.EmbeddedEngine, verb, dying(verb))
    return count


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, object], int]:
    """The production tables of a run that nothing disturbed, and how many writes it took."""
    shop = Shop(tmp_path_factory.mktemp("undisturbed") / "shop")
    deliver_two_days(shop)
    shop.lake.batches()
    with pytest.MonkeyPatch.context() as patched:
        count = die_at(patched, 10**9, after=False)
        shop.run()
    tables = shop.production()
    shop.lake.close()
    return tables, count[0]


STEPS = range(1, 70)
"""Places at which to die: the writes of creating nothing are not counted, a run of two batches has about 60."""
AMIDST = 31


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("step", [s if s == AMIDST else pytest.param(s, marks=pytest.mark.slow) for s in STEPS])
def test_a_run_that_dies_anywhere_is_finished_by_the_next(
    shop: Shop, undisturbed: tuple[Mapping[str, object], int], step: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after every single commit; real processes are killed in test_kills."""
    expected, writes = undisturbed
    deliver_two_days(shop)
    shop.lake.batches()
    with monkeypatch.context() as patched:
        die_at(patched, min(step, writes), after=after)
        with pytest.raises(Killed):
            shop.run()
    shop.lake.close()
    survivor = Lake(shop.project)
    shop.lake = survivor
    before = {r.batch.batch_id for r in survivor.batches() if r.batch.status == "published"}
    lines = shop.one("SELECT count(*) FROM enriched_orders")
    assert lines in (0, 1, 2), before
    survivor.run()
    assert shop.statuses() == {"b1": "published", "b2": "published"}
    assert shop.production() == expected
    assert shop.one("SELECT count(*) FROM orders_stage") == 3
    assert shop.one("SELECT count(*) FROM quarantine") == 1


def test_of_many_batches_what_a_run_finished_before_it_died_is_published(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However soon every process dies, the backlog gets shorter."""
    deliver_two_days(shop)

    def die(place: str) -> None:
        if place == "claim: placed" and shop.statuses()["b1"] == "published":
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(failpoints, "on_reach", die)
        with pytest.raises(Killed):
            shop.run()
    shop.lake.close()
    assert shop.statuses() == {"b1": "published", "b2": "ready"}
    assert shop.rows("SELECT DISTINCT order_id FROM orders") == [("O-1",)]
    shop.run()
    assert shop.statuses() == {"b1": "published", "b2": "published"}


def test_the_steps_cover_a_whole_run(undisturbed: tuple[Mapping[str, object], int]) -> None:
    assert undisturbed[1] <= STEPS[-1] + 1


def test_a_reader_sees_whole_batches_while_runs_are_under_way(shop: Shop) -> None:
    """Each batch brings one order with its customer, product and shipment: all tables always have the same number."""
    shop.lake.batches()
    seen: set[tuple[object, ...]] = set()
    stop = threading.Event()

    def read() -> None:
        with Lake(shop.project) as reader:
            while not stop.is_set():
                [row] = reader.query(
                    "SELECT (SELECT count(*) FROM orders) AS o, (SELECT count(*) FROM customers) AS c,"
                    " (SELECT count(*) FROM products) AS p, (SELECT count(*) FROM shipping) AS s,"
                    " (SELECT count(*) FROM enriched_orders) AS e,"
                    " coalesce((SELECT total_orders FROM analytics_summary), 0) AS a"
                )[1]
                seen.add(tuple(row.values()))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(1, 4):
        shop.deliver(
            f"b{n}",
            orders=[order(f"O-{n}", customer_id=f"C-{n}", product_id=f"P-{n}")],
            customers=[customer(f"C-{n}")],
            products=[product(f"P-{n}")],
            inventory=[stock(f"P-{n}")],
            shipping=[shipment(f"S-{n}", f"O-{n}")],
        )
        shop.run()
    stop.set()
    reader.join()
    assert len(seen) > 1, "the reader read while the lake grew"
    assert all(len(set(row)) == 1 for row in seen), seen


def _look_at_the_lake(project: str, begun: Any, stop: Any) -> None:
    with Lake(project) as lake:
        lake.batches()
        begun.set()
        stop.wait(60)


def _hold_the_lock(project: str, begun: Any, stop: Any) -> None:
    with Lake(project)._door.locked():
        begun.set()
        stop.wait(60)


@contextmanager
def another_process(shop: Shop, work: Callable[[str, Any, Any], None]) -> Iterator[Any]:
    """One that does `work` with the lake, and is told to stop at the end."""
    shop.lake.batches()
    context = multiprocessing.get_context("spawn")
    begun, stop = context.Event(), context.Event()
    process = context.Process(target=work, args=(str(shop.project), begun, stop))
    process.start()
    try:
        assert begun.wait(60)
        yield process
    finally:
        if process.is_alive():  # an event that a killed process waited for cannot be set
            stop.set()
        process.join()


def test_what_a_dead_process_left_in_the_temporary_folder_goes_and_what_a_living_one_uses_stays(shop: Shop) -> None:
    def folders() -> set[Path]:
        return {path for path in (shop.project / ".cartlake" / "tmp").iterdir() if path.is_dir()}

    shop.lake.batches()
    ours = folders()
    with another_process(shop, _look_at_the_lake) as other:
        both = folders()
        assert len(both) == 2
        shop.run()
        assert folders() == both, "both live"
        other.kill()
        other.join()
        shop.run()
        assert folders() == ours
    shop.deliver("b1", **a_day())
    shop.run()
    shop.lake.close()
    assert folders() == set()


def test_a_second_run_on_one_lake_is_told_that_it_is_locked(shop: Shop) -> None:
    with another_process(shop, _hold_the_lock):
        with pytest.raises(Locked) as caught:
            shop.run()
        assert caught.value.exit_code == 75
        assert shop.lake.batches() == [], "reading needs no lock"
    assert shop.run().batches == ()


def test_what_a_dead_process_left_locked_is_free(shop: Shop) -> None:
    with another_process(shop, _hold_the_lock) as other:
        other.kill()
        other.join()
        assert shop.run().batches == ()


def test_who_holds_the_lock_is_named(shop: Shop) -> None:
    with another_process(shop, _hold_the_lock) as other:
        with pytest.raises(Locked, match=f"process {other.pid} on .*, since 20.* UTC"):
            shop.run()
        with pytest.raises(Locked, match=f"process {other.pid}"):
            LakeLock(shop.project).require_free()
    LakeLock(shop.project).require_free()


def test_what_stands_beside_the_lock_is_not_trusted(shop: Shop) -> None:
    shop.lake.batches()
    for written in (b"", b"{", b'{"process": "\x1b[2J"}', b"\xff"):
        with FileLock(shop.project / ".cartlake" / "lock"):
            (shop.project / ".cartlake" / "holder.json").write_bytes(written)
            with pytest.raises(Locked) as caught:
                shop.run()
        assert caught.value.message == f"another process works on {shop.project}"
    assert shop.run().batches == (), "nor is it in the way"


def test_what_is_set_aside_after_a_death_is_told(shop: Shop) -> None:
    shop.trade_a_day()
    with another_process(shop, _hold_the_lock) as other:
        other.kill()
        other.join()
    newest = max((shop.project / "lake" / "ledger_tasks" / "_delta_log").glob("*.json"))
    newest.write_bytes(b"")
    shop.run()
    told = shop.rows("SELECT name, action, files_removed FROM maintenance")
    assert told == [("ledger_tasks", "set_aside", 1)]
