"""What a page asks for does not grow with the lake."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cartlake.dashboard.catalogue import PAGES, Asked, Page
from cartlake.dashboard.reader import Reader, View
from tests.dashboard.conftest import listening
from tests.pipeline.shop import Shop, customer, order, product, shipment, stock

SMALL, LARGE = 60, 240
"""More than any page shows at once."""


def open_shop(project: Path, size: int) -> Shop:
    """As many orders, customers, products that run out, shipments and records in quarantine, in one batch."""
    shop = Shop(project)
    every = range(size)
    shop.deliver(
        "b1",
        orders=[
            *(order(f"O-{n}", customer_id=f"C-{n}", product_id=f"P-{n}") for n in every),
            *(order(f"X-{n}", order_amount="a lot") for n in every),
        ],
        customers=[customer(f"C-{n}") for n in every],
        products=[product(f"P-{n}") for n in every],
        inventory=[stock(f"P-{n}", available_quantity="0", reserved_quantity="10") for n in every],
        shipping=[shipment(f"S-{n}", f"O-{n}") for n in every],
    )
    shop.run()
    return shop


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, list[tuple[str, int]]]]:
    """Per size of the shop and page the queries of its first answer, with the rows that each brought."""
    found: dict[int, dict[str, list[tuple[str, int]]]] = {}
    with pytest.MonkeyPatch.context() as patch:
        for size in (SMALL, LARGE):
            shop = open_shop(tmp_path_factory.mktemp("costs") / "shop", size)
            [record] = shop.lake.quarantine("b1")[:1]
            run_id = str(shop.one("SELECT run_id FROM runs"))
            shop.lake.close()
            queries = listening(patch)
            found[size] = {}
            for page in PAGES:
                reader = Reader(shop.lake.settings)
                queries.clear()
                reader.look(partial(_shown, page, asked_for(page.name, run_id, str(record["id"]))))
                found[size][page.name] = list(queries)
                reader.close()
    return found


def _shown(page: Page, asked: Asked, view: View) -> object:
    return page.find(view, asked)


def asked_for(page: str, run_id: str, record_id: str) -> Asked:
    key = ("O-7", "1") if page == "origins" else ("O-7",)
    table = "orders" if page == "life" else "enriched_orders"
    path = {"run_id": run_id, "batch_id": "b1", "record_id": record_id, "table": table}
    return Asked(path, tuple(("key", part) for part in key))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_asks_as_much_of_a_large_lake_as_of_a_small_one(asked: Any, page: Any) -> None:
    assert asked[LARGE][page.name] == asked[SMALL][page.name]
