"""What the commands print, for people and for machines, over a shop with everything that can be in one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from cartlake.core.model import Case
from cartlake.lake import Lake
from cartlake.queries import CaseResult
from tests.cli.conftest import Call, deliver
from tests.pipeline.shop import TASKS

BATCH_KEYS = {
    "batch_id",
    "batch_date",
    "status",
    "verdict",
    "rows_in",
    "rows_staged",
    "rows_quarantined",
    "rows_duplicate",
}
DAY_1 = "batch_2025_01_01_001"


@pytest.fixture
def own_shop(shop: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(shop, tmp_path / "shop")


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["batch", "list"],
        ["batch", "show", DAY_1],
        ["quarantine", "list"],
        ["query", "SELECT * FROM customers"],
        ["history", "products", "P00001"],
        ["doctor"],
        ["run"],
    ],
)
def test_json_is_one_document_and_without_it_people_read_something_else(
    cartlake: Call, shop: Path, arguments: list[str]
) -> None:
    for_machines, for_people = (
        cartlake(*arguments, "--project", shop, "--json"),
        cartlake(*arguments, "--project", shop),
    )
    assert for_machines.code == for_people.code == 0
    assert isinstance(for_machines.json, list | dict)
    with pytest.raises(json.JSONDecodeError):
        json.loads(for_people.out)


def test_batches_are_listed_with_status_and_counts(cartlake: Call, shop: Path) -> None:
    batches = cartlake("batch", "list", "--project", shop, "--json").json
    assert all(batch.keys() >= BATCH_KEYS for batch in batches)
    by_id = {batch["batch_id"]: batch for batch in batches}
    day = by_id[DAY_1]
    assert (day["batch_date"], day["status"]) == ("2025-01-01", "published")
    assert day["rows_in"] == day["rows_staged"] + day["rows_quarantined"] + day["rows_duplicate"] > 50
    assert {name: by_id[name]["status"] for name in ("held", "failed", "batch_2025_01_01_missing")} == {
        "held": "held",
        "failed": "failed",
        "batch_2025_01_01_missing": "waiting",
    }


def test_the_list_of_batches_says_what_to_do_about_each_that_stands_still(cartlake: Call, shop: Path) -> None:
    shown = cartlake("batch", "list", "--project", shop).out
    assert "held by quarantine_share" in shown
    assert "cartlake batch release held" in shown
    assert "cartlake batch retry failed" in shown
    assert "waiting for orders_2025_01_01_never_sent.csv" in shown
    assert "refused.json failed" in shown
    assert "Correct the manifest and drop it again." in shown


def test_status_shows_publication_batches_unannounced_files_and_quarantine(cartlake: Call, shop: Path) -> None:
    found = cartlake("status", "--project", shop, "--json").json
    assert found["publication"]["as_of_date"] == "2025-01-02"
    assert found["publication"]["published_at"].endswith("+00:00")
    assert found["unannounced"] == [{"folder": "orders_data", "name": "orders_unannounced.csv"}]
    assert found["rows_quarantined"] == sum(batch["rows_quarantined"] for batch in found["batches"]) > 30
    shown = cartlake("status", "--project", shop).out
    assert "as of 2025-01-02" in shown
    assert "published 2" in shown
    assert "orders_data/source/orders_unannounced.csv" in shown


def test_status_of_a_new_project_says_how_to_begin(cartlake: Call, tmp_path: Path) -> None:
    cartlake("init", tmp_path / "new")
    assert "nothing yet" in cartlake("status", "--project", tmp_path / "new").out


def test_a_batch_is_shown_with_files_tasks_and_failed_rules(cartlake: Call, shop: Path) -> None:
    found = cartlake("batch", "show", DAY_1, "--project", shop, "--json").json
    assert {file["feed"] for file in found["files"]} == {"orders", "customers", "products", "inventory", "shipping"}
    assert found["tasks"][-1]["task"] == "final_merge_operation"
    assert {row["outcome"] for row in found["results"]} == {"passed", "failed"}
    assert [state["status"] for state in found["states"]][-1] == "published"
    shown = cartlake("batch", "show", DAY_1, "--project", shop).out
    assert "orders_2025_01_01.csv" in shown
    assert "SUCCESS_WITH_WARNINGS" in shown
    assert "customer_without_orders" in shown


def test_an_unknown_batch_is_a_usage_error(cartlake: Call, shop: Path) -> None:
    answer = cartlake("batch", "show", "batch_2025_01_01_01", "--project", shop)
    assert answer.code == 2
    assert DAY_1 in answer.err


def test_quarantined_records_are_listed_with_line_reasons_and_text(cartlake: Call, shop: Path) -> None:
    rows = cartlake("quarantine", "list", "--batch", DAY_1, "--feed", "orders", "--project", shop, "--json").json
    quoted = next(row for row in rows if row["reasons"] == ["unclosed_quote"])
    file = next((shop / "archive/orders_data/2025-01-01").iterdir())
    assert file.read_text().splitlines()[quoted["line"] - 1] == quoted["raw"].rstrip("\n")
    assert {row["batch_id"] for row in rows} == {DAY_1}
    shown = cartlake("quarantine", "show", quoted["id"], "--project", shop)
    assert quoted["raw"] in shown.out
    assert "unclosed_quote" in shown.out
    assert cartlake("quarantine", "show", quoted["id"], "--project", shop, "--json").json == quoted
    assert cartlake("quarantine", "show", "no such", "--project", shop).code == 2


def test_what_a_corrected_file_superseded_is_listed_with_all_only(cartlake: Call, own_shop: Path) -> None:
    listing = ("quarantine", "list", "--batch", "failed", "--project", own_shop)
    [rejected] = cartlake(*listing, "--json").json
    assert rejected["is_open"] is True
    good = next((own_shop / "archive/orders_data/2025-01-01").iterdir())
    shutil.copy(good, own_shop / "landing/orders_data/source/orders_failed.csv")
    cartlake("run", "--project", own_shop)
    assert rejected["id"] not in cartlake(*listing).out
    shown = next(line for line in cartlake(*listing, "--all").out.splitlines() if rejected["id"] in line)
    assert "(superseded)" in shown


def test_a_limit_holds_for_people_and_never_for_json(cartlake: Call, shop: Path) -> None:
    limited = cartlake("quarantine", "list", "--limit", "2", "--project", shop)
    assert len(limited.out.splitlines()) == 3
    assert "2 of" in limited.err
    answer = cartlake("quarantine", "list", "--limit", "2", "--project", shop, "--json")
    assert len(answer.json) > 30
    assert answer.err == ""
    select = "SELECT * FROM customers"
    assert len(cartlake("query", select, "--limit", "1", "--project", shop).out.splitlines()) == 2
    assert len(cartlake("query", select, "--limit", "1", "--project", shop, "--json").json) > 10


def test_a_query_for_a_column_that_is_not_there_names_it(cartlake: Call, shop: Path) -> None:
    answer = cartlake("query", "SELECT order_idd FROM orders WHERE customer_id = 'Ann'", "--project", shop)
    assert answer.code != 0
    assert '"order_idd"' in answer.err
    assert '"order_id"' in answer.err
    assert "Ann" not in answer.err


def test_a_query_gives_rows_with_exact_values(cartlake: Call, shop: Path) -> None:
    sql = """SELECT count(*) AS orders, sum(order_amount) AS revenue, max(order_date) AS last,
        TIMESTAMPTZ '2025-01-01 10:00:00+02' AS at, NULL AS nothing, 'Zoë' AS name FROM enriched_orders"""
    (row,) = cartlake("query", sql, "--project", shop, "--json").json
    assert isinstance(row["orders"], int)
    assert isinstance(row["revenue"], str)
    assert row["last"] == "2025-01-02"
    assert row["at"] == "2025-01-01T08:00:00+00:00"
    assert (row["nothing"], row["name"]) == (None, "Zoë")


def test_a_query_reads_what_a_batch_published(cartlake: Call, shop: Path) -> None:
    sql = "SELECT count(*) AS n FROM orders"
    (then,) = cartlake("query", sql, "--at", DAY_1, "--project", shop, "--json").json
    (now,) = cartlake("query", sql, "--project", shop, "--json").json
    assert 0 < then["n"] < now["n"]


def test_a_query_that_is_no_select_is_refused(cartlake: Call, shop: Path) -> None:
    assert cartlake("query", "DROP TABLE orders", "--project", shop).code == 2


def test_the_life_of_a_key_shows_what_changed_and_where_it_came_from(cartlake: Call, shop: Path) -> None:
    most = "SELECT product_id AS id, count(*) AS n FROM products GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
    (product,) = cartlake("query", most, "--project", shop, "--json").json
    versions = cartlake("history", "products", product["id"], "--project", shop, "--json").json
    assert len(versions) == product["n"] > 1
    first, second = versions[:2]
    assert first["valid_to"] == second["valid_from"]
    assert versions[-1]["is_current"] is True
    shown = cartlake("history", "products", product["id"], "--project", shop).out
    assert f"{versions[-1]['source_file']}:{versions[-1]['line']}" in shown
    name = second["changed"][0]
    change = next(line for line in shown.splitlines() if " -> " in line)
    assert change.split()[0] == name
    assert change.split(" -> ")[1].replace(",", "") == str(second[name])


def test_a_decision_about_a_batch_is_recorded_with_who_and_why(cartlake: Call, own_shop: Path) -> None:
    answer = cartlake("batch", "release", "held", "--why", "looked at it", "--project", own_shop, "--json")
    assert [one["status"] for one in answer.json] == ["ready"]
    states = cartlake("batch", "show", "held", "--project", own_shop, "--json").json["states"]
    assert states[-1]["reason"] == "looked at it"
    assert states[-1]["actor"]
    assert cartlake("batch", "release", "held", "--project", own_shop).code == 2
    assert "is rejected" in cartlake("batch", "reject", "held", "--project", own_shop).out
    shown = cartlake("batch", "show", "held", "--project", own_shop).out
    assert [line.split()[3:] for line in shown.split("Decisions\n")[1].splitlines()[1:3]] == [
        ["ready", "looked", "at", "it"],
        ["rejected", "no", "reason", "given"],
    ]
    for why in ("test data", "test data"):
        assert "is rejected" in cartlake("batch", "reject", "held", "--why", why, "--project", own_shop).out
    assert "is rejected" in cartlake("batch", "reject", "held", "--project", own_shop).out
    states = cartlake("batch", "show", "held", "--project", own_shop, "--json").json["states"]
    assert [state["reason"] for state in states][-3:] == ["looked at it", "no reason given", "test data"]
    assert "is ready" in cartlake("batch", "retry", "failed", "--project", own_shop).out
    assert cartlake("batch", "show", "failed", "--project", own_shop, "--json").json["reason"] == "retried"


def test_examples_of_a_tie_name_their_files_by_short_hashes(cartlake: Call, own_shop: Path) -> None:
    head = "product_id,product_name,category,price,currency,created_timestamp"
    for trigger, price in (("tie_1", "1.50"), ("tie_2", "1.60")):
        row = f"P-TIE,Oolong,tea,{price},USD,2025-01-03 08:00:00"
        deliver(own_shop, trigger, f"products_data/source/products_{trigger}.csv", f"{head}\n{row}")
        cartlake("run", "--project", own_shop)
    results = cartlake("batch", "show", "tie_2", "--project", own_shop, "--json").json["results"]
    [whole] = [row["sample_keys"] for row in results if row["rule"] == "sequence_tie"]
    assert max(map(len, re.findall("[0-9a-f]+", whole))) == 64
    shown = cartlake("batch", "show", "tie_2", "--project", own_shop).out
    [line] = [line for line in shown.splitlines() if line.startswith("sequence_tie")]
    assert max(map(len, re.findall("[0-9a-f]+", line))) == 12


def test_a_manifest_is_made_for_the_file_that_none_names(cartlake: Call, own_shop: Path) -> None:
    (written,) = cartlake("manifest", "create", "--date", "2025-02-03", "--project", own_shop, "--json").json
    manifest = json.loads(Path(written).read_text())
    assert manifest["batch_date"] == "2025-02-03"
    assert manifest["expected_files"] == ["orders_unannounced.csv"]
    again = cartlake("manifest", "create", "--project", own_shop)
    assert again.code == 0


def test_tasks_run_one_by_one_and_refuse_to_run_too_early(cartlake: Call, own_shop: Path) -> None:
    cartlake("batch", "release", "held", "--project", own_shop)
    early = cartlake("task", "data_validation", "--batch", "held", "--project", own_shop)
    assert early.code == 2
    answer = cartlake("task", "orders_stage_load", "--batch", "held", "--project", own_shop, "--json")
    assert answer.code == 0
    assert [batch["status"] for batch in answer.json] == ["running"]
    assert "orders_stage_load" in answer.err


def test_a_task_needs_a_batch_or_a_run(cartlake: Call, shop: Path) -> None:
    assert cartlake("task", "data_validation", "--project", shop).code == 2
    both = cartlake("task", "data_validation", "--batch", "held", "--run", "r", "--project", shop)
    assert both.code == 2


def test_a_run_ends_with_1_if_a_batch_failed_and_shows_its_message(cartlake: Call, own_shop: Path) -> None:
    cartlake("batch", "retry", "failed", "--project", own_shop)
    answer = cartlake("run", "--project", own_shop)
    assert answer.code == 1
    assert "the header lacks order_id" in answer.out
    assert "drop it again" in answer.out
    assert "Not in this run: failed 1, held 1, waiting 2" in answer.out


def test_a_run_prints_a_line_for_each_task_on_stderr(cartlake: Call, tmp_path: Path) -> None:
    cartlake("generate", tmp_path, "--days", "1", "--orders-per-day", "5", "--customers", "5", "--products", "4")
    answer = cartlake("run", "--project", tmp_path, "--json")
    tasks = [line.split()[1] for line in answer.err.splitlines() if line.startswith(("✓", "!"))]
    assert tasks == list(TASKS)
    (batch,) = answer.json
    assert batch["status"] == "published"
    again = cartlake("run", "--project", tmp_path)
    assert (again.code, again.out.split(".")[0]) == (0, "Nothing is ready")


def test_cases_that_differ_are_shown_with_their_place_and_end_with_1(
    cartlake: Call, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def case(name: str) -> Case:
        return Case(name, {}, (), {}, "models/paid_orders.yml", 8)

    same = CaseResult("paid_orders", case("a paid order is there"), ())
    other = CaseResult("paid_orders", case("an unpaid one is not"), ({"order_id": "A"},))
    results = [same, other]
    monkeypatch.setattr(Lake, "test", lambda _: results)
    answer = cartlake("test", "--project", shop)
    assert answer.code == 1
    assert "paid_orders: an unpaid one is not" in answer.out
    assert "models/paid_orders.yml:8" in answer.out
    assert "1 of 2 cases passed" in answer.out
    assert [found["passed"] for found in cartlake("test", "--project", shop, "--json").json] == [True, False]
    results.remove(other)
    assert cartlake("test", "--project", shop).code == 0


@pytest.mark.slow
def test_the_projects_own_cases_are_run_beside_those_of_the_package(cartlake: Call, own_shop: Path) -> None:
    (own_shop / "models").mkdir()
    (own_shop / "models/paid_orders.sql").write_text("SELECT order_id FROM orders WHERE order_amount > 0")
    (own_shop / "models/paid_orders.yml").write_text(
        """\
kind: view
description: orders with an amount
grain: order line
key: []
columns:
  order_id: string
cases:
  - name: an order without an amount is left out
    given:
      orders:
        - {order_id: A, order_amount: 0.00}
    expect:
      - {order_id: A}
"""
    )
    answer = cartlake("test", "--project", own_shop, "--json")
    assert answer.code == 1, answer
    failed = [case for case in answer.json if not case["passed"]]
    assert [(case["model"], case["case"]) for case in failed] == [
        ("paid_orders", "an order without an amount is left out")
    ]
    assert failed[0]["file"] == "models/paid_orders.yml"
    assert len(answer.json) > 20


@pytest.mark.slow
def test_the_cases_of_the_package_pass_in_a_shop_with_settings_of_its_own(
    cartlake: Call, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting, value in {"REPORTING_CURRENCY": "EUR", "TIMEZONE": "Europe/Berlin", "CLOSE_HOUR": "22"}.items():
        monkeypatch.setenv(f"CARTLAKE_BUSINESS__{setting}", value)
    assert cartlake("test", "--project", shop).code == 0


def test_generate_tells_what_landed(cartlake: Call, tmp_path: Path) -> None:
    size = ["--orders-per-day", "4", "--customers", "5", "--products", "4", "--seed", "9"]
    answer = cartlake(
        "generate", tmp_path, "--days", "2", *size, "--start", "2025-06-01", "--faults", "bad_rows", "--json"
    )
    assert [day["day"] for day in answer.json] == ["2025-06-01", "2025-06-02"]
    assert all(Path(path).is_file() for day in answer.json for path in day["manifests"])
    assert answer.json[0]["faults"][0]["name"] == "bad_rows"
    assert cartlake("generate", tmp_path, "--faults", "bad_row").code == 2
