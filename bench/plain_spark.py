"""The flow as a straightforward PySpark script would do it: read, filter, MERGE into five histories, join, aggregate.

It keeps none of the promises: no quarantine, no late data, no checks across tables, no publication. It has the same
session, with the same settings, and the same Delta tables' worth of rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class _Feed:
    folder: str
    table: str
    key: tuple[str, ...]
    good: str
    typed: tuple[tuple[str, str], ...] = ()


_FEEDS = (
    _Feed("customer_data", "customers", ("customer_id",), "email LIKE '%@%' AND phone IS NOT NULL"),
    _Feed("products_data", "products", ("product_id",), "price > 0", (("price", "decimal(18,2)"),)),
    _Feed(
        "inventory_data",
        "inventory",
        ("product_id", "warehouse_id"),
        "stock_quantity >= 0",
        (("stock_quantity", "bigint"), ("reserved_quantity", "bigint"), ("available_quantity", "bigint")),
    ),
    _Feed(
        "orders_data",
        "orders",
        ("order_id", "order_line"),
        "customer_id IS NOT NULL AND order_amount > 0",
        (("order_amount", "decimal(18,2)"), ("quantity", "bigint"), ("order_date", "date")),
    ),
    _Feed(
        "shipping_data",
        "shipping",
        ("shipping_id", "order_id"),
        "shipping_cost >= 0",
        (("shipping_cost", "decimal(18,2)"), ("package_weight", "decimal(18,3)")),
    ),
)
_ENRICHED = """
SELECT o.*, c.customer_tier, c.city, c.state, p.product_name, p.category, p.price,
    o.order_amount * CAST(0.30 AS decimal(9,6)) AS order_profit_margin,
    o.order_amount - o.quantity * p.price AS price_difference,
    dayofweek(o.order_date) AS day_of_week, i.stock_quantity, s.shipments, s.shipping_cost
FROM current_orders o
LEFT JOIN current_customers c ON o.customer_id = c.customer_id
LEFT JOIN current_products p ON o.product_id = p.product_id
LEFT JOIN (SELECT product_id, sum(stock_quantity) AS stock_quantity FROM current_inventory GROUP BY product_id) i
    ON o.product_id = i.product_id
LEFT JOIN (SELECT order_id, count(*) AS shipments, sum(shipping_cost) AS shipping_cost
    FROM current_shipping GROUP BY order_id) s ON o.order_id = s.order_id
"""
_TOTALS = {
    "customer_totals": "customer_id",
    "product_totals": "product_id",
    "daily_sales": "order_date",
}


class _Parts(list[tuple[str, float]]):
    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.append((name, time.perf_counter() - started))


def plain_script(project: Path) -> list[tuple[str, float]]:
    """The seconds of its steps over what has landed in `project`; tables stand below `plain` there. What is joined and
    aggregated is computed from everything, as such scripts do."""
    from cartlake.engines.spark.session import local_session
    from cartlake.settings import EngineSettings

    parts = _Parts()
    with parts.timed("start Spark"):
        spark = local_session(EngineSettings(name="spark"))
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    for feed in _FEEDS:
        if any(_landing(project, feed).iterdir()):
            with parts.timed(f"{feed.table}: read, filter, merge"):
                _load(spark, project, feed)
        current = spark.read.format("delta").load(_path(project, feed.table)).where("is_current")
        current.createOrReplaceTempView(f"current_{feed.table}")
    with parts.timed("join"):
        _write(spark, project, "enriched_orders", _ENRICHED)
    with parts.timed("aggregate"):
        spark.read.format("delta").load(_path(project, "enriched_orders")).createOrReplaceTempView("enriched")
        for table, key in _TOTALS.items():
            sums = "count(DISTINCT order_id) AS n, sum(order_amount) AS total, sum(order_profit_margin) AS profit"
            _write(spark, project, table, f"SELECT {key}, {sums} FROM enriched GROUP BY {key}")
    spark.stop()
    return parts


def _load(spark: SparkSession, project: Path, feed: _Feed) -> None:
    """New versions of the keys that changed; the last record of a key wins."""
    casts = {name: f"try_cast({name} AS {kind}) AS {name}" for name, kind in feed.typed}
    raw = spark.read.option("header", "true").csv(_landing(project, feed).as_posix())
    shown = ", ".join(casts.get(name, name) for name in raw.columns)
    tracked = ", ".join(name for name in raw.columns if not name.endswith("_timestamp"))
    raw.createOrReplaceTempView("raw")
    key, same = ", ".join(feed.key), " AND ".join(f"t.{name} = c.{name}" for name in feed.key)
    typed = f"SELECT {shown}, CAST(coalesce(updated_timestamp, created_timestamp) AS timestamp) AS valid_from FROM raw"
    newest = f"row_number() OVER (PARTITION BY {key} ORDER BY valid_from DESC) AS n"
    rows = (
        f"SELECT * EXCEPT (n), sha2(concat_ws('|', {tracked}), 256) AS row_hash, CAST(NULL AS timestamp) AS valid_to,"
        f" true AS is_current FROM (SELECT *, {newest} FROM ({typed}) WHERE {feed.good}) WHERE n = 1"
    )
    _write(spark, project, f"stage_{feed.table}", rows)
    place, stage = f"delta.`{_path(project, feed.table)}`", f"delta.`{_path(project, f'stage_{feed.table}')}`"
    spark.sql(f"CREATE TABLE IF NOT EXISTS {place} USING delta AS SELECT * FROM {stage} WHERE false")
    spark.sql(
        f"MERGE INTO {place} t USING {stage} c ON {same} AND t.is_current AND t.row_hash <> c.row_hash"
        " WHEN MATCHED THEN UPDATE SET is_current = false, valid_to = c.valid_from"
    )
    spark.sql(f"MERGE INTO {place} t USING {stage} c ON {same} AND t.is_current WHEN NOT MATCHED THEN INSERT *")


def _write(spark: SparkSession, project: Path, table: str, query: str) -> None:
    spark.sql(query).write.format("delta").mode("overwrite").save(_path(project, table))


def _landing(project: Path, feed: _Feed) -> Path:
    return project / "landing" / feed.folder / "source"


def _path(project: Path, table: str) -> str:
    return (project / "plain" / table).as_posix()
