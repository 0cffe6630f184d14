"""The people who buy: they register, move, change mail address and tier, and log in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cartlake.generate.draw import SECONDS, Calendar, Draw, below, distinct, pick, portion, stream
from cartlake.generate.vocabulary import FIRST_NAMES, LAST_NAMES, MAIL_DOMAINS, PLACES, TIERS, Place

NEW_PER_DAY = 5  # per mille of the customers the shop began with
CORRECTED = 6  # of that many addresses that came yesterday, one is corrected today


@dataclass(slots=True)
class Customer:
    """`ship_to` is the quoted CSV cell of the address; until the second `moved_at` of today it was `ship_to_before`."""

    id: str
    first_name: str
    last_name: str
    email: str
    phone: str
    born: str
    created: str
    tier: int
    place: Place
    address: str
    zip_code: str
    ship_to: str
    ship_to_before: str = ""
    moved_at: int = 0

    def row(self, last_login: str, updated: str) -> str:
        place = self.place
        return (
            f"{self.id},{self.first_name},{self.last_name},{self.email},{self.phone},{self.born},{self.created[:10]},"
            f"{self.address},{place.city},{place.state},{self.zip_code},{place.country},{TIERS[self.tier]},"
            f"{last_login},{self.created},{updated},\n"
        )


class Customers:
    """All customers by number. `known` of them were there when the day began: those may order today."""

    def __init__(self, seed: int, count: int, calendar: Calendar) -> None:
        self._seed = seed
        self._first_count = count
        self._calendar = calendar
        self._moved: list[Customer] = []
        self.everyone: list[Customer] = []
        self.known = 0

    def open(self) -> Iterator[str]:
        """The rows of everybody who registered before the first day."""
        draw = stream(self._seed, "customers")
        for _ in range(self._first_count):
            registered = -1 - below(draw, 1500)
            customer = self._register(draw, registered, below(draw, SECONDS))
            changed = registered + below(draw, -registered)
            if changed == registered:
                yield customer.row(customer.created, customer.created)
            else:
                yield self._row(draw, customer, changed, below(draw, SECONDS))
        self.known = len(self.everyone)

    def day(self, day: int) -> list[str]:
        """The rows of one later day: corrections of yesterday's addresses, changes, new customers."""
        draw = stream(self._seed, "customers", day)
        for customer in self._moved:
            customer.moved_at = 0
        yesterday, self._moved = self._moved, []
        self.known = len(self.everyone)
        corrected = yesterday[CORRECTED - 1 :: CORRECTED]
        rows = [self._correct(draw, customer, day) for customer in corrected]
        fixed = {customer.id for customer in corrected}
        for number in distinct(draw, self.known, portion(draw, self.known, self._calendar.rhythm(day))):
            if self.everyone[number].id not in fixed:
                rows.append(self._change(draw, self.everyone[number], day))
        for _ in range(portion(draw, self._first_count, NEW_PER_DAY)):
            customer = self._register(draw, day, below(draw, SECONDS))
            rows.append(customer.row(customer.created, customer.created))
        return rows

    def _register(self, draw: Draw, day: int, second: int) -> Customer:
        number = 1001 + len(self.everyone)
        first, last, place = pick(draw, FIRST_NAMES), pick(draw, LAST_NAMES), pick(draw, PLACES)
        address, zip_code, ship_to = _residence(draw, place)
        customer = Customer(
            id=str(number),
            first_name=first[0],
            last_name=last[0],
            email=f"{first[1]}.{last[1]}.{number}@{pick(draw, MAIL_DOMAINS)}",
            phone=f"{place.dial}555-{below(draw, 10_000):04d}",
            born=self._calendar[day - 18 * 366 - below(draw, 60 * 365)],
            created=self._calendar.at(day, second),
            tier=min(below(draw, 7), 3) if draw() < 0.5 else 0,
            place=place,
            address=address,
            zip_code=zip_code,
            ship_to=ship_to,
        )
        self.everyone.append(customer)
        return customer

    def _change(self, draw: Draw, customer: Customer, day: int) -> str:
        second, kind = below(draw, SECONDS), draw()
        if kind < 0.3:
            self._move(draw, customer, second, pick(draw, PLACES))
            self._moved.append(customer)
        elif kind < 0.45:
            customer.tier = min(customer.tier + 1, len(TIERS) - 1)
        elif kind < 0.6:
            name = customer.email.partition("@")[0]
            customer.email = f"{name}@{pick(draw, MAIL_DOMAINS)}"
        return self._row(draw, customer, day, second)

    def _correct(self, draw: Draw, customer: Customer, day: int) -> str:
        second = below(draw, SECONDS)
        self._move(draw, customer, second, customer.place)
        return self._row(draw, customer, day, second)

    def _move(self, draw: Draw, customer: Customer, second: int, place: Place) -> None:
        customer.ship_to_before, customer.moved_at = customer.ship_to, second
        customer.place = place
        customer.address, customer.zip_code, customer.ship_to = _residence(draw, place)

    def _row(self, draw: Draw, customer: Customer, day: int, second: int) -> str:
        """The customer as of that second, logged in up to half an hour before."""
        login = max(second - below(draw, 1800), 0)
        return customer.row(self._calendar.at(day, login), self._calendar.at(day, second))


def _residence(draw: Draw, place: Place) -> tuple[str, str, str]:
    address = f"{1 + below(draw, 240)} {pick(draw, place.streets)}"
    zip_code = place.zip_code.format(1 + below(draw, 40))
    abroad = "" if place.country == "USA" else f", {place.country}"
    return address, zip_code, f'"{address}, {place.city}, {place.state} {zip_code}{abroad}"'
