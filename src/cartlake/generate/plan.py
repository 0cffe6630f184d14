"""What a shop is generated from, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cartlake.core.closest import closest
from cartlake.errors import UsageError
from cartlake.generate.faults import FAULTS

FIRST_START, LAST_START = date(2000, 1, 1), date(2200, 1, 1)
SMALLEST = {"days": 1, "orders_per_day": 0, "customers": 1, "products": 1}


@dataclass(frozen=True)
class ShopPlan:
    """A shop's size, its first day, and the names of the faults put on top of its clean story. Equal plans give equal
    bytes. UsageError `plan_invalid` for numbers or dates out of range, `fault_unknown` for an unknown fault."""

    days: int
    orders_per_day: int
    customers: int
    products: int
    seed: int
    start: date = date(2025, 1, 1)
    faults: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name, smallest in SMALLEST.items():
            if getattr(self, name) < smallest:
                option = "--" + name.replace("_", "-")
                raise UsageError("plan_invalid", f"{option} is {getattr(self, name)}, the least is {smallest}")
        if not FIRST_START <= self.start <= LAST_START:
            raise UsageError("plan_invalid", f"--start is {self.start}, not between {FIRST_START} and {LAST_START}")
        for fault in sorted(self.faults - FAULTS.keys()):
            raise UsageError("fault_unknown", f"there is no fault named {fault!r}", hint=closest(fault, FAULTS))


def faults_named(text: str) -> frozenset[str]:
    """The faults that an option `all` or `NAME,NAME` asks for; unknown names are refused by the plan."""
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    return frozenset(FAULTS) if names == {"all"} else names
