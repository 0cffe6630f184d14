"""A rollback, a rejection, a repair of a record or a rebuild that dies at any write shows readers a whole publication,
and is finished by asking for it again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from cartlake.lake import Lake
from tests.pipeline.shop import EMAIL_WARNS, Shop, customer, order, product, shipment
from tests.pipeline.test_recovery import Killed, die_at


def repair_the_record(lake: Lake) -> None:
    """Whoever asked before has decided, or not; whoever ran before has repaired, or not."""
    for row in lake.quarantine(every=True):
        lake.fix_record(str(row["id"]), {"email": "kim@example.com"}, actor="kim")
    lake.run()


def discard_the_record(lake: Lake) -> None:
    lake.discard([str(row["id"]) for row in lake.quarantine(every=True)], why="a test")
    lake.run()


def replay_the_records(lake: Lake) -> None:
    lake.replay(feed="customers")
    lake.run()


Production = dict[str, list[tuple[object, ...]]]
REPAIRS: Mapping[str, Callable[[Lake], object]] = {
    "a rollback by restoring": lambda lake: lake.rollback("b1"),
    "a rollback by computing": lambda lake: lake.rollback("b2"),
    "a rejection": lambda lake: lake.reject("b2", "a test"),
    "a rebuild": lambda lake: lake.rebuild(),
    "a rebuild from the archive": lambda lake: lake.rebuild(from_archive=True),
    "a record that is fixed": repair_the_record,
    "a fixed record that is discarded": discard_the_record,
    "a replay under a milder contract": replay_the_records,
}


@dataclass(frozen=True)
class Outcome:
    """The production tables before and after a repair that nothing disturbed, and how many writes it took."""

    before: Production
    after: Production
    writes: int


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed project with three published batches."""
    shop = Shop(tmp_path_factory.mktemp("three") / "shop")
    shop.trade_a_day()
    later = "2025-03-02 08:00:00"
    shop.deliver(
        "b2",
        "2025-03-02",
        orders=[order(order_status="shipped", updated_timestamp=later), order("O-3", customer_id="C-2")],
        customers=[customer("C-2"), customer(city="Peoria", created_timestamp=later)],
        products=[product(price="25.00", created_timestamp="2025-03-01 09:00:00")],
        shipping=[shipment("S-3", "O-3")],
    )
    noon = {"created_timestamp": "2025-03-03 12:00:00"}
    shop.deliver("b3", "2025-03-03", customers=[customer("C-3", **noon), customer("C-4", email="?", **noon)])
    shop.run()
    shop.lake.close()
    return shop.project


def ready(three_days: Path, to: Path, name: str) -> Shop:
    """A copy, in which what the repair is about has happened."""
    shop = Shop(to)
    shutil.copytree(three_days, to, dirs_exist_ok=True)
    if name == "a rollback by computing":
        shop.lake.reject("b1", "a test")
    elif name == "a fixed record that is discarded":
        repair_the_record(shop.lake)
    elif name == "a replay under a milder contract":
        shop.change_contract("customers", EMAIL_WARNS)
    return shop


def undisturbed(shop: Shop, name: str) -> Outcome:
    before = shop.production()
    with pytest.MonkeyPatch.context() as patched:
        count = die_at(patched, 10**9, after=False)
        REPAIRS[name](shop.lake)
    after = shop.production()
    shop.lake.close()
    return Outcome(before, after, count[0])


def dies_and_is_asked_again(shop: Shop, name: str, outcome: Outcome, step: int, *, after: bool) -> None:
    with pytest.MonkeyPatch.context() as patched:
        die_at(patched, step, after=after)
        with pytest.raises(Killed):
            REPAIRS[name](shop.lake)
    shop.lake.close()
    assert shop.production() in (outcome.before, outcome.after)
    shop.run()
    assert shop.production() in (outcome.before, outcome.after)
    REPAIRS[name](shop.lake)
    assert shop.production() == outcome.after
    assert shop.run().batches == ()
    shop.lake.close()


@pytest.mark.parametrize(
    "name",
    ["a rollback by restoring", *(pytest.param(name, marks=pytest.mark.slow) for name in list(REPAIRS)[1:])],
)
def test_a_repair_that_dies_half_way_is_done_by_asking_again(tmp_path: Path, three_days: Path, name: str) -> None:
    outcome = undisturbed(ready(three_days, tmp_path / "undisturbed", name), name)
    shop = ready(three_days, tmp_path / "shop", name)
    dies_and_is_asked_again(shop, name, outcome, outcome.writes // 2, after=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", REPAIRS)
def test_a_repair_that_dies_at_any_write_is_done_by_asking_again(tmp_path: Path, three_days: Path, name: str) -> None:
    outcome = undisturbed(ready(three_days, tmp_path / "undisturbed", name), name)
    for step in range(1, outcome.writes + 1):
        for after in (False, True):
            shop = ready(three_days, tmp_path / f"{step}-{after}", name)
            dies_and_is_asked_again(shop, name, outcome, step, after=after)
