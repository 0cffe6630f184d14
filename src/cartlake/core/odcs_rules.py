"""The rules of a contract: the `quality` of its schema object, checked down to the columns that a filter names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, cast

import sqlglot
from sqlglot import exp

from cartlake.core.closest import closest
from cartlake.core.contract import Criticality, CrossRule, Field, RowRule
from cartlake.core.dialect import check_expression
from cartlake.core.odcs_fields import DOCUMENTING, read, read_name
from cartlake.core.rules import COLUMN_TYPES, FUNCTIONS, Number, Words, arguments_of, automatic_codes
from cartlake.core.yamltext import Node
from cartlake.errors import ModelError

_QUALITY = DOCUMENTING | {"name", "type", "engine", "implementation", "dimension", "businessImpact", "method"}
_ROW_RULE = ("name", "criticality", "filter", "check")
_CROSS_RULE = ("name", "severity", "action", "threshold")
_ANY_RULE = (*_ROW_RULE, *_CROSS_RULE)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.&+/-]*")
_CANONICAL: Mapping[str, Callable[[str], str]] = {
    "none": str,
    "lower": str.lower,
    "upper": str.upper,
    "token": lambda text: re.sub(r"[ -]+", "_", text.strip().lower()),
}


def read_rules(node: Node | None, fields: tuple[Field, ...]) -> tuple[tuple[RowRule, ...], tuple[CrossRule, ...]]:
    """The row rules, in order, and what the contract changes of cross-table rules; every code stands once."""
    rows: list[RowRule] = []
    crosses: list[CrossRule] = []
    codes = dict.fromkeys(automatic_codes(fields), "a rule that every contract has")
    for item in node.items() if node else ():
        entries = item.mapping(_QUALITY, ("type",))
        if entries["type"].one_of(("custom", "text")) == "text":
            continue
        rule = _rule(item, fields)
        place = entries["implementation"].mapping(_ANY_RULE)["name"]
        if rule.code in codes:
            raise place.fail(f"`{rule.code}` is already {codes[rule.code]}", "Give the rule a code of its own.")
        codes[rule.code] = f"a rule on line {place.place.line}"
        rows.append(rule) if isinstance(rule, RowRule) else crosses.append(rule)
    return tuple(rows), tuple(crosses)


def _rule(item: Node, fields: tuple[Field, ...]) -> RowRule | CrossRule:
    entries = item.mapping(_QUALITY, ("engine", "implementation"))
    entries["engine"].one_of(("cartlake",))
    body = entries["implementation"].mapping(_ANY_RULE, ("name",))
    if "check" not in body and "criticality" not in body and "filter" not in body:
        return _cross_rule(entries["implementation"])
    return _row_rule(entries["implementation"], fields, read(entries, "description", Node.text, ""))


def _cross_rule(node: Node) -> CrossRule:
    entries = node.mapping(_CROSS_RULE)
    if len(entries) == 1:
        raise node.fail("this rule says nothing", "A row rule has a `check`; a cross-table rule a severity or action.")
    severity = read(entries, "severity", lambda each: each.one_of(("high", "medium", "low")), None)
    action = read(entries, "action", lambda each: each.one_of(("report", "hold")), None)
    return CrossRule(
        code=read_name(entries["name"]),
        line=entries["name"].place.line,
        severity=cast(Literal["high", "medium", "low"] | None, severity),
        action=cast(Literal["report", "hold"] | None, action),
        threshold=read(entries, "threshold", Node.number, None),
    )


def _row_rule(node: Node, fields: tuple[Field, ...], description: str) -> RowRule:
    entries = node.mapping(_ROW_RULE, ("criticality", "check"))
    check = entries["check"].mapping(("function", "arguments"), ("function", "arguments"))
    function = check["function"].one_of(FUNCTIONS)
    return RowRule(
        code=read_name(entries["name"]),
        criticality=cast(Criticality, entries["criticality"].one_of(("error", "warn"))),
        function=function,
        arguments=_arguments(check["arguments"], function, {field.name: field for field in fields}),
        filter=read(entries, "filter", lambda each: _filter(each, fields), None),
        description=description,
    )


def _arguments(node: Node, function: str, fields: Mapping[str, Field]) -> tuple[tuple[str, object], ...]:
    kinds = arguments_of(function)
    entries = node.mapping(kinds, kinds)
    arguments = {name: _argument(entries[name], kind, fields) for name, kind in kinds.items()}
    if Words in kinds.values():
        _check_words(entries, kinds, fields)
    return tuple(arguments.items())


def _argument(node: Node, kind: object, fields: Mapping[str, Field]) -> object:
    if kind is Number:
        return node.number()
    if kind is Words:
        return tuple(_word(item) for item in node.items())
    name = node.text()
    if name not in fields:
        raise node.fail(f"there is no column `{name}`", closest(name, fields))
    if fields[name].type.partition("(")[0] not in COLUMN_TYPES[kind]:
        wanted = " or ".join(COLUMN_TYPES[kind])
        raise node.fail(f"`{name}` is {fields[name].type}, this argument takes {wanted}")
    return name


def _word(node: Node) -> str:
    if not _WORD.fullmatch(node.text()):
        raise node.fail("this cannot be a listed value", "Letters, digits, blanks and `_ . & + / -`.")
    return node.text()


def _check_words(entries: Mapping[str, Node], kinds: Mapping[str, object], fields: Mapping[str, Field]) -> None:
    """The words stand in the form that the column before them is brought into: others could never match."""
    columns = [name for name, kind in kinds.items() if kind is not Words]
    field = fields[entries[columns[-1]].text()]
    for item in entries["values"].items():
        canonical = _CANONICAL[field.canonical](item.text())
        if item.text() != canonical:
            raise item.fail(f"`{item.text()}` never occurs: `{field.name}` is canonical", f"Write `{canonical}`.")
    if not entries["values"].items():
        raise entries["values"].fail("the list is empty")


def _filter(node: Node, fields: tuple[Field, ...]) -> str:
    text = node.text()
    try:
        check_expression(text)
    except ModelError as problem:
        raise node.fail(f"filter: {problem.message}", problem.hint) from None
    except RecursionError:
        raise node.fail("filter: too deeply nested") from None
    names = {field.name for field in fields}
    for column in sqlglot.parse_one(text, read="spark").find_all(exp.Column):
        if column.name not in names or column.table:
            raise node.fail(f"filter: there is no column `{column.sql()}`", closest(column.name, names))
    return text
