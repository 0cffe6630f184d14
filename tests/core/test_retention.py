"""How far back tables are needed: what readers could see in the last days, and what waits for its merge."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from cartlake.core.batch import Batch, BatchStatus
from cartlake.core.entries import MaintenanceStep, Preparation, Publication
from cartlake.core.retention import (
    gone_below,
    is_decided,
    is_kept,
    kept_publications,
    oldest_prepared,
    oldest_published,
)

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def publication(number: int, days_ago: float, **tables: int) -> Publication:
    published_at = NOW - timedelta(days=days_ago)
    return Publication(number, f"b{number}", "batch", published_at, date(2025, 1, number), tables, "", {})


def preparation(batch_id: str, base: int, **tables: int) -> Preparation:
    return Preparation(batch_id, "R-1", base, "batch", tables, {})


@pytest.mark.parametrize(
    ("days_ago", "kept"),
    [
        ([], []),
        ([500], [1]),
        ([120, 100, 80, 10], [2, 3, 4]),  # the second was what readers saw when the ninety days began
        ([120, 90, 80], [2, 3]),
        ([120, 89, 80], [1, 2, 3]),
        ([300, 200, 100], [3]),
        ([3, 2, 1], [1, 2, 3]),
    ],
)
def test_kept_is_what_readers_saw_at_any_moment_of_the_time(days_ago: list[float], kept: list[int]) -> None:
    publications = [publication(number, days) for number, days in enumerate(days_ago, 1)]
    assert [one.publication_id for one in kept_publications(publications, NOW, 90)] == kept


def test_a_table_is_needed_from_the_oldest_version_that_a_kept_publication_names() -> None:
    kept = [publication(7, 3, orders=12, customers=4), publication(8, 2, orders=13, customers=4)]
    assert oldest_published("orders", kept) == 12
    assert oldest_published("customers", kept) == 4
    assert oldest_published("products", kept) == 0
    assert oldest_published("orders", []) == 0


def test_prepared_changes_are_needed_while_their_base_is_the_latest_publication() -> None:
    latest = publication(8, 1)
    waiting = [preparation("b8", 7, orders=20), preparation("b9", 8, orders=22), preparation("b10", 8, orders=23)]
    assert oldest_prepared("orders", waiting, latest, head=25) == 22
    assert oldest_prepared("customers", waiting, latest, head=25) == 25
    assert oldest_prepared("orders", waiting[:1], latest, head=25) == 25


def test_only_a_removal_of_files_makes_versions_unreadable() -> None:
    steps = [
        MaintenanceStep("orders", "remove_files", "", version=17),
        MaintenanceStep("orders", "remove_files", "", version=12),
        MaintenanceStep("orders", "compact", "", version=30),
        MaintenanceStep("archive/orders_data", "remove_files", ""),
    ]
    assert gone_below(steps) == {"orders": 17}


@pytest.mark.parametrize("status", BatchStatus)
@pytest.mark.parametrize("restage", [False, True])
def test_files_of_a_batch_may_go_when_it_is_published_or_rejected_and_not_to_be_read_again(
    status: BatchStatus, restage: bool
) -> None:
    batch = Batch("b1", date(2025, 1, 1), status, (), "b1.json", "", "", None, None, None, NOW, restage=restage)
    assert is_decided(batch) == (status in (BatchStatus.PUBLISHED, BatchStatus.REJECTED) and not restage)


def test_what_was_published_before_a_lake_moved_is_not_kept_and_what_was_removed_before_does_not_matter() -> None:
    steps = [MaintenanceStep("orders", "remove_files", "", version=17), MaintenanceStep("lake", "move", "", version=8)]
    assert gone_below(steps) == {}
    assert not is_kept(publication(7, 3, orders=20), steps)
    assert is_kept(publication(8, 2, orders=1), steps)
    later = [*steps, MaintenanceStep("orders", "remove_files", "", version=2)]
    assert [is_kept(publication(9, 2, orders=number), later) for number in (1, 2)] == [False, True]
    again = [*steps, MaintenanceStep("lake", "move", "", version=10)]
    assert [is_kept(publication(number, 2, orders=1), again) for number in (8, 9, 10)] == [False, False, True]
