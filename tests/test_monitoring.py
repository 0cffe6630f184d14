"""The five questions of docs/databricks.md get answers, and their text means the same on both engines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartlake.core.dialect import compile_sql
from tests.conftest import ROOT
from tests.pipeline.shop import Shop, a_day, customer, order

TEXT = (ROOT / "docs" / "databricks.md").read_text("utf-8")
NEED, BALANCE, TASKS, RULES, FRESHNESS = QUESTIONS = re.findall(
    r"<!-- monitoring -->\n```sql\n(.*?)```", TEXT, re.DOTALL
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A published batch with a quarantined order and an orphan, and a failed one."""
    made = Shop(tmp_path_factory.mktemp("monitored") / "shop")
    made.deliver("good", **a_day(orders=[order(), order("O-2", order_amount="?"), order("O-3", customer_id="C-9")]))
    made.deliver("bad", "2025-03-02", orders="colour,shape\nred,round\n")
    made.deliver("late", "2025-02-28", customers=[customer("C-2")])
    made.run()
    yield made
    made.lake.close()


def test_the_batch_that_needs_somebody_is_found(shop: Shop) -> None:
    assert [row[0:3:2] for row in shop.rows(NEED)] == [("bad", "failed")]


def test_every_file_adds_up(shop: Shop) -> None:
    assert shop.rows(BALANCE) == []
    assert shop.one("SELECT sum(rows_quarantined) FROM batch_files") == 2


def test_each_task_is_there_with_its_attempts_and_failures(shop: Shop) -> None:
    found = {task: (attempts, failed) for task, attempts, failed, *_ in shop.rows(TASKS)}
    assert found["orders_stage_load"] == (3, 1)
    assert found["final_merge_operation"] == (2, 0)
    assert len(found) == 8


def test_failed_rules_come_with_their_counts_and_the_newest_batch_first(shop: Shop) -> None:
    found = shop.rows(RULES)
    assert ("good", "order_without_customer", "high") in [row[1:4] for row in found]
    assert [str(row[0]) for row in found] == sorted((str(row[0]) for row in found), reverse=True)


def test_each_feed_tells_how_fresh_it_is(shop: Shop) -> None:
    found = {feed: (str(newest), str(published)) for feed, newest, _, published in shop.rows(FRESHNESS)}
    assert found == dict.fromkeys(["customers", "inventory", "orders", "products", "shipping"], ("2025-03-01",) * 2)


@pytest.mark.parametrize("number", range(5))
def test_a_question_means_the_same_on_spark(number: int) -> None:
    assert compile_sql(QUESTIONS[number], "spark")


def test_there_are_five_in_the_document() -> None:
    assert len(QUESTIONS) == TEXT.count("```sql") == 5
    assert Path("docs/databricks.md").name in (ROOT / "README.md").read_text("utf-8")
