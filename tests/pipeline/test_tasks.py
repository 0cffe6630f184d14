"""The eight tasks one by one, any of them any number of times."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cartlake.errors import UsageError
from tests.pipeline.shop import TASKS, Shop, a_day, customer, order, product


@pytest.fixture(scope="module")
def by_a_run(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    """The production tables after one run."""
    whole = Shop(tmp_path_factory.mktemp("whole") / "shop")
    whole.trade_a_day()
    tables = whole.production()
    whole.lake.close()
    return tables


def test_task_by_task_each_twice_gives_what_a_run_gives(shop: Shop, by_a_run: Mapping[str, object]) -> None:
    shop.deliver("b1", **a_day())
    for task in TASKS:
        for _ in range(2):
            shop.lake.task(task, batch_id="b1")
    assert shop.statuses() == {"b1": "published"}
    assert shop.production() == by_a_run


def test_the_stage_loads_may_run_in_any_order(shop: Shop, by_a_run: Mapping[str, object]) -> None:
    shop.deliver("b1", **a_day())
    for task in (*reversed(TASKS[:5]), *TASKS[5:]):
        shop.lake.task(task, run_id="job-1")
    assert shop.statuses() == {"b1": "published"}
    assert shop.production() == by_a_run


def test_what_lands_between_two_tasks_of_a_run_belongs_to_the_next(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    shop.lake.task(TASKS[0], run_id="job-1")
    shop.deliver("b2", "2025-03-02", customers=[customer("C-2")])
    for task in TASKS[1:]:
        shop.lake.task(task, run_id="job-1")
    assert shop.statuses() == {"b1": "published"} | {k: v for k, v in shop.statuses().items() if k == "b2"}
    assert shop.one("SELECT count(*) FROM customers") == 1
    assert [r.batch.batch_id for r in shop.run().batches] == ["b2"]


def test_other_content_that_lands_under_a_claimed_name_between_two_attempts_stays_where_it_is(shop: Shop) -> None:
    shop.deliver("b1", **a_day(customers=[customer(city="Peoria")]))
    shop.lake.task("customer_stage_load", run_id="job-1")
    other = shop.drop("customers", "customers_b1.csv", [customer(city="Boise")])
    for task in TASKS:
        shop.lake.task(task, run_id="job-1")
    assert shop.rows("SELECT city FROM customers") == [("Peoria",)]
    assert "Boise" in other.read_text()


@pytest.mark.parametrize("announced", ["Products_März.csv", "products_märz.CSV"])
def test_a_file_is_loaded_in_whatever_case_its_name_is_written(shop: Shop, announced: str) -> None:
    shop.drop("products", "Products_März.csv", [product()])
    shop.announce("b1", files=[announced])
    shop.run()
    assert shop.statuses() == {"b1": "published"}
    assert shop.one("SELECT count(*) FROM products") == 1


def test_a_task_whose_inputs_are_not_there_says_what_to_run_first(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    with pytest.raises(UsageError, match="orders_stage_load"):
        shop.lake.task("data_enrichment", batch_id="b1")
    shop.lake.task(TASKS[0], batch_id="b1")
    with pytest.raises(UsageError, match="customer_stage_load"):
        shop.lake.task("data_validation", batch_id="b1")


def test_an_unknown_task_is_an_error_that_lists_the_tasks(shop: Shop) -> None:
    with pytest.raises(UsageError, match="final_merge_operation"):
        shop.lake.task("final_merge", batch_id="b1")


def test_a_task_of_a_published_batch_changes_nothing_and_says_so(shop: Shop, by_a_run: Mapping[str, object]) -> None:
    shop.trade_a_day()
    for task in TASKS:
        assert "published" in shop.lake.task(task, batch_id="b1").notices[0], task
        assert shop.one("SELECT count(*) FROM publications") == 1, task
    assert shop.production() == by_a_run


def test_every_attempt_of_every_task_is_in_the_ledger(shop: Shop) -> None:
    shop.trade_a_day()
    attempts = shop.rows("SELECT task, attempt, status FROM tasks WHERE batch_id = 'b1' ORDER BY started_at")
    assert [task for task, _, _ in attempts] == list(TASKS)
    assert {(attempt, status) for _, attempt, status in attempts} == {(1, "SUCCESS")}


def test_a_batch_by_tasks_takes_those_before_it_that_wait_for_their_repair(shop: Shop) -> None:
    """As a run does. Else the published logs stood still, and a repair did not find what its records had said."""

    def tasks_of_b2() -> set[str]:
        return {report.batch.batch_id for task in TASKS for report in shop.lake.task(task, batch_id="b2").batches}

    shop.trade_a_day()
    shop.lake.retry("b1")
    shop.deliver("b2", "2025-03-02", orders=[order("O-4"), order("O-5", order_amount="?")])
    assert tasks_of_b2() == {"b1", "b2"}
    assert shop.lake.verify().findings == ()
    [broken] = [str(row["id"]) for row in shop.lake.quarantine()]
    for cells in ({"order_amount": "7.00"}, {"order_id": "O-6"}):
        shop.lake.fix_record(broken, cells)
        assert tasks_of_b2() == {"b2"}
    assert shop.rows("SELECT order_id FROM orders ORDER BY 1") == [("O-1",), ("O-4",), ("O-6",)]
    assert shop.lake.verify(deep=True).findings == ()
