"""The dashboard in a real browser: nothing is asked of other hosts, nothing hostile runs, everybody can use it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cartlake.dashboard.catalogue import MENU
from cartlake.dashboard.report import write_report
from tests.cli.conftest import start
from tests.dashboard.conftest import Dashboard
from tests.pipeline.shop import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
MORE = [
    "/batches/b2",
    "/batches/held",
    "/tables/customers",
    "/tables/customers/life?key=C-2",
    "/tables/enriched_orders/origins?key=O-1",
    "/lineage?table=orders&column=order_amount",
    "/quarantine?state=discarded",
    "/nowhere",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is installed ({', '.join(BROWSERS)}): make browser")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=found, args=list(FLAGS))
        yield opened
        opened.close()


@contextmanager
def served(project: Path) -> Iterator[str]:
    """The address that `cartlake dashboard` prints, for as long as it runs."""
    process = start("dashboard", "--port", "0", "--json", "--project", project, stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = ""
    while not said.endswith("}\n"):
        line = process.stdout.readline()
        assert line, "it ended without an address"
        said += line
    try:
        yield json.loads(said)["address"]
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="module")
def address(traded: Shop, browser: Browser) -> Iterator[str]:  # the browser first: without one nothing is served
    with served(traded.project) as address:
        yield address


@dataclass
class Visit:
    """A page in the browser, and what went wrong meanwhile."""

    page: Page
    base: str
    wrong: list[str] = field(default_factory=list)

    def watch(self) -> Visit:
        self.page.on(
            "console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda asked: None if self.is_ours(asked.url) else self.wrong.append(asked.url))
        return self

    def is_ours(self, url: str) -> bool:
        return url.startswith((self.base, "file://", "data:"))

    def open(self, path: str) -> None:
        self.page.goto(f"{self.base}{path}")


@contextmanager
def visit(browser: Browser, address: str, **settings: object) -> Iterator[Visit]:
    """Somebody who has opened the printed address."""
    context = browser.new_context(**{"viewport": DESKTOP, "color_scheme": "light", **settings})  # type: ignore[arg-type]
    found = Visit(context.new_page(), address.partition("/?token=")[0]).watch()
    found.page.goto(address)
    yield found
    context.close()


def flaws(page: Page) -> list[str]:
    """What axe finds wrong with a page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.fixture(scope="module")
def desk(browser: Browser, address: str) -> Iterator[Visit]:
    with visit(browser, address) as found:
        yield found


@pytest.fixture(scope="module")
def phone(browser: Browser, address: str) -> Iterator[Visit]:
    with visit(browser, address, viewport=PHONE, color_scheme="dark") as found:
        yield found


def paths(dashboard: Dashboard) -> list[str]:
    """Every page with everything that it can show."""
    run = re.findall(r'href="(/runs/[^"]+)"', dashboard.text("/runs"))[0]
    records = [
        f"/quarantine/{row['id']}" for batch in ("b2", "failed") for row in dashboard.shop.lake.quarantine(batch)
    ]
    return [*(page.path for page in MENU), *MORE, run, records[-2], records[-1]]


def test_every_page_is_sound_for_everybody_and_asks_nobody_else(
    dashboard: Dashboard, desk: Visit, phone: Visit
) -> None:
    """No error in the console, no request to another host, nothing hostile run, no finding of axe, and on a phone
    nothing beside the page; in light and dark."""
    for path in paths(dashboard):
        for seen in (desk, phone):
            seen.open(path)
            expected = ["404"] if path == "/nowhere" else []
            assert [said for said in seen.wrong if not any(code in said for code in expected)] == [], path
            seen.wrong.clear()
            assert "cartlake" in seen.page.title(), f"{path}: a script of a cell has run"
            assert flaws(seen.page) == [], path
            assert overflow(seen.page) <= 0, path


@pytest.mark.parametrize(("path", "label"), [("/business", "Stock to reorder"), ("/runs", "Runs")])
def test_on_a_phone_a_table_shows_its_last_column_whole(phone: Visit, path: str, label: str) -> None:
    phone.open(path)
    sheet = phone.page.get_by_role("region", name=label)
    assert sheet.evaluate("sheet => sheet.scrollWidth - sheet.clientWidth") <= 0


def test_an_inline_script_does_not_run(desk: Visit) -> None:
    desk.open("/")
    added = "const s = document.createElement('script'); s.textContent = 'window.owned = 1'; document.head.append(s)"
    assert desk.page.evaluate(f"() => {{ {added}; return window.owned === undefined }}")
    assert any("Content Security Policy" in said for said in desk.wrong)
    desk.wrong.clear()


def test_a_page_is_complete_without_scripts(browser: Browser, address: str) -> None:
    with visit(browser, address, java_script_enabled=False) as seen:
        seen.open("/business")
        assert seen.page.locator("figure .plot svg").is_visible()
        seen.open("/quarantine?feed=orders")
        assert seen.page.get_by_role("status").filter(has_text="records").inner_text() == "3 records"


def test_the_keyboard_reaches_everything(desk: Visit) -> None:
    desk.open("/")
    page = desk.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    desk.open("/")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Runs"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs")


def test_a_curve_can_be_pointed_at(desk: Visit) -> None:
    desk.open("/business")
    desk.page.locator("figure .u-over").hover(position={"x": 2, "y": 20})
    assert desk.page.locator("figure .said").inner_text().startswith("2025-03-01: Revenue 20")


def test_the_filter_of_the_quarantine_follows_its_choices(desk: Visit) -> None:
    desk.open("/quarantine")
    desk.page.get_by_label("Feed").select_option("orders")
    desk.page.wait_for_url("**/quarantine?feed=orders*")
    assert desk.page.get_by_role("status").filter(has_text="records").inner_text() == "3 records"


def test_a_record_is_checked_repaired_and_others_are_replayed_by_hand(working: Dashboard, browser: Browser) -> None:
    shop = working.shop
    [held] = [row for row in shop.lake.quarantine("b2") if "a lot" in str(row["raw"])]
    shop.lake.close()
    with served(shop.project) as address, visit(browser, address) as seen:
        page = seen.page
        page.get_by_role("link", name="Quarantine", exact=True).click()
        page.get_by_role("link", name=str(held["id"])).click()
        amount = page.get_by_label("order_amount (see the reasons)")
        assert amount.input_value() == "a lot"
        amount.fill("much")
        page.get_by_role("button", name="Check without recording").click()
        page.get_by_text("would still be in quarantine: order amount not a number").wait_for()
        amount.fill("30.00")
        page.get_by_role("button", name="Check without recording").click()
        page.get_by_text("With these cells the record passes every rule.").wait_for()
        page.get_by_label("Why").first.fill("read off the invoice")
        page.get_by_role("button", name="Repair").click()
        page.get_by_text("The next run stages it.").wait_for()
        shop.run()
        seen.open("/quarantine?feed=orders")
        assert page.get_by_role("row").filter(has_text="accepted").count() == 1
        page.get_by_label("All on this page").check()
        page.get_by_label("Why").fill("once more")
        page.get_by_role("button", name="Replay").click()
        page.get_by_text("every record comes out as before").wait_for()
        assert seen.wrong == []
    assert shop.rows("SELECT order_id FROM orders WHERE order_id = 'O-3' AND is_current")


@pytest.mark.slow
def test_an_open_overview_follows_what_is_recorded(working: Dashboard, browser: Browser) -> None:
    working.shop.lake.close()
    with served(working.shop.project) as address, visit(browser, address) as seen:
        working.shop.announce("late", "2025-03-09", ["orders_not_there.csv"])
        working.shop.run()
        seen.page.get_by_text("waiting for orders_not_there.csv").wait_for(timeout=60_000)
        assert seen.wrong == []


def test_the_report_is_sound_for_everybody_and_asks_nobody(traded: Shop, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(traded.lake.settings, path)
    context = browser.new_context(viewport=PHONE, color_scheme="dark")  # type: ignore[arg-type]
    seen = Visit(context.new_page(), path.as_uri()).watch()
    seen.open("")
    assert seen.wrong == []
    assert flaws(seen.page) == []
    assert overflow(seen.page) <= 0
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    context.close()
