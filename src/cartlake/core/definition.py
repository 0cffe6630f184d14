"""What a stored table is made with, as text that can be kept and compared.

The rows of a log and a history mean something only together with the key, sequence, types and tracked columns that they
were made with; those of a stored model together with its SQL and the settings in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cartlake.core.contract import Contract
from cartlake.core.model import Model
from cartlake.core.table import Column

_PARAMETER = re.compile(r":([a-z]\w*)")
_HASH_LENGTH = 16
_USUAL = {"delivery": ["changes"], "evolve": ["rescue"], "timezone": ["UTC"], "spelling_of_the_key": []}
"""What a definition does not say of a feed."""


@dataclass(frozen=True)
class Definition:
    """Of the table `name`; `text` is JSON, the same for the same facts."""

    name: str
    text: str

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:_HASH_LENGTH]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of a history those that its contract declares; of a model all."""
        return tuple(Column(name, kind) for name, kind in self.facts["columns"].items())

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.text)
        return facts


def contracts_hash(contracts: Iterable[Contract]) -> str:
    """Names the texts of the contracts."""
    texts = "".join(contract.hash for contract in sorted(contracts, key=lambda contract: contract.feed))
    return hashlib.sha256(texts.encode()).hexdigest()


def definitions_of(
    contracts: Iterable[Contract], models: Iterable[Model], parameters: Mapping[str, object]
) -> dict[str, Definition]:
    """Of every history and stored model, by the names of the tables; `models` come after those that they read."""
    stored = [model for model in models if model.kind == "table"]
    return {contract.table: _of_feed(contract) for contract in contracts} | _of_models(stored, parameters)


def _of_feed(contract: Contract) -> Definition:
    """What must not change once the feed is in production. The order of columns is not among it, nor are rules, header
    names and formats: they hold for the files that are staged from then on. Another time zone moves events, and another
    spelling of the key makes other keys of the same ones."""
    unusual = {
        "delivery": [contract.delivery],
        "evolve": [contract.evolve],
        "timezone": [contract.timezone],
        "spelling_of_the_key": [
            f"{name} {contract.field(name).canonical}"
            for name in contract.key
            if contract.field(name).canonical != "none"
        ],
    }
    return _definition(
        contract.table,
        {
            "columns": {field.name: field.type for field in contract.fields},
            "key": list(contract.key),
            "sequence": list(contract.sequence),
            "sequence_then": list(contract.sequence_then),
            "tracked": sorted(contract.tracked),
            "ignore_null_updates": sorted(field.name for field in contract.fields if field.ignore_null_updates),
            **{what: value for what, value in unusual.items() if value != _USUAL[what]},
        },
    )


def _of_models(models: Iterable[Model], parameters: Mapping[str, object]) -> dict[str, Definition]:
    """What is stored depends on the SQL, on the settings that it names, and on the definitions of the models that it
    reads."""
    made: dict[str, Definition] = {}
    for model in models:
        used = set(_PARAMETER.findall(model.sql)) & parameters.keys()
        facts = {
            "columns": {column.name: column.type for column in model.columns},
            "key": list(model.key),
            "sql": hashlib.sha256(model.sql.encode()).hexdigest(),
            "parameters": {name: str(parameters[name]) for name in used},
            "models": {name: made[name].hash for name in model.inputs if name in made},
        }
        made[model.name] = _definition(model.name, facts)
    return made


def _definition(name: str, facts: Mapping[str, object]) -> Definition:
    return Definition(name, json.dumps(facts, sort_keys=True, ensure_ascii=False))


def differences(before: Definition, after: Definition) -> list[str]:
    """What changed from one definition of a feed to another, in words: `key: a -> a, b`."""
    old, new = before.facts, after.facts
    was, will = old.pop("columns"), new.pop("columns")
    said = [
        f"column {name}: {was.get(name, 'none')} -> {will.get(name, 'none')}"
        for name in dict.fromkeys([*was, *will])
        if was.get(name) != will.get(name)
    ]
    known = was.keys() & will.keys()
    for what in ("key", "sequence", "sequence_then", "tracked", "ignore_null_updates", *_USUAL):
        is_list_of_all = what in ("tracked", "ignore_null_updates")
        left, right = (
            [name for name in facts.get(what, _USUAL.get(what, [])) if not is_list_of_all or name in known]
            for facts in (old, new)
        )
        if left != right:
            said.append(f"{what.replace('_', ' ')}: {_listed(left, right)} -> {_listed(right, left)}")
    return said


def _listed(names: list[str], others: list[str]) -> str:
    """All of a short list; of a long one what the other has not."""
    shown = names if len(names) + len(others) <= 8 else [name for name in names if name not in others]
    return ", ".join(shown) or "none"


def is_read_anew(before: Definition, after: Definition) -> bool:
    """Whether the log itself was made otherwise, and not only what is made of it."""
    read = ("columns", "key", "sequence", "delivery", "timezone", "spelling_of_the_key")
    return any(before.facts.get(what) != after.facts.get(what) for what in read)
