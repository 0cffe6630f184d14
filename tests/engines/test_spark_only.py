"""What only Spark can be asked."""

from __future__ import annotations

import pytest

from cartlake.engines.selects import check_select
from cartlake.errors import UsageError


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM parquet.`/etc`",
        "SELECT reflect('java.lang.System', 'exit', 0) FROM orders",
        "SELECT java_method('java.lang.System', 'getenv', 'HOME') FROM orders",
        "SELECT '${env:HOME}' FROM orders",
        "SELECT TRANSFORM (n) USING 'cat' AS (n) FROM orders",
        "SELECT * FROM IDENTIFIER('other.orders')",
        "SELECT * FROM read_files('/Volumes/x')",
    ],
)
def test_a_query_calls_no_java_opens_no_file_and_reads_no_setting(sql: str) -> None:
    with pytest.raises(UsageError):
        check_select(sql, ["orders"], "spark")
