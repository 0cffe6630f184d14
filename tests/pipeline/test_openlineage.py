"""OpenLineage events: read back by the classes that the project generates from its schema."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.generated.base import RunEvent

from tests.core.openlineage_model import read
from tests.pipeline.listening import Listener, listening
from tests.pipeline.shop import TASKS, Shop, a_day, customer, order

CANARY = "canary@example.com"


def run_to_file(project: Path) -> Shop:
    shop = Shop(project, lineage={"openlineage": "events/lineage.ndjson", "namespace": "bakery"})
    shop.deliver("b1", **a_day(orders=[order(), order("O-2", currency="XYZ")], customers=[customer(email=CANARY)]))
    shop.deliver("b2", "2025-03-02", orders="colour,shape\nred,round\n")
    shop.run()
    shop.lake.close()
    return shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A published batch with a quarantined order, and one that failed."""
    return run_to_file(tmp_path_factory.mktemp("told") / "shop")


@pytest.fixture(scope="module")
def events(shop: Shop) -> list[dict[str, Any]]:
    text = (shop.project / "events/lineage.ndjson").read_text()
    return [json.loads(line) for line in text.splitlines()]


def told(events: list[dict[str, Any]], task: str, batch: str = "b1", kind: str = "COMPLETE") -> dict[str, Any]:
    [event] = [
        each
        for each in events
        if (each["job"]["name"], each["run"]["facets"]["cartlake_batch"]["batchId"], each["eventType"])
        == (task, batch, kind)
    ]
    return event


def test_every_event_is_one_of_the_published_schema(events: list[dict[str, Any]]) -> None:
    for event in events:
        assert event["schemaURL"] == RunEvent._get_schema()
        read(RunEvent, {name: value for name, value in event.items() if name != "schemaURL"})


def test_every_attempt_begins_and_ends_under_one_id_below_one_run(events: list[dict[str, Any]]) -> None:
    kinds = Counter(event["eventType"] for event in events)
    assert kinds == {"START": 13, "COMPLETE": 12, "FAIL": 1}, "eight tasks of b1, five stage loads of b2"
    assert {event["job"]["name"] for event in events} == set(TASKS)
    assert {event["job"]["namespace"] for event in events} == {"bakery"}
    attempts = Counter(event["run"]["runId"] for event in events)
    assert set(attempts.values()) == {2}
    assert len({event["run"]["facets"]["parent"]["run"]["runId"] for event in events}) == 1
    assert told(events, "orders_stage_load", "b2", "FAIL")["run"]["facets"]["errorMessage"]["message"].startswith(
        "file_rejected: orders_b2.csv"
    )


def test_a_stage_load_leads_from_the_landing_folder_to_the_log(events: list[dict[str, Any]], shop: Shop) -> None:
    event = told(events, "orders_stage_load")
    [source], [log] = event["inputs"], event["outputs"]
    assert source["name"] == (shop.project / "landing/orders_data/orders_{date}*").as_posix()
    assert log["name"] == (shop.project / "lake/orders_stage").as_posix()
    assert log["outputFacets"]["outputStatistics"]["rowCount"] == 1
    [amount] = log["facets"]["columnLineage"]["fields"]["order_amount"]["inputFields"]
    assert (amount["name"], amount["field"]) == (source["name"], "order_amount")


def test_the_validation_tells_what_it_measured(events: list[dict[str, Any]]) -> None:
    inputs = {
        each["name"].rpartition("/")[2]: each["inputFacets"] for each in told(events, "data_validation")["inputs"]
    }
    orders = inputs["orders_stage"]
    assert orders["dataQualityMetrics"]["rowCount"] == 1
    assert orders["dataQualityMetrics"]["columnMetrics"]["order_id"] == {"count": 1, "nullCount": 0}
    broken = {
        each["assertion"]: each.get("column")
        for each in orders["dataQualityAssertions"]["assertions"]
        if not each["success"]
    }
    assert broken == {"currency_unknown": "currency"}


def test_the_merge_tells_the_published_versions_and_what_columns_are_made_of(
    events: list[dict[str, Any]], shop: Shop
) -> None:
    outputs = {
        each["name"].rpartition("/")[2]: each["facets"] for each in told(events, "final_merge_operation")["outputs"]
    }
    published: Any = shop.lake.query("SELECT tables FROM publications")[1][0]["tables"]
    assert {name: int(facets["version"]["datasetVersion"]) for name, facets in outputs.items()} == {
        name: version for name, version in published.items() if name in outputs
    }
    assert {"name": "total_revenue", "type": "decimal(28,2)"} in outputs["daily_sales"]["schema"]["fields"]
    [source] = outputs["enriched_orders"]["columnLineage"]["fields"]["customer_tier"]["inputFields"]
    assert source["name"].endswith("lake/customers")
    assert source["transformations"] == [{"type": "DIRECT", "subtype": "IDENTITY"}]


def test_no_data_of_people_are_in_the_events(shop: Shop) -> None:
    text = (shop.project / "events/lineage.ndjson").read_text()
    assert CANARY not in text
    assert "Main St" not in text


@pytest.fixture
def endpoint() -> Iterator[Listener]:
    with listening("/api/v1/lineage") as listener:
        yield listener


def test_an_endpoint_gets_each_event_with_the_key_and_one_that_refuses_fails_no_run(
    tmp_path: Path, endpoint: Listener
) -> None:
    shop = Shop(tmp_path / "shop", lineage={"openlineage": endpoint.address, "api_key": "s3cret"})
    shop.deliver("b1", customers=[customer()])
    assert shop.run().notices == ()
    assert Counter(endpoint.keys) == {"Bearer s3cret": 16}
    endpoint.answer = 500
    shop.deliver("b2", "2025-03-02", customers=[customer("C-2")])
    report = shop.run()
    assert report.batches[0].batch.status == "published"
    assert report.notices == ("OpenLineage: answered with 500; the run itself is not concerned",)
    shop.lake.close()


def test_an_endpoint_that_is_not_there_fails_no_run_and_is_asked_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", lineage={"openlineage": "http://127.0.0.1:9/", "timeout_seconds": 1})
    shop.deliver("b1", customers=[customer()])
    report = shop.run()
    assert report.batches[0].batch.status == "published"
    assert [notice.partition(":")[0] for notice in report.notices] == ["OpenLineage"]
    shop.lake.close()
