"""Where several processes may write: whose batches are whose, without a lock.

The embedded engine stands in for one that arbitrates: two lakes in one process take turns, as processes would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from cartlake import runs
from cartlake.core.table import Table
from cartlake.engines.embedded import EmbeddedEngine
from cartlake.engines.registry import ENGINES
from cartlake.errors import CommitConflict, Locked
from cartlake.lake import Lake
from cartlake.settings import load_settings
from cartlake.tasks.context import Context
from tests.pipeline.shop import TASKS, Shop, a_day, customer

LOADS = TASKS[:5]


class SharedEngine(EmbeddedEngine):
    """Says that it arbitrates; `meanwhile` is what another process does just before this one takes its turn, and
    `afterwards` what it does then."""

    arbitrates = True
    meanwhile: ClassVar[list[Callable[[], object]]] = []
    afterwards: ClassVar[list[Callable[[], object]]] = []

    def append_next(self, table: Table, relation: str, number: str) -> bool:
        while SharedEngine.meanwhile:
            SharedEngine.meanwhile.pop()()
        is_ours = super().append_next(table, relation, number)
        while SharedEngine.afterwards:
            SharedEngine.afterwards.pop()()
        return is_ours


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setitem(ENGINES, "embedded", (__name__, "SharedEngine"))
    made = Shop(tmp_path / "shop")
    made.deliver("b1", **a_day())
    yield made
    made.lake.close()


@pytest.fixture
def other(shop: Shop) -> Iterator[Lake]:
    """Another process that works on the same shop."""
    lake = Lake(shop.project, settings=shop.lake.settings)
    yield lake
    lake.close()


def later(shop: Shop, seconds: float) -> Lake:
    """A process that opens the lake so much later."""
    settings = load_settings(shop.project, {}, {})
    return Lake(settings=settings, clock=lambda: datetime.now(UTC) + timedelta(seconds=seconds))


def batches_of(lake: Lake, run_id: str) -> list[str]:
    context = lake._door.context()
    return [batch_id for run in context.ledger.runs() if run.run_id == run_id for batch_id in run.batches]


def test_a_second_run_of_the_job_finds_the_batches_owned(shop: Shop, other: Lake) -> None:
    shop.lake.task(LOADS[0], run_id="r1")
    with pytest.raises(Locked, match="belongs to run r1") as owned:
        other.task(LOADS[0], run_id="r2")
    assert owned.value.exit_code == 75
    with pytest.raises(Locked, match="belongs to run r1"):
        other.run()
    for task in TASKS[1:]:
        shop.lake.task(task, run_id="r1")
    assert shop.statuses() == {"b1": "published"}
    assert other.run().run_id is None, "nothing is ready, and nobody is in the way"


def test_decisions_wait_for_a_run_that_is_under_way(shop: Shop, other: Lake) -> None:
    shop.lake.task(LOADS[0], run_id="r1")
    decisions: list[Callable[[], object]] = [lambda: other.reject("b1", "a test"), other.maintain, other.rebuild]
    for decide in decisions:
        with pytest.raises(Locked, match="run r1 is under way"):
            decide()


def test_a_run_that_died_is_taken_over_after_its_time(shop: Shop) -> None:
    shop.lake.task(LOADS[0], run_id="r1")
    with pytest.raises(Locked):
        later(shop, 3500).run()
    assert [report.batch.status for report in later(shop, 3700).run().batches] == ["published"]
    assert {run.run_id: run.status for run in shop.lake._door.context().ledger.runs()}["r1"] == "dead"
    late = shop.lake.task(LOADS[1], run_id="r1")
    assert shop.statuses() == {"b1": "published"}, "who wakes up again has nothing left to do"
    assert late.run_id == "r1"


def test_what_a_run_records_renews_its_time(shop: Shop) -> None:
    shop.lake.task(LOADS[0], run_id="r1")
    later(shop, 3000).task(LOADS[1], run_id="r1")
    with pytest.raises(Locked):
        later(shop, 6000).run()
    assert [report.batch.status for report in later(shop, 6700).run().batches] == ["published"]


def test_of_two_first_tasks_one_fixes_the_list(shop: Shop, other: Lake) -> None:
    """The other one loses the race, and goes on with the list that it finds."""
    shop.lake.batches()
    SharedEngine.meanwhile.append(lambda: other.task(LOADS[1], run_id="r1"))
    report = shop.lake.task(LOADS[0], run_id="r1")
    assert [done.batch.batch_id for done in report.batches] == ["b1"]
    begun = [run for run in shop.lake._door.context().ledger.runs() if run.run_id == "r1"]
    assert [(run.turn, run.batches) for run in begun] == [(1, ("b1",))]
    for task in (*LOADS[2:], *TASKS[5:]):
        other.task(task, run_id="r1")
    assert shop.statuses() == {"b1": "published"}
    assert shop.one("SELECT count(*) FROM customers") == 1


@pytest.mark.parametrize("does_more", [False, True])
def test_who_looks_just_after_another_fixed_the_list_has_it_too(
    shop: Shop, other: Lake, monkeypatch: pytest.MonkeyPatch, *, does_more: bool
) -> None:
    """Between a task's look at the runs and its choice of batches another one begins the same run; an older run may be
    under way, which owns what is left."""
    if does_more:
        shop.lake.task(LOADS[0], run_id="r0")
        shop.deliver("b2", "2025-03-02", customers=[customer("C-2")])
    survey, meanwhile = runs.survey, [lambda: other.task(LOADS[1], run_id="r1")]

    def interrupted(context: Context) -> tuple[str, ...]:
        while meanwhile:
            meanwhile.pop()()
        return survey(context)

    monkeypatch.setattr(runs, "survey", interrupted)
    report = shop.lake.task(LOADS[2], run_id="r1")
    expected = "b2" if does_more else "b1"
    assert [done.batch.batch_id for done in report.batches] == [expected]
    assert batches_of(other, "r1") == [expected], "the list is as it was fixed"


def test_of_two_runs_that_begin_at_once_one_gets_the_batches(shop: Shop, other: Lake) -> None:
    shop.lake.batches()
    SharedEngine.meanwhile.append(lambda: other.task(LOADS[1], run_id="r2"))
    with pytest.raises(Locked, match="belongs to run r2"):
        shop.lake.run()
    assert batches_of(other, "r2") == ["b1"]


def test_who_comes_between_the_fixed_list_and_its_batches_finds_them_owned(shop: Shop, other: Lake) -> None:
    """The list is in the ledger, and the rows that say whose the batches are follow."""
    shop.lake.batches()
    refused: list[Locked] = []

    def comes_between() -> None:
        with pytest.raises(Locked, match="belongs to run r1") as owned:
            other.run()
        refused.append(owned.value)

    SharedEngine.afterwards.append(comes_between)
    shop.lake.task(LOADS[0], run_id="r1")
    assert [each.exit_code for each in refused] == [75]
    for task in TASKS[1:]:
        shop.lake.task(task, run_id="r1")
    assert shop.statuses() == {"b1": "published"}


def test_a_batch_that_arrives_between_two_tasks_waits_whole_for_the_next_run(shop: Shop, other: Lake) -> None:
    shop.lake.task(LOADS[0], run_id="r1")
    shop.deliver("b2", "2025-03-02", customers=[customer("C-2")])
    for task in TASKS[1:]:
        other.task(task, run_id="r1")
    assert shop.statuses() == {"b1": "published", "b2": "ready"}
    assert shop.one("SELECT count(*) FROM customer_stage") == 1
    assert [report.batch.batch_id for report in other.run().batches] == ["b2"]


def test_of_two_publications_at_once_one_is_refused(shop: Shop) -> None:
    """A run that was taken for dead publishes when its batch is published already."""
    for task in TASKS[:-1]:
        shop.lake.task(task, run_id="r1")
    SharedEngine.meanwhile.append(lambda: later(shop, 3700).run())
    with pytest.raises(CommitConflict) as refused:
        shop.lake.task(TASKS[-1], run_id="r1")
    assert refused.value.hint == "Run it again."
    assert shop.one("SELECT count(*) FROM publications") == 1
    assert shop.one("SELECT count(*) FROM customers") == 1
