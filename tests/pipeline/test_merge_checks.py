"""An engine that merges wrongly: nothing it did is published, and the next run does it again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cartlake.core import history
from cartlake.core.table import Table
from cartlake.engines.base import Where
from cartlake.engines.embedded import EmbeddedEngine
from cartlake.errors import EngineError
from tests.pipeline.shop import Shop, a_day, order

MERGE, REPLACE = EmbeddedEngine.merge, EmbeddedEngine.replace


def twice(engine: EmbeddedEngine, table: Table, changes: str) -> int:
    again = f"SELECT {', '.join(table.column_names)} FROM {changes} WHERE _change <> 'delete'"
    return replaced(engine, table, changes, f"SELECT * FROM _merged UNION ALL {again}")


def never(engine: EmbeddedEngine, table: Table, changes: str) -> int:
    return engine.version(table.name)


def with_closed_versions_current(engine: EmbeddedEngine, table: Table, changes: str) -> int:
    return replaced(engine, table, changes, f"SELECT {columns_with(table, 'TRUE')} FROM _merged")


def columns_with(table: Table, is_current: str) -> str:
    return ", ".join(f"{is_current} AS is_current" if name == "is_current" else name for name in table.column_names)


def replaced(engine: EmbeddedEngine, table: Table, changes: str, sql: str) -> int:
    """In one commit the table holds what `sql` makes of `_merged`, what it should hold."""
    engine.read("_before", table)
    engine.define("_merged", history.after(table.column_names, table.key, "_before", changes))
    engine.materialise("_wrong", sql)
    return engine.replace(table, {}, "_wrong")


@pytest.mark.parametrize(
    ("table", "wrongly", "code"),
    [
        ("orders", twice, "intervals_overlap"),
        ("enriched_orders", twice, "keys_not_unique"),
        ("orders", never, "changes_lost"),
        ("orders", with_closed_versions_current, "interval_empty"),
    ],
)
def test_what_was_merged_wrongly_is_not_published_and_merged_again(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    wrongly: Callable[[EmbeddedEngine, Table, str], int],
    code: str,
) -> None:
    def merge(engine: EmbeddedEngine, merged: Table, changes: str) -> int:
        return (wrongly if merged.name == table else MERGE)(engine, merged, changes)

    shop.trade_a_day()
    before = shop.production()
    later = {"order_amount": "25.00", "updated_timestamp": "2025-03-02 12:00:00"}
    shop.deliver("b2", "2025-03-02", orders=[order(**later), order("O-9", **later)])
    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedEngine, "merge", merge)
        with pytest.raises(EngineError) as refused:
            shop.run()
    assert refused.value.code == code
    assert shop.production() == before
    shop.run()
    assert shop.statuses() == {"b1": "published", "b2": "published"}
    assert shop.rows("SELECT order_id, order_amount FROM enriched_orders WHERE order_id = 'O-9'") != []
    assert shop.one("SELECT count(*) FROM orders WHERE order_id = 'O-1'") == 2


def doubled(table: Table, relation: str) -> str:
    rows = f"SELECT {', '.join(table.column_names)} FROM {relation}"
    return f"{rows} UNION ALL {rows}"


def lessened(table: Table, relation: str) -> str:
    return f"SELECT {', '.join(table.column_names)} FROM {relation} LIMIT 0"


def closed(table: Table, relation: str) -> str:
    return f"SELECT {columns_with(table, 'FALSE')} FROM {relation}"


@pytest.mark.parametrize(
    ("table", "wrongly", "code"),
    [
        ("orders", doubled, "intervals_overlap"),
        ("enriched_orders", doubled, "keys_not_unique"),
        ("orders", lessened, "changes_lost"),
        ("customers", closed, "interval_empty"),
    ],
)
def test_what_was_made_wrongly_for_a_first_publication_is_not_published(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, table: str, wrongly: Callable[[Table, str], str], code: str
) -> None:
    def replace(engine: EmbeddedEngine, replaced: Table, where: Where, relation: str | None) -> int:
        if replaced.name == table:
            assert relation
            engine.materialise("_wrong", wrongly(replaced, relation))
            relation = "_wrong"
        return REPLACE(engine, replaced, where, relation)

    shop.deliver("b1", **a_day())
    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedEngine, "replace", replace)
        with pytest.raises(EngineError) as refused:
            shop.run()
    assert refused.value.code == code
    shop.run()
    assert shop.statuses() == {"b1": "published"}
