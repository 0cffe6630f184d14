"""The words of the shop. People, brands and streets are invented; mail goes to domains reserved for examples."""

from __future__ import annotations

from dataclasses import dataclass

# As written, and as it stands in a mail address.
FIRST_NAMES = (
    ("Ada", "ada"), ("Björn", "bjorn"), ("Carmen", "carmen"), ("Dmitri", "dmitri"), ("Élodie", "elodie"),
    ("Fatima", "fatima"), ("George", "george"), ("Hanna", "hanna"), ("Ivo", "ivo"), ("Jasmin", "jasmin"),
    ("Kenji", "kenji"), ("Lucía", "lucia"), ("Magnus", "magnus"), ("Nora", "nora"), ("Owen", "owen"),
    ("Priya", "priya"), ("Quentin", "quentin"), ("Rosa", "rosa"), ("Stanisław", "stanislaw"), ("Tessa", "tessa"),
    ("Umar", "umar"), ("Vera", "vera"), ("Wendell", "wendell"), ("Ximena", "ximena"), ("Yusuf", "yusuf"),
    ("Zoë", "zoe"),
)  # fmt: skip
LAST_NAMES = (
    ("Applewhite", "applewhite"), ("Brightwater", "brightwater"), ("Casteljo", "casteljo"), ("Dunmore", "dunmore"),
    ("Eichwald", "eichwald"), ("Fairbrook", "fairbrook"), ("Grünfeld", "grunfeld"), ("Holloway", "holloway"),
    ("Ingersund", "ingersund"), ("Jurawski", "jurawski"), ("Kestrel", "kestrel"), ("Lindqvist", "lindqvist"),
    ("Montrésor", "montresor"), ("Nightingale", "nightingale"), ("O'Dell", "odell"), ("Pemberly", "pemberly"),
    ("Quillfeather", "quillfeather"), ("Rosenthorn", "rosenthorn"), ("Silvera", "silvera"),
    ("Thistlewood", "thistlewood"), ("Underhill", "underhill"), ("Vandermeer", "vandermeer"),
    ("Winterbourne", "winterbourne"), ("Yarrow", "yarrow"),
)  # fmt: skip
MAIL_DOMAINS = ("example.com", "example.org", "example.net")
TIERS = ("bronze", "silver", "gold", "premium")


@dataclass(frozen=True)
class Place:
    """A city customers live in; `zip_code` takes a number of up to two digits."""

    city: str
    state: str
    zip_code: str
    country: str
    dial: str
    streets: tuple[str, ...]


_STREETS = ("Maple Street", "Harbour Road", "Station Road", "Lantern Lane", "Orchard Avenue", "Mill Hill")
_STRASSEN = ("Lindenstraße", "Am Mühlbach", "Gartenweg", "Brückenstraße", "Sonnenallee")
_RUES = ("rue des Lilas", "avenue du Moulin", "rue de la Fontaine", "quai des Brumes")
_CALLES = ("Calle del Olivo", "Calle de la Luna", "Paseo del Faro", "Calle Ancha")

PLACES = (
    Place("New York", "NY", "100{:02d}", "USA", "", _STREETS),
    Place("Los Angeles", "CA", "900{:02d}", "USA", "", _STREETS),
    Place("Chicago", "IL", "606{:02d}", "USA", "", _STREETS),
    Place("Boston", "MA", "021{:02d}", "USA", "", _STREETS),
    Place("Austin", "TX", "787{:02d}", "USA", "", _STREETS),
    Place("Denver", "CO", "802{:02d}", "USA", "", _STREETS),
    Place("Toronto", "ON", "M5V {:02d}A", "Canada", "+1 ", _STREETS),
    Place("Vancouver", "BC", "V6B {:02d}C", "Canada", "+1 ", _STREETS),
    Place("Leeds", "West Yorkshire", "LS{} 4AB", "United Kingdom", "+44 ", _STREETS),
    Place("Bristol", "Bristol", "BS{} 1QT", "United Kingdom", "+44 ", _STREETS),
    Place("Hamburg", "HH", "203{:02d}", "Germany", "+49 ", _STRASSEN),
    Place("München", "BY", "803{:02d}", "Germany", "+49 ", _STRASSEN),
    Place("Lyon", "ARA", "690{:02d}", "France", "+33 ", _RUES),
    Place("Nantes", "PDL", "440{:02d}", "France", "+33 ", _RUES),
    Place("Sevilla", "SE", "410{:02d}", "Spain", "+34 ", _CALLES),
    Place("Bilbao", "BI", "480{:02d}", "Spain", "+34 ", _CALLES),
)

WAREHOUSES = (
    ("WH001", "New York Warehouse"),
    ("WH002", "Los Angeles Warehouse"),
    ("WH003", "Chicago Warehouse"),
    ("WH004", "Rotterdam Warehouse"),
    ("WH005", "Leeds Warehouse"),
    ("WH006", "Toronto Warehouse"),
)


@dataclass(frozen=True)
class Kind:
    """A kind of product; prices in cents and weights in grams are drawn between the bounds."""

    category: str
    subcategory: str
    nouns: tuple[str, ...]
    price: tuple[int, int]
    grams: tuple[int, int]
    size: tuple[int, int]


KINDS = (
    Kind("Electronics", "Audio", ("Headphones", "Speaker", "Soundbar"), (2900, 39900), (150, 4000), (8, 60)),
    Kind("Clothing", "Apparel", ("T-Shirt", "Rain Jacket", "Wool Sweater"), (1500, 18900), (120, 1200), (5, 40)),
    Kind("Home & Garden", "Kitchen", ("Kettle", "Chef Knife", "Skillet"), (1200, 15900), (200, 3500), (6, 45)),
    Kind("Sports & Fitness", "Exercise", ("Yoga Mat", "Kettlebell", "Jump Rope"), (900, 9900), (200, 16000), (5, 70)),
    Kind("Electronics", "Wearables", ("Fitness Watch", "Sleep Tracker"), (4900, 49900), (40, 150), (3, 10)),
    Kind("Furniture", "Seating", ("Office Chair", "Bar Stool"), (7900, 89900), (4000, 24000), (40, 120)),
    Kind("Books & Stationery", "Paper", ("Notebook", "Sketchbook", "Planner"), (500, 3900), (100, 900), (2, 30)),
    Kind("Home & Garden", "Lighting", ("Desk Lamp", "Floor Lamp", "Lantern"), (1900, 22900), (300, 6000), (10, 90)),
    Kind("Electronics", "Computer", ("Keyboard", "Monitor", "Laptop"), (2500, 119900), (300, 7000), (10, 70)),
    Kind("Toys & Games", "Board Games", ("Strategy Game", "Puzzle", "Card Game"), (700, 7900), (150, 2500), (5, 40)),
)
BRANDS = ("SoundMax", "FitTech", "EcoWear", "Northlight", "Brassica", "Kumulus", "Tidewell", "Oakenby", "Pixelforge")
ADJECTIVES = ("Classic", "Compact", "Everyday", "Featherlight", "Organic", "Premium", "Rugged", "Silent", "Smart")
COLORS = ("Black", "Silver", "Blue", "Forest Green", "White", "Brick Red")
MATERIALS = ("Aluminum", "Cotton", "Oak", "Plastic", "Steel", "Recycled PET")

PAYMENT_METHODS = (
    "credit_card", "credit_card", "credit_card", "credit_card", "debit_card", "debit_card",
    "paypal", "paypal", "apple_pay", "google_pay", "bank_transfer",
)  # fmt: skip
CARRIERS = ("FedEx", "UPS", "DHL", "USPS")
# name, cost in cents of an empty parcel, days until it is expected
SERVICES = (("Standard", 599, 5), ("Ground", 799, 6), ("Priority", 1199, 4), ("Express", 1899, 3))
