"""Alerts: each thing is told once, to a webhook or a command, and no run depends on it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cartlake.doctor import try_alerts
from cartlake.errors import EngineError
from cartlake.lake import Lake
from tests.pipeline.listening import Listener, listening
from tests.pipeline.shop import Shop, customer, order, shipment

NOW = datetime(2025, 3, 2, 6, 30, tzinfo=UTC)
CANARY = "canary@example.com"


@pytest.fixture
def webhook() -> Iterator[Listener]:
    with listening("/services/T0/B0/s3cret") as listener:
        yield listener


def shop_at(project: Path, clock: Callable[[], datetime] = lambda: NOW, **alerts: object) -> Shop:
    shop = Shop(project, alerts=alerts)
    shop.lake = Lake(project, settings=shop.lake.settings, clock=clock)
    return shop


def kinds(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(each["kind"], each["subject"]) for each in document["alerts"]]


def test_each_thing_is_told_once_as_long_as_it_lasts_and_again_when_it_comes_back(
    tmp_path: Path, webhook: Listener
) -> None:
    times = [NOW]
    shop = shop_at(tmp_path / "shop", lambda: times[-1], webhook=webhook.address)
    shop.deliver("b1", customers=[customer(), *(customer(f"C-{n}", email=CANARY[:6]) for n in range(30))])
    shop.deliver("b2", orders="colour,shape\nred,round\n")
    shop.announce("b3", "2025-03-02", ["orders_b3.csv"])
    assert shop.run().notices == ()
    [first] = webhook.taken
    assert kinds(first) == [("held", "b1"), ("failed", "b2"), ("rule", "b1")]
    assert "• batch b2 failed: orders_b2.csv" in first["text"]
    assert first["text"].startswith("cartlake, shop:\n• batch b1 is held: held by quarantine_share\n")
    shop.run()
    assert len(webhook.taken) == 1, "nothing is new"
    times.append(NOW + timedelta(hours=25))
    shop.run()
    assert kinds(webhook.taken[1]) == [("late", "b3")]
    shop.lake.reject("b1", "test data")
    shop.run()
    shop.drop("orders", "orders_b2.csv", "size,weight\nbig,heavy\n")
    shop.run()
    assert kinds(webhook.taken[2]) == [("failed", "b2")], "another reason is another failure"
    assert len(webhook.taken) == 3
    assert CANARY[:6] not in json.dumps(webhook.taken)
    shop.lake.close()


def test_a_late_feed_and_a_rule_of_high_severity_are_told(tmp_path: Path, webhook: Listener) -> None:
    times = [NOW]
    shop = shop_at(tmp_path / "shop", lambda: times[-1], webhook=webhook.address, on=["rule", "freshness"])
    shop.deliver("b1", orders=[order(customer_id="C-9")], shipping=[shipment()], products="colour\nred\n")
    shop.deliver("b2", orders=[order("O-2", customer_id="C-9")], shipping=[shipment("S-2", "O-2")])
    shop.run()
    assert kinds(webhook.taken[0]) == [("rule", "b2"), ("rule", "b2")], "b1 failed, and nobody wants to know"
    assert "b2: order_without_customer failed for 1 of 1 rows" in webhook.taken[0]["text"]
    times.append(datetime(2025, 3, 4, 0, 1, tzinfo=UTC))
    shop.run()
    assert kinds(webhook.taken[1]) == [("freshness", "orders"), ("freshness", "shipping")]
    assert "feed orders is late: its newest day is 2025-03-01" in webhook.taken[1]["text"]
    shop.lake.close()


def test_what_could_not_be_told_is_a_notice_and_told_the_next_time(tmp_path: Path, webhook: Listener) -> None:
    webhook.answer = 500
    shop = shop_at(tmp_path / "shop", webhook=webhook.address)
    shop.deliver("b1", orders="colour,shape\nred,round\n")
    report = shop.run()
    assert report.batches[0].batch.status == "failed"
    assert report.notices == ("alerts: the webhook: answered with 500; the run itself is not concerned",)
    assert "s3cret" not in report.notices[0]
    webhook.answer = 200
    assert shop.run().notices == ()
    assert kinds(webhook.taken[-1]) == [("failed", "b1")]
    shop.lake.close()


def test_a_command_reads_the_alerts_on_its_standard_input(tmp_path: Path) -> None:
    program = "import sys, pathlib; pathlib.Path('told.json').write_text(sys.stdin.read())"
    shop = shop_at(tmp_path / "shop", command=[sys.executable, "-c", program])
    shop.deliver("b1", orders="colour,shape\nred,round\n")
    assert shop.run().notices == ()
    assert kinds(json.loads((shop.project / "told.json").read_text())) == [("failed", "b1")]
    shop.lake.close()


def test_each_is_told_once_whatever_becomes_of_the_other(tmp_path: Path, webhook: Listener) -> None:
    program = "import sys, pathlib; pathlib.Path('told').open('a').write(sys.stdin.read() + chr(10))"
    project = tmp_path / "shop"
    shop = shop_at(project, webhook=webhook.address, command=[sys.executable, "-c", program])
    webhook.answer = 500
    shop.deliver("b1", orders="colour,shape\nred,round\n")
    for _ in range(2):
        assert shop.run().notices == ("alerts: the webhook: answered with 500; the run itself is not concerned",)
    webhook.answer = 200
    assert (shop.run().notices, shop.run().notices) == ((), ())
    assert len(webhook.taken) == 3, "until it took it"
    [told] = (project / "told").read_text().splitlines()
    assert kinds(json.loads(told)) == kinds(webhook.taken[-1]) == [("failed", "b1")]
    shop.lake.close()
    shop = shop_at(tmp_path / "other", webhook=webhook.address, command=["no-such-program-anywhere"])
    shop.deliver("b1", orders="colour,shape\nred,round\n")
    for _ in range(2):
        assert "could not be started" in shop.run().notices[0]
    assert len(webhook.taken) == 4, "not again because the other did not take it"
    shop.lake.close()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "ended with 3"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "did not end in 0.5 s"),
        (["no-such-program-anywhere"], "could not be started (FileNotFoundError)"),
    ],
)
def test_a_command_that_fails_fails_no_run(tmp_path: Path, command: list[str], said: str) -> None:
    shop = shop_at(tmp_path / "shop", command=command, timeout_seconds=0.5)
    shop.deliver("b1", orders="colour,shape\nred,round\n")
    assert shop.run().notices == (f"alerts: the command {said}; the run itself is not concerned",)
    shop.lake.close()


def test_a_run_that_ends_with_an_error_is_told(tmp_path: Path, webhook: Listener) -> None:
    shop = shop_at(tmp_path / "shop", webhook=webhook.address)
    shop.deliver("b1", customers=[customer()])

    def fail(*_: object) -> None:
        raise EngineError("disk_full", "there is no room")

    with pytest.raises(EngineError):
        shop.lake.run(fail)
    assert webhook.taken[0]["alerts"] == [
        {"kind": "failed", "subject": "run", "message": "a run ended early (disk_full): there is no room"}
    ]
    shop.lake.close()


def test_the_doctor_tries_who_is_to_be_told(tmp_path: Path, webhook: Listener) -> None:
    shop = shop_at(tmp_path / "shop")
    assert try_alerts(shop.project).status == "warn"
    (shop.project / "cartlake.toml").write_text(f'[alerts]\nwebhook = "{webhook.address}"\n')
    assert try_alerts(shop.project).status == "ok"
    assert "only a trial" in webhook.taken[0]["text"]
    webhook.answer = 404
    found = try_alerts(shop.project)
    assert (found.status, found.message) == ("fail", "the webhook: answered with 404")
    (shop.project / "cartlake.toml").write_text('[alerts]\nwebhook = "ftp://example.com/"\n')
    assert try_alerts(shop.project).message == "the webhook: the address is neither http nor https"
