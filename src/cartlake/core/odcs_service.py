"""The service level of a contract: how often its feed is delivered, and how late (`slaProperties`)."""

from __future__ import annotations

from datetime import timedelta

from cartlake.core.contract import ServiceLevel
from cartlake.core.odcs_fields import read
from cartlake.core.yamltext import Node

_ENTRY = ("id", "property", "value", "valueExt", "unit", "element", "driver", "description", "scheduler", "schedule")
_DOCUMENTING = (
    *("availability", "endOfLife", "endOfSupport", "errorRate", "generalAvailability", "retention"),
    *("throughput", "timeOfAvailability", "timeToDetect", "timeToNotify", "timeToRepair"),
)
_UNITS = {
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("h", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("minute", "minutes"), timedelta(minutes=1)),
}


def read_service(node: Node | None) -> ServiceLevel:
    """`frequency` and `latency`, each at most once; the standard's other properties only document."""
    found: dict[str, timedelta] = {}
    for item in node.items() if node else ():
        entry = item.mapping(_ENTRY, ("property", "value"))
        name = entry["property"].one_of(("frequency", "latency", *_DOCUMENTING))
        if name in _DOCUMENTING:
            continue
        if name in found:
            raise item.fail(f"`{name}` stands here twice")
        unit = _UNITS[read(entry, "unit", lambda each: each.one_of(_UNITS), "d")]
        found[name] = entry["value"].integer(0 if name == "latency" else 1, 100_000) * unit
    return ServiceLevel(found.get("frequency"), found.get("latency"))
