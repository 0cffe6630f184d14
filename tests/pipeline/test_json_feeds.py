"""Feeds of JSON records through the whole pipeline: the same promises as with CSV."""

from __future__ import annotations

import json

from tests.pipeline.shop import Shop, a_day, product

IN_JSON = ("customProperties:\n", "customProperties:\n  - {property: format, value: ndjson}\n")


def record(**changes: object) -> str:
    return json.dumps(product() | {"price": 19.9, "launch_date": None} | changes)


def test_json_records_are_staged_quarantined_and_counted(shop: Shop) -> None:
    shop.change_contract("products", IN_JSON)
    lines = [
        record(colour={"hue": "red", "depth": 1.5}),
        record(colour={"depth": 1.5, "hue": "red"}),
        "",
        record(colour={"hue": "red", "depth": 1.5}),
        record(product_id="P-2", price="1e400", product_name=["a"]),
        record(product_id="P-3", price=-1, shelf="A"),
        '{"product_id": "P-4", "product_id": "P-5"}',
    ]
    shop.deliver("b1", **a_day(products="\n".join(lines)))
    shop.run()
    assert shop.statuses() == {"b1": "published"}
    found = shop.rows("SELECT rows_in, rows_staged, rows_quarantined, rows_duplicate, rescued_columns FROM files"
                      " WHERE feed = 'products'")  # fmt: skip
    assert found == [(6, 2, 3, 1, "colour,shelf")]
    kept = shop.rows("SELECT line, reasons, raw FROM quarantine ORDER BY line")
    assert kept == [
        (5, "nested_value", lines[4]),
        (6, "price_not_positive", lines[5]),
        (7, "duplicate_key", lines[6]),
    ]
    assert shop.rows("SELECT _record, _rescued['colour'] FROM products_stage ORDER BY _record") == [
        (1, '{"hue":"red","depth":1.5}'),
        (2, '{"depth":1.5,"hue":"red"}'),
    ]
    assert str(shop.one("SELECT price FROM products")) == "19.90"
    [version] = shop.lake.history("products", ["P-1"])
    assert version.line in (1, 2)


def test_a_json_feed_without_news_says_so_in_its_manifest(shop: Shop) -> None:
    shop.change_contract("products", IN_JSON)
    for batch_id, details in (("b1", []), ("b2", [{"name": "none_b2.json", "rows": 0}])):
        shop.drop("products", f"none_{batch_id}.json", "")
        shop.announce(batch_id, f"2025-03-0{batch_id[1]}", [f"none_{batch_id}.json"], details)
    shop.run()
    assert shop.statuses() == {"b1": "failed", "b2": "published"}
    assert shop.one("SELECT reasons FROM quarantine") == "file_empty"
    shop.lake.rebuild(from_archive=True)
    assert shop.statuses() == {"b1": "failed", "b2": "published"}
