from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cartlake import demo
from cartlake.cli.summary import export_svg
from cartlake.scaffold import create_project
from tests.cli.conftest import Call

SMALL = replace(demo.PLAN, days=1, orders_per_day=10, customers=10, products=6)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PLAN", SMALL)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a small demo, cartlake-demo, was played once; one that plays it again changes nothing."""
    folder = tmp_path_factory.mktemp("played")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(demo, "PLAN", SMALL)
        patched.chdir(folder)
        demo.play(Path("cartlake-demo"), lambda _: None, lambda *_: None)
    return folder


def test_the_demo_can_be_run_twice_and_finds_nothing_new_then(cartlake: Call, tmp_path: Path, small: None) -> None:
    first = cartlake("demo", tmp_path / "demo", "--json")
    second = cartlake("demo", tmp_path / "demo", "--json")
    assert first.code == second.code == 0
    assert (first.json["is_repeated"], second.json["is_repeated"]) == (False, True)
    assert second.json | {"is_repeated": False} == first.json
    assert "orders_stage_load" in first.err
    assert "orders_stage_load" not in second.err


def test_the_summary_shows_what_came_out_and_where_it_is(
    cartlake: Call, played: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(played)
    answer = cartlake("demo")
    assert answer.code == 0
    found = cartlake("demo", "--json").json
    for section in ("Batches", "Feeds", "Business", "History", "Next"):
        assert f"\n{section}" in answer.out
    assert f"{float(found['analytics_summary']['total_revenue']):,.2f}" in answer.out
    assert found["batches"][0]["batch_id"] in answer.out
    assert f"{found['feeds'][0]['rows_in']:,}" in answer.out
    assert "cd cartlake-demo" in answer.out
    assert all(len(line.rstrip()) <= 100 for line in answer.out.splitlines())


def test_the_summary_becomes_a_picture_without_a_path_of_this_machine(
    played: Path, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(played)
    summary = demo.play(Path("cartlake-demo"), lambda _: None, lambda *_: None)
    export_svg(summary, tmp_path / "pictures" / "demo.svg")
    text = "".join(ElementTree.parse(tmp_path / "pictures" / "demo.svg").getroot().itertext())  # noqa: S314 - our own
    assert "analytics_summary" in text
    assert "cd\u00a0cartlake-demo" in text
    assert str(played) not in text
    assert str(tmp_path) not in text


def test_a_demo_that_was_cut_short_begins_again(cartlake: Call, tmp_path: Path, small: None) -> None:
    create_project(tmp_path / "demo")
    (tmp_path / "demo" / ".cartlake").mkdir()
    (tmp_path / "demo" / ".cartlake" / "demo").write_text("")
    assert cartlake("demo", tmp_path / "demo", "--json").json["is_repeated"] is False


@pytest.mark.parametrize("there", ["cartlake.toml", "thesis.docx"])
def test_a_folder_that_is_in_use_is_left_alone(cartlake: Call, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("")
    answer = cartlake("demo", tmp_path, "--json")
    assert (answer.code, answer.json["error"]["code"]) == (2, "not_a_demo")
    assert [path.name for path in tmp_path.iterdir()] == [there]


@pytest.mark.slow
def test_the_demo_shows_rules_that_fire_quarantine_and_a_customer_who_changed(
    cartlake: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = cartlake("demo", "--json").json
    assert {batch["status"] for batch in found["batches"]} == {"published"}
    assert {batch["verdict"] for batch in found["batches"]} == {"PASS", "WARN", "FAIL"}
    assert {rule["severity"] for rule in found["rules_failed"]} == {"high", "medium", "low"}
    assert sum(feed["rows_quarantined"] for feed in found["feeds"]) > 0
    assert sum(feed["rows_duplicate"] for feed in found["feeds"]) > 0
    assert [version["changed"] for version in found["customer"]] == [[], ["email"], ["customer_tier"]]
    shown = cartlake("demo").out.splitlines()
    assert max(len(line.rstrip()) for line in shown) <= 100
    for feed in found["feeds"]:
        assert feed["rows_in"] == feed["rows_staged"] + feed["rows_quarantined"] + feed["rows_duplicate"]
