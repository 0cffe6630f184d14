"""What a project declares: the contracts and models of the package, overridden and extended by its own folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path, PurePath

from cartlake.core.contract import Contract
from cartlake.core.fitting import require_fitting
from cartlake.core.model import Model, ordered, parse_model
from cartlake.core.odcs import parse_contract
from cartlake.errors import ContractError, ModelError

CONTRACTS, MODELS = "contracts", "models"


def package_texts(folder: str, suffixes: tuple[str, ...]) -> dict[str, str]:
    """The shipped files of a folder, by name."""
    return {
        entry.name: entry.read_text("utf-8")
        for entry in sorted(files("cartlake").joinpath(folder).iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(suffixes)
    }


def project_texts(folder: Path, suffixes: tuple[str, ...]) -> dict[str, str]:
    """The files of a project's folder, by name; none if there is no such folder."""
    if not folder.is_dir():
        return {}
    return {path.name: path.read_text("utf-8") for path in sorted(folder.iterdir()) if path.name.endswith(suffixes)}


def load_contracts(project: Path) -> tuple[Contract, ...]:
    """One contract a feed, in the order in which their tasks run. A project's contract replaces ours of the same feed.
    Raises ContractError with file and line."""
    shipped = [parse_contract(text, name) for name, text in package_texts(CONTRACTS, (".yaml",)).items()]
    own = [
        parse_contract(text, f"{CONTRACTS}/{name}")
        for name, text in project_texts(project / CONTRACTS, (".yaml", ".yml")).items()
    ]
    _refuse_twins(own)
    feeds = {contract.feed: contract for contract in [*shipped, *own]}
    _refuse_twins(feeds.values())
    return tuple(sorted(feeds.values(), key=lambda contract: _place(contract.feed)))


def _place(feed: str) -> tuple[int, str]:
    order = ("orders", "customers", "products", "inventory", "shipping")
    return (order.index(feed) if feed in order else len(order)), feed


def _refuse_twins(contracts: Iterable[Contract]) -> None:
    seen: dict[str, Contract] = {}
    for contract in contracts:
        for what in (contract.feed, contract.table, contract.stage_table, contract.task, contract.folder):
            other = seen.setdefault(what, contract)
            if other is not contract:
                raise ContractError(
                    "contract_clash",
                    f"{what!r} is already used by {other.path}",
                    file=contract.path,
                    hint="Each feed needs its own name, folder, tables and task.",
                )


def load_models(project: Path, contracts: Sequence[Contract]) -> tuple[Model, ...]:
    """All models in the order of their dependencies; they fit the contracts. A project's model replaces ours of the
    same name. Raises ModelError with file and line."""
    texts = package_texts(MODELS, (".sql", ".yml"))
    own = project_texts(project / MODELS, (".sql", ".yml"))
    sources = {name: (text, name) for name, text in texts.items()}
    sources |= {name: (text, f"{MODELS}/{name}") for name, text in own.items()}
    models = tuple(_model(name, sources) for name in dict.fromkeys(PurePath(file).stem for file in sources))
    taken = {contract.table for contract in contracts} | {contract.stage_table for contract in contracts}
    for model in models:
        if model.name in taken:
            raise ModelError("model_clash", f"a contract already makes the table {model.name}", file=model.path)
    _refuse_stored_over_computed(models)
    models = ordered(models)
    require_fitting(contracts, models)
    return models


def _refuse_stored_over_computed(models: Sequence[Model]) -> None:
    kinds = {model.name: model.kind for model in models}
    for model in models:
        computed = [name for name in model.inputs if kinds.get(name, "table") != "table"]
        if model.kind == "table" and (computed or not model.key):
            what = f"reads {computed[0]}, which is computed when it is read" if computed else "has no key"
            raise ModelError(
                "model_not_storable",
                f"the table {model.name} {what}",
                file=model.path,
                hint="Tables are made of tables and have a key; make it a view (kind: view).",
            )


def _model(name: str, sources: Mapping[str, tuple[str, str]]) -> Model:
    sql, twin = sources.get(f"{name}.sql"), sources.get(f"{name}.yml")
    path = next(found[1] for found in (sql, twin) if found)
    return parse_model(sql and sql[0], twin and twin[0], path)
