"""What happened to the history of a feed stands in the results of its batch, and stays there."""

from __future__ import annotations

from pathlib import Path

from tests.pipeline.shop import TASKS, Shop, customer

TOLD = ("late_event", "bisected_run", "repeated_event", "untracked_change")


def seen(hour: int, customer_id: str = "C-1", **changes: object) -> dict[str, object]:
    return customer(customer_id, updated_timestamp=f"2025-03-01 {hour:02}:00:00", **changes)


def told(shop: Shop, batch_id: str) -> dict[str, tuple[int, str]]:
    found = shop.rows(f"SELECT rule, rows_failed, sample_keys FROM validation_results WHERE batch_id = '{batch_id}'")
    return {str(rule): (int(str(failed)), str(keys)) for rule, failed, keys in found if rule in TOLD and failed}


def test_late_and_repeated_events_parted_runs_and_changes_that_make_no_version_are_told(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    everybody = ["C-1", "C-2", "C-3"]
    shop.deliver("b1", customers=[seen(10, name, city="Austin") for name in everybody])
    shop.deliver("b2", customers=[seen(20, name, city="Austin", last_login="2025-03-01") for name in everybody])
    shop.run()
    assert told(shop, "b1") == {}
    assert told(shop, "b2") == {"untracked_change": (3, "customers.last_login 3")}
    shop.deliver(
        "b3",
        customers=[
            seen(5, "C-1", city="Boston"),
            seen(15, "C-2", city="Boston"),
            seen(10, "C-3", city="Austin"),
            seen(7, "C-4", city="Boston"),
        ],
    )
    shop.run()
    found = {
        "late_event": (2, "C-1, C-2"),
        "bisected_run": (1, "C-2"),
        "repeated_event": (1, "C-3"),
    }
    assert told(shop, "b3") == found
    assert shop.rows("SELECT city FROM customers WHERE customer_id = 'C-2' ORDER BY valid_from") == [
        ("Austin",),
        ("Boston",),
        ("Austin",),
    ]
    shop.lake.retry("b3")
    shop.run()
    assert told(shop, "b3") == found, "it is not compared with itself"
    shop.lake.close()


def test_a_key_that_comes_back_to_what_it_was_within_a_batch_has_changed(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    shop.deliver("b1", customers=[seen(10, name, city="Austin") for name in ("C-1", "C-2", "C-3")])
    shop.run()
    back = [
        seen(11, "C-1", city="Boston"),
        seen(12, "C-1", city="Austin", last_login="2025-03-01"),
        seen(11, "C-2", city="Austin", last_login="2025-03-01"),
        seen(12, "C-2", city="Austin", last_login="2025-03-02"),
    ]
    gone = {"customer_id": "C-3", "updated_timestamp": "2025-03-01 11:00:00", "_op": "delete"}
    twice = [seen(12, "C-4", city="Austin"), seen(12, "C-4", city="Boston")]
    shop.deliver("b2", customers=[*back, gone, seen(12, "C-3", city="Austin", last_login="2025-03-01"), *twice])
    shop.run()
    assert shop.rows("SELECT customer_id, count(*) FROM customers GROUP BY customer_id ORDER BY customer_id") == [
        ("C-1", 3),
        ("C-2", 1),
        ("C-3", 2),
        ("C-4", 1),
    ]
    assert told(shop, "b2") == {"untracked_change": (1, "customers.last_login 1")}
    shop.lake.close()


def test_task_by_task_a_batch_is_compared_with_those_before_it_in_its_run(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    shop.deliver("b1", customers=[seen(10, "C-1", city="Austin")])
    shop.deliver("b2", "2025-03-02", customers=[seen(5, "C-1", city="Boston")])
    for task in TASKS:
        shop.lake.task(task, run_id="job-1")
    assert told(shop, "b1") == {}
    assert told(shop, "b2") == {"late_event": (1, "C-1")}
    shop.lake.close()
