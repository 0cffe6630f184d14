"""The life of the catalogue, day by day: prices move, products come and go, stock is booked at the close."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cartlake.generate.catalogue import Maker, Position, Product
from cartlake.generate.draw import SECONDS, Calendar, Draw, below, distinct, portion, stream

LAUNCHES, PHASE_OUTS = 4, 2  # per mille of the catalogue and day
# A product is no longer sold for so many days before it is called discontinued: every order of it is done by then.
PHASE_OUT_DAYS = 8
BESTSELLERS = 10
CLOSE = SECONDS - 1
LAST_CHANGE = 23 * 3600

Rows = tuple[list[str], list[str]]  # of products, of inventory


class Shelves:
    """`sellable` are the products that can be ordered today, the most popular first; what is new comes right after the
    bestsellers. At the close of each day a product's stock is the sum
    of its positions, and both rows carry the same time."""

    def __init__(self, seed: int, count: int, orders_per_day: int, calendar: Calendar) -> None:
        self._seed = seed
        self._count = count
        self._calendar = calendar
        self._maker = Maker(calendar, orders_per_day // count)
        self._repriced: list[Product] = []
        self._launched: list[Product] = []
        self._products: list[Product] = []
        self._discontinued_on: dict[int, list[Product]] = defaultdict(list)
        self._withdrawn_on: dict[int, list[Product]] = defaultdict(list)
        self._closed_on: dict[int, list[tuple[Product, Position]]] = defaultdict(list)
        self.sellable: list[Product] = []

    def open(self) -> Iterator[Rows]:
        """The rows of every product and position there is before the first day, product by product."""
        draw = stream(self._seed, "products")
        for number in range(self._count):
            launched = -2 - below(draw, 900)
            product = self._maker.make(draw, launched, self._calendar.at(launched, below(draw, SECONDS)), -1)
            self._products.append(product)
            self._destine(number, product)
            updated = self._calendar.at(-1, 64_800 + below(draw, 18_000))
            yield [product.row(updated)], [position.row(updated) for position in product.positions]

    def _destine(self, number: int, product: Product) -> None:
        """Some of the first products leave soon, so that short stories have endings too."""
        if number % 50 == 49:
            product.discontinued = True
            self._withdrawn_on[2 + number // 50 % 40].append(product)
        elif number % 25 == 7:
            self._discontinued_on[1 + number // 25 % 40].append(product)
        else:
            self.sellable.append(product)
        if number % 5 == 2 and len(product.positions) == 3:
            product.picks = 2
            self._closed_on[1 + number // 5 % 28].append((product, product.positions[2]))

    def morning(self, day: int) -> Rows:
        """The day's news of the catalogue: before orders are taken, but spread over the day."""
        draw = stream(self._seed, "products", day)
        for product in self._repriced:
            product.price_from = 0
        for product in self._launched:
            self.sellable.insert(min(BESTSELLERS, len(self.sellable)), product)
        self._phase_out(draw, day)
        self._repriced = self._reprice(draw, day)
        rows = [product.row(self._calendar.at(day, product.price_from)) for product in self._repriced]
        rows += self._discontinue(draw, day)
        withdrawn = self._withdraw(draw, day)
        launched = self._launch(draw, day)
        return rows + withdrawn[0] + launched[0], withdrawn[1] + launched[1]

    def _phase_out(self, draw: Draw, day: int) -> None:
        """The bestsellers stay."""
        count = portion(draw, len(self.sellable), PHASE_OUTS)
        for number in sorted(distinct(draw, max(len(self.sellable) - BESTSELLERS, 0), count), reverse=True):
            self._discontinued_on[day + PHASE_OUT_DAYS].append(self.sellable.pop(BESTSELLERS + number))

    def _reprice(self, draw: Draw, day: int) -> list[Product]:
        count = portion(draw, len(self.sellable), self._calendar.rhythm(day))
        chosen = [self.sellable[number] for number in distinct(draw, len(self.sellable), count)]
        for product in chosen:
            product.reprice(draw, 1 + below(draw, LAST_CHANGE))
        return chosen

    def _discontinue(self, draw: Draw, day: int) -> list[str]:
        leaving = self._discontinued_on.pop(day, [])
        for product in leaving:
            product.discontinued = True
        return [product.row(self._calendar.at(day, below(draw, LAST_CHANGE))) for product in leaving]

    def _withdraw(self, draw: Draw, day: int) -> Rows:
        """Products discontinued before the first day are deleted, and their positions with them."""
        gone = self._withdrawn_on.pop(day, [])
        updated = self._calendar.at(day, below(draw, LAST_CHANGE))
        positions = [position.deletion(updated) for product in gone for position in product.positions]
        for product in gone:
            self._products.remove(product)
        return [product.deletion(updated) for product in gone], positions

    def _launch(self, draw: Draw, day: int) -> Rows:
        """New products, on sale from tomorrow."""
        rows: Rows = ([], [])
        self._launched = []
        for _ in range(portion(draw, self._count, LAUNCHES)):
            created = self._calendar.at(day, below(draw, LAST_CHANGE))
            product = self._maker.make(draw, day, created, day)
            self._launched.append(product)
            rows[0].append(product.row(created))
            rows[1].extend(position.row(created) for position in product.positions)
        self._products += self._launched
        return rows

    def evening(self, day: int) -> Rows:
        """Stock after the day's orders, departures, returns, restocks, audits and closed positions."""
        draw = stream(self._seed, "stock", day)
        today, updated = self._calendar[day], self._calendar.at(day, CLOSE)
        audited = (self._calendar.rhythm(day) - 15) / 250
        rows: Rows = ([], [])
        moved = self._consolidate(day, updated, rows)
        for product in self._products:
            stock_changed = False
            for position in product.positions:
                stock, anything = position.settle(day, draw, today)
                stock_changed |= stock
                if draw() < audited:
                    position.audited = today
                    anything = True
                if anything or position.id in moved:
                    rows[1].append(position.row(updated))
            if stock_changed:
                rows[0].append(product.row(updated))
        return rows

    def _consolidate(self, day: int, updated: str, rows: Rows) -> set[str]:
        """Closing positions give their stock to the product's first one and are deleted; ids of those that took it."""
        closing = self._closed_on.pop(day, [])
        for product, position in closing:
            product.positions[0].stock += position.stock
            position.stock = 0
            product.positions.remove(position)
            rows[1].append(position.row(self._calendar.at(day, CLOSE - 1)))
            rows[1].append(position.deletion(updated))
        return {product.positions[0].id for product, _ in closing}
