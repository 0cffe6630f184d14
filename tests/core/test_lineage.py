"""Column lineage: from the contracts of the feeds and the SQL of the models."""

from __future__ import annotations

import pytest
from tests.conftest import ROOT

from cartlake.core.lineage import Flow, LineageGraph, lineage_graph
from cartlake.core.model import Model, parse_model
from cartlake.core.tables import history_table
from cartlake.project import load_contracts, load_models

CONTRACTS = load_contracts(ROOT)
ORDERS = next(contract for contract in CONTRACTS if contract.feed == "orders")
FILES = "orders_data/orders_{date}*"


@pytest.fixture(scope="module")
def shipped() -> LineageGraph:
    """Of the package's contracts and models."""
    models = load_models(ROOT, CONTRACTS)
    types = {contract.table: history_table(contract).columns for contract in CONTRACTS}
    return lineage_graph(CONTRACTS, models, types | {model.name: model.columns for model in models})


def sources(graph: LineageGraph, relation: str, column: str) -> set[tuple[str, str]]:
    return {(f"{flow.from_relation}.{flow.from_column}", flow.how) for flow in graph.sources(relation, column)}


def view(sql: str, **columns: str) -> Model:
    listed = "".join(f"\n  {name}: {kind}" for name, kind in columns.items())
    twin = f"kind: view\ndescription: x\ngrain: x\nkey: []\ncolumns:{listed}\ncases: []\n"
    return parse_model(sql, twin, "answer.sql")


def answer(sql: str, **columns: str) -> LineageGraph:
    return lineage_graph([ORDERS], [view(sql, **columns)], {"orders": history_table(ORDERS).columns})


def test_a_column_is_followed_through_ctes_stars_unions_and_windows() -> None:
    graph = answer(
        """
        WITH open AS (SELECT * FROM orders WHERE is_current),
        both AS (
          SELECT order_id, quantity AS n FROM open UNION ALL SELECT product_id AS order_id, order_line AS n FROM open
        )
        SELECT order_id, n, sum(n) OVER (PARTITION BY order_id) AS total FROM both
        """,
        order_id="string", n="bigint", total="bigint",
    )  # fmt: skip
    assert sources(graph, "answer", "order_id") == {("orders.order_id", "copied"), ("orders.product_id", "copied")}
    assert sources(graph, "answer", "n") == {("orders.quantity", "copied"), ("orders.order_line", "copied")}
    assert {how for _, how in sources(graph, "answer", "total")} == {"aggregated"}


def test_what_happens_to_a_value_is_the_most_that_happens_on_its_way() -> None:
    graph = answer(
        "WITH sums AS (SELECT max(quantity) AS n FROM orders) SELECT n AS same, n + 1 AS more, 1 AS one FROM sums",
        same="bigint", more="bigint", one="bigint",
    )  # fmt: skip
    assert sources(graph, "answer", "same") == sources(graph, "answer", "more") == {("orders.quantity", "aggregated")}
    assert sources(graph, "answer", "one") == set()


def test_a_feed_goes_from_its_files_over_the_log_into_the_history(shipped: LineageGraph) -> None:
    assert sources(shipped, "orders_stage", "order_amount") == {(f"{FILES}.order_amount", "copied")}
    assert sources(shipped, "orders_stage", "currency") == {(f"{FILES}.currency", "computed")}, "brought into capitals"
    assert sources(shipped, "orders", "order_amount") == {("orders_stage.order_amount", "copied")}
    times = {(f"{FILES}.{name}", "computed") for name in ("updated_timestamp", "created_timestamp")}
    assert sources(shipped, "orders_stage", "_sequence") == times
    assert sources(shipped, "orders", "valid_from") == {("orders_stage._sequence", "copied")}
    assert shipped.relation("orders").reads == ("orders_stage",)


def test_the_shipped_models_tell_where_their_figures_come_from(shipped: LineageGraph) -> None:
    assert sources(shipped, "enriched_orders", "customer_tier") == {("customers.customer_tier", "copied")}
    assert sources(shipped, "enriched_orders", "estimated_clv") == {
        ("orders.order_amount", "computed"),
        ("customers.customer_tier", "computed"),
    }
    assert ("enriched_orders.order_amount", "aggregated") in sources(shipped, "daily_sales", "total_revenue")
    assert sources(shipped, "check_orders", "order_without_customer") >= {("orders_stage.customer_id", "computed")}


def test_every_flow_leads_from_a_column_that_is_there_to_one_that_is_there(shipped: LineageGraph) -> None:
    columns = {(relation.name, column) for relation in shipped.relations for column in relation.columns}
    assert {(flow.relation, flow.column) for flow in shipped.flows} <= columns
    assert {(flow.from_relation, flow.from_column) for flow in shipped.flows} <= columns


def test_the_part_around_a_column_leads_to_it_and_from_it_and_nowhere_else(shipped: LineageGraph) -> None:
    part = shipped.of_column("customer_totals", "total_estimated_clv")
    assert Flow("customer_analytics", "avg_estimated_clv", "customer_totals", "total_estimated_clv", "computed") in (
        part.flows
    )
    assert {flow.from_relation for flow in part.flows if flow.relation == "enriched_orders"} == {"customers", "orders"}
    assert {flow.column for flow in part.flows if flow.relation == "customer_analytics"} == {"avg_estimated_clv"}
    assert "daily_sales" not in {relation.name for relation in part.relations}


def test_the_part_around_a_relation_has_all_before_and_all_behind(shipped: LineageGraph) -> None:
    names = {relation.name for relation in shipped.of_relation("customer_totals").relations}
    assert {FILES, "orders", "enriched_orders", "customer_totals", "customer_analytics", "segment_analysis"} <= names
    assert not {"daily_sales", "product_totals", "check_orders"} & names
