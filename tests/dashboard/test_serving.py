"""The server around the pages."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from cartlake.dashboard.catalogue import MENU, Asked
from cartlake.dashboard.following import Following
from cartlake.dashboard.reader import NothingYet, View
from cartlake.dashboard.report import write_report
from cartlake.dashboard.serving import serve
from cartlake.errors import EngineError, UsageError
from cartlake.lake import Lake
from tests.dashboard.conftest import Dashboard, listening
from tests.pipeline.shop import Shop, a_day, order

RETURNS = Path(__file__).parents[2] / "examples" / "returns_feed" / "contracts"


def test_a_port_that_is_taken_is_said_to_be_taken(traded: Shop) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1"):
            serve(traded.lake.settings, "127.0.0.1", other.getsockname()[1], print)


def test_a_host_that_is_none_is_said_to_be_none(traded: Shop) -> None:
    with pytest.raises(UsageError, match=r"cannot listen on no\.such\.host\.invalid"):
        serve(traded.lake.settings, "no.such.host.invalid", 0, print)


def test_pages_show_the_publication_before_until_those_of_the_new_one_are_known(working: Dashboard) -> None:
    following = Following(working.shop.lake.settings)
    following.catch_up()
    before = following.look(_sold)
    working.shop.deliver("b9", "2025-03-09", orders=[order("O-9", created_timestamp="2025-03-09 12:00:00")])
    working.shop.run()
    assert following.look(_sold) == before
    following.catch_up()
    assert following.look(_sold) == (before[0] + 1, before[1] + 1)
    following.close()


def test_what_the_pages_of_the_menu_say_is_known_before_they_are_asked_for(
    working: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = listening(monkeypatch)
    following = Following(working.shop.lake.settings)
    for batch in ("b10", "b11"):
        working.shop.deliver(batch, f"2025-03-{batch[1:]}", **a_day())
        working.shop.run()
        following.catch_up()
        asked.clear()
        for page in MENU:
            following.look(lambda view, page=page: page.find(view, Asked({}, ())))  # type: ignore[misc]
        assert asked == []
    following.close()


def test_following_waits_where_nothing_has_run(unused: Dashboard) -> None:
    following = Following(unused.shop.lake.settings)
    following.follow(lambda _: True)
    with pytest.raises(NothingYet):
        following.look(_sold)


@pytest.mark.parametrize("table", ["publications", "ledger_batches"])
def test_a_lake_whose_ledger_is_lost_is_not_shown_as_an_empty_one(
    working: Dashboard, tmp_path: Path, table: str
) -> None:
    folder = working.shop.project / "lake" / table
    folder.rename(tmp_path / "backup")
    assert f"the lake has no table {table}" in _refusal(working)
    with pytest.raises(EngineError, match=table):
        working.shop.lake.rebuild(from_archive=True)  # makes the table
    assert f"the table {table} was removed" in _refusal(working)
    with pytest.raises(EngineError, match=f"{table} was removed"):
        write_report(working.shop.lake.settings, tmp_path / "report.html")
    shutil.rmtree(folder)
    (tmp_path / "backup").rename(folder)
    assert "published" in working.text("/")


def test_a_feed_whose_tables_are_not_made_yet_is_no_empty_lake(working: Dashboard) -> None:
    shutil.copytree(RETURNS, working.shop.project / "contracts")
    assert "`cartlake status` makes its tables" in _refusal(working)
    with Lake(working.shop.project) as lake:
        lake.status()
    assert "published" in working.text("/")


def _refusal(dashboard: Dashboard) -> str:
    answer = dashboard.client.get("/")
    assert answer.status_code == 500
    assert "Nothing has run here" not in answer.text
    return answer.text


def _sold(view: View) -> tuple[int, int]:
    [row] = view.published("SELECT total_orders FROM analytics_summary")
    return view.publication.publication_id, int(str(row["total_orders"]))
