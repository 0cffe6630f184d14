"""Contracts and models of a project that do not fit each other are refused before anything runs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from cartlake.core.model import Model
from cartlake.errors import ContractError, ModelError
from cartlake.project import load_contracts, load_models

QUANTITY = "{name: quantity, logicalType: integer"
CITY = "{name: city, logicalType: string"
STATE = "{name: state, logicalType: string"
PIECES = "{name: quantity, logicalType: number"
TWIN = """\
kind: view
description: Order lines
grain: one row per order line
key: [order_id]
columns:
  order_id: string
  shown: {type}
cases: [{{name: nothing, given: {{}}, expect: []}}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "models").mkdir()
    return tmp_path


def change(project: Path, feed: str, before: str, after: str) -> None:
    text = files("cartlake").joinpath(f"contracts/{feed}.yaml").read_text("utf-8")
    assert before in text
    (project / "contracts" / f"{feed}.yaml").write_text(text.replace(before, after))


def add_view(project: Path, sql: str, shown: str = "string") -> None:
    (project / "models" / "lines.sql").write_text(sql)
    (project / "models" / "lines.yml").write_text(TWIN.format(type=shown))


def models(project: Path) -> tuple[Model, ...]:
    return load_models(project, load_contracts(project))


@pytest.mark.parametrize(
    ("feed", "before", "after", "column", "own"),
    [
        ("orders", QUANTITY, f"{PIECES}, physicalType: 'decimal(12,3)'", "orders.quantity", "bigint"),
        ("orders", "decimal(18,2)", "decimal(18,4)", "orders.order_amount", "decimal(18,2)"),
        ("customers", STATE, STATE.replace("string", "date"), "customers.state", "string"),
    ],
)
def test_a_column_that_a_model_shows_in_a_type_without_room_is_refused(
    project: Path, feed: str, before: str, after: str, column: str, own: str
) -> None:
    change(project, feed, before, after)
    with pytest.raises(ModelError) as refused:
        models(project)
    assert (refused.value.code, refused.value.file) == ("type_too_narrow", "enriched_orders.sql")
    assert f"is {own} and shows {column}, which is " in refused.value.message
    assert f"Declare {column} as {own}" in str(refused.value.hint)


def test_a_column_that_a_model_shows_in_a_wider_type_is_taken(project: Path) -> None:
    change(project, "orders", 'physicalType: "decimal(18,2)"', 'physicalType: "decimal(10,1)"')
    add_view(project, "SELECT order_id, quantity AS shown FROM orders", "decimal(20,2)")
    assert "lines" in {model.name for model in models(project)}
    add_view(project, "SELECT order_id, quantity AS shown FROM orders", "decimal(19,2)")
    with pytest.raises(ModelError, match=r"lines.shown is decimal\(19,2\)"):
        models(project)


def test_a_column_that_a_model_reads_and_the_contract_lacks_is_named_with_its_place(project: Path) -> None:
    change(project, "customers", CITY, CITY.replace("city", "town"))
    with pytest.raises(ModelError) as refused:
        models(project)
    error = refused.value
    assert (error.code, error.file) == ("column_unknown", "enriched_orders.sql")
    assert error.message.startswith("`city` is in nothing that the query reads: customers")
    sql = files("cartlake").joinpath("models/enriched_orders.sql").read_text("utf-8").splitlines()
    assert error.line is not None
    assert "city" in sql[error.line - 1]
    assert "sourceNames" in str(error.hint)


def test_a_misspelt_column_of_a_models_own_is_told_with_the_right_name(project: Path) -> None:
    add_view(project, "SELECT order_id,\n  o.order_stauts AS shown FROM orders o")
    with pytest.raises(ModelError) as refused:
        models(project)
    assert (refused.value.file, refused.value.line) == ("models/lines.sql", 2)
    assert "`order_status`" in str(refused.value.hint)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH o AS (SELECT order_id FROM orders) SELECT o.order_id,\n o.order_status AS shown FROM o",
        "SELECT o.order_id,\n order_status AS shown FROM orders o JOIN orders other ON o.order_id = other.order_id",
    ],
)
def test_a_column_that_a_step_left_out_or_that_two_relations_have_is_not_called_unknown(
    project: Path, sql: str
) -> None:
    add_view(project, sql)
    with pytest.raises(ModelError, match="`order_status` is read where nothing has it, or where several") as refused:
        models(project)
    assert (refused.value.file, refused.value.line) == ("models/lines.sql", 2)


def change_rule(project: Path, feed: str, rule: str) -> None:
    entry = f"      - {{type: custom, engine: cartlake, implementation: {{{rule}}}}}\n"
    change(project, feed, "    quality:\n", "    quality:\n" + entry)


@pytest.mark.parametrize(
    ("rule", "said", "hint"),
    [
        ("name: order_without_custmer, action: hold", "there is no cross-table rule", "`order_without_customer`"),
        ("name: quarantine_share, threshold: 0.25", "it has no threshold here", "`business`"),
        ("name: snapshot_deletes_many, threshold: 0.25", "it has no threshold here", "of a snapshot"),
        ("name: untracked_change, action: hold", "once the batch is through the gate", "severity"),
        ("name: emptied_columns, severity: high", "orders.yaml changes it too", "in each contract"),
    ],
)
def test_a_change_of_a_rule_that_would_change_nothing_is_refused(
    project: Path, rule: str, said: str, hint: str
) -> None:
    change_rule(project, "orders", "name: emptied_columns, action: hold")
    change_rule(project, "products", rule)
    with pytest.raises(ContractError, match=said) as refused:
        models(project)
    assert (refused.value.file, hint in str(refused.value.hint)) == ("contracts/products.yaml", True)
    text = (project / "contracts" / "products.yaml").read_text().splitlines()
    assert rule in text[(refused.value.line or 0) - 1]


def test_every_rule_that_results_can_have_may_be_changed(project: Path) -> None:
    for feed, rule in zip(
        ("orders", "products", "customers"), ("late_event", "snapshot_not_whole", "recycled_id"), strict=True
    ):
        change_rule(project, feed, f"name: {rule}, action: hold")
    change_rule(project, "inventory", "name: snapshot_deletes_many, threshold: 0.5")
    sequence = "{property: sequenceBy, value: [updated_timestamp, created_timestamp]}"
    change(project, "inventory", sequence, "{property: delivery, value: snapshot}")
    assert models(project)


def test_columns_that_files_may_still_bring_are_not_asked_for(project: Path) -> None:
    add_view(project, "SELECT order_id, gift_note AS shown FROM orders")
    with pytest.raises(ModelError, match="gift_note"):
        models(project)
    evolve = "customProperties:\n  - {property: evolve, value: add}\n"
    change(project, "orders", "customProperties:\n", evolve)
    assert "lines" in {model.name for model in models(project)}
