"""`cartlake lineage` as people and programs read it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Call


def test_a_column_is_a_tree_back_and_a_tree_on(shop: Path, cartlake: Call) -> None:
    said = cartlake("lineage", "customers.customer_tier", "--project", shop)
    back, _, on = said.out.partition("goes into")
    assert said.code == 0
    assert "customer_stage.customer_tier  copied" in back
    assert "customer_data/customers_{date}*: customer_tier  computed" in back
    assert "enriched_orders.estimated_clv  computed" in on
    assert "customer_analytics.customer_tier  copied" in on


def test_a_table_says_what_it_is_made_of_what_reads_it_and_what_its_columns_take(shop: Path, cartlake: Call) -> None:
    said = cartlake("lineage", "enriched_orders", "--project", shop).out
    made_of, _, rest = said.partition("goes into")
    assert "customer_stage  log" in made_of
    assert "daily_sales  table" in rest
    assert "customers.customer_tier copied" in rest
    assert "no column: a constant, a count or the batch" in rest


def test_the_graph_is_a_document(shop: Path, cartlake: Call) -> None:
    whole = cartlake("lineage", "--project", shop, "--json").json
    assert set(whole["relations"][0]) == {"name", "kind", "columns", "reads"}
    part = cartlake("lineage", "daily_sales.total_revenue", "--project", shop, "--json").json
    assert 0 < len(part["flows"]) < len(whole["flows"])


def test_a_row_is_named_by_table_and_key(shop: Path, cartlake: Call) -> None:
    [key] = cartlake("query", "SELECT min(customer_id) AS id FROM customers", "--project", shop, "--json").json
    said = cartlake("lineage", "--row", "customers", key["id"], "--project", shop)
    assert "customers_2025_01_01.csv:" in said.out
    [row] = cartlake("lineage", "--row", "customers", key["id"], "--project", shop, "--json").json
    assert row["origins"][0]["line"] > 1
    assert cartlake("lineage", "--row", "customers", "--project", shop).code == 2
    assert cartlake("lineage", "customers", key["id"], "--project", shop).code == 2
