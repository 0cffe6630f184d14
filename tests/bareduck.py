"""Empty DuckDB databases, for tests of SQL alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count

import duckdb

_numbers = count(1)


@contextmanager
def bare_duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in UTC with nothing in it, gone afterwards. All are of one DuckDB: to start another takes as long as
    thirty databases."""
    name = f"bare_{next(_numbers)}"
    with _one().cursor() as duck:
        duck.execute("SET timezone = 'UTC'")
        duck.execute(f"ATTACH ':memory:' AS {name}")
        duck.execute(f"USE {name}")
        try:
            yield duck
        finally:
            duck.execute("USE memory")
            duck.execute(f"DETACH {name}")


@cache
def _one() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": "1"})
