"""Records in quarantine are repaired, judged again and discarded through the dashboard."""

from __future__ import annotations

import pytest

from tests.dashboard.conftest import SCRIPT, Dashboard
from tests.dashboard.test_pages import rows, words
from tests.pipeline.shop import customer

WHY = "read off the invoice"


def record(dashboard: Dashboard, order_id: str) -> str:
    """The id of the quarantined record of an order."""
    held = dashboard.shop.lake.quarantine("b2")
    return next(str(row["id"]) for row in held if str(row["raw"]).startswith(f"{order_id},"))


def send(dashboard: Dashboard, path: str, **fields: str | list[str]) -> str:
    dashboard.sign_in()
    answer = dashboard.client.post(path, data={"mark": dashboard.mark("/batches/b2"), **fields})
    assert answer.status_code == 200, answer.text
    return words(answer.text)


def test_a_repaired_record_is_in_production_after_the_next_run(working: Dashboard) -> None:
    path = f"/quarantine/{record(working, 'O-3')}"
    said = send(working, f"{path}/fix", decision="fix", why=WHY, cell_order_amount="30.00")
    assert "The record passes every rule" in said
    assert "fixed" in said
    working.shop.run()
    assert working.shop.rows("SELECT order_amount FROM orders WHERE order_id = 'O-3'")
    assert "It is staged and in production" in words(working.text(path)).replace("it is", "It is")
    [decision] = rows(working.text("/quarantine"), "Decisions about records")
    assert decision[1:4] == ["fix", "✓ accepted", WHY]


def test_a_check_says_how_the_record_would_be_judged_and_records_nothing(working: Dashboard) -> None:
    path = f"/quarantine/{record(working, 'O-3')}"
    sound = send(working, f"{path}/fix", decision="check", cell_order_amount="30.00")
    assert "With these cells the record passes every rule." in sound
    wrong = send(working, f"{path}/fix", decision="check", cell_order_amount="30.00", cell_currency="XXXX")
    assert "would still be in quarantine: currency" in wrong
    assert "open" in words(working.text(path))
    assert working.shop.lake.quarantine("b2", every=True) == working.shop.lake.quarantine("b2")


def test_a_checked_form_keeps_what_was_typed(working: Dashboard) -> None:
    working.sign_in()
    path = f"/quarantine/{record(working, 'O-3')}/fix"
    typed = {"mark": working.mark("/batches/b2"), "decision": "check", "cell_order_amount": f"30{SCRIPT}"}
    html = working.client.post(path, data=typed).text
    assert 'name="cell_order_amount" value="30&lt;script&gt;' in html


def test_a_record_shows_its_cells_and_which_of_them_is_wrong(dashboard: Dashboard) -> None:
    dashboard.sign_in()
    html = dashboard.text(f"/quarantine/{record(dashboard, 'O-3')}")
    assert 'name="cell_order_id" value="O-3"' in html
    assert '<label class="wrong">order_amount' in html
    assert html.count('<label class="wrong">') == 1


def test_a_large_file_is_read_for_a_records_cells_only_when_somebody_asks(working: Dashboard) -> None:
    people = [customer(f"L-{number}", email="nobody", address="x" * 9000) for number in range(500)]
    working.shop.deliver("large", "2025-03-05", customers=people)
    working.shop.run()
    working.sign_in()
    path = f"/quarantine/{working.shop.lake.quarantine('large')[0]['id']}"
    html = working.text(path)
    assert "cell_" not in html
    assert f'href="{path}?cells=1"' in html
    assert 'name="cell_email" value="nobody"' in working.text(f"{path}?cells=1")


def test_a_repair_that_does_not_help_says_so(working: Dashboard) -> None:
    path = f"/quarantine/{record(working, 'O-3')}/fix"
    said = send(working, path, decision="fix", why=WHY, cell_order_amount="much")
    assert "still breaks a rule" in said
    assert "Nothing was changed" in send(working, path, decision="fix", why=WHY, cell_order_amount="much")


def test_records_are_discarded_and_opened_again(working: Dashboard) -> None:
    ids = [record(working, "O-3"), record(working, "O-4")]
    assert "stay out for good" in send(working, "/quarantine/decide", decision="discard", why=WHY, id=ids)
    assert "2 records" in words(working.text("/quarantine?state=discarded"))
    send(working, "/quarantine/decide", decision="replay", why=WHY, id=ids[:1])
    assert "1 record" in words(working.text("/quarantine?state=discarded"))


def test_records_that_a_new_contract_accepts_are_replayed(working: Dashboard) -> None:
    said = send(working, "/quarantine/decide", decision="replay", why=WHY, id=record(working, "O-3"))
    assert "every record comes out as before" in said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"decision": "discard", "why": WHY}, "no record is chosen"),
        ({"decision": "discard", "id": "x"}, "a decision needs a reason"),
        ({"decision": "drop", "why": WHY, "id": "x"}, "there is no such decision"),
        ({"decision": "discard", "why": WHY, "id": "x"}, "there is no quarantined record"),
    ],
)
def test_a_decision_that_cannot_be_says_why(working: Dashboard, fields: dict[str, str], said: str) -> None:
    working.sign_in()
    sent = {"mark": working.mark("/batches/b2"), **fields}
    answer = working.client.post("/quarantine/decide", data=sent)
    assert answer.status_code in (400, 404)
    assert said in answer.text


def test_a_rejected_file_is_shown_without_a_form_for_its_cells(dashboard: Dashboard) -> None:
    dashboard.sign_in()
    [rejected] = dashboard.shop.lake.quarantine("failed")
    html = dashboard.text(f"/quarantine/{rejected['id']}")
    assert "The whole file was rejected." in words(html)
    assert "cell_" not in html
    assert "Discard" not in html


@pytest.mark.parametrize("path", ["/quarantine/decide", "/quarantine/{record}/fix"])
def test_without_the_token_no_record_is_decided_about(working: Dashboard, path: str) -> None:
    record_id = record(working, "O-3")
    sent = {"decision": "discard", "why": WHY, "id": record_id, "cell_order_amount": "1"}
    assert working.client.post(path.format(record=record_id), data=sent).status_code == 401
    assert working.shop.lake.quarantine("b2", every=True) == working.shop.lake.quarantine("b2")
