"""Chance, and time as text. Only `random()` and integers are used: every machine and Python version draws the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache, lru_cache
from random import Random
from typing import TypeVar

T = TypeVar("T")
Draw = Callable[[], float]

SECONDS = 86_400
# Shares of a table that change on a day, Monday first: a shop has a weekly rhythm, and a rhythm keeps the
# row counts of its files apart enough that an ordinary day never looks like an anomaly.
WEEK = (20, 34, 26, 42, 50, 38, 28)


def stream(seed: int, *names: object) -> Draw:
    """The draws of one named part of the story; parts never disturb each other."""
    return Random("/".join(map(str, (seed, *names)))).random


def pick(draw: Draw, items: Sequence[T]) -> T:
    return items[int(draw() * len(items))]


def below(draw: Draw, end: int) -> int:
    return int(draw() * end)


def portion(draw: Draw, count: int, permille: int) -> int:
    """That share of `count`; the fraction left over is decided by chance."""
    whole, rest = divmod(count * permille, 1000)
    return whole + (draw() * 1000 < rest)


def distinct(draw: Draw, end: int, count: int) -> list[int]:
    """`count` different numbers below `end` (all of them if there are fewer), in the order drawn."""
    chosen: dict[int, None] = {}
    while len(chosen) < min(count, end):
        chosen[below(draw, end)] = None
    return list(chosen)


@lru_cache(1 << 16)
def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


@lru_cache(1 << 16)
def kilos(grams: int) -> str:
    return f"{grams // 1000}.{grams % 1000:03d}"


@cache
def clock() -> tuple[str, ...]:
    """`HH:MM:SS` of every second of a day."""
    return tuple(f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(SECONDS))


class Calendar(dict[int, str]):
    """ISO dates by day number: 0 is the first day of the shop's story, earlier days are negative."""

    def __init__(self, start: date) -> None:
        super().__init__()
        self.start = start

    def __missing__(self, number: int) -> str:
        self[number] = text = (self.start + timedelta(days=number)).isoformat()
        return text

    def at(self, number: int, second: int) -> str:
        return f"{self[number]} {clock()[second]}"

    def rhythm(self, number: int) -> int:
        """The day's place in the week's rhythm, per mille."""
        return WEEK[(self.start.weekday() + number) % 7]
