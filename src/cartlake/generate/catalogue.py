"""What the shop sells and where it lies: products, their prices, and the stock of each in its warehouses."""

from __future__ import annotations

from dataclasses import dataclass, field

from cartlake.generate.draw import Calendar, Draw, below, kilos, money, pick
from cartlake.generate.vocabulary import ADJECTIVES, BRANDS, COLORS, KINDS, MATERIALS, WAREHOUSES

# Movements are booked on days up to this many ahead: longer than any order is under way.
MOVES_AHEAD = 8
PRICE_BOUNDS = (250, 120_000)


@dataclass(slots=True)
class Position:
    """The stock of one product in one warehouse. `moves[day % MOVES_AHEAD]`: the day's change of [stock, reserved]."""

    id: str
    product_id: str
    warehouse: tuple[str, str]
    location: str
    stock: int
    reorder: int
    restocked: str
    audited: str
    created: str
    reserved: int = 0
    moves: list[list[int]] = field(default_factory=lambda: [[0, 0] for _ in range(MOVES_AHEAD)])

    def row(self, updated: str) -> str:
        return (
            f"{self.id},{self.product_id},{self.warehouse[0]},{self.warehouse[1]},{self.location},{self.stock},"
            f"{self.reserved},{self.stock - self.reserved},{self.reorder},{self.restocked},{self.audited},"
            f"{self.created},{updated},\n"
        )

    def deletion(self, updated: str) -> str:
        return f"{self.id},{self.product_id},{self.warehouse[0]},,,,,,,,,{self.created},{updated},D\n"

    def settle(self, day: int, draw: Draw, today: str) -> tuple[bool, bool]:
        """Books the day's movements and perhaps a restock; returns whether stock changed and whether anything did.
        Afterwards 0 <= reserved <= stock."""
        move = self.moves[day % MOVES_AHEAD]
        stock, reserved = move
        move[0] = move[1] = 0
        before = self.stock
        self.stock += stock
        self.reserved += reserved
        available = self.stock - self.reserved
        if available < 0 or (available <= self.reorder and (stock or reserved) and draw() < 0.4):
            self.stock += max(-available, 0) + self.reorder * 3 + 20 + below(draw, 40)
            self.restocked = today
        return self.stock != before, bool(self.stock != before or reserved)


@dataclass(slots=True)
class Product:
    """Prices in cents; until the second `price_from` of today the price was `price_before`. Orders take from the first
    `picks` positions: the others are about to be closed."""

    id: str
    name: str
    category: str
    subcategory: str
    brand: str
    price: int
    grams: int
    size: str
    color: str
    material: str
    launched: str
    created: str
    positions: list[Position]
    picks: int
    price_before: int = 0
    price_from: int = 0
    discontinued: bool = False

    @property
    def stock(self) -> int:
        return sum(position.stock for position in self.positions)

    def row(self, updated: str) -> str:
        return (
            f"{self.id},{self.name},{self.category},{self.subcategory},{self.brand},{money(self.price)},USD,{self.stock},"
            f'{kilos(self.grams)},{self.size},{self.color},{self.material},"{self.name}, '
            f'{self.color.lower()}",{self.launched},{str(self.discontinued).lower()},{self.created},{updated},\n'
        )

    def deletion(self, updated: str) -> str:
        return f"{self.id}{',' * 15}{self.created},{updated},D\n"

    def reprice(self, draw: Draw, second: int) -> None:
        """A price 15 % lower to 15 % higher, ending in 99 cents, never the same."""
        price = self.price * (850 + below(draw, 301)) // 1000 // 100 * 100 + 99
        price = min(max(price, PRICE_BOUNDS[0]), PRICE_BOUNDS[1])
        if price == self.price:
            price += 100 if price < PRICE_BOUNDS[1] // 2 else -100
        self.price_before, self.price, self.price_from = self.price, price, second


class Maker:
    """Makes products and their positions with new numbers; `demand` is the pieces a position sells on a day."""

    def __init__(self, calendar: Calendar, demand: int) -> None:
        self._calendar = calendar
        self._demand = demand
        self._products = 0
        self._positions = 0

    def make(self, draw: Draw, launched: int, created: str, since: int) -> Product:
        """A product launched on day `launched`; its stock was put in on day `since`."""
        number, self._products = self._products, self._products + 1
        kind = KINDS[number % len(KINDS)]
        brand = pick(draw, BRANDS)
        identity = f"P{number + 1:05d}"
        places = 1 + number % 3
        first_house = below(draw, len(WAREHOUSES))
        price = kind.price[0] + below(draw, kind.price[1] - kind.price[0])
        return Product(
            id=identity,
            name=f"{brand} {pick(draw, ADJECTIVES)} {pick(draw, kind.nouns)}",
            category=kind.category,
            subcategory=kind.subcategory,
            brand=brand,
            price=price // 100 * 100 + pick(draw, (0, 49, 95, 99)),
            grams=kind.grams[0] + below(draw, kind.grams[1] - kind.grams[0]),
            size="x".join(str(kind.size[0] + below(draw, kind.size[1] - kind.size[0])) for _ in range(3)),
            color=pick(draw, COLORS),
            material=pick(draw, MATERIALS),
            launched=self._calendar[launched],
            created=created,
            positions=[self._position(draw, identity, first_house + i, created, since) for i in range(places)],
            picks=places,
        )

    def _position(self, draw: Draw, product_id: str, house: int, created: str, since: int) -> Position:
        self._positions += 1
        return Position(
            id=f"INV{self._positions:06d}",
            product_id=product_id,
            warehouse=WAREHOUSES[house % len(WAREHOUSES)],
            location=f"{pick(draw, 'ABCDEF')}{1 + below(draw, 9)}-{1 + below(draw, 40):02d}",
            stock=20 + below(draw, 60 + 30 * self._demand),
            reorder=10 + 2 * self._demand,
            restocked=self._calendar[since - below(draw, 30)],
            audited=self._calendar[since - below(draw, 100)],
            created=created,
        )
