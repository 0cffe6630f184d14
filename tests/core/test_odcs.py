"""Contracts are read whole or refused with the place, the reason and the way out."""

from __future__ import annotations

import copy
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.core.stagedb import FEEDS, contract, contract_text

from cartlake.core.contract import Contract, CrossRule, Field, Relationship, ServiceLevel
from cartlake.core.odcs import parse_contract
from cartlake.core.yamltext import Node, load
from cartlake.errors import ContractError, ModelError

DOCUMENT = Path(__file__).parents[2] / "docs" / "contracts.md"
ORDERS = contract_text("orders")

RETURNS = """\
apiVersion: v3.1.0
kind: DataContract
id: returns
name: returns
version: "1.0"
status: active
customProperties:
  - {property: sequenceBy, value: returned_at}
schema:
  - name: returns
    properties:
      - {name: return_id, logicalType: string, primaryKey: true}
      - {name: order_id, logicalType: string, relationships: [{to: orders.order_id}]}
      - {name: refund, logicalType: number, physicalType: "decimal(18,2)"}
      - {name: reason, logicalType: string, customProperties: [{property: canonical, value: token}]}
      - {name: returned_at, logicalType: timestamp}
    quality:
      - type: custom
        engine: cartlake
        implementation:
          name: reason_unknown
          criticality: warn
          filter: refund > 0
          check: {function: is_one_of, arguments: {column: reason, values: [too_small, broken]}}
"""


BY = "sequenceBy, value: returned_at}"


def returns(old: str = "", new: str = "") -> Contract:
    """The contract above with its one occurrence of `old` replaced."""
    assert not old or RETURNS.count(old) == 1
    return parse_contract(RETURNS.replace(old, new) if old else RETURNS, "returns.yaml")


@pytest.mark.parametrize(
    ("feed", "key", "folder", "stage_table", "task", "required"),
    [
        (
            "orders",
            ("order_id", "order_line"),
            "orders_data",
            "orders_stage",
            "orders_stage_load",
            {"order_id", "order_line", "customer_id", "order_amount"},
        ),
        (
            "customers",
            ("customer_id",),
            "customer_data",
            "customer_stage",
            "customer_stage_load",
            {"customer_id", "email", "phone"},
        ),
        (
            "products",
            ("product_id",),
            "products_data",
            "products_stage",
            "products_stage_load",
            {"product_id", "price"},
        ),
        (
            "inventory",
            ("product_id", "warehouse_id"),
            "inventory_data",
            "inventory_stage",
            "inventory_stage_load",
            {"product_id", "warehouse_id", "stock_quantity"},
        ),
        (
            "shipping",
            ("shipping_id", "order_id"),
            "shipping_data",
            "shipping_stage",
            "shipping_stage_load",
            {"shipping_id", "order_id", "shipping_cost"},
        ),
    ],
)
def test_the_bundled_contracts_name_the_missions_folders_tables_and_tasks(
    feed: str, key: tuple[str, ...], folder: str, stage_table: str, task: str, required: set[str]
) -> None:
    found = contract(feed)
    assert (found.feed, found.table, found.key) == (feed, feed, key)
    assert (found.folder, found.stage_table, found.task) == (folder, stage_table, task)
    assert {field.name for field in found.fields if field.required} == required
    assert found.sequence == ("updated_timestamp", "created_timestamp")
    assert (found.timezone, found.delivery, found.observe, found.sequence_ahead_days) == ("UTC", "changes", False, 2)


@pytest.mark.parametrize("feed", FEEDS)
def test_times_and_logins_change_no_version(feed: str) -> None:
    untracked = {"created_timestamp", "updated_timestamp"} | ({"last_login"} if feed == "customers" else set())
    found = contract(feed)
    assert {field.name for field in found.fields if not field.tracked} == untracked
    assert not {*found.key, *untracked} & set(found.tracked)


def test_relationships_of_the_bundled_contracts_name_keys_of_bundled_feeds() -> None:
    found = {(feed, each.columns, each.to_feed) for feed in FEEDS for each in contract(feed).relationships}
    assert found == {
        ("orders", ("customer_id",), "customers"),
        ("orders", ("product_id",), "products"),
        ("inventory", ("product_id",), "products"),
        ("shipping", ("order_id",), "orders"),
    }
    for feed in FEEDS:
        for each in contract(feed).relationships:
            assert set(each.to_columns) <= set(contract(each.to_feed).key)


def test_a_small_contract_gets_its_names_from_its_feed() -> None:
    found = returns()
    assert (found.folder, found.table, found.stage_table) == ("returns_data", "returns", "returns_stage")
    assert (found.task, found.file_pattern) == ("returns_stage_load", "returns_{date}*")
    assert found.field("return_id") == Field("return_id", "string", required=True)
    assert found.relationships == (Relationship(("order_id",), "orders", ("order_id",)),)
    assert found.rules[0].arguments == (("column", "reason"), ("values", ("too_small", "broken")))
    assert found.rules[0].filter == "refund > 0"


def test_the_order_of_the_key_is_that_of_its_positions() -> None:
    text = RETURNS.replace("primaryKey: true}", "primaryKey: true, primaryKeyPosition: 2}").replace(
        "name: order_id, logicalType: string,",
        "name: order_id, logicalType: string, primaryKey: true, primaryKeyPosition: 1,",
    )
    assert parse_contract(text, "returns.yaml").key == ("order_id", "return_id")


def test_a_column_says_how_its_source_spells_names_dates_and_nothing() -> None:
    column = """
      - name: bought_on
        logicalType: date
        logicalTypeOptions: {format: dd.MM.yyyy}
        physicalName: Purchase Date
        classification: restricted
        customProperties:
          - {property: sourceNames, value: [sold-on, Verkauft am]}
          - {property: formats, value: [MM/dd/yyyy]}
          - {property: default, value: "2025-01-15"}
          - {property: ignoreNullUpdates, value: true}
"""
    found = returns("    quality:\n", column.lstrip("\n") + "    quality:\n").field("bought_on")
    assert found.source_names == ("Purchase Date", "sold-on", "Verkauft am")
    assert found.formats == ("dd.MM.yyyy", "MM/dd/yyyy")
    assert (found.default, found.ignore_null_updates, found.personal) == ("2025-01-15", True, True)


def test_a_time_is_written_by_a_pattern_with_hours_and_a_date_is_not() -> None:
    written = 'value: [dd.MM.yyyy, "dd.MM.yyyy HH:mm", "M/d/yyyy H:mm"]'
    old = "returned_at, logicalType: timestamp"
    found = returns(old, f"{old}, customProperties: [{{property: formats, {written}}}]").field("returned_at")
    assert found.formats == ("dd.MM.yyyy", "dd.MM.yyyy HH:mm", "M/d/yyyy H:mm")
    column = f"      - {{name: bought_on, logicalType: date, customProperties: [{{property: formats, {written}}}]}}\n"
    with pytest.raises(ContractError, match=re.escape("dd.MM.yyyy HH:mm is a pattern of a time")):
        returns("    quality:\n", column + "    quality:\n")


def test_a_contract_overrides_severity_action_and_threshold_of_a_cross_table_rule() -> None:
    rule = """
      - type: custom
        engine: cartlake
        implementation: {name: order_without_customer, severity: medium, action: hold}
      - {type: custom, engine: cartlake, implementation: {name: snapshot_deletes_many, threshold: 0.25}}
      - {type: text, description: Returns are counted by hand on Fridays.}
"""
    found = returns("    quality:\n", "    quality:" + rule)
    assert found.cross_rules == (
        CrossRule("order_without_customer", 20, severity="medium", action="hold"),
        CrossRule("snapshot_deletes_many", 21, threshold=Decimal("0.25")),
    )
    assert len(found.rules) == 1


def test_a_feed_without_a_time_of_its_own_stands_at_the_time_of_its_batch() -> None:
    assert returns("value: returned_at", "value: batch").sequence == ()
    snapshot = returns("{property: sequenceBy, value: returned_at}", "{property: delivery, value: snapshot}")
    assert (snapshot.delivery, snapshot.sequence) == ("snapshot", ())


def test_further_sequence_fields_are_required_as_the_key_is() -> None:
    text = "{property: sequenceBy, value: returned_at}\n  - {property: sequenceThen, value: [refund]}"
    found = returns("{property: sequenceBy, value: returned_at}", text)
    assert found.sequence_then == ("refund",)
    assert found.field("refund").required
    assert "refund" not in found.tracked


def test_the_hash_is_that_of_the_text_whatever_its_line_ends() -> None:
    unix, windows, mac = (parse_contract(RETURNS.replace("\n", end), "returns.yaml") for end in ("\n", "\r\n", "\r"))
    assert unix.hash == windows.hash == mac.hash
    assert returns('version: "1.0"', 'version: "1.1"').hash != unix.hash


# (what is typed, what it should be, part of the message, part of the hint). The error stands on the typed text's line.
TYPOS = [
    ("apiVersion: v3.0.0", "apiVersion: v3.1.0", "`v3.0.0`", "v3.1.0"),
    ("kind: Contract", "kind: DataContract", "`Contract`", "DataContract"),
    ("stauts: active", "status: active", "unknown key `stauts`", "`status`"),
    ("version: 1.0", 'version: "1.0"', "a text is needed", "quotes"),
    ("property: sequencBy", "property: sequenceBy", "`sequencBy`", "`sequenceBy`"),
    ("value: returned_on}", "value: returned_at}", "no column `returned_on`", "`returned_at`"),
    ("sequenceBy, value: refund", "sequenceBy, value: returned_at", "`refund` is decimal(18,2), a timestamp", None),
    ("name: Return_ID,", "name: return_id,", "`Return_ID` cannot be a name", "Lower-case"),
    ("name: _return,", "name: return_id,", "`_return` cannot be a name", "Lower-case"),
    ("name: " + "r" * 61 + ",", "name: return_id,", "cannot be a name", "60"),
    ("name: is_current,", "name: return_id,", "`is_current` is a name that cartlake uses", "another name"),
    ("logicalType: text, relat", "logicalType: string, relat", "`text` is not possible", "`string`"),
    (
        "logicalType: number, physicalType: double",
        'logicalType: number, physicalType: "decimal(18,2)"',
        "do not fit",
        "decimal",
    ),
    ('physicalType: "decimal(39,2)"', 'physicalType: "decimal(18,2)"', "do not fit", "38"),
    ("primarykey: true", "primaryKey: true", "unknown key `primarykey`", "`primaryKey`"),
    ("primaryKey: yes", "primaryKey: true", "`yes` without quotes", "quotes"),
    ("to: orders.order-id", "to: orders.order_id", "no reference", "feed.column"),
    ("property: cannonical", "property: canonical", "`cannonical`", "`canonical`"),
    ("canonical, value: tokens", "canonical, value: token", "`tokens`", "`token`"),
    ("type: costum", "type: custom", "`costum`", "`custom`"),
    ("engine: soda", "engine: cartlake", "`soda`", "`cartlake`"),
    ("name: refund_not_a_number", "name: reason_unknown", "already a rule that every contract has", "own"),
    ("critcality: warn", "criticality: warn", "unknown key `critcality`", "`criticality`"),
    ("criticality: fatal", "criticality: warn", "`fatal`", "`error`"),
    ("filter: refnd > 0", "filter: refund > 0", "no column `refnd`", "`refund`"),
    ("filter: refund / 2 > 0", "filter: refund > 0", "filter: div", "ratio"),
    ("filter: read_csv('/etc/passwd')", "filter: refund > 0", "filter: read_csv()", None),
    ("filter: " + "(" * 200 + "refund" + ")" * 200, "filter: refund > 0", "filter: this is nested too deeply", None),
    ("filter: refund > (SELECT 1)", "filter: refund > 0", "filter: subquery", None),
    ("function: is_one", "function: is_one_of", "`is_one`", "`is_one_of`"),
    ("column: raeson", "column: reason", "no column `raeson`", "`reason`"),
    ("column: refund", "column: reason", "this argument takes string", None),
    ("colum: reason", "column: reason", "unknown key `colum`", "`column`"),
    ("values: [Too Small, ", "values: [too_small, ", "`Too Small` never occurs", "`too_small`"),
    ("values: [no, ", "values: [too_small, ", "`no` without quotes", "quotes"),
    ('values: ["it\'s", ', "values: [too_small, ", "cannot be a listed value", None),
]


@pytest.mark.parametrize(("typed", "meant", "message", "hint"), TYPOS, ids=[typed[:40] for typed, *_ in TYPOS])
def test_a_typo_is_named_with_its_line_and_what_was_meant(
    typed: str, meant: str, message: str, hint: str | None
) -> None:
    wrong = RETURNS.replace(meant, typed)
    assert wrong != RETURNS
    with pytest.raises(ContractError) as caught:
        parse_contract(wrong, "contracts/returns.yaml")
    line = wrong[: wrong.index(typed)].count("\n") + 1
    assert (caught.value.file, caught.value.line) == ("contracts/returns.yaml", line)
    assert caught.value.column is not None
    assert message in caught.value.message
    assert hint is None or hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("kind: DataContract\n", "`kind` is missing"),
        ("  - {property: sequenceBy, value: returned_at}\n", "a list is needed"),
        (", primaryKey: true", "no column is the key"),
        (', physicalType: "decimal(18,2)"', "do not fit"),
        ("          criticality: warn\n", "`criticality` is missing"),
        (", values: [too_small, broken]", "`values` is missing"),
    ],
)
def test_what_is_missing_is_said(missing: str, message: str) -> None:
    with pytest.raises(ContractError, match=re.escape(message)) as caught:
        returns(missing, "")
    assert caught.value.line


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema:\n", "schema: []\nteam:\n", "exactly one object"),
        ("name: order_id,", "name: return_id,", "column `return_id` stands here twice"),
        ("name: refund,", "name: refund, physicalName: Return-ID,", "header `return_id` would fill both"),
        ("name: reason_unknown\n          criticality: warn\n          filter: refund > 0\n          check: "
         "{function: is_one_of, arguments: {column: reason, values: [too_small, broken]}}", "name: quarantine_share",
         "this rule says nothing"),
        ("value: returned_at", "value: [returned_at, returned_at]", "in the sequence twice"),
        (BY, BY + "\n  - {property: delivery, value: snapshot}",
         "at the time of their batch"),
        (BY, BY + "\n  - {property: landingFolder, value: ../etc}",
         "cannot be a landing folder"),
        (BY, BY + "\n  - {property: landingFolder, value: nul}",
         "cannot be a landing folder"),
        (BY, BY + "\n  - {property: filePattern, value: a/b}",
         "file name pattern"),
        (BY, BY + "\n  - {property: timezone, value: Europe/Berlim}",
         "no time zone `Europe/Berlim`"),
        (BY, BY + "\n  - {property: sequenceBy, value: batch}",
         "`sequenceBy` stands here twice"),
        ("{to: orders.order_id}", "{to: [orders.order_id, orders.order_line]}", "as many columns"),
        ("refund, logicalType: number,",
         "refund, customProperties: [{property: formats, value: [dd.MM.yyyy]}], logicalType: number,",
         "a format is for dates"),
        ("returned_at, logicalType: timestamp",
         "returned_at, logicalType: timestamp, logicalTypeOptions: {format: DD.MM.YY}",
         "is not a pattern"),
        ("refund, logicalType: number,",
         "refund, customProperties: [{property: default, value: free}], logicalType: number,",
         "this default is no decimal(18,2)"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(ContractError, match=re.escape(message)) as caught:
        returns(old, new)
    assert caught.value.line


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: &x 1\nb: *x", 1, "anchors"),
        ("a: 1\nb: *x", 2, "anchors"),
        ("a: !!python/object/apply:os.system [id]", 1, "tags"),
        ("a: !secret b", 1, "tags"),
        ("a: 1\nb: 2\na: 3", 3, "`a` stands here twice"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("", 1, "the file is empty"),
        ("# only words", 1, "the file is empty"),
        ("a: [1, 2\nb: 3", 2, "not YAML"),
        ("a: \x00", 1, "not YAML"),
        ("? [a, b]\n: c", 1, "a key must be a text"),
        ("1: a", 1, "a key must be a text"),
        ("a: 2025-01-15", 1, "without quotes"),
        ("a: 010", 1, "without quotes"),
        ("a: 1_000", 1, "without quotes"),
        ("a: 1e3", 1, None),
        ("a: .inf", 1, "without quotes"),
        ("a: 12:30:00", 1, "without quotes"),
        ("a: Off", 1, "without quotes"),
        ("<<: {a: 1}", 1, "without quotes"),
        ("a: " + "[" * 25 + "]" * 25, 1, "nested deeper than 20"),
        ("[" * 100_000, 1, "nested deeper than 20"),
        ('a: "\\U00110000"', 1, "not YAML"),
    ],
)
def test_yaml_that_people_misread_is_refused_with_its_line(text: str, line: int, message: str | None) -> None:
    if message is None:
        assert load(text, "m.yml").mapping({"a"})["a"].text() == "1e3"
        return
    with pytest.raises(ModelError) as caught:
        load(text, "m.yml", ModelError, "model_invalid")
    assert (caught.value.code, caught.value.file, caught.value.line) == ("model_invalid", "m.yml", line)
    assert message in caught.value.message


def test_scalars_are_read_as_they_are_written() -> None:
    node = load("{a: 1, b: 0.50, c: true, d: 'no', e: , f: word, g: [x, \"2\"]}", "m.yml")
    assert isinstance(node.value, dict)
    read = {name: each.value for name, each in node.value.items() if name != "g"}
    assert read == {"a": 1, "b": Decimal("0.50"), "c": True, "d": "no", "e": None, "f": "word"}
    assert node.mapping("abcdefg")["g"].texts() == ("x", "2")
    assert [(name, place.column) for name, place in node.keys.items()][:2] == [("a", 2), ("b", 8)]


def parsed_or_refused(text: str) -> None:
    try:
        parse_contract(text, "fuzz.yaml")
    except ContractError as error:
        placed = (error.file, error.line is not None)
    else:
        placed = ("fuzz.yaml", True)
    assert placed == ("fuzz.yaml", True)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([RETURNS, ORDERS]),
    st.lists(
        st.tuples(
            st.floats(0, 1), st.integers(0, 40), st.text(max_size=6) | st.sampled_from("[]{}:,-&*!|>'\"#%@`\n \t")
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_damaged_text_is_a_contract_or_a_contract_error(text: str, cuts: list[tuple[float, int, str]]) -> None:
    for where, length, instead in cuts:
        start = int(where * len(text))
        text = text[:start] + instead + text[start + length :]
    parsed_or_refused(text)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["refund", "reason", "batch", "snapshot", "is_positive", "date", "error", "(", "a.b", ""])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LEAVES, inner, max_size=3), max_leaves=5
)


def _paths(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, below in inner for each in _paths(below, (*path, key)))]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(_paths(yaml.safe_load(RETURNS))[1:]), VALUES)
@example(("schema", 0, "properties", 0, "name"), "x\ny")
def test_any_value_in_any_place_is_a_contract_or_a_contract_error(path: tuple[object, ...], value: object) -> None:
    tree = copy.deepcopy(yaml.safe_load(RETURNS))
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    parsed_or_refused(yaml.safe_dump(tree, allow_unicode=True))


def test_the_example_in_the_document_is_a_contract() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    found = parse_contract(blocks[0], "docs/contracts.md")
    assert found.feed == "returns"
    assert len(found.rules) == 3


def test_the_document_explains_every_custom_property() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for known in ("sequenceBy", "canonical"):
        with pytest.raises(ContractError) as caught:
            returns(f"property: {known}", "property: qqqqqqqq")
        names = re.findall(r"`(\w+)`", str(caught.value.hint))
        assert known in names
        assert [name for name in names if f"`{name}`" not in text] == []


def test_a_node_is_its_value_and_place() -> None:
    node = load("a:\n  - first\n  - second", "m.yml")
    second = node.mapping(("a",))["a"].items()[1]
    assert isinstance(second, Node)
    assert (second.text(), second.place.line, second.place.column) == ("second", 3, 5)


def with_service(*entries: str) -> Contract:
    listed = "".join(f"  - {{{entry}}}\n" for entry in entries)
    return returns("schema:\n", f"slaProperties:\n{listed}schema:\n")


def test_a_service_level_says_how_often_and_how_late_a_feed_may_come() -> None:
    assert returns().service == ServiceLevel(None, None)
    found = with_service(
        "property: frequency, value: 1, unit: day",
        "property: latency, value: 90, unit: minutes, driver: operational",
        "property: retention, value: 3, unit: y",
    ).service
    assert found == ServiceLevel(timedelta(days=1), timedelta(minutes=90))
    in_berlin = datetime(2025, 3, 30, 23, 30, tzinfo=UTC)
    assert found.due_at(date(2025, 3, 29), "Europe/Berlin") == in_berlin, "a day of 23 hours follows"
    assert ServiceLevel(timedelta(days=1), None).due_at(date(2025, 3, 29), "UTC") is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("property: latncy, value: 1", "`latncy` is not possible here"),
        ("property: latency, value: 1, unit: fortnights", "`fortnights` is not possible here"),
        ("property: latency, value: soon", "whole number"),
        ("property: frequency, value: 0", "0"),
        ("property: latency, value: 1, units: d", "unknown key `units`"),
    ],
)
def test_a_service_level_that_cannot_be_meant_is_refused_with_its_place(entry: str, said: str) -> None:
    with pytest.raises(ContractError) as refused:
        with_service(entry)
    assert said in refused.value.message
    assert refused.value.line == 10


def test_a_service_level_says_each_thing_once() -> None:
    with pytest.raises(ContractError, match="twice"):
        with_service("property: latency, value: 1", "property: latency, value: 2")
