"""Nothing goes on without a table that was removed, and what makes it anew keeps what held batches had staged."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files

import pytest

from cartlake.errors import EngineError
from tests.pipeline.shop import Shop, customer, order


@pytest.fixture
def rolled_back(shop: Shop) -> Iterator[Shop]:
    """A published batch and one that was rolled back, with a customer and an order each."""
    shop.trade_a_day()
    shop.deliver("b2", "2025-03-02", customers=[customer("C-2")], orders=[order("O-2", customer_id="C-2")])
    shop.run()
    shop.lake.rollback("b1")
    shop.lake.close()
    yield shop
    shop.lake.close()


def is_whole(shop: Shop) -> bool:
    return shop.lake.verify(deep=True).findings == ()


def test_a_log_that_was_removed_is_made_anew_with_what_held_batches_had_staged(rolled_back: Shop) -> None:
    before = rolled_back.production()
    rolled_back.lake.close()
    shutil.rmtree(rolled_back.project / "lake" / "orders_stage")
    rolled_back.lake.rebuild(from_archive=True)
    assert rolled_back.production() == before
    rolled_back.lake.release("b2")
    rolled_back.run()
    assert rolled_back.rows("SELECT order_id FROM orders ORDER BY order_id") == [("O-1",), ("O-2",)]
    assert is_whole(rolled_back)


def test_a_contract_that_names_another_log_is_refused_until_that_one_is_filled(rolled_back: Shop) -> None:
    """Late records and rebuilds would read the new log, which lacks all that came before."""
    before = rolled_back.production()
    rolled_back.change_contract("orders", ("value: orders_stage", "value: orders_log"))
    looks: list[Callable[[], object]] = [rolled_back.run, rolled_back.lake.rebuild]
    for look in looks:
        with pytest.raises(EngineError, match="orders_log is not the log") as refused:
            look()
        assert "`cartlake rebuild --from-archive`" in str(refused.value.hint)
    [found] = rolled_back.lake.verify(deep=True).findings
    assert (found.name, found.repair) == ("orders_log", "cartlake rebuild --from-archive")
    rolled_back.lake.rebuild(from_archive=True)
    assert rolled_back.production() == before
    rolled_back.lake.release("b2")
    rolled_back.run()
    assert rolled_back.one("SELECT count(*) FROM orders") == 2
    assert is_whole(rolled_back)


def test_the_archive_is_read_again_without_the_files_of_a_feed_whose_contract_is_gone(shop: Shop) -> None:
    text = files("cartlake").joinpath("contracts/customers.yaml").read_text("utf-8")
    contract = shop.project / "contracts" / "members.yaml"
    contract.parent.mkdir()
    for before, after in (("customer_stage", "members_stage"), ("customer_data", "members_data")):
        text = text.replace(before, after)
    contract.write_text(text.replace("name: customers", "name: members").replace("customers", "members"))
    source = shop.landing / "members_data" / "source"
    source.mkdir(parents=True)
    shop.deliver("b1", customers=[customer()])
    landed = shop.landing / "customer_data" / "source" / "customers_b1.csv"
    (source / "members_b1.csv").write_bytes(landed.read_bytes())
    shop.announce("b1", files=["customers_b1.csv", "members_b1.csv"])
    shop.run()
    assert shop.one("SELECT count(*) FROM members") == 1
    shop.lake.close()
    contract.unlink()
    assert shop.lake.rebuild(from_archive=True).files_read == 1
    assert is_whole(shop)
