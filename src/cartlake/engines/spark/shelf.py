"""The views of a catalog's schema through which readers see what is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cartlake.engines.layout import LAYOUT, LAYOUT_PROPERTY, require_ours
from cartlake.engines.spark.errors import mapped
from cartlake.engines.spark.text import literal, quote

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_STAMP = "cartlake.shows"
_LAST = "publications"  # replaced after all others: what it shows, they show


class Shelf:
    """The views of one schema. Nobody else's table or view is touched."""

    def __init__(self, session: SparkSession, schema: str) -> None:
        self._session = session
        self._schema = schema
        self._shown: str | None = None

    def shows(self, stamp: str) -> bool:
        if self._shown is None:
            self._shown = self._properties(_LAST).get(_STAMP, "") if _LAST in self._present() else ""
        return self._shown == stamp

    def replace(self, queries: Mapping[str, str], stamp: str) -> None:
        """These views, and the last one of them last, are these queries. Raises TableForeign before any is touched."""
        for name in sorted(self._present() & queries.keys()):
            require_ours(f"{self._schema.replace('`', '')}.{name}", self._properties(name).get(LAYOUT_PROPERTY))
        self._shown = None
        for name in sorted(queries, key=lambda name: (name == _LAST, name)):
            properties = f"{literal(LAYOUT_PROPERTY)} = {literal(str(LAYOUT))}, {literal(_STAMP)} = {literal(stamp)}"
            with mapped(f"replace the view {name}"):
                self._session.sql(
                    f"CREATE OR REPLACE VIEW {self._schema}.{quote(name)} TBLPROPERTIES ({properties})"
                    f" AS {queries[name]}"
                )
        self._shown = stamp

    def _present(self) -> set[str]:
        with mapped("look at the views"):
            found = self._session.sql(f"SHOW TABLES IN {self._schema}").collect()  # temporary views of the session, too
        return {row["tableName"] for row in found if not row["isTemporary"]}

    def _properties(self, name: str) -> dict[str, str]:
        with mapped(f"look at the view {name}"):
            rows = self._session.sql(f"SHOW TBLPROPERTIES {self._schema}.{quote(name)}").collect()
        return {row["key"]: row["value"] for row in rows}
