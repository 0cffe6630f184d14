"""The examples do what their READMEs say, from copies in a folder of their own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from cartlake.lake import Lake
from cartlake.scaffold import create_project
from tests.conftest import ROOT

SHOP = ROOT / "examples" / "shop"
RETURNS = ROOT / "examples" / "returns_feed"
PAYMENTS = ROOT / "examples" / "payments_changes"
DAYS = ("2025_03_03", "2025_03_04")


def land(day: str, project: Path) -> None:
    shutil.copytree(SHOP / day, project / "landing", dirs_exist_ok=True)


def rows(lake: Lake, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in lake.query(sql)[1]]


def fired(lake: Lake, batch_id: str) -> dict[str, int]:
    found = [rule for rule in lake.batch(batch_id).results if rule["rows_failed"]]
    return {str(rule["rule"]): int(str(rule["rows_failed"])) for rule in found}


@pytest.fixture(scope="module")
def tea_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Both days of the shop are published."""
    project = tmp_path_factory.mktemp("shop") / "teashop"
    create_project(project)
    for day in DAYS:
        land(day, project)
    with Lake(project) as lake:
        lake.run()
        yield lake


@pytest.fixture(scope="module")
def returns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """The project with the sixth feed, and the shop's two days beside it, all published in one run."""
    project = tmp_path_factory.mktemp("returns") / "returns"
    shutil.copytree(RETURNS, project)
    for day in DAYS:
        land(day, project)
    with Lake(project) as lake:
        lake.run()
        yield lake


@pytest.mark.parametrize(
    ("day", "orders", "revenue", "profit"),
    [("2025_03_03", 5, "140.60", "42.1800"), ("2025_03_04", 7, "266.30", "79.8900")],
)
def test_the_shop_earns_what_was_counted_by_hand(
    tea_shop: Lake, day: str, orders: int, revenue: str, profit: str
) -> None:
    columns, found = tea_shop.query(
        "SELECT total_orders, total_revenue, total_profit FROM analytics_summary", at=f"shop_{day}"
    )
    assert [tuple(row[name] for name in columns) for row in found] == [(orders, Decimal(revenue), Decimal(profit))]


def test_every_record_of_the_shop_is_counted(tea_shop: Lake) -> None:
    counts = [(r.batch.verdict, r.counts.rows_in, r.counts.rows_staged) for r in tea_shop.batches()]
    assert counts == [("WARN", 26, 26), ("WARN", 22, 20)]
    [record] = tea_shop.quarantine()
    assert (record["source_file"], record["line"]) == ("orders_2025_03_04.csv", 7)
    assert record["reasons"] == ["order_amount_not_a_number"]
    assert tea_shop.batches()[1].counts.rows_duplicate == 1


def test_the_rules_fire_in_the_shop_as_its_readme_says(tea_shop: Lake) -> None:
    assert fired(tea_shop, "shop_2025_03_03") == {
        "customer_without_orders": 1,
        "low_value_premium_order": 1,
        "order_outside_business_hours": 1,
        "order_without_shipping": 1,
    }
    assert fired(tea_shop, "shop_2025_03_04") == {
        "order_outside_business_hours": 1,
        "order_without_shipping": 2,
        "product_without_orders": 1,
        "untracked_change": 1,
    }


def test_the_shop_has_a_history(tea_shop: Lake) -> None:
    moved = rows(tea_shop, "SELECT address, is_current FROM customers WHERE customer_id = 'C-3' ORDER BY valid_from")
    assert moved == [("17 Hill Road", False), ("5 Garden Way", True)]
    prices = rows(tea_shop, "SELECT price FROM products WHERE product_id = 'POT-01' ORDER BY valid_from")
    assert prices == [(Decimal("39.00"),), (Decimal("42.00"),)]
    statuses = rows(tea_shop, "SELECT order_status FROM orders WHERE order_id = 'A-1005' ORDER BY valid_from")
    assert statuses == [("pending",), ("cancelled",)]


def test_the_sixth_feed_is_loaded_by_a_task_of_its_own(returns: Lake) -> None:
    found = rows(returns, "SELECT batch_id, rows_in, rows_staged FROM tasks WHERE task = 'returns_stage_load'")
    assert set(found) >= {("returns_2025_03_05", 2, 2), ("returns_2025_03_06", 3, 2)}
    [record] = returns.quarantine(feed="returns")
    assert (record["line"], record["reasons"]) == (4, ["refund_negative"])


def test_the_sixth_feed_has_a_history(returns: Lake) -> None:
    first, second = returns.history("returns", ["R-1"])
    assert (first.row["return_status"], second.row["return_status"]) == ("requested", "refunded")
    assert second.changed == ("return_status",)
    assert (second.source_file, second.line) == ("returns_2025_03_06.csv", 2)
    assert str(second.row["returned_date"]) == "2025-03-05"


def test_the_model_of_the_sixth_feed_answers_as_its_readme_shows(returns: Lake) -> None:
    found = rows(returns, "SELECT * FROM returns_by_product ORDER BY product_id")
    shown = re.findall(r"^(?:CUP|POT|TEA)-.*$", (RETURNS / "README.md").read_text("utf-8"), re.MULTILINE)
    assert [re.split(r"\s{2,}", line) for line in shown] == [[str(value) for value in row] for row in found]


def test_the_cases_of_the_sixth_feed_pass(returns: Lake) -> None:
    own = [result for result in returns.test() if result.model == "returns_by_product"]
    assert [result.difference for result in own] == [(), ()]


def test_the_changes_of_a_table_are_its_history_as_the_readme_shows(tmp_path: Path) -> None:
    project = tmp_path / "payments"
    shutil.copytree(PAYMENTS, project)
    with Lake(project) as lake:
        assert [report.batch.status for report in lake.run().batches] == ["published"]
        shown = "payment_id, amount, status, valid_from, valid_to"
        found = rows(lake, f"SELECT {shown} FROM payments ORDER BY payment_id, valid_from")
        said = re.findall(r"^ +[0-9] .*$", (PAYMENTS / "README.md").read_text("utf-8"), re.MULTILINE)
        cells = [[str(value).replace("+00:00", "Z") for value in row if value is not None] for row in found]
        assert [re.split(r"\s{2,}", line.strip().replace(",", "")) for line in said] == cells
        reasons = [(record["line"], record["reasons"]) for record in lake.quarantine()]
        assert reasons == [(9, ["amount_negative"]), (10, ["truncate_refused"])]
        assert fired(lake, "payments_2025-03-03") == {"sequence_tie": 1}
        assert [version.line for version in lake.history("payments", ["2"])] == [2, 5]
