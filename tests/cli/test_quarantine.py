"""Deciding about quarantined records from the command line: what is said, in text and as JSON."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.pipeline.shop import Shop, a_day, order


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Shop(tmp_path_factory.mktemp("quarantine") / "shop")
    made.deliver("b1", **a_day(orders=[order(), order("O-2", order_amount="?"), order("O-3", currency="ABC")]))
    made.run()
    made.lake.close()
    return made.project


@pytest.fixture
def shop(kept: Path, tmp_path: Path) -> Path:
    return shutil.copytree(kept, tmp_path / "shop")


def ids(cartlake: Call, shop: Path) -> list[str]:
    return [row["id"] for row in cartlake("quarantine", "list", "--project", shop, "--json").json]


def test_status_tells_how_many_records_wait_for_a_decision(cartlake: Call, shop: Path) -> None:
    cartlake("quarantine", "discard", ids(cartlake, shop)[0], "--project", shop)
    assert (
        "Quarantined  2 rows, 1 to decide about; cartlake quarantine list\n"
        in cartlake("status", "--project", shop).out
    )
    found = cartlake("status", "--project", shop, "--json").json
    assert (found["rows_quarantined"], found["rows_open"]) == (2, 1)


def test_records_go_out_are_edited_and_come_back(cartlake: Call, shop: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "orders.csv"
    told = cartlake("quarantine", "export", sheet, "--feed", "orders", "--project", shop)
    assert (told.code, told.out.splitlines()[0]) == (0, f"2 records in {sheet}")
    header, first, second = list(csv.reader(sheet.read_text("utf-8-sig").splitlines()))
    first[header.index("order_amount")] = "5"
    second[header.index("currency")] = "ABD"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([header, first, second])
    fix = ("quarantine", "fix", sheet, "--why", "by the invoices", "--project", shop)
    dry = cartlake(*fix, "--dry-run")
    assert "Dry run: nothing was recorded." in dry.out
    assert "stays out: currency_unknown" in dry.out
    assert "\n2 records: 1 will pass, 1 will stay out.\n" in dry.out
    assert cartlake("quarantine", "list", "--project", shop).out.count("(fixed)") == 0
    done = cartlake(*fix)
    assert "passes" in done.out
    assert "The next run stages the files again and repairs b1." in done.out
    assert cartlake("quarantine", "list", "--project", shop).out.count("(fixed)") == 2
    assert "No row was edited" in cartlake(*fix).out


def test_a_record_is_fixed_by_its_cells_and_shown_with_who_and_why(cartlake: Call, shop: Path) -> None:
    first, second = ids(cartlake, shop)
    told = cartlake(
        *(
            "quarantine",
            "fix",
            "--record",
            first,
            "--cell",
            "order_amount=5",
            "--why",
            "phoned",
            "--project",
            shop,
            "--json",
        )
    ).json
    assert (told["batches"], told["later"], told["dry_run"]) == (["b1"], [], False)
    assert [(one["id"], one["changed"], one["passes"]) for one in told["records"]] == [(first, ["order_amount"], True)]
    shown = cartlake("quarantine", "show", first, "--project", shop).out
    assert "phoned" in shown
    assert '{"order_amount": "5"}' in shown
    assert "Nothing changes." in cartlake("quarantine", "replay", "--batch", "b1", "--project", shop).out
    assert "No run is needed for it." in cartlake("quarantine", "discard", second, "--project", shop).out
    assert "(discarded)" in cartlake("quarantine", "list", "--project", shop).out
    assert "Quarantined  2 rows, 0 to decide about\n" in cartlake("status", "--project", shop).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fix"], "name a file, or a record"),
        (["fix", "x.csv", "--record", "a-1", "--cell", "a=1"], "name a file, or a record"),
        (["fix", "--record", "a-1"], "name a file, or a record"),
        (["fix", "--record", "a-1", "--cell", "a"], "no equals sign"),
        (["fix", "no such.csv"], "cannot be read"),
        (["replay"], "nothing is named"),
        (["discard", "a-1"], "no quarantined record"),
    ],
)
def test_a_call_that_makes_no_sense_is_a_usage_error(
    cartlake: Call, kept: Path, arguments: list[str], said: str
) -> None:
    refused = cartlake("quarantine", *arguments, "--project", kept)
    assert refused.code == 2
    assert said in refused.err


def test_a_file_without_a_line_is_listed_without_one_and_a_header_alone_is_told_as_such(
    cartlake: Call, tmp_path: Path
) -> None:
    made = Shop(tmp_path / "shop")
    made.deliver("b1", products=b"", customers="customer_id,email,phone,created_timestamp\n")
    made.lake.close()
    ran = cartlake("run", "--project", made.project)
    assert "no records in customers_b1.csv" in ran.err
    listed = cartlake("quarantine", "list", "--project", made.project)
    [record] = cartlake("quarantine", "list", "--project", made.project, "--json").json
    shown = cartlake("quarantine", "show", record["id"], "--project", made.project)
    assert record["line"] is None
    assert "None" not in listed.out + shown.out


@pytest.mark.parametrize("command", ["list", "export", "replay"])
@pytest.mark.parametrize(
    ("named", "said"),
    [
        (("--feed", "order"), "there is no feed 'order'\nDid you mean `orders`?"),
        (("--batch", "b11"), "there is no batch"),
    ],
)
def test_a_feed_or_batch_that_there_is_not_is_an_error_and_not_an_empty_answer(
    cartlake: Call, shop: Path, tmp_path: Path, command: str, named: tuple[str, str], said: str
) -> None:
    path = (tmp_path / "sheets",) if command == "export" else ()
    told = cartlake("quarantine", command, *path, *named, "--project", shop)
    assert (told.code, told.out) == (2, "")
    assert said in told.err


def test_an_empty_answer_about_a_feed_does_not_say_that_all_is_well(cartlake: Call, shop: Path) -> None:
    told = cartlake("quarantine", "list", "--feed", "customers", "--project", shop)
    assert (told.code, told.out.strip()) == (0, "Nothing of that is in quarantine.")
