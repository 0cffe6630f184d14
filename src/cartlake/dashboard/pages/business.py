"""The shop in numbers, as published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cartlake.dashboard.pages.overview import SALES, SUMMARY
from cartlake.dashboard.reader import View
from cartlake.engines.base import Row

SEGMENTS = "SELECT * FROM segment_analysis ORDER BY segment_revenue DESC, customer_segment"
CATEGORIES = "SELECT * FROM category_analysis ORDER BY category_revenue DESC, category"
SEASONS = "SELECT * FROM seasonal_analysis ORDER BY seasonal_revenue DESC, season"
REORDER = """
WITH names AS (SELECT product_id, product_name FROM products WHERE is_current),
short AS (
    SELECT *, count(*) OVER () AS found FROM inventory_status WHERE stock_status IN ('Out of Stock', 'Reorder Required')
    ORDER BY available_quantity - reorder_level, product_id, warehouse_id LIMIT 50
)
SELECT i.product_id, n.product_name, i.warehouse_id, i.warehouse_name, i.available_quantity, i.reorder_level,
    i.stock_status, i.found
FROM short i LEFT JOIN names n ON n.product_id = i.product_id
ORDER BY i.available_quantity - i.reorder_level, i.product_id, i.warehouse_id
"""


@dataclass(frozen=True)
class Business:
    currency: str
    as_of: date | None
    summary: Row | None
    sales: Sequence[Row]
    segments: Sequence[Row]
    categories: Sequence[Row]
    seasons: Sequence[Row]
    reorder: Sequence[Row]
    reorder_count: int


def business(view: View) -> Business:
    summary = view.published(SUMMARY)
    reorder = view.published(REORDER)
    return Business(
        currency=view.context.settings.business.reporting_currency,
        as_of=view.publication.as_of_date,
        summary=summary[0] if summary else None,
        sales=view.published(SALES),
        segments=view.published(SEGMENTS),
        categories=view.published(CATEGORIES),
        seasons=view.published(SEASONS),
        reorder=reorder,
        reorder_count=int(str(reorder[0]["found"])) if reorder else 0,
    )
