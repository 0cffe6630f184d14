"""What each page says about a lake, with data and without."""

from __future__ import annotations

import re
from html import unescape

import pytest
from filelock import FileLock

from cartlake.dashboard.catalogue import MENU, Page
from cartlake.dashboard.pages.quality import level
from cartlake.dashboard.reader import Reader, View
from tests.dashboard.conftest import Dashboard
from tests.pipeline.shop import TASKS, a_day, customer, order

EVERY = ["/batches/b2", "/tables/orders", "/tables/orders_stage", "/tables/customer_analytics", "/lineage?table=orders"]


def words(html: str) -> str:
    """What a reader sees of a page, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html.partition("<main")[2])).split())


def figure(html: str, name: str) -> str:
    """One of the big numbers of a page."""
    found = re.search(rf"<dt>{name}</dt><dd>([^<]*)", html)
    assert found, name
    return found[1].strip()


def rows(html: str, label: str) -> list[list[str]]:
    """The cells of the table with this label, without its head."""
    table = html.partition(f'aria-label="{label}"')[2].partition("</table>")[0].partition("<tbody>")[2]
    cells = r"<t[hd][^>]*>(.*?)</t[hd]>"
    return [[words("<main" + cell) for cell in re.findall(cells, row, re.DOTALL)] for row in table.split("</tr>")[:-1]]


@pytest.mark.parametrize("page", MENU, ids=lambda page: page.name)
def test_every_page_of_the_menu_says_what_to_do_where_nothing_has_run(unused: Dashboard, page: Page) -> None:
    assert "Nothing has run here yet" in words(unused.text(page.path))


def test_looking_makes_no_table_and_no_lock_file(unused: Dashboard) -> None:
    unused.text("/")
    assert not (unused.shop.project / "lake").exists()
    assert not (unused.shop.project / ".cartlake" / "lock").exists()


@pytest.mark.parametrize("page", MENU, ids=lambda page: page.name)
def test_a_page_is_there_before_anything_is_published(unused: Dashboard, page: Page) -> None:
    unused.shop.announce("b1", files=["orders.csv"])
    unused.shop.run()
    assert f"<h1>{page.title}</h1>" in unused.text(page.path)


def test_the_overview_says_what_needs_somebody_and_why(dashboard: Dashboard) -> None:
    html = dashboard.text("/")
    said = words(html)
    assert "3 batches need attention" in said
    assert "waiting ! waiting waiting for orders_late.csv" in said
    assert "held ! held held by quarantine_share" in said
    assert "failed ✕ failed orders_failed.csv: the header lacks" in said
    assert figure(html, "In quarantine") == str(len(dashboard.shop.lake.quarantine()))
    revenue = dashboard.shop.one("SELECT total_revenue FROM analytics_summary")
    assert figure(html, "Revenue") == f"{revenue:,.0f}"
    assert [row[0] for row in rows(html, "Last batches")] == ["waiting", "held", "failed", "b2", "b1"]
    newest = {row[0]: row for row in rows(html, "Feeds")}
    assert newest["orders"][1:3] == ["2025-03-02 ! late", "33.3"]


def test_the_overview_says_which_lines_no_sum_has(working: Dashboard) -> None:
    assert "Not in these sums" not in working.text("/")
    working.shop.deliver("euro", "2025-04-01", orders=[order("O-EUR", currency="EUR")])
    working.shop.run()
    assert "Not in these sums: 1 order line in currencies other than USD." in working.text("/")


def test_a_run_shows_its_tasks_and_that_every_record_is_accounted_for(dashboard: Dashboard) -> None:
    runs = re.findall(r'href="(/runs/[^"]+)"', dashboard.text("/runs"))
    assert len(runs) == len(set(runs)) == 2
    html = dashboard.text(runs[0])
    for task in TASKS:
        assert f"<b>{task}</b>" in html
    assert html.count("in balance") == 3
    assert "not in balance" not in html
    shown = [row[0] for row in rows(html, "Time line of the tasks") if row[1] == "b2"]
    assert shown == list(TASKS)
    assert "1 task failed orders_stage_load of failed" in words(html)


def test_a_run_of_many_batches_shows_them_in_a_table_with_their_sum(working: Dashboard) -> None:
    for number in range(4):
        working.shop.deliver(f"r{number}", f"2025-04-0{number + 1}", customers=[customer(f"R-{number}")])
    working.shop.run()
    run = re.findall(r'href="(/runs/[^"]+)"', working.text("/runs"))[0]
    html = working.text(run)
    assert [row[0] for row in rows(html, "Batches of the run")] == ["r0", "r1", "r2", "r3"]
    assert re.findall(r"<dd>(\d+)</dd></div>", html)[:2] == ["4", "4"]
    assert html.count("in balance") == 1


def test_a_batch_shows_where_its_records_went_and_which_rules_failed(dashboard: Dashboard) -> None:
    html = dashboard.text("/batches/b2")
    counts = dashboard.shop.lake.batch("b2").report.counts
    equation = re.findall(r"<dd>(\d+)</dd></div>", html)
    assert equation[:4] == [str(value) for value in vars(counts).values()]
    failed = {row[0].split("  ")[0] for row in rows(html, "Rules that failed")}
    assert len(failed) == len(dashboard.shop.failed_rules("b2"))
    assert "need the token" in words(html)
    assert "<form" not in html


def test_the_heat_map_holds_the_failed_rows_of_each_rule_and_batch(dashboard: Dashboard) -> None:
    shown = {row[0]: row[1:] for row in rows(dashboard.text("/quality"), "Failed rows by rule and batch")}
    failed = {batch: dashboard.shop.failed_rules(batch) for batch in ("b1", "b2", "held")}
    assert shown.keys() == {rule.replace("_", " ") for found in failed.values() for rule in found}
    for rule, cells in shown.items():
        counted = [failed[batch].get(rule.replace(" ", "_"), 0) for batch in failed]
        assert [int(cell.split()[0]) if cell[0].isdigit() else 0 for cell in cells] == counted


@pytest.mark.parametrize(
    ("failed", "checked", "expected"), [(0, 9, 0), (1, 100, 1), (2, 100, 2), (10, 100, 2), (50, 100, 3), (51, 100, 4)]
)
def test_the_heat_of_a_rule_is_its_share_of_failed_rows(failed: int, checked: int, expected: int) -> None:
    assert level(failed, checked) == expected


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", 34),
        ("?feed=orders", 3),
        ("?reason=order_amount_not_a_number", 2),
        ("?reason=amount", 0),
        ("?batch=held&reason=email_invalid", 30),
        ("?feed=orders&batch=held", 0),
        ("?state=discarded", 0),
        ("?page=2", 34),
        ("?page=nonsense", 34),
        ("?page=-1", 34),
    ],
)
def test_the_quarantine_shows_what_the_filter_admits(dashboard: Dashboard, asked: str, found: int) -> None:
    html = dashboard.text(f"/quarantine{asked}")
    assert f"{found} record" in words(html)
    assert len(rows(html, "Records in quarantine")) == found, "behind the last page is the last one"


def test_a_long_quarantine_has_pages(working: Dashboard) -> None:
    people = [customer(f"X-{number}", email="nobody") for number in range(60)]
    working.shop.deliver("many", "2025-03-05", customers=people)
    working.shop.run()
    first, second = (rows(working.text(f"/quarantine?page={number}"), "Records in quarantine") for number in (1, 2))
    assert (len(first), len(second)) == (50, 44)
    assert not {row[0] for row in first} & {row[0] for row in second}


def test_a_record_shows_its_reasons_and_what_came(dashboard: Dashboard) -> None:
    dashboard.sign_in()
    [record] = [row for row in dashboard.shop.lake.quarantine("b2") if "a lot" in str(row["raw"])]
    said = words(dashboard.text(f"/quarantine/{record['id']}"))
    assert "order amount not a number" in said
    assert str(record["raw"]) in said


def test_every_relation_that_a_contract_or_model_makes_is_among_the_tables(dashboard: Dashboard) -> None:
    html = dashboard.text("/tables")
    for name in ("orders", "orders_stage", "enriched_orders", "customer_totals", "segment_analysis"):
        assert f'href="/tables/{name}"' in html
        assert f'<span class="mono">{name}</span>' in dashboard.text(f"/tables/{name}")


def test_a_table_shows_its_rows_columns_and_published_versions(dashboard: Dashboard) -> None:
    html = dashboard.text("/tables/orders")
    assert figure(html, "Rows") == str(dashboard.shop.one("SELECT count(*) FROM orders"))
    columns, _ = dashboard.shop.lake.query("SELECT * FROM orders")
    assert [row[0] for row in rows(html, "Columns")] == columns
    versions = rows(html, "Versions")
    assert [row[0].split()[0] for row in versions] == ["2", "1", "0"]
    assert "published" in versions[0][0]
    assert [row[4] for row in versions[:2]] == ["b2", "b1"]
    assert versions[1][2] == "WRITE"
    assert "personal" in words(html)


def test_the_life_of_a_key_shows_what_changed_and_the_line_that_it_came_from(dashboard: Dashboard) -> None:
    dashboard.sign_in()
    said = words(dashboard.text("/tables/inventory/life?key=P-1&key="))
    assert "2 versions of P-1" in said
    assert "inventory_b1.csv:2" in said
    assert "inventory_b2.csv:2" in said
    assert "available_quantity 8 → 0" in said


def test_the_lineage_of_a_table_names_what_it_comes_from_and_what_uses_it(dashboard: Dashboard) -> None:
    said = words(dashboard.text("/lineage?table=customer_totals"))
    assert "Made from enriched_orders" in said
    assert "Used by customer_analytics" in said


def test_a_check_that_judges_a_column_has_no_page_to_lead_to(dashboard: Dashboard) -> None:
    html = dashboard.text("/lineage?table=orders_stage&column=order_amount")
    assert "check_orders.order_amount_out_of_range" in words(html)
    for href in re.findall(r'href="(/lineage[^"]*)"', html):
        dashboard.text(unescape(href))


def test_every_table_leads_to_its_lineage(dashboard: Dashboard) -> None:
    for name in re.findall(r'href="/tables/(\w+)"', dashboard.text("/tables")):
        assert f'<a href="/tables/{name}">' in dashboard.text(f"/lineage?table={name}")
    assert "Made from the ledger" in words(dashboard.text("/lineage?table=processing_log&column=task"))


def test_a_column_is_followed_to_what_it_is_made_of_and_where_it_goes(dashboard: Dashboard) -> None:
    html = dashboard.text("/lineage?table=orders&column=order_amount")
    assert ["orders.order_amount", "copied", "orders_stage.order_amount"] in rows(html, "What the column is made of")
    goes = rows(html, "Where the column goes")
    assert ["enriched_orders.order_amount", "copied", "orders.order_amount"] in goes
    assert ["daily_sales.total_revenue", "aggregated", "enriched_orders.order_amount"] in goes


def test_a_row_of_enriched_orders_is_followed_to_its_files_and_lines(dashboard: Dashboard) -> None:
    dashboard.sign_in()
    found = rows(dashboard.text("/tables/enriched_orders/origins?key=O-1&key=1"), "Origins of a row")
    assert {row[0]: row[2] for row in found}["orders"] == "orders_b1.csv:2"
    assert {row[0] for row in found} == {"orders", "customers", "products", "inventory", "shipping"}


def test_quality_shows_scores_and_the_columns_that_are_not_valid(dashboard: Dashboard) -> None:
    html = dashboard.text("/quality")
    measured = dashboard.shop.lake.metrics("b2")
    scores = {row["feed"]: row["value"] for row in measured if row["metric"] == "score" and row["feed"]}
    shown = {row[0]: row[1] for row in rows(html, "Quality of the feeds")}
    assert shown == {feed: f"{value:.1f}" for feed, value in scores.items()}
    flaws = {(row[0], row[1]): row[2] for row in rows(html, "Columns with gaps or wrong values")}
    assert flaws["order_amount orders", "valid"] == "33.3 %"
    assert flaws["email customers", "valid"] == "50 %", "of the published batch, not of the held one after it"


def test_the_business_page_shows_the_published_numbers(dashboard: Dashboard) -> None:
    html = dashboard.text("/business")
    sold = dashboard.shop.rows("SELECT customer_segment, customers_count FROM segment_analysis ORDER BY 1")
    assert sorted((row[0], int(row[1])) for row in rows(html, "Customer segments")) == sold
    stock, gone = rows(html, "Stock to reorder")
    assert (stock[2:4], gone[2:4]) == (["12", "50"], ["0", "3"])
    assert "Reorder Required" in stock[4]
    assert "Out of Stock" in gone[4]
    assert "Sales to or of others" in words(html)


def test_the_overview_says_what_the_quality_score_is_made_of(dashboard: Dashboard) -> None:
    html = dashboard.text("/")
    assert "rules over several tables" in words(html)
    [measured] = [row for row in dashboard.shop.lake.metrics("b2") if row["metric"] == "score" and not row["feed"]]
    assert figure(html, "Quality score") == f"{measured['value']:.1f}", "of the published batch, not of the held one"


@pytest.mark.parametrize(
    "path",
    [
        "/runs/none",
        "/batches/none",
        "/tables/none",
        "/lineage?table=none",
        "/lineage?table=orders&column=none",
        "/quarantine/none",
        "/tables/orders/life?key=9",
    ],
)
def test_what_is_not_there_is_said_to_be_not_there(dashboard: Dashboard, path: str) -> None:
    dashboard.sign_in()
    answer = dashboard.client.get(path)
    assert answer.status_code == 404
    assert "This did not work" in answer.text


@pytest.mark.parametrize("path", [*(page.path for page in MENU), *EVERY])
def test_pages_answer_while_a_run_holds_the_lock(dashboard: Dashboard, path: str) -> None:
    with FileLock(dashboard.shop.project / ".cartlake" / "lock").acquire(timeout=0):
        dashboard.text(path)


def test_pages_show_what_is_published_and_not_what_a_run_has_written(working: Dashboard) -> None:
    working.text("/business")
    working.shop.deliver("b5", "2025-03-05", **a_day(orders=[order("O-9", order_amount="1000.00")]))
    working.shop.lake.close()
    lake = working.shop.lake
    for task in TASKS[:-1]:
        lake.task(task, batch_id="b5")
    assert figure(working.text("/business"), "Orders") == "2"
    lake.task(TASKS[-1], batch_id="b5")
    assert figure(working.text("/business"), "Orders") == "3"


def test_an_open_page_is_sent_again_only_once_something_was_recorded(working: Dashboard) -> None:
    seen = working.text("/").partition('"X-Cartlake-Seen": "')[2].partition('"')[0]
    assert working.client.get("/", headers={"X-Cartlake-Seen": seen}).status_code == 204
    working.shop.announce("b6", "2025-03-06", ["orders_b6.csv"])
    working.shop.run()
    answer = working.client.get("/", headers={"X-Cartlake-Seen": seen})
    assert answer.status_code == 200
    assert "orders_b6.csv" in answer.text


def test_contracts_are_read_again_once_something_was_published_with_others(working: Dashboard) -> None:
    before = "How customers wish to be called"
    assert before not in working.text("/tables/customers")
    working.shop.change_contract("customers", ("Who buys", before))
    working.shop.deliver("b7", "2025-03-07", **a_day())
    working.shop.run()
    assert before in working.text("/tables/customers")


def test_a_question_is_asked_once_until_its_answer_may_differ(working: Dashboard) -> None:
    reader = Reader(working.shop.lake.settings)
    asked = []

    def count(_: object) -> int:
        asked.append(1)
        return len(asked)

    def look(view: View) -> int:
        return view.once("count", count)

    assert [reader.look(look), reader.look(look)] == [1, 1]
    working.shop.announce("b8", "2025-03-08", ["orders_b8.csv"])
    working.shop.run()
    assert reader.look(look) == 2
    reader.close()
