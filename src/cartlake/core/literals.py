"""Values as literals of Spark SQL and of `core/macros.py`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlglot import exp

from cartlake.errors import ModelError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def literal_sql(name: str, value: object) -> str:
    """The value of the parameter `name` as a literal of our dialect, exactly.

    Raises ModelError for a value that has none.
    """
    written = _scalar_sql(value)
    if written is None and isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        written = f"({', '.join(str(_scalar_sql(item)) for item in value)})"
    if written is None:
        raise ModelError(
            "parameter_type",
            f"parameter :{name} is a {type(value).__name__} that has no exact literal",
            hint="Give str, int, Decimal, date, datetime with a zone, bool, None or a tuple of str.",
        )
    return written


def _scalar_sql(value: object) -> str | None:
    written = None
    match value:
        case None | bool():
            written = {None: "NULL", True: "TRUE", False: "FALSE"}[value]
        case str():
            written = exp.Literal.string(value).sql("spark")
        case int() if -(2**63) <= value < 2**63:
            written = str(value)
        case Decimal() if value.is_finite():
            written = _decimal_sql(value)
        case datetime() if value.tzinfo is not None:
            written = f"from_micros({(value - _EPOCH) // timedelta(microseconds=1)})"
        case date() if not isinstance(value, datetime):
            written = f"DATE '{value.isoformat()}'"
    return written


def _decimal_sql(value: Decimal) -> str:
    text = f"{value:f}"
    scale = len(text.partition(".")[2])
    digits = max(len(text.lstrip("-").replace(".", "").lstrip("0")), scale, 1)
    return f"CAST('{text}' AS DECIMAL({digits}, {scale}))"
