"""What is said when the disk of the embedded engine is full."""

from __future__ import annotations

import duckdb
import pytest

from cartlake.engines.embedded.duck import mapped
from cartlake.errors import EngineError

FROM_A_THREAD = (
    'IO Error: Async write failed for range [offset=27, size=492490]: {"exception_type":"IO","exception_message":'
    '"Could not write file \\"/shop/lake/orders/a.parquet\\": No space left on device","errno":"28"}'
)


@pytest.mark.parametrize(
    "error",
    [duckdb.IOException(FROM_A_THREAD), OSError(28, "No space left on device", "/shop/lake/orders/a.parquet")],
    ids=["of DuckDB", "of the system"],
)
def test_a_full_disk_is_called_full_and_the_way_out_is_named(error: Exception) -> None:
    with pytest.raises(EngineError) as caught, mapped("append to orders"):
        raise error
    assert caught.value.message == "append to orders: no space is left on the disk"
    assert caught.value.hint == "Make room, then run it again. What was done stands."
