"""What a call says of its way: for people, for machines, and never a value of a row."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from cartlake.lake import Lake
from cartlake.logs import LOGGER
from tests.cli.conftest import Call
from tests.pipeline.shop import TASKS, Shop, a_day, customer, order

CANARIES = ("canary", "Geheimgasse", "5550199", "7777.77", "1987-06-05")


def shop_with_secrets(project: Path, **settings: Any) -> Shop:
    """Canaries in sound records and in broken ones, in a header, and in a manifest that is refused."""
    shop = Shop(project, **settings)
    people = [
        customer("C-1", email="canary@example.com", address="Geheimgasse 1", phone="555-5550199"),
        customer("C-2", email="canary-at-example", date_of_birth="1987-06-05", last_name="canary"),
        customer("C-3", date_of_birth="canary-1987-06-05"),
    ]
    amounts = [order("O-1", order_amount="7777.77"), order("O-2", order_amount="7777.77 canary", currency="canary")]
    shop.deliver("b1", **a_day(customers=people, orders=amounts))
    shop.deliver("b2", "2025-03-02", orders="order_id,order_amount\nO-9,7777.77\n")
    shop.announce("b3", "2025-03-03", ["orders_b3.csv"])
    return shop


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_machines_read_a_line_for_each_event_and_nothing_else(tmp_path: Path, cartlake: Call) -> None:
    shop = shop_with_secrets(tmp_path / "shop")
    said = cartlake("run", "--project", shop.project, "--set", "log.format=json", "--json")
    events = lines(said.err)
    assert [batch["status"] for batch in said.json] == ["published", "failed"]
    ended = [each for each in events if each["event"] == "task_ended"]
    assert [each["task"] for each in ended if each["batch_id"] == "b1"] == list(TASKS)
    failed = next(each for each in ended if each["status"] == "FAILED")
    assert (failed["level"], failed["batch_id"], failed["error_code"]) == ("error", "b2", "file_rejected")
    orders = next(each for each in ended if each["task"] == "orders_stage_load" and each["batch_id"] == "b1")
    assert (orders["level"], orders["rows_in"], orders["rows_quarantined"]) == ("warning", 2, 1)
    assert orders["seconds"] >= 0
    assert len({each["run_id"] for each in events if each["event"] == "run"}) == 1
    assert [each["status"] for each in events if each["event"] == "run"] == ["running", "finished"]
    assert [each["kind"] for each in events if each["event"] == "published"] == ["batch"]
    assert {"b1", "b2", "b3"} <= {each["batch_id"] for each in events if each["event"] == "batch"}


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_log_holds_a_value_of_a_row(tmp_path: Path, cartlake: Call, log_format: str) -> None:
    shop = shop_with_secrets(tmp_path / "shop")
    file = shop.project / "logs" / "all.ndjson"
    (shop.project / "cartlake.toml").write_text('[log]\nfile = "logs/all.ndjson"\n')
    said = cartlake("run", "--project", shop.project, "--set", f"log.format={log_format}")
    assert said.code == 1
    for canary in CANARIES:
        assert canary not in said.err
        assert canary not in file.read_text()
    assert "orders_stage_load" in said.err
    assert "orders_b2.csv" in said.err
    assert {each["event"] for each in lines(file.read_text())} >= {"run", "task_ended", "batch", "published"}
    assert said.err.startswith("{") == (log_format == "json")


def test_an_error_is_a_line_too_and_ends_the_call_as_always(tmp_path: Path, cartlake: Call) -> None:
    shop = Shop(tmp_path / "shop")
    (shop.project / "contracts").mkdir()
    (shop.project / "contracts" / "orders.yaml").write_text("apiVersion: v3.1.0\n")
    said = cartlake("run", "--project", shop.project, "--set", "log.format=json", "--json")
    assert said.code == 3
    [error] = lines(said.err)
    assert (error["event"], error["level"]) == ("error", "error")
    assert error["code"] == said.json["error"]["code"] == "contract_invalid"


def test_so_is_a_defect_and_it_quotes_nothing(tmp_path: Path, cartlake: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> None:
        raise KeyError("Jane Doe, 1 Elm Street")

    shop = Shop(tmp_path / "shop")
    monkeypatch.setattr(Lake, "run", raises)
    said = cartlake("run", "--project", shop.project, "--set", "log.format=json")
    assert said.code == 3
    [error] = lines(said.err)
    assert (error["event"], error["code"], error["file"]) == ("error", "unexpected", "cartlake/cli/run.py")
    assert "Jane" not in said.err


def test_python_programs_listen_to_the_logger(tmp_path: Path) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[assignment,method-assign]
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    shop = Shop(tmp_path / "shop")
    shop.deliver("b1", customers=[customer()])
    try:
        with Lake(shop.project) as lake:
            lake.run()
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(logging.NOTSET)
    ended = [vars(record)["fields"]["task"] for record in records if record.getMessage() == "task_ended"]
    assert ended == list(TASKS)


def test_nobody_hears_anything_who_did_not_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = Shop(tmp_path / "shop")
    shop.deliver("b1", orders="colour,shape\nred,round\n")
    shop.run()
    shop.lake.close()
    assert capsys.readouterr() == ("", "")
