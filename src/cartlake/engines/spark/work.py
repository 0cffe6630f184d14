"""What a task computes once: results in a scratch folder and small tables from the driver, each behind a temporary
view of its own. Spark Connect has no cache that serverless knows too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow.parquet import ParquetFile, write_table

from cartlake.engines.spark.errors import mapped

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
# Up to here a result travels with the queries that read it: they take two thirds of the time.
_FEW_ROWS, _FEW_BYTES = 2_000, 1 << 20
# The search for repeats takes most of the time of writing; zstd finds them for less, and a slow disk is no brake.
_PARQUET = {"parquet.enable.dictionary": "false", "compression": "zstd"}


class Work:
    """The temporary views of one engine; `folder` must be seen by every worker."""

    def __init__(self, session: SparkSession, folder: Path) -> None:
        self._session = session
        self._folder = folder
        self._number = 0

    def keep(self, result: DataFrame, relation: str, conditions: Mapping[str, str]) -> tuple[str, int, dict[str, int]]:
        """`result` is computed once, now: the view that has it, its number of rows, and of how many of them each of
        the conditions is true."""
        from pyspark.sql import Observation
        from pyspark.sql import functions as F  # noqa: N812

        view, counts = self._next(), Observation()
        path = (self._folder / view).as_posix()
        wanted = [F.expr(f"count_if({condition})").alias(f"c{n}") for n, condition in enumerate(conditions.values())]
        with mapped(f"compute {relation}"):
            result.observe(counts, F.count(F.lit(1)).alias("n"), *wanted).write.options(**_PARQUET).parquet(path)
            found = counts.get
            self._written(view, is_small=int(found["n"]) <= _FEW_ROWS).createOrReplaceTempView(view)
        return view, int(found["n"]), {name: int(found[f"c{n}"]) for n, name in enumerate(conditions)}

    def _written(self, view: str, *, is_small: bool) -> DataFrame:
        """What was written for a view. Its schema stands in its files: Spark would start a job to look there."""
        path = self._folder / view
        files = sorted(path.glob("*.parquet"))
        schema = _schema(files[0]) if files else None
        if schema is None:
            return self._session.read.parquet(path.as_posix())
        if is_small and sum(file.stat().st_size for file in files) <= _FEW_BYTES:
            rows = pa.concat_tables(ParquetFile(file, coerce_int96_timestamp_unit="us").read() for file in files)
            return self._session.createDataFrame(rows, schema)
        return self._session.read.schema(schema).parquet(path.as_posix())

    def put(self, rows: pa.Table, relation: str) -> str:
        """The view of rows, at least one, that come from the driver."""
        view = self._next()
        with mapped(f"compute {relation}"):
            self._held(rows, self._folder / view).createOrReplaceTempView(view)
        return view

    def _held(self, rows: pa.Table, path: Path) -> DataFrame:
        if rows.num_rows <= _FEW_ROWS and rows.nbytes <= _FEW_BYTES:
            return self._session.createDataFrame(rows)
        path.mkdir()
        write_table(rows, path / "rows.parquet", compression="zstd", use_dictionary=False)
        schema = self._session.createDataFrame(rows.slice(0, 1)).schema
        return self._session.read.schema(schema).parquet(path.as_posix())

    def drop(self, view: str) -> None:
        with mapped("forget a relation"):
            self._session.catalog.dropTempView(view)
        shutil.rmtree(self._folder / view, ignore_errors=True)

    def _next(self) -> str:
        self._number += 1
        return f"_cartlake_{self._folder.name}_{self._number}"


def _schema(file: Path) -> StructType | None:
    """The schema that Spark notes in the Parquet files it writes; others do not."""
    from pyspark.sql.types import StructType

    noted = (ParquetFile(file).schema_arrow.metadata or {}).get(_SCHEMA)
    return None if noted is None else StructType.fromJson(json.loads(noted))
