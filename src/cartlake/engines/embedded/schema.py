"""Our columns as Delta's."""

from __future__ import annotations

from deltalake.schema import Field, MapType, PrimitiveType, Schema

from cartlake.core.table import Table

_PRIMITIVE = {"string": "string", "bigint": "long"}


def delta_schema(table: Table) -> Schema:
    return Schema([Field(column.name, _delta_type(column.type), nullable=column.nullable) for column in table.columns])


def _delta_type(spark_type: str) -> PrimitiveType | MapType:
    if spark_type.startswith("map<"):
        key, value = spark_type[4:-1].split(",", 1)
        return MapType(_delta_type(key.strip()), _delta_type(value.strip()), value_contains_null=True)
    return PrimitiveType(_PRIMITIVE.get(spark_type, spark_type))
