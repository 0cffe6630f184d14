"""After a power failure: what was acknowledged is there, and the next run makes the same tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cartlake import failpoints
from cartlake.lake import Lake
from tests.pipeline.power import Disk
from tests.pipeline.shop import TASKS, Shop, a_day, order
from tests.pipeline.test_recovery import Killed

PROC = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to see which file is flushed")
FIRST, LAST = 0, -1
CHOSEN = (
    pytest.param("customer_stage: committed", FIRST, marks=pytest.mark.slow),
    ("landing: removed", FIRST),
    ("enriched_orders: committed", FIRST),
    ("publications: committed", FIRST),
    ("ledger_runs: commit", LAST),
)


def deliver(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[order("O-1"), order("O-2", order_amount="?")]))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, object], list[str]]:
    """The production tables of a run that nothing disturbed, and the places that it went through."""
    shop = Shop(tmp_path_factory.mktemp("undisturbed") / "shop")
    deliver(shop)
    shop.lake.batches()
    reached: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(failpoints, "on_reach", reached.append)
        shop.run()
    tables = shop.production()
    shop.lake.close()
    return tables, reached


def fail_at(shop: Shop, disk: Disk, left: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The power fails at a step, and `left` is what that leaves, in two ways; whether the batch was acknowledged."""
    done: list[str] = []
    steps = [0]

    def on_reach(_: str) -> None:
        if steps[0] == step:
            disk.after_a_failure(left / "lost", names_survive=False)
            disk.after_a_failure(left / "halved", names_survive=True)
        steps[0] += 1
        if steps[0] > step:
            raise Killed

    with monkeypatch.context() as patched, disk.watched():
        patched.setattr(failpoints, "on_reach", on_reach)
        with pytest.raises(Killed):
            shop.lake.run(lambda task, _: done.append(task.task))
    shop.lake.close()
    return done[-1:] == [TASKS[-1]]


@PROC
@pytest.mark.parametrize(("place", "time"), CHOSEN)
def test_nothing_acknowledged_is_lost_with_the_power_and_the_next_run_makes_the_same_tables(
    shop: Shop,
    tmp_path: Path,
    undisturbed: tuple[Mapping[str, object], list[str]],
    place: str,
    time: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected, reached = undisturbed
    step = [number for number, name in enumerate(reached) if name == place][time]
    deliver(shop)
    shop.lake.batches()
    (tmp_path / "copies").mkdir()
    (tmp_path / "left").mkdir()
    is_acknowledged = fail_at(shop, Disk(shop.project, tmp_path / "copies"), tmp_path / "left", step, monkeypatch)
    for project in (tmp_path / "left").iterdir():
        shop.lake = Lake(project)
        shop.landing = project / "landing"
        assert len(shop.run().batches) == (0 if is_acknowledged else 1)
        assert shop.statuses() == {"b1": "published"}
        assert shop.production() == expected, project.name
        assert shop.one("SELECT sum(rows_in) FROM files") == 6
        assert not list(shop.landing.rglob("*.csv")), project.name
        assert len(list((project / "archive").rglob("*.csv"))) == 5
        shop.lake.close()
