"""Whatever stands in names, identifiers, cells and folders: nothing outside the project is touched, nothing hangs, the
good batches go on, and no cell stands in what was printed or in a log."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cartlake.errors import ContractError, UsageError
from cartlake.lake import Lake
from tests.cli.conftest import Call, cartlake  # noqa: F401 - a fixture
from tests.pipeline.hostile import IDENTIFIERS, NAMES, PAYLOADS
from tests.pipeline.shop import Shop, a_day, csv_text, customer, order, product, shipment, stock

CANARY = "the-secret-of-another-folder"
EVENTS = ("open", "os.listdir", "os.scandir", "os.rename", "os.remove", "subprocess.Popen")
OPENED: list[str] | None = None


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if OPENED is not None and event in (
        "open",
        "os.listdir",
        "os.scandir",
        "os.rename",
        "os.remove",
        "subprocess.Popen",
    ):
        OPENED.append(f"{event} {os.fspath(arguments[0]) if isinstance(arguments[0], str | Path) else arguments[0]}")


sys.addaudithook(_audit)


@contextmanager
def nothing_touched_beside(project: Path) -> Iterator[None]:
    """Beside the project there are files that nobody has to open, change or add to."""
    global OPENED  # noqa: PLW0603 - an audit hook cannot be taken away
    (project.parent / "etc").mkdir()
    for path in (project.parent / "secret.csv", project.parent / "etc" / "passwd"):
        path.write_text(csv_text([order(shipping_address=CANARY)]))
    before = {path: path.read_bytes() for path in beside(project)}
    OPENED = []
    try:
        yield
    finally:
        opened, OPENED = OPENED, None
    outside = [entry for entry in opened if str(project.parent) in entry and str(project) not in entry]
    assert outside == []
    assert [entry for entry in opened if "Popen" in entry] == []
    assert {path: path.read_bytes() for path in beside(project)} == before
    ours = (path for path in project.rglob("*") if path.is_file() and not path.is_symlink())
    assert [path for path in ours if CANARY.encode() in path.read_bytes()] == []


def beside(project: Path) -> list[Path]:
    return [path for path in project.parent.rglob("*") if path.is_file() and not path.is_relative_to(project)]


def test_two_hundred_hostile_names_in_manifests_and_as_ids_of_batches(shop: Shop) -> None:
    assert len(set(NAMES)) >= 200
    shop.deliver("good", **a_day())
    for number, name in enumerate(NAMES):
        shop.announce(f"m{number}", files=[name])
        body = {
            "trigger_id": name,
            "batch_date": "2025-03-01",
            "data_files_ready": True,
            "expected_files": ["none.csv"],
        }
        (shop.manifests / f"id{number}.json").write_text(json.dumps(body))
    with nothing_touched_beside(shop.project):
        shop.run()
    statuses = shop.statuses()
    assert statuses.pop("good") == "published"
    assert set(statuses.values()) <= {"failed", "waiting"}
    assert shop.one("SELECT count(*) FROM orders") == 1
    for name in NAMES:
        with pytest.raises(UsageError):
            shop.lake.query(f'SELECT * FROM "{name}"')


@pytest.mark.posix
def test_hostile_names_pipes_links_and_folders_in_landing_are_passed_over(shop: Shop) -> None:
    with nothing_touched_beside(shop.project):
        source = shop.landing / "orders_data" / "source"
        for number, name in enumerate(NAMES):
            if name.strip(". ") and "/" not in name and "\0" not in name and len(name.encode()) < 250:
                (source / name).write_text(csv_text([order(f"O-{number}")]))
        os.mkfifo(source / "pipe.csv")
        os.mkfifo(shop.manifests / "pipe.json")
        (source / "link.csv").symlink_to(shop.project.parent / "secret.csv")
        (source / "loop.csv").symlink_to(source / "loop.csv")
        (shop.manifests / "link.json").symlink_to(shop.project.parent / "secret.csv")
        (source / "folder.csv").mkdir()
        shop.deliver("good", **a_day())
        shop.announce("bad", files=["pipe.csv", "link.csv", "loop.csv", "folder.csv"])
        notices = shop.run().notices
    assert shop.statuses() == {"good": "published", "bad": "waiting"}
    assert any("pipe.csv" in notice for notice in notices)
    assert all(notice.isprintable() for notice in notices)


def test_two_hundred_hostile_columns_are_kept_aside_under_their_names(shop: Shop) -> None:
    assert len(set(IDENTIFIERS)) >= 200
    names = list(dict.fromkeys(IDENTIFIERS))
    shop.deliver("b1", **a_day(orders=[order() | {name: f"value {number}" for number, name in enumerate(names)}]))
    with nothing_touched_beside(shop.project):
        shop.run()
    assert shop.statuses() == {"b1": "published"}
    kept = shop.one("SELECT map_values(_rescued) FROM orders_stage")
    assert isinstance(kept, list)
    assert len(kept) >= len(names) - 60, "names that differ in case and blanks only are one"
    assert all(str(value).startswith("value ") for value in kept)


def test_a_hundred_payloads_in_every_cell_are_staged_as_they_are_or_quarantined(shop: Shop) -> None:
    assert len(set(PAYLOADS)) >= 100
    made = {"orders": order(), "customers": customer(), "products": product(), "inventory": stock()}
    made["shipping"] = shipment()
    feeds: dict[str, list[dict[str, object]]] = {
        feed: [dict.fromkeys(row, payload) for payload in PAYLOADS] for feed, row in made.items()
    }
    feeds["orders"] += [order(f"X-{number}", shipping_address=text) for number, text in enumerate(PAYLOADS)]
    shop.deliver("b1", **feeds)
    shop.deliver("b2", "2025-03-02", **a_day())
    with nothing_touched_beside(shop.project):
        shop.run()
    for batch_id, status in shop.statuses().items():
        if status == "held":
            shop.lake.release(batch_id, "a test")
    shop.run()
    assert set(shop.statuses().values()) == {"published"}
    [counts] = shop.rows(
        "SELECT rows_in, rows_staged + rows_quarantined + rows_duplicate FROM batches WHERE batch_id = 'b1'"
    )
    assert counts == (6 * len(PAYLOADS), 6 * len(PAYLOADS))
    stands = shop.rows("SELECT order_id, shipping_address FROM orders_stage WHERE order_id LIKE 'X-%'")
    staged = {str(key): str(text) for key, text in stands}
    texts = {f"X-{number}": text for number, text in enumerate(PAYLOADS)}
    assert {key: text for key, text in staged.items() if text.strip() != texts[key].strip()} == {}
    assert len(staged) > len(PAYLOADS) * 0.9


CANARIES = {name: f"canary-{name}-7351" for name in ("first_name", "last_name", "email", "phone", "address", "city")}


def test_no_cell_stands_in_what_was_printed_or_in_a_log(shop: Shop, cartlake: Call) -> None:  # noqa: F811
    people = [customer("C-1", **CANARIES), customer("C-2", **{**CANARIES, "email": "canary-7351@example.com"})]
    bad = [
        order(f"O-{number}", order_amount="canary-amount-7351", shipping_address="canary-7351") for number in range(9)
    ]
    fine = [order("O-77", shipping_address="canary-7351"), order("O-77", shipping_address="canary-7351-else")]
    shop.deliver("b1", **a_day(customers=people, orders=[*bad, *fine]))
    shop.drop("customers", "broken.csv", "canary-7351;x\n1;2\n")
    shop.announce("b2", files=["broken.csv"])
    shop.lake.close()
    printed = ""
    for command in ("run", "status", "batch list", "maintain", "verify", "doctor", "rebuild"):
        answer = cartlake(*command.split(), "--project", shop.project)
        printed += answer.out + answer.err
        printed += cartlake(*command.split(), "--project", shop.project, "--json").out
    assert shop.one("SELECT count(*) FROM quarantine") == 11
    logs = [path for path in (shop.project / "lake").rglob("_delta_log/*") if path.is_file()]
    assert len(logs) > 40
    told = [path.relative_to(shop.project).as_posix() for path in logs if b"canary" in path.read_bytes()]
    assert told == []
    assert "canary" not in printed


def test_deep_json_and_yaml_that_explodes_are_refused_at_once(shop: Shop) -> None:
    for number, body in enumerate(("[" * 100_000, '{"a":' * 50_000, "[" * 900 + "]" * 900, '{"a": 1, "a": 2}', "\xff")):
        (shop.manifests / f"deep{number}.json").write_text(body)
    shop.run()
    assert set(shop.statuses().values()) == {"failed"}
    anchors = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20))
    contract = shop.change_contract("orders")
    contract.write_text(f"a0: &a0 [x]\n{anchors}\n{contract.read_text()}")
    with pytest.raises(ContractError):
        shop.run()


@pytest.mark.parametrize("year", [1995, pytest.param(2060, marks=pytest.mark.slow)])
def test_a_clock_that_jumps_changes_no_order_of_what_happened(shop: Shop, year: int) -> None:
    now = [datetime(2025, 6, 1, tzinfo=UTC)]
    with Lake(shop.project, clock=lambda: now[0]) as lake:
        shop.lake = lake
        shop.deliver("b1", **a_day())
        shop.run()
    now[0] = datetime(year, 6, 1, tzinfo=UTC)
    with Lake(shop.project, clock=lambda: now[0]) as lake:
        shop.lake = lake
        lake.reject("b1", "a mistake")
        assert shop.statuses() == {"b1": "rejected"}
    with Lake(shop.project, clock=lambda: datetime(2025, 6, 2, tzinfo=UTC)) as lake:
        shop.lake = lake
        lake.retry("b1")
        shop.run()
        assert shop.statuses() == {"b1": "published"}
        assert lake.verify().findings == ()
