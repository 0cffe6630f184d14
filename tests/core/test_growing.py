"""What is asked of the rows that were there before a total grew."""

from __future__ import annotations

import pytest

from cartlake.core.growing import ASKED, GROWING, SHARED
from cartlake.project import MODELS, package_texts

KEYS = {"customer_totals": "customer_id", "product_totals": "product_id"}


@pytest.mark.parametrize("name", GROWING)
def test_every_pair_that_is_counted_once_has_a_customer_or_an_order_and_is_in_the_narrowed_rows(name: str) -> None:
    assert f"key: [{KEYS[name]}]" in package_texts(MODELS, (".yml",))[f"{name}.yml"]
    for column in GROWING[name].distinct.values():
        pair = {KEYS[name], column}
        assert pair & {*SHARED}
        assert pair <= {*ASKED}
