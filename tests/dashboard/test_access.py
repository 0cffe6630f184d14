"""Who may look, who may decide, and what keeps others out."""

from __future__ import annotations

import pytest
from filelock import FileLock
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from cartlake.dashboard.access import Access
from cartlake.dashboard.guard import HEADERS, Guard
from cartlake.dashboard.reader import Reader
from tests.dashboard.conftest import HERE, IMAGE, SCRIPT, Dashboard, serve
from tests.pipeline.shop import Shop

OF_PEOPLE = ["/quarantine/{record}", "/tables/customers/life?key=C-2"]
DECIDE = "/batches/held/decide"


def form(dashboard: Dashboard, **fields: str) -> dict[str, str]:
    """A form as a page of the dashboard sends it, by somebody who has signed in."""
    dashboard.sign_in()
    return {"mark": dashboard.mark("/batches/held"), "why": "looked at it", **fields}


@pytest.mark.parametrize("path", OF_PEOPLE)
def test_data_of_people_are_shown_only_to_who_has_the_token(dashboard: Dashboard, path: str) -> None:
    record = next(row["id"] for row in dashboard.shop.lake.quarantine("b2") if row["feed"] == "customers")
    path = path.format(record=record)
    answer = dashboard.client.get(path)
    assert answer.status_code == 401
    assert "Miller" not in answer.text
    dashboard.sign_in()
    assert "nobody" in dashboard.text(path) or "Ada" in dashboard.text(path) or "&lt;script" in dashboard.text(path)


def test_keys_of_rows_that_failed_a_rule_are_shown_only_to_who_has_the_token(dashboard: Dashboard) -> None:
    keys = [str(row["sample_keys"]) for row in dashboard.shop.lake.batch("held").results if row["sample_keys"]]
    before = dashboard.text("/batches/held")
    dashboard.sign_in()
    after = dashboard.text("/batches/held")
    assert keys
    assert [key for key in keys if f">{key}<" in before] == []
    assert [key for key in keys if f">{key}<" not in after] == []


@pytest.mark.parametrize("path", ["/", "/runs", "/quality", "/quarantine", "/tables", "/business", "/batches/b2"])
def test_a_dashboard_that_others_can_reach_shows_nothing_without_the_token(
    traded: Shop, reader: Reader, path: str
) -> None:
    for dashboard in serve(traded, reader, host="0.0.0.0"):  # noqa: S104 - nothing listens
        assert dashboard.client.get(path).status_code == 401
        dashboard.sign_in()
        dashboard.text(path)


@pytest.mark.parametrize("token", ["", "wrong", "wröng", "\x00", "a" * 10_000])
def test_a_wrong_token_lets_nobody_in(dashboard: Dashboard, token: str) -> None:
    for answer in (
        dashboard.client.get("/", params={"token": token}),
        dashboard.client.post("/sign-in", data={"token": token, "next": "/"}),
    ):
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_the_address_with_the_token_leads_to_the_same_page_without_it(dashboard: Dashboard) -> None:
    answer = dashboard.client.get(f"/quarantine?feed=orders&token={dashboard.token}", follow_redirects=False)
    assert answer.headers["location"] == "/quarantine?feed=orders"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert dashboard.token not in cookie


@pytest.mark.parametrize("goal", ["https://example.com/", "//example.com", "/\\example.com", "\\\\example.com", ""])
def test_signing_in_leads_to_no_other_site(dashboard: Dashboard, goal: str) -> None:
    asked = {"token": dashboard.token, "next": goal}
    answer = dashboard.client.post("/sign-in", data=asked, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_signing_in_leads_back_to_the_page_that_was_asked_for(dashboard: Dashboard) -> None:
    asked = {"token": dashboard.token, "next": "/tables/customers/life?key=C-2"}
    answer = dashboard.client.post("/sign-in", data=asked, follow_redirects=False)
    assert answer.headers["location"] == "/tables/customers/life?key=C-2"


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8765", True),
        ("localhost:8765", True),
        ("[::1]:8765", True),
        ("192.168.1.7", True),
        ("rebound.example.com", False),
        ("rebound.example.com:8765", False),
        ("127.0.0.1.example.com", False),
        ("127.0.0.1@example.com", False),
        ("", False),
    ],
)
def test_only_addresses_and_names_of_this_machine_are_answered_to(host: str, is_ours: bool) -> None:
    assert Access("127.0.0.1").answers_to(host) == is_ours


def test_a_site_whose_name_was_led_here_is_refused(dashboard: Dashboard) -> None:
    answer = dashboard.client.get("/", headers={"host": "rebound.example.com"})
    assert answer.status_code == 421
    assert "corner-shop" not in answer.text


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/none", 404), ("/quarantine/x", 401), ("/static/app.css", 200), (DECIDE, 405)]
)
def test_every_answer_carries_the_headers_that_keep_it_harmless(dashboard: Dashboard, path: str, status: int) -> None:
    answer = dashboard.client.get(path)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


def test_without_the_token_nothing_is_decided(working: Dashboard) -> None:
    answer = working.client.post(DECIDE, data={"decision": "reject", "why": "no"})
    assert answer.status_code == 401
    assert working.shop.statuses()["held"] == "held"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://example.com"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_of_another_site_decides_nothing(working: Dashboard, headers: dict[str, str]) -> None:
    sent = form(working, decision="reject")
    assert working.client.post(DECIDE, data=sent, headers=headers).status_code == 403
    assert working.shop.statuses()["held"] == "held"


@pytest.mark.parametrize("mark", ["", "wrong", "ä"])
def test_a_form_without_the_mark_decides_nothing(working: Dashboard, mark: str) -> None:
    sent = form(working, decision="reject") | {"mark": mark}
    assert working.client.post(DECIDE, data=sent, headers={"origin": HERE}).status_code == 403
    assert working.shop.statuses()["held"] == "held"


def test_a_held_batch_is_released_and_the_page_says_so(working: Dashboard) -> None:
    answer = working.client.post(DECIDE, data=form(working, decision="release"), headers={"origin": HERE})
    assert "will be published with the next run" in answer.text
    [*_, state] = working.shop.lake.batch("held").states
    assert (state.status.value, state.reason, state.is_released) == ("ready", "looked at it", True)


def test_a_batch_is_rejected(working: Dashboard) -> None:
    answer = working.client.post("/batches/b2/decide", data=form(working, decision="reject"))
    assert "nothing of it is in production" in answer.text
    assert working.shop.statuses()["b2"] == "rejected"
    assert working.shop.one("SELECT count(*) FROM orders") == 1


def test_a_failed_batch_is_tried_again(working: Dashboard) -> None:
    answer = working.client.post("/batches/failed/decide", data=form(working, decision="retry"))
    assert "reads the files of the batch again" in answer.text
    assert working.shop.statuses()["failed"] == "ready"


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"decision": "release", "why": "  "}, 400, "a decision needs a reason"),
        ({"decision": "drop"}, 400, "there is no such decision"),
        ({}, 400, "there is no such decision"),
    ],
)
def test_a_decision_that_cannot_be_says_why(working: Dashboard, fields: dict[str, str], status: int, said: str) -> None:
    answer = working.client.post(DECIDE, data=form(working, **fields))
    assert answer.status_code == status
    assert said in answer.text
    assert working.shop.statuses()["held"] == "held"


def test_a_decision_about_a_batch_in_another_state_says_so(working: Dashboard) -> None:
    answer = working.client.post("/batches/b1/decide", data=form(working, decision="release"))
    assert answer.status_code == 400
    assert "only a held batch can be released" in answer.text


def test_a_decision_while_a_run_is_under_way_says_so(working: Dashboard) -> None:
    sent = form(working, decision="release")
    with FileLock(working.shop.project / ".cartlake" / "lock").acquire(timeout=0):
        answer = working.client.post(DECIDE, data=sent)
    assert answer.status_code == 409
    assert "another process works on" in answer.text
    assert working.shop.statuses()["held"] == "held"


def test_an_error_that_nobody_foresaw_tells_no_data(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise ValueError("Ada Miller, 1 Main St")

    access = Access("127.0.0.1")
    with TestClient(Guard(Starlette(routes=[Route("/", fail)]), access), base_url=HERE) as client:
        answer = client.get("/")
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    assert "ValueError" in caplog.text
    assert "Ada" not in caplog.text + answer.text


@pytest.mark.parametrize(("body", "status"), [(b"why=" + b"x" * (1 << 20), 413), (b"why=\xff", 400), (b"", 401)])
def test_what_is_no_form_is_refused(dashboard: Dashboard, body: bytes, status: int) -> None:
    assert dashboard.client.post(DECIDE, content=body).status_code == status


@pytest.mark.parametrize(
    "path", ["/business", "/quality", "/quarantine?feed=orders", "/tables/customers/life?key=C-2", "/batches/b2"]
)
def test_hostile_cells_are_text(dashboard: Dashboard, path: str) -> None:
    dashboard.sign_in()
    html = dashboard.text(path)
    assert SCRIPT not in html
    assert IMAGE not in html
    assert "<img" not in html


def test_a_query_is_text_too(dashboard: Dashboard) -> None:
    for field in ("feed", "reason", "batch", "state", "page"):
        assert SCRIPT not in dashboard.text(f"/quarantine?{field}={SCRIPT}")
    dashboard.sign_in()
    assert SCRIPT not in dashboard.client.get(f"/tables/orders/life?key={SCRIPT}").text
    assert SCRIPT not in dashboard.client.get(f"/sign-in?next={SCRIPT}").text
