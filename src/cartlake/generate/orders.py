"""Orders and their parcels. What becomes of an order is decided when it is placed: its later rows go to the spool at
once, its movements of stock to the days they fall on, and nothing of it is kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cartlake.generate.catalogue import MOVES_AHEAD, Position, Product
from cartlake.generate.customers import Customer, Customers
from cartlake.generate.draw import Calendar, Draw, clock, kilos, money, stream
from cartlake.generate.files import FeedFile, Spool
from cartlake.generate.shelves import Shelves
from cartlake.generate.vocabulary import CARRIERS, PAYMENT_METHODS, SERVICES

LATE_EVERY = 25  # one order in so many arrives with the next day's files
FLUSH_EVERY = 20_000
# Orders per hour of a day of 1000: quiet nights, a lunch and an evening peak.
HOURS = (8, 5, 4, 3, 4, 8, 17, 32, 50, 62, 68, 72, 74, 68, 62, 60, 60, 62, 68, 74, 66, 42, 20, 11)
LINES = (1, 2, 1, 1, 3, 1, 2, 1, 1, 2, 1, 4, 1, 2, 1, 1, 3, 1, 2, 1)
QUANTITIES = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
DEAR = 40_000  # cents; such things are bought one at a time
DAY_BEGINS, DAY_LASTS = 6 * 3600, 16 * 3600  # when people confirm, pack and deliver


@dataclass(frozen=True)
class Fate:
    """What becomes of an order, in days after it was placed. `moves` are (days, stock, reserved) per piece."""

    first: str
    steps: tuple[tuple[int, str], ...]
    parcel_steps: tuple[tuple[int, str], ...]
    moves: tuple[tuple[int, int, int], ...]

    def until(self, days: int) -> Fate:
        """What becomes of it in the first `days` days."""
        return Fate(
            self.first,
            tuple(step for step in self.steps if step[0] <= days),
            tuple(step for step in self.parcel_steps if step[0] <= days),
            tuple(move for move in self.moves if move[0] <= days),
        )


def _delivered(first: str, confirmed: int, shipped: int, delivered: int, returned: int = 0) -> Fate:
    """Days of 0 mean: not as a step of its own."""
    steps = ((confirmed, "confirmed"), (shipped, "shipped"), (delivered, "delivered"), (returned, "returned"))
    parcel_steps = [(shipped, "shipped"), (delivered, "delivered")]
    if shipped + 1 < delivered:
        parcel_steps.insert(1, (shipped + 1, "in_transit"))
    back = ((returned, 1, 0),) if returned else ()
    return Fate(first, tuple(s for s in steps if s[0]), tuple(parcel_steps), ((shipped, -1, -1), *back))


def _cancelled(first: str, day: int) -> Fate:
    return Fate(first, ((day, "cancelled"),), ((day, "cancelled"),), ((day, 0, -1),))


USUAL, QUICK, SLOW = _delivered("pending", 1, 2, 4), _delivered("confirmed", 0, 1, 3), _delivered("pending", 1, 3, 6)
BACK, EARLY, LATER = _delivered("confirmed", 0, 1, 3, 6), _cancelled("pending", 1), _cancelled("confirmed", 2)
FATES = (
    USUAL, QUICK, USUAL, SLOW, USUAL, QUICK, USUAL, USUAL, EARLY, QUICK,
    USUAL, USUAL, BACK, QUICK, USUAL, SLOW, USUAL, QUICK, LATER, USUAL,
)  # fmt: skip
LAST_STEP = 6
# The draws of an order and of a parcel that are independent are one draw from all their combinations.
CHOICES = DAY_LASTS * len(PAYMENT_METHODS)
CARRIAGES = tuple((f"{carrier},{name}", cost, days) for carrier in CARRIERS for name, cost, days in SERVICES)

Rows = tuple[list[str], list[str]]  # of orders, of shipping


class Line(NamedTuple):
    product: Product
    position: Position
    quantity: int
    cents: int


class Order(NamedTuple):
    """Its steps happen at second `later` of their days; its first rows arrive `arrives` days after it was placed."""

    id: str
    customer_id: str
    ship_to: str
    payment_method: str
    created: str
    later: int
    arrives: int
    fate: Fate


class Counter:
    """Sells as many orders a day as the plan says; numbers of orders and parcels are never used twice."""

    def __init__(self, seed: int, calendar: Calendar, last_day: int, spools: tuple[Spool, Spool]) -> None:
        self._seed = seed
        self._calendar = calendar
        self._last_day = last_day
        self._spools = spools
        self._orders = 0
        self._parcels = 0
        self._late = 0

    def sell(self, day: int, count: int, customers: Customers, shelves: Shelves) -> Iterator[Rows]:
        """Yields the rows of the day's orders and parcels in pieces, those that arrive today. Together with the orders
        that come late from yesterday they are `count` new orders; rows of later days are in the spools."""
        own = count - self._late
        total = own + max(own - 1, 0) // (LATE_EVERY - 1)
        self._late = total - own
        sale = _Sale(stream(self._seed, "orders", day), self._calendar, day, self._last_day - day)
        for serial, second in _times(sale.draw, total):
            # Who came last buys most.
            customer = customers.everyone[customers.known - 1 - int(sale.draw() * sale.draw() * customers.known)]
            order = sale.order(f"ORD{self._orders + serial + 1:08d}", serial, second, customer)
            self._parcels += sale.fill(order, serial, second, shelves.sellable, self._parcels)
            if serial % FLUSH_EVERY == FLUSH_EVERY - 1:
                yield self._flush(sale, day)
        self._orders += total
        yield self._flush(sale, day)

    def pour(self, day: int, orders: FeedFile, shipping: FeedFile) -> None:
        """What earlier days left for this one stands in its files."""
        self._spools[0].pour(day, orders)
        self._spools[1].pour(day, shipping)

    def _flush(self, sale: _Sale, day: int) -> Rows:
        for ahead in range(1, min(LAST_STEP, self._last_day - day) + 1):
            self._spools[0].add(day + ahead, sale.orders[ahead])
            self._spools[1].add(day + ahead, sale.parcels[ahead])
        today = sale.orders[0], sale.parcels[0]
        sale.orders, sale.parcels = _pages(), _pages()
        return today


def _pages() -> list[list[str]]:
    return [[] for _ in range(LAST_STEP + 1)]


def _times(draw: Draw, total: int) -> Iterator[tuple[int, int]]:
    """`total` serial numbers and rising seconds of the day, distributed as `HOURS` says."""
    serial = share = 0
    for hour, weight in enumerate(HOURS):
        share += weight
        count = total * share // 1000 - serial
        for i in range(count):
            yield serial, hour * 3600 + int((i + draw()) * 3600 / count)
            serial += 1


class _Sale:
    """One day of orders. `orders[n]` and `parcels[n]` are rows that arrive n days later."""

    def __init__(self, draw: Draw, calendar: Calendar, day: int, ahead: int) -> None:
        self.draw = draw
        self.orders = _pages()
        self.parcels = _pages()
        self._day = day
        self._dates = [calendar[day + n] for n in range(LAST_STEP + 1)]
        self._generous = (calendar.rhythm(day) - 18) // 4  # of ten orders, so many have one more line
        self._fates = [fate.until(ahead) for fate in FATES]
        self._clock = clock()

    def order(self, order_id: str, serial: int, second: int, customer: Customer) -> Order:
        method, later = divmod(int(self.draw() * CHOICES), DAY_LASTS)
        return Order(
            order_id,
            customer.id,
            customer.ship_to if second >= customer.moved_at else customer.ship_to_before,
            PAYMENT_METHODS[method],
            f"{self._dates[0]} {self._clock[second]}",
            DAY_BEGINS + later,
            1 if serial % LATE_EVERY == LATE_EVERY - 1 else 0,
            self._fates[(serial * 7 + serial // 20 * 3 + self._day) % len(FATES)],
        )

    def fill(self, order: Order, serial: int, second: int, products: list[Product], parcels: int) -> int:
        """Puts things into the order and sends it; returns in how many parcels, numbered after `parcels`."""
        size = min(LINES[serial % len(LINES)] + (serial // 2 % 10 < self._generous), 4)
        lines = self._take(size, second, products, order.fate)
        packages = (lines[:-1], lines[-1:]) if size > 1 and serial % 3 == 0 else (lines,)
        self._write_lines(order, lines)
        for n, package in enumerate(packages, 1):
            self._write_parcel(order, package, parcels + n, order.later - 600 * n)
        return len(packages)

    def _take(self, size: int, second: int, products: list[Product], fate: Fate) -> list[Line]:
        """`size` lines. Their pieces are reserved today and leave, or are let go, when the fate says."""
        draw, day, lines = self.draw, self._day, []
        for _ in range(size):
            product = products[int(draw() * draw() * len(products))]
            price = product.price if second >= product.price_from else product.price_before
            quantity = 1 if price >= DEAR else QUANTITIES[int(draw() * 10)]
            position = product.positions[int(draw() * product.picks)]
            lines.append(Line(product, position, quantity, price * quantity))
            position.moves[day % MOVES_AHEAD][1] += quantity
            for days, stock, reserved in fate.moves:
                move = position.moves[(day + days) % MOVES_AHEAD]
                move[0] += stock * quantity
                move[1] += reserved * quantity
        return lines

    def _write_lines(self, order: Order, lines: list[Line]) -> None:
        order_id, customer_id, ship_to, method, created, later, arrives, fate = order
        rest, pages, dates = f"USD,{method},{ship_to}", self.orders, self._dates
        for n, (product, _, quantity, cents) in enumerate(lines, 1):
            head = f"{order_id},{n},{customer_id},{product.id},{dates[0]},{quantity},{money(cents)},{rest}"
            pages[arrives].append(f"{head},{fate.first},{created},{created}\n")
            for days, status in fate.steps:
                pages[days].append(f"{head},{status},{created},{dates[days]} {self._clock[later + 60 * days]}\n")

    def _write_parcel(self, order: Order, package: list[Line], number: int, later: int) -> None:
        pages, dates, created = self.parcels, self._dates, order.created
        grams = cents = 0
        for product, _, quantity, amount in package:
            grams += product.grams * quantity
            cents += amount
        carriage, cost, expected = CARRIAGES[int(self.draw() * len(CARRIAGES))]
        head = (
            f"SHP{number:08d},{order.id},TRK{700_000_000 + number},{carriage},{package[0].position.warehouse[0]},"
            f"{order.ship_to},{money(cost + grams // 50)},USD,{dates[expected]}"
        )
        tail = f"{kilos(grams)},{package[0].product.size},{money(cents)},{created}"
        pages[order.arrives].append(f"{head},,processing,{tail},{created}\n")
        for days, status in order.fate.parcel_steps:
            delivered = dates[days] if status == "delivered" else ""
            pages[days].append(f"{head},{delivered},{status},{tail},{dates[days]} {self._clock[later]}\n")
