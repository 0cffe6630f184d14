"""Numbers as the text that Prometheus scrapes (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

Labels = Mapping[str, str]
Number = int | float | Decimal


@dataclass(frozen=True)
class Gauge:
    """A metric with its samples. Names and label names are ours; label values may be any text."""

    name: str
    help: str
    samples: Sequence[tuple[Labels, Number]]


def exposition(gauges: Iterable[Gauge]) -> str:
    """The text; a gauge without samples is left out."""
    return "".join(_lines(gauge) for gauge in gauges if gauge.samples)


def _lines(gauge: Gauge) -> str:
    head = f"# HELP {gauge.name} {_escaped(gauge.help)}\n# TYPE {gauge.name} gauge\n"
    return head + "".join(f"{gauge.name}{_labels(labels)} {_number(value)}\n" for labels, value in gauge.samples)


def _labels(labels: Labels) -> str:
    quoted = ",".join('{}="{}"'.format(name, _escaped(value).replace('"', '\\"')) for name, value in labels.items())
    return f"{{{quoted}}}" if quoted else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: Number) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
