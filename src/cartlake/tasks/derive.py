"""The stored models, incrementally: the same SQL as for everything, over the rows that a batch can have changed."""

from __future__ import annotations

from collections.abc import Collection

from cartlake.core import history
from cartlake.core.entries import Publication
from cartlake.core.growing import GROWING, earlier, grown, seen
from cartlake.core.model import Model
from cartlake.core.sqltext import names, same, semi_join
from cartlake.core.table import Table
from cartlake.tasks.context import Context

ORDER_LINES = "enriched_orders"
_LINE = ("order_id", "order_line")
_BY_KEY = frozenset({"customer_totals", "product_totals", "daily_sales"})
# Which column of an order line looks up which table.
_LOOK_UPS = {"customers": "customer_id", "products": "product_id", "inventory": "product_id", "shipping": "order_id"}


def stored_model_changes(context: Context, base: Publication, touched: Collection[str]) -> list[Table]:
    """`changes_<model>` and `after_<model>` of every stored model, in dependency order; the tables that change.
    Reads `before_<table>`, `changes_<table>` and `after_<table>` of the histories, of which those `touched` change."""
    engine, changed, is_narrowed = context.engine, [], False
    for model in context.stored_models:
        table = context.model_table(model)
        before, changes = f"before_{table.name}", f"changes_{table.name}"
        anew = is_anew(context, table, base)
        if anew:
            engine.values(before, table.columns, [])
        else:
            engine.read(before, table, base.tables[table.name])
        if model.name in GROWING and _is_by_key(model) and not anew:
            if not is_narrowed:
                engine.materialise("earlier", earlier(ORDER_LINES))
                is_narrowed = True
            _grow(context, model, table)
            found = _materialise_changes(context, table, changes)
        elif model.name == ORDER_LINES:
            found = _order_line_changes(context, model, table, touched, anew=anew)
        else:
            _bind(context, model, table, anew=anew)
            engine.define("computed", model.sql, context.parameters)
            found = _materialise_changes(context, table, changes)
        if found or anew:
            changed.append(table)
        engine.define(f"after_{table.name}", history.after(table.column_names, table.key, before, changes))
    return changed


def is_anew(context: Context, table: Table, base: Publication) -> bool:
    """Whether nothing in production stays: a first publication, or of a stored model one with other SQL or settings."""
    is_model = table.name in {model.name for model in context.stored_models}
    is_redefined = base.definitions.get(table.name) != context.definition_hashes[table.name]
    return table.name not in base.tables or (is_model and is_redefined)


def _materialise_changes(context: Context, table: Table, changes: str) -> int:
    """`changes` from `stored` to `computed`; how many they are."""
    return context.engine.materialise(changes, history.changes_between(table.column_names, table.key, ()))


def _bind(context: Context, model: Model, table: Table, *, anew: bool) -> None:
    """The model's inputs under their own names, and `stored`, restricted to the keys that can have changed: to
    everything if the model is computed anew, and for one of which nothing better is known."""
    if anew or not _is_by_key(model):
        for name in model.inputs:
            context.engine.define(name, f"SELECT * FROM after_{name}")
        context.engine.define("stored", f"SELECT * FROM before_{table.name}")
        return
    _bind_by_key(context, model, model.inputs[0])
    context.engine.define("stored", semi_join(f"before_{table.name}", "scope", model.key))


def _order_line_changes(context: Context, model: Model, table: Table, touched: Collection[str], *, anew: bool) -> int:
    """The changes of the order lines; how many they are. No line depends on another one: where they are more than the
    engine should look up at once, it does so in parts."""
    engine, changes, most = context.engine, f"changes_{table.name}", context.engine.rows_at_once
    engine.define("computed", model.sql, context.parameters)
    if anew and (most is None or int(str(engine.rows("SELECT count(*) AS n FROM after_orders")[0]["n"])) <= most):
        _bind(context, model, table, anew=True)
        return _materialise_changes(context, table, changes)
    every = "SELECT DISTINCT order_id, order_line FROM after_orders"
    count = engine.materialise("scope", every if anew else _lines_in_scope(context, touched))
    if most is None or count <= most:
        _bind_order_lines(context, table)
        return _materialise_changes(context, table, changes)
    nth = f"row_number() OVER (ORDER BY {names(_LINE)}) AS _nth"
    engine.materialise("every_line", f"SELECT {names(_LINE)}, {nth} FROM scope")
    parts, found = [(f"{changes}_{first}", first) for first in range(0, count, most)], 0
    for part, first in parts:
        engine.define("scope", f"SELECT * FROM every_line WHERE _nth > {first} AND _nth <= {first + most}")
        _bind_order_lines(context, table)
        found += _materialise_changes(context, table, part)
    engine.define(changes, " UNION ALL ".join(f"SELECT * FROM {part}" for part, _ in parts))
    return found


def _is_by_key(model: Model) -> bool:
    """Whether each row of the model comes from the rows of its one input that have its key. Nothing but reading the SQL
    tells; so it is said of the package's own models, and any other is computed from everything."""
    return model.name in _BY_KEY and model.is_shipped


def _bind_by_key(context: Context, model: Model, source: str) -> None:
    """`scope`: the model's keys in the rows of `source` that change, as they were and as they will be."""
    keys = names(model.key)
    context.engine.materialise(
        "scope",
        f"SELECT DISTINCT {keys} FROM (SELECT {keys} FROM changes_{source}"
        f" UNION ALL SELECT {keys} FROM ({_was(context, source)}) was) k",
    )
    context.engine.define(source, semi_join(f"after_{source}", "scope", model.key))


def _was(context: Context, source: str) -> str:
    """The rows of `source` that change, as they were. Rows that are new were nowhere: for them nothing is read."""
    parent = next(table for table in context.production_tables if table.name == source)
    return semi_join(f"before_{source}", f"(SELECT * FROM changes_{source} WHERE _change <> 'insert')", parent.key)


def _grow(context: Context, model: Model, table: Table) -> None:
    """`computed` and `stored` for the keys of the rows that change: summed from all rows where a row left or changed
    (`shrinking`), from the stored total and what was `brought` where rows only came."""
    engine, growing, [source] = context.engine, GROWING[model.name], model.inputs
    columns = next(each for each in context.production_tables if each.name == source).column_names
    engine.materialise("shrinking", f"SELECT DISTINCT {names(model.key)} FROM ({_was(context, source)}) was")
    engine.materialise(
        "brought",
        f"SELECT {names(columns, 'c')} FROM changes_{source} c LEFT ANTI JOIN shrinking k"
        f" ON {same(model.key, 'c', 'k')}",
    )
    for total, column in growing.distinct.items():
        engine.materialise(f"seen_{total}", seen(model.key, column))
    shrinking = semi_join(f"after_{source}", "shrinking", model.key)
    engine.define(source, f"SELECT {names(columns)} FROM ({shrinking}) s UNION ALL SELECT * FROM brought")
    engine.materialise("summed", model.sql, context.parameters)
    engine.define("computed", grown(growing, table))
    keys = f"(SELECT {names(model.key)} FROM summed UNION SELECT {names(model.key)} FROM shrinking)"
    engine.define("stored", semi_join(f"before_{table.name}", keys, model.key))


def _lines_in_scope(context: Context, touched: Collection[str]) -> str:
    """The order lines that may look different, because their own versions moved, or what they look up as of their time
    did, in the histories `touched`."""
    moved = [
        f"SELECT e.order_id, e.order_line FROM before_enriched_orders e JOIN ({_moved(context, name, column)}) m"
        f" ON e.{column} = m.{column} WHERE m.is_first OR e.ordered_at >= m.moved_from"
        for name, column in _LOOK_UPS.items()
        if name != "shipping" and name in touched
    ]
    shipped = "SELECT order_id FROM changes_shipping UNION ALL SELECT b.order_id FROM before_shipping b" + (
        " LEFT SEMI JOIN changes_shipping c ON b.shipping_id = c.shipping_id"
    )
    if "shipping" in touched:
        moved.append(
            f"SELECT e.order_id, e.order_line FROM before_enriched_orders e LEFT SEMI JOIN ({shipped}) m"
            " ON e.order_id = m.order_id"
        )
    return " UNION ".join(["SELECT order_id, order_line FROM changes_orders", *moved])


def _bind_order_lines(context: Context, table: Table) -> None:
    """The five histories, restricted to what the lines of `scope` need, and `stored`, what is known of these lines."""
    engine = context.engine
    engine.materialise("orders", semi_join("after_orders", "scope", _LINE))
    for name, column in _LOOK_UPS.items():
        engine.define(name, semi_join(f"after_{name}", "orders", (column,)))
    engine.define("stored", semi_join(f"before_{table.name}", "scope", _LINE))


def _moved(context: Context, name: str, column: str) -> str:
    """Per `column`: `moved_from`, since when the table tells something else, and `is_first`, whether that is the first
    version of a key, which also answers for all times before it."""
    contract = next(contract for contract in context.contracts if contract.table == name)
    keys = names(contract.key)
    first = semi_join(f"after_{name}", f"changes_{name}", contract.key)
    moved = f"SELECT {keys}, min(valid_from) AS moved_from FROM changes_{name} WHERE _is_effective GROUP BY {keys}"
    firsts = f"SELECT {keys}, min(valid_from) AS first_from FROM ({first}) v GROUP BY {keys}"
    return (
        f"SELECT c.{column}, min(c.moved_from) AS moved_from,"
        " bool_or(coalesce(c.moved_from <= a.first_from, true)) AS is_first"
        f" FROM ({moved}) c LEFT JOIN ({firsts}) a ON {same(contract.key, 'c', 'a')} GROUP BY c.{column}"
    )
