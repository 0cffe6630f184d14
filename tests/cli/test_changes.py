"""The change feed on the command line: a screen for people, lines of JSON for other systems."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Call, start

DAY_1, DAY_2 = "batch_2025_01_01_001", "batch_2025_01_02_001"


def test_people_see_what_happened_to_which_key(cartlake: Call, shop: Path) -> None:
    answer = cartlake("changes", "products", "--since", DAY_1, "--project", shop)
    lines = answer.out.splitlines()
    assert lines[0].startswith("publication 2  ")
    assert any(line.startswith("  insert  P0") for line in lines)
    assert any(line.startswith("          is_current  true -> false") for line in lines)
    assert len(cartlake("changes", "products", "--limit", "1", "--project", shop).out.splitlines()) == 2


def test_programs_get_a_line_of_json_for_each_row(cartlake: Call, shop: Path) -> None:
    (counted,) = cartlake("query", "SELECT count(*) AS n FROM orders", "--project", shop, "--json").json
    rows = [json.loads(line) for line in cartlake("changes", "orders", "--project", shop, "--json").out.splitlines()]
    assert len(rows) == counted["n"]
    assert {row["_change_type"] for row in rows} == {"insert"}
    assert {row["_publication_id"] for row in rows} == {2}
    nothing = cartlake("changes", "orders", "--since", "2", "--project", shop, "--json")
    assert (nothing.code, nothing.out) == (0, "")


def test_a_publication_that_is_not_there_is_a_wrong_call(cartlake: Call, shop: Path) -> None:
    answer = cartlake("changes", "orders", "--since", "99", "--project", shop, "--json")
    assert (answer.code, answer.json["error"]["code"]) == (2, "publication_unknown")


@pytest.mark.posix
def test_a_follower_goes_on_until_it_is_interrupted(shop: Path) -> None:
    arguments = ("changes", "daily_sales", "--since", "0", "--follow", "--json", "--project", shop)
    with start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as follower:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["_change_type"] == "insert"
        assert follower.poll() is None
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(60) == 0
