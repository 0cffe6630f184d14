"""More order lines than the engine should look up at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartlake.engines.embedded import EmbeddedEngine
from cartlake.generate import FAULTS, ShopPlan, generate
from tests.pipeline.shop import Shop

MATERIALISE = EmbeddedEngine.materialise


def test_order_lines_that_are_looked_up_in_parts_are_those_looked_up_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: dict[str, int] = {}

    def materialise(engine: EmbeddedEngine, name: str, *given: object) -> int:
        count = MATERIALISE(engine, name, *given)  # type: ignore[arg-type]
        if name.startswith("changes_enriched_orders_"):
            parts[name] = count
        return count

    plan = ShopPlan(days=1, orders_per_day=35, customers=8, products=6, seed=5, faults=frozenset(FAULTS))
    shops = Shop(tmp_path / "whole"), Shop(tmp_path / "parted")
    for shop in shops:
        generate(shop.project, plan)
    shops[0].run()
    assert len(shops[0].rows("SELECT order_id FROM enriched_orders")) > 30
    monkeypatch.setattr(EmbeddedEngine, "rows_at_once", 9)
    monkeypatch.setattr(EmbeddedEngine, "materialise", materialise)
    shops[1].run()
    assert len(parts) > 2
    assert 0 < max(parts.values()) <= 9
    assert shops[1].production() == shops[0].production()
