"""`evolve: add`: columns that files bring beyond the contract are columns of the history, whenever they come."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from deltalake import DeltaTable

from cartlake import failpoints
from cartlake.core.evolution import MOST_ADDED, listed, names_in
from cartlake.errors import ContractError
from tests.pipeline.shop import Rows, Shop, csv_text, customer

EVOLVES = ("sequenceBy, value:", "evolve, value: add}\n  - {property: sequenceBy, value:")


def evolving(folder: Path) -> Shop:
    shop = Shop(folder)
    shop.change_contract("customers", EVOLVES)
    return shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return evolving(tmp_path / "shop")


def at(hour: int, **cells: object) -> dict[str, object]:
    return customer("C-1", created_timestamp=f"2025-03-01 {hour:02}:00:00", **cells)


WEEK: Sequence[Rows] = (
    [at(8)],
    [at(10, loyalty_club="silver"), customer("C-2", created_timestamp="2025-03-01 09:00:00")],
    [at(12, loyalty_club="silver", **{"Favourite Colour": "blue"})],
    [at(14, **{"favourite-colour": "red"})],
    [at(10, loyalty_club="gold", city="Springfield")],  # a tie with the second
)
SHOWN = "SELECT customer_id, valid_from, valid_to, city, favourite_colour, loyalty_club FROM customers ORDER BY ALL"


def deliver(shop: Shop, numbers: Sequence[int], *, one_by_one: bool) -> None:
    for number in numbers:
        shop.deliver(f"b{number}", "2025-03-01", customers=WEEK[number])
        if one_by_one:
            shop.run()
    shop.run()


def states(shop: Shop) -> list[tuple[object, ...]]:
    return [row[4:] for row in shop.rows(SHOWN)]


def test_a_column_that_the_contract_lacks_is_a_column_of_the_history_and_a_change_in_it_a_version(shop: Shop) -> None:
    deliver(shop, [0], one_by_one=True)
    assert "loyalty_club" not in shop.lake.query("SELECT * FROM customers")[0]
    deliver(shop, [1, 2], one_by_one=True)
    assert states(shop) == [(None, None), (None, "silver"), ("blue", "silver"), (None, None)]
    assert shop.rows("SELECT rescued_columns FROM files WHERE file_name LIKE '%b2%'") == [
        ("loyalty_club,Favourite Colour",)
    ]
    stored = [field.name for field in DeltaTable(str(shop.project / "lake" / "customers")).schema().fields]
    assert {"loyalty_club", "favourite_colour"} <= set(stored)
    changed = [version.changed for version in shop.lake.history("customers", ["C-1"])]
    assert changed == [(), ("loyalty_club",), ("favourite_colour",)]


def test_a_name_that_stands_in_two_lines_of_its_cell_is_a_column_with_its_values(shop: Shop) -> None:
    """Spreadsheets write headers so."""
    shop.deliver("b1", customers=[at(8, **{"Favourite\nColour": "blue"})])
    shop.run()
    assert shop.one("SELECT favourite_colour FROM customers") == "blue"


def test_of_several_spellings_the_first_with_a_value_counts_trimmed_and_blanks_are_none(shop: Shop) -> None:
    spelt = [("  ", " silver "), (" gold ", "silver"), ("", " ")]
    cells = ({"Loyalty Club": one, "loyalty-club": other} for one, other in spelt)
    shop.deliver("b1", customers=[customer(f"C-{number}", **each) for number, each in enumerate(cells)])
    shop.run()
    assert shop.rows("SELECT loyalty_club FROM customers ORDER BY customer_id") == [("silver",), ("gold",), (None,)]


def test_readers_of_an_earlier_publication_see_the_columns_of_then(shop: Shop) -> None:
    deliver(shop, [0, 1], one_by_one=True)
    assert "loyalty_club" in shop.lake.query("SELECT * FROM customers")[0]
    assert "loyalty_club" not in shop.lake.query("SELECT * FROM customers", "b0")[0]
    [changed] = [row for row in shop.lake.changes("customers", since="b0").rows if row["customer_id"] == "C-2"]
    assert (changed["_change_type"], changed["loyalty_club"]) == ("insert", None)


@pytest.mark.parametrize(
    "order",
    [(2, 4, 0, 3, 1), *(pytest.param(each, marks=pytest.mark.slow) for each in [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0)])],
)
def test_the_tables_are_the_same_whenever_the_columns_come(tmp_path: Path, shop: Shop, order: Sequence[int]) -> None:
    deliver(shop, range(5), one_by_one=False)
    other = evolving(tmp_path / "other")
    deliver(other, order, one_by_one=True)
    tables = shop.production()
    assert other.production() == tables
    assert other.rows(SHOWN) == shop.rows(SHOWN)
    for again in (other.lake.rebuild, lambda: other.lake.rebuild(from_archive=True), other.lake.maintain):
        again()
        assert other.production() == tables
    assert other.lake.verify().findings == ()
    other.lake.close()


def test_an_event_without_the_column_wins_or_loses_a_tie_as_it_did_before_there_was_one(tmp_path: Path) -> None:
    tie = [customer(city="Peoria"), customer(city="Joliet"), customer(city="Aurora")]
    stand = []
    later: Mapping[str, object]
    for name, later in (("plain", {}), ("wider", {"loyalty_club": "gold"})):
        shop = evolving(tmp_path / name)
        shop.deliver("b1", customers=tie)
        shop.deliver("b2", "2025-03-02", customers=[customer("C-2", **later)])
        shop.run()
        shop.lake.rebuild()
        stand.append(shop.rows("SELECT city FROM customers WHERE customer_id = 'C-1'"))
        shop.lake.close()
    assert stand[0] == stand[1]


def test_a_column_of_a_batch_that_is_taken_out_is_gone_with_it(shop: Shop) -> None:
    deliver(shop, [0], one_by_one=True)
    before = shop.production()
    deliver(shop, [1], one_by_one=True)
    shop.lake.reject("b1", "the wrong export")
    assert shop.production() == before
    deliver(shop, [3], one_by_one=True)
    assert [row[4] for row in shop.rows(SHOWN.replace("loyalty_club", "city"))] == [None, "red"]


def test_names_that_are_no_plain_names_or_ours_are_kept_aside_only(shop: Shop) -> None:
    odd = ["is_current", "_batch_id", "VALID_TO", 'a"; DROP TABLE x', "größe", "x" * 61, "a,b", "1st", "note"]
    shop.deliver("b1", customers=csv_text([customer(**dict.fromkeys(odd, "kept"))]))
    shop.run()
    columns, [row] = shop.lake.query("SELECT * FROM customers")
    assert row["note"] == "kept"
    assert [name for name in columns if row[name] == "kept"] == ["note"]
    assert shop.one("SELECT cardinality(_rescued) FROM customer_stage") == len(odd)


def test_a_feed_takes_up_a_hundred_columns_and_refuses_the_file_that_brings_more(shop: Shop) -> None:
    wide = {f"c{number}": "x" for number in range(MOST_ADDED)}
    shop.deliver("b1", customers=[customer(**wide)])
    shop.deliver("b2", "2025-03-02", customers=[customer("C-2", one_more="x")])
    shop.deliver("b3", "2025-03-03", customers=[customer("C-3", c7="y")])
    shop.run()
    assert shop.statuses() == {"b1": "published", "b2": "failed", "b3": "published"}
    assert [row["reasons"] for row in shop.lake.quarantine()] == [["columns_too_many"]]
    assert shop.one("SELECT c7 FROM customers WHERE customer_id = 'C-3'") == "y"


def test_the_rule_that_columns_are_added_needs_a_rebuild_once_the_feed_is_in_production(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    deliver(shop, [0, 1], one_by_one=True)
    assert "loyalty_club" not in shop.lake.query("SELECT * FROM customers")[0]
    shop.change_contract("customers", EVOLVES)
    with pytest.raises(ContractError, match="evolve: rescue -> add") as caught:
        shop.run()
    assert "`cartlake rebuild`" in str(caught.value.hint)
    shop.lake.rebuild()
    assert shop.rows("SELECT loyalty_club FROM customers ORDER BY 1 NULLS FIRST") == [(None,), (None,), ("silver",)]
    deliver(shop, [2], one_by_one=True)
    assert "favourite_colour" in shop.lake.query("SELECT * FROM customers")[0]


def test_a_run_that_dies_between_the_new_column_and_its_rows_is_finished_by_the_next(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(shop, [0], one_by_one=True)
    before = shop.production()
    reached = itertools.count(1)

    def die(place: str) -> None:
        if place == "customers: committed" and next(reached) == 1:
            raise KeyboardInterrupt

    shop.deliver("b2", "2025-03-01", customers=WEEK[2])
    with monkeypatch.context() as patched:
        patched.setattr(failpoints, "on_reach", die)
        with pytest.raises(KeyboardInterrupt):
            shop.run()
    shop.lake.close()
    stored = [field.name for field in DeltaTable(str(shop.project / "lake" / "customers")).schema().fields]
    assert "favourite_colour" in stored
    assert shop.production() == before
    shop.run()
    quiet = evolving(tmp_path / "quiet")
    deliver(quiet, [0, 2], one_by_one=False)
    assert shop.production() == quiet.production()
    quiet.lake.close()


def test_names_stand_in_one_text_and_come_out_as_they_were() -> None:
    for names in (["coupon"], ["a,b", 'say "x"', "plain"], [" padded "], ["two\nlines", "two\r\nmore", "one"], []):
        assert names_in(listed(names)) == names
    assert listed(["gift", "note"]) == "gift,note"
