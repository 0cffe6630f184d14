"""What a task computes once: results in a scratch folder and small tables from the driver, each behind a temporary
view of its own. Spark Connect has no cache that serverless knows too."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow.parquet import write_table
from pyspark.errors import PySparkException

from cartlake.engines.spark.errors import mapped

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

# Up to here a result is fetched: Spark takes twice as long to write it.
_SMALL = 20_000
# Up to here it travels with the queries that read it: they take two thirds of the time.
_FEW_ROWS, _FEW_BYTES = 2_000, 1 << 20
# The search for repeats takes most of the time of writing; zstd finds them for less, and a slow disk is no brake.
_PARQUET = {"parquet.enable.dictionary": "false", "compression": "zstd"}


class Work:
    """The temporary views of one engine; `folder` must be seen by every worker."""

    def __init__(self, session: SparkSession, folder: Path) -> None:
        self._session = session
        self._folder = folder
        self._number = 0
        self._is_large = False
        self._most_rows: int | None = None

    def next_task(self) -> None:
        """What comes is taken to be as large as what came since the last call, if anything did."""
        if self._most_rows is not None:
            self._is_large, self._most_rows = self._most_rows > _SMALL, None

    def keep(
        self, result: DataFrame, relation: str, conditions: Mapping[str, str], *, is_large: bool = False
    ) -> tuple[str, int, dict[str, int]]:
        """`result` is computed once, now: the view that has it, its number of rows, and of how many of them each of
        the conditions is true. One that turns out not to be small is computed twice, unless it `is_large`."""
        with mapped(f"compute {relation}"):
            fetched = None if is_large or self._is_large else _fetched(result, conditions)
            if fetched is not None:
                rows, counts = fetched
                view, count = self._hold(rows, None if rows.num_rows else result.schema), rows.num_rows
            else:
                self._is_large = True
                counting = _Counting(conditions)
                view = self._write(counting.of(result))
                count, counts = counting.found["n"], counting.by_condition
        self._most_rows = max(count, self._most_rows or 0)
        return view, count, counts

    def put(self, rows: pa.Table, relation: str) -> str:
        """The view of rows, at least one, that come from the driver."""
        with mapped(f"compute {relation}"):
            return self._hold(rows)

    def _write(self, result: DataFrame) -> str:
        """With a schema: without one, Spark starts a job to look into the files."""
        view = self._next()
        path = (self._folder / view).as_posix()
        result.write.options(**_PARQUET).parquet(path)
        self._session.read.schema(result.schema).parquet(path).createOrReplaceTempView(view)
        return view

    def _hold(self, rows: pa.Table, schema: StructType | None = None) -> str:
        view = self._next()
        if rows.num_rows <= _FEW_ROWS and rows.nbytes <= _FEW_BYTES:
            held = self._session.createDataFrame(rows, schema)
        else:
            path = self._folder / view
            path.mkdir()
            write_table(rows, path / "rows.parquet", compression="zstd", use_dictionary=False)
            one = self._session.createDataFrame(rows.slice(0, 1))
            held = self._session.read.schema(one.schema).parquet(path.as_posix())
        held.createOrReplaceTempView(view)
        return view

    def drop(self, view: str) -> None:
        with mapped("forget a relation"):
            self._session.catalog.dropTempView(view)
        shutil.rmtree(self._folder / view, ignore_errors=True)

    def _next(self) -> str:
        self._number += 1
        return f"_cartlake_{self._folder.name}_{self._number}"


class _Counting:
    """How many rows a result has, and of how many each of the conditions is true, found while it is computed."""

    def __init__(self, conditions: Mapping[str, str]) -> None:
        from pyspark.sql import Observation

        self._observation = Observation()
        self._conditions = conditions

    def of(self, result: DataFrame) -> DataFrame:
        """The result, to be computed."""
        from pyspark.sql import functions as F  # noqa: N812

        wanted = [F.expr(f"count_if({each})").alias(f"c{n}") for n, each in enumerate(self._conditions.values())]
        return result.observe(self._observation, F.count(F.lit(1)).alias("n"), *wanted)

    @property
    def found(self) -> dict[str, int]:
        found: dict[str, int] = self._observation.get
        return found

    @property
    def by_condition(self) -> dict[str, int]:
        return {name: int(self.found[f"c{n}"]) for n, name in enumerate(self._conditions)}


def _fetched(result: DataFrame, conditions: Mapping[str, str]) -> tuple[pa.Table, dict[str, int]] | None:
    """The rows of a small result; None of one with more rows, or too large cells."""
    counting = _Counting(conditions)
    try:
        rows = counting.of(result).limit(_SMALL + 1).toArrow()
    except PySparkException:
        return None
    return (rows, counting.by_condition) if rows.num_rows <= _SMALL else None
