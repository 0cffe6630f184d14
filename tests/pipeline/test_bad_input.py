"""Bad input is a normal case: a clear word, nothing lost, nothing half-done, and the other batches go on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cartlake.errors import ContractError, UsageError
from tests.pipeline.shop import Shop, a_day, csv_text, customer, order, product, shipment, stock

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
REJECTED: dict[str, tuple[str | bytes, str]] = {
    "a missing column": (csv_text([{k: v for k, v in order().items() if k != "customer_id"}]), "customer_id"),
    "not CSV at all": (PNG, "PNG"),
    "an empty file": ("", "empty"),
    "not UTF-8": (csv_text([order(shipping_address="Straße")]).encode("cp1252"), "UTF-8"),
}


def test_an_unreadable_file_fails_its_batch_alone(shop: Shop) -> None:
    for number, (content, _) in enumerate(REJECTED.values()):
        shop.deliver(f"b{number}", **a_day(orders=content))
    shop.deliver("sound", "2025-03-02", customers=[customer("C-2")])
    reports = {report.batch.batch_id: report.batch for report in shop.run().batches}
    assert reports.pop("sound").status == "published"
    assert shop.rows("SELECT customer_id FROM customers") == [("C-2",)]
    assert reports.keys() == {"b0", "b1", "b2", "b3"}
    for (batch_id, batch), (content, said) in zip(sorted(reports.items()), REJECTED.values(), strict=True):
        assert batch.status == "failed"
        assert said in str(batch.reason)
        assert f"orders_{batch_id}.csv" in str(batch.reason)
        [record] = shop.lake.quarantine(batch_id, "orders")
        size = len(content if isinstance(content, bytes) else content.encode())
        assert (record["byte_start"], record["byte_end"]) == (0, size), "every byte of the file is accounted for"
        assert not list(shop.landing.rglob(f"orders_{batch_id}.csv")), "the file is in the archive"


def test_a_header_without_rows_is_an_empty_delivery(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=csv_text([order()]).splitlines()[0] + "\n", shipping=[]))
    shop.drop("shipping", "shipping_b1.csv", "shipping_id,order_id,shipping_cost,created_timestamp\n")
    [report] = shop.run().batches
    assert report.batch.status == "published"
    assert report.counts.rows_in == 3


def test_a_batch_waits_and_says_for_which_file(shop: Shop) -> None:
    shop.deliver("b2", customers=[customer("C-2")])
    shop.drop("orders", "orders.csv", [order()])
    shop.announce("b1", files=["orders.csv", "customers_of_today.csv"])
    assert [r.batch.batch_id for r in shop.run().batches] == ["b2"]
    [waiting] = [r.batch for r in shop.lake.batches() if r.batch.batch_id == "b1"]
    assert (waiting.status.value, waiting.waiting_for) == ("waiting", ("customers_of_today.csv",))
    shop.drop("customers", "customers_of_today.csv", [customer()])
    assert [r.batch.status.value for r in shop.run().batches] == ["published"]


def test_a_manifest_with_a_path_in_it_is_refused(shop: Shop) -> None:
    names = ["../../etc/passwd", "/etc/passwd", "orders_data/source/o.csv", "CON", "a\x00b.csv"]
    there = {shop.announce(f"refused {number}", files=[name]) for number, name in enumerate(names)}
    shop.deliver("b1", customers=[customer()])
    shop.run()
    states = {r.batch.batch_id: r.batch.status.value for r in shop.lake.batches()}
    assert states.pop("b1") == "published"
    assert [*states.values()] == ["failed"] * len(names)
    assert set(shop.manifests.iterdir()) == there, "a refused manifest stays where it is"


def test_invalid_json_is_refused_with_line_and_column(shop: Shop) -> None:
    (shop.manifests / "broken.json").write_text('{"batch_date": "2025-03-01",\n  "expected_files": [}')
    shop.run()
    shop.run()
    [report] = shop.lake.batches()
    assert report.batch.status == "failed"
    assert "broken.json" in f"{report.batch.manifest_name} {report.batch.reason}"
    assert len(shop.lake.batch(report.batch.batch_id).states) == 1, "it is said once"


def test_a_file_that_differs_from_its_manifest_is_rejected(shop: Shop) -> None:
    shop.drop("orders", "orders.csv", [order()])
    shop.announce("b1", details=[{"name": "orders.csv", "rows": 2}])
    [report] = shop.run().batches
    assert report.batch.status == "failed"
    assert "rows is 1, the manifest says 2" in str(report.batch.reason)
    assert shop.one("SELECT count(*) FROM orders_stage") == 0


def test_a_contract_with_a_typo_stops_everything_with_file_line_and_hint(shop: Shop) -> None:
    shop.deliver("b1", **a_day())
    contract = shop.change_contract("orders", ("logicalType", "logicalTyp"))
    with pytest.raises(ContractError) as caught:
        shop.run()
    assert caught.value.file == "contracts/orders.yaml"
    assert caught.value.line == contract.read_text().partition("logicalTyp:")[0].count("\n") + 1
    assert "logicalType" in str(caught.value.hint)
    assert len(list(shop.landing.rglob("*.csv"))) == 5, "nothing was claimed"


def test_a_folder_that_is_no_project_says_how_to_make_one(shop: Shop) -> None:
    from cartlake.lake import Lake

    with pytest.raises(UsageError, match="cartlake init"):
        Lake(shop.project / "elsewhere").batches()


@pytest.mark.posix
def test_a_link_in_landing_is_not_followed(shop: Shop) -> None:
    secret = shop.project / "secret.csv"
    secret.write_text(csv_text([order()]))
    (shop.landing / "orders_data" / "source" / "orders.csv").symlink_to(secret)
    shop.announce("b1", files=["orders.csv"])
    assert shop.run().batches == ()
    assert shop.statuses() == {"b1": "waiting"}


def test_a_record_that_breaks_a_rule_stands_in_quarantine_with_its_reason(shop: Shop) -> None:
    broken: list[tuple[dict[str, object], str]] = [
        ({"order_id": ""}, "order_id_missing"),
        ({"created_timestamp": ""}, "sequence_missing"),
        ({"created_timestamp": "2035-03-01 12:00:00"}, "sequence_ahead"),
        ({"order_amount": "1,23E+11"}, "order_amount_not_a_number"),
        ({"order_amount": "-1"}, "order_amount_not_positive"),
        ({"currency": "DOLLAR"}, "currency_unknown"),
    ]
    wrong = [order(f"O-{number}") | cell for number, (cell, _) in enumerate(broken, 2)]
    shop.deliver("b1", **a_day(orders=[order("O-1"), *wrong]))
    shop.run()
    found = {record["record"]: record["reasons"] for record in shop.lake.quarantine()}
    assert found == {number: [reason] for number, (_, reason) in enumerate(broken, 2)}
    assert shop.rows("SELECT order_id FROM orders") == [("O-1",)]


def test_a_record_has_all_its_reasons_and_its_raw_text(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[order("O-1"), order("O-2", order_amount="x", customer_id="")]))
    shop.run()
    [record] = shop.lake.quarantine()
    assert sorted(record["reasons"]) == ["customer_id_missing", "order_amount_not_a_number"]  # type: ignore[call-overload]
    assert str(record["raw"]).startswith("O-2,,P-1")


def test_ragged_and_unclosed_records_do_not_take_their_neighbours_with_them(shop: Shop) -> None:
    lines = csv_text([order(f"O-{n}") for n in range(4)]).splitlines()
    lines[2] += ",surplus"
    lines[3] = lines[3].replace("1 Main St", '"1 Main St')
    shop.deliver("b1", **a_day(orders="\n".join(lines) + "\n"))
    shop.run()
    assert shop.rows("SELECT order_id FROM orders ORDER BY 1") == [("O-0",), ("O-3",)]
    assert [(r["line"], r["reasons"]) for r in shop.lake.quarantine()] == [
        (3, ["too_many_cells"]),
        (4, ["unclosed_quote"]),
    ]


def test_unknown_columns_are_kept_aside_and_told(shop: Shop) -> None:
    shop.deliver("b1", **a_day(orders=[order(coupon="SPRING")]))
    shop.run()
    assert shop.one("SELECT _rescued['coupon'] FROM orders_stage") == "SPRING"
    assert shop.rows("SELECT rescued_columns FROM files WHERE feed = 'orders'") == [("coupon",)]
    told = "SELECT severity, rows_checked, rows_failed, sample_keys FROM validation_results"
    assert shop.rows(f"{told} WHERE rule = 'unknown_columns'") == [("low", 5, 1, "orders.coupon")]


def test_a_renamed_column_that_may_be_empty_is_told_until_the_contract_knows_its_name(shop: Shop) -> None:
    """Without its status a cancelled order is a sale: nothing but the unknown name in the header tells."""
    renamed = {name.replace("order_status", "state"): value for name, value in order(order_status="cancelled").items()}
    shop.deliver("b1", **a_day(orders=[renamed]))
    [report] = shop.run().batches
    told = "SELECT rows_failed, sample_keys FROM validation_results WHERE rule = 'unknown_columns'"
    assert (report.batch.verdict, shop.rows(told)) == ("PASS", [(1, "orders.state")])
    assert shop.one("SELECT value FROM dq_metrics WHERE metric = 'score' AND feed IS NULL") == 100
    shop.change_contract("orders", ("name: order_status, ", "name: order_status, physicalName: state, "))
    shop.lake.retry("b1")
    shop.run()
    assert shop.rows(told) == [(0, "")]


def test_a_column_that_is_suddenly_empty_or_gone_is_told(shop: Shop) -> None:
    def customers(first: int, count: int, **changes: str) -> list[dict[str, object]]:
        return [customer(f"C-{number}", **changes) for number in range(first, first + count)]

    gone = [{name: cell for name, cell in row.items() if name != "city"} for row in customers(300, 20)]
    shop.deliver("older", "2025-03-01", customers=customers(100, 9, city=""))
    shop.deliver("all", "2025-03-02", customers=customers(200, 50))
    shop.deliver("few", "2025-03-03", customers=customers(0, 9, city=""))
    shop.deliver("gone", "2025-03-04", customers=gone)
    verdicts = {report.batch.batch_id: report.batch.verdict for report in shop.run().batches}
    assert verdicts == {"older": "PASS", "all": "PASS", "few": "PASS", "gone": "WARN"}
    shop.deliver("again", "2025-03-05", customers=customers(400, 30, city=""))
    shop.run()  # it is empty now and then, as far as anybody can tell
    told = "SELECT batch_id, severity, rows_failed, sample_keys FROM validation_results"
    found = shop.rows(f"{told} WHERE rule = 'emptied_columns' AND outcome = 'failed'")
    assert found == [("gone", "medium", 1, "customers.city")]


def test_the_greatest_numbers_that_can_be_read_stop_nobody(shop: Shop) -> None:
    """Sums and products of them are exact or NULL: the batch goes through, so do others, and everything can be read."""
    whole, amount, weight = "9" * 18, f"{'9' * 16}.99", f"{'9' * 9}.999"
    size = "999999.999x999999.999x999999.999"
    many = range(12)
    quantities = {
        "stock_quantity": whole,
        "reserved_quantity": whole,
        "available_quantity": "0",
        "reorder_level": whole,
    }
    shop.deliver(
        "huge",
        orders=[order(f"O-{n}", order_line=whole, quantity=whole, order_amount=amount) for n in many],
        customers=[customer()],
        products=[product(price=amount, stock_quantity=whole, weight_kg=weight, dimensions_cm=size)],
        inventory=[stock("P-1", f"W-{n}", **quantities) for n in many],
        shipping=[
            shipment(f"S-{n}", "O-1", shipping_cost=amount, insurance_value=amount, package_weight="0.001")
            for n in many
        ],
    )
    shop.deliver("later", "2025-03-02", orders=[order("O-77")])
    assert [report.batch.status for report in shop.run().batches] == ["published", "published"]
    assert shop.one("SELECT count(*) FROM quarantine") == 0
    shown = "inventory_stock_quantity, order_profit_margin, price_difference"
    found = shop.rows(f"SELECT {shown} FROM enriched_orders WHERE order_id = 'O-1'")
    assert found == [(None, Decimal("2999999999999999.9970"), Decimal("-9999999999999999970000000000000000.02"))]
    assert shop.one("SELECT total_spent FROM customer_totals") == 12 * Decimal(amount) + 20
    assert shop.one("SELECT volume_cm3 FROM product_analytics") == Decimal("999999997000000003.0000")
    views = ["analytics_summary", "category_analysis", "customer_analytics", "inventory_movements", "inventory_status"]
    for name in (*views, "product_analytics", "seasonal_analysis", "segment_analysis", "shipments"):
        shop.rows(f"SELECT * FROM {name}")


def test_a_file_whose_records_are_all_quarantined_changes_nothing_and_is_published(shop: Shop) -> None:
    shop.deliver("b1", **a_day(customers=[customer(email="no address")]))
    shop.run()
    assert shop.statuses() == {"b1": "published"}
    assert shop.one("SELECT count(*) FROM customers") == 0
