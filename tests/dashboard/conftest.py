"""A shop with something on every page, hostile cells among it, and an empty one."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.shop import Shop, customer, order, product, shipment, stock

pytest.importorskip("starlette", reason="the extra [dashboard] is not installed")
pytest.importorskip("httpx2", reason="httpx2 is not installed: Starlette's test client needs it")

from starlette.testclient import TestClient

from cartlake.dashboard.access import Access
from cartlake.dashboard.app import application
from cartlake.dashboard.reader import Reader
from cartlake.engines.embedded import EmbeddedEngine

SCRIPT = "<script>document.title='owned'</script>"
IMAGE = "\"'><img src=x onerror=\"document.title='owned'\">"
FORMULA = '=HYPERLINK("http://example.com","free")'
HERE = "http://127.0.0.1:8765"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process has the shop and the browser, however many run tests."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("dashboard"))


@dataclass(frozen=True)
class Dashboard:
    """The application over one lake, as a browser on this machine sees it."""

    client: TestClient
    token: str
    shop: Shop

    def text(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.text[-2000:])
        return answer.text

    def sign_in(self) -> None:
        assert self.client.get(f"/?token={self.token}", follow_redirects=False).status_code == 303

    def mark(self, path: str) -> str:
        """The mark that the forms of a page carry."""
        return self.text(path).partition('name="mark" value="')[2].partition('"')[0]


def trade(shop: Shop) -> None:
    """A published day; one with hostile cells and records in quarantine; a held, a failed and a waiting batch."""
    shop.trade_a_day()
    shop.deliver(
        "b2",
        "2025-03-02",
        orders=[
            order("O-2", order_date="2025-03-02", created_timestamp="2025-03-02 12:00:00"),
            order("O-3", order_amount="a lot", created_timestamp="2025-03-02 12:00:00"),
            order("O-4", order_amount=SCRIPT, shipping_address=IMAGE, created_timestamp="2025-03-02 12:00:00"),
        ],
        customers=[
            customer("C-2", first_name=SCRIPT, last_name=FORMULA, created_timestamp="2025-03-02 08:00:00"),
            customer("C-3", email="nobody", created_timestamp="2025-03-02 08:00:00"),
        ],
        products=[product(product_name=IMAGE, category=SCRIPT, created_timestamp="2025-03-02 08:00:00")],
        inventory=[
            stock(available_quantity="0", warehouse_name=IMAGE, created_timestamp="2025-03-02 08:00:00"),
            stock("LAMP-00017", available_quantity="12", reorder_level="50", created_timestamp="2025-03-02 08:00:00"),
        ],
        shipping=[shipment("S-2", "O-2", created_timestamp="2025-03-02 13:00:00")],
    )
    shop.deliver("held", "2025-03-03", customers=[customer(f"C-{n}", email="nobody") for n in range(30)])
    shop.deliver("failed", "2025-03-03", orders="colour,shape\nred,round\n")
    shop.announce("waiting", "2025-03-04", ["orders_late.csv"])
    shop.run()


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """To be looked at only."""
    shop = Shop(tmp_path_factory.mktemp("dashboard") / "corner-shop")
    trade(shop)
    shop.lake.close()
    return shop


@pytest.fixture(scope="session")
def reader(traded: Shop) -> Iterator[Reader]:
    """Of the traded shop, opened once."""
    reader = Reader(traded.lake.settings)
    yield reader
    reader.close()


@pytest.fixture
def dashboard(traded: Shop, reader: Reader) -> Iterator[Dashboard]:
    yield from serve(traded, reader)


def serve(shop: Shop, reader: Reader, host: str = "127.0.0.1") -> Iterator[Dashboard]:
    access = Access(host, secrets.token_urlsafe(24))
    with TestClient(application(reader, access), base_url=HERE) as client:
        yield Dashboard(client, access.token, shop)


def serve_alone(shop: Shop) -> Iterator[Dashboard]:
    """With a reader of its own; shop and reader are closed afterwards."""
    reader = Reader(shop.lake.settings)
    yield from serve(shop, reader)
    reader.close()
    shop.lake.close()


@pytest.fixture
def working(traded: Shop, tmp_path: Path) -> Iterator[Dashboard]:
    """Over a copy of the same shop, to be changed."""
    shop = Shop(tmp_path / "corner-shop")
    shutil.copytree(traded.project, shop.project, dirs_exist_ok=True)
    yield from serve_alone(shop)


@pytest.fixture
def unused(tmp_path: Path) -> Iterator[Dashboard]:
    """Over a project where nothing has run yet."""
    yield from serve_alone(Shop(tmp_path / "new-shop"))


def listening(patch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The queries that engines are asked from now on, each with the rows that it brought."""
    queries: list[tuple[str, int]] = []
    ask = EmbeddedEngine.rows

    def rows(engine: EmbeddedEngine, sql: str, *given: Any) -> Any:
        answer = ask(engine, sql, *given)
        queries.append((sql, len(answer)))
        return answer

    patch.setattr(EmbeddedEngine, "rows", rows)
    return queries
