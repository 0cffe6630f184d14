"""Is everything in place? One check after the other, each with its way out. Nothing is written."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cartlake.alerting import deliver, is_wanted
from cartlake.core.alerts import trial
from cartlake.core.contract import Contract
from cartlake.errors import CartlakeError, Locked, TableMissing
from cartlake.lock import STATE_FOLDER, LakeLock
from cartlake.outbound import Undelivered
from cartlake.project import load_contracts, load_models
from cartlake.settings import FILE_NAME, Settings, load_settings

if TYPE_CHECKING:
    from cartlake.tasks.context import Context

ENGINE_PACKAGES = ("duckdb", "deltalake", "arro3-core")
LITTLE_SPACE, NO_SPACE = 2_000_000_000, 200_000_000


@dataclass(frozen=True)
class Check:
    name: str
    status: Literal["ok", "warn", "fail"]
    message: str
    hint: str | None = None


def try_alerts(project: Path) -> Check:
    """Whether those who are to be told can be: they are sent a trial."""
    try:
        settings = load_settings(project)
    except CartlakeError as error:
        return _failed("alerts", error)
    if not is_wanted(settings):
        hint = "Set webhook or command under [alerts] in cartlake.toml."
        return Check("alerts", "warn", "nobody is told of anything", hint)
    try:
        deliver(settings, [trial(settings.project.name)])
    except Undelivered as error:
        return Check("alerts", "fail", str(error), "Look at [alerts] in cartlake.toml and at who is to be told.")
    return Check("alerts", "ok", "a trial was sent; look whether it arrived")


def examine(project: Path) -> list[Check]:
    """All checks that can be made; those that need a project are left out where there is none."""
    checks = [*_installation()]
    try:
        settings = load_settings(project)
    except CartlakeError as error:
        return [*checks, _failed("settings", error)]
    checks += [*_packages(settings), *_settings(settings), *_space(settings)]
    if settings.engine.name == "spark":
        checks += _spark()
    contracts, declared = _declared(settings)
    checks += declared
    if not settings.landing_folder.is_dir():
        said = f"{settings.project} has no folder {settings.landing.path}"
        return [
            *checks,
            Check("project", "fail", said, "`cartlake init DIR` makes a project; --project DIR names one."),
        ]
    checks += _folders(settings, contracts)
    checks += _lock(settings)
    if contracts and all(check.status != "fail" for check in checks):
        checks += _lake(settings)
    return checks


def _failed(name: str, error: CartlakeError) -> Check:
    place = ":".join(str(part) for part in (error.file, error.line) if part is not None)
    return Check(name, "fail", f"{place}: {error.message}" if place else error.message, error.hint)


def _installation() -> Iterator[Check]:
    yield Check("python", "ok", f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    if find_spec("watchfiles") is None:
        said = "watchfiles is not installed: `cartlake watch` lists the folders several times a second instead"
        yield Check("watchfiles", "warn", said, "pip install watchfiles")
    else:
        yield Check("watchfiles", "ok", f"watchfiles {_version('watchfiles')}")


def _packages(settings: Settings) -> Iterator[Check]:
    """The packages that matter, with their versions; only the embedded engine needs its own."""
    versions = {name: _version(name) for name in ("cartlake", *ENGINE_PACKAGES, "sqlglot", "pydantic")}
    said = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    if settings.engine.name == "embedded" and any(versions[name] is None for name in ENGINE_PACKAGES):
        yield Check("packages", "fail", said, 'pip install "cartlake[local]"')
    else:
        yield Check("packages", "ok", said)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _spark() -> Iterator[Check]:
    """Whether Spark could start: its package, Java, and the JARs of Delta Lake."""
    if find_spec("pyspark") is None:
        yield Check("spark", "fail", "pyspark is not installed", 'pip install "cartlake[spark]"')
        return
    from cartlake.engines.spark.setup import find_java, jars

    try:
        find_java()
        said = f"pyspark {_version('pyspark')}, {', '.join(path.name for path in jars())}"
        yield Check("spark", "ok", said)
    except CartlakeError as error:
        yield _failed("spark", error)


def _settings(settings: Settings) -> Iterator[Check]:
    has_file = (settings.project / FILE_NAME).is_file()
    yield Check("settings", "ok", FILE_NAME if has_file else f"defaults: there is no {FILE_NAME}")


def _space(settings: Settings) -> Iterator[Check]:
    folder = next(path for path in (settings.project, *settings.project.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    status: Literal["ok", "warn", "fail"] = "fail" if free < NO_SPACE else "warn" if free < LITTLE_SPACE else "ok"
    hint = None if status == "ok" else "Archive and lake need about three times the size of the files that land."
    yield Check("disk", status, f"{free / 1e9:,.1f} GB free", hint)


def _declared(settings: Settings) -> tuple[tuple[Contract, ...], list[Check]]:
    """The contracts, and whether they and the models can be read."""
    try:
        contracts = load_contracts(settings.project)
    except CartlakeError as error:
        return (), [_failed("contracts", error)]
    checks = [Check("contracts", "ok", ", ".join(contract.feed for contract in contracts))]
    try:
        models = load_models(settings.project, contracts)
    except CartlakeError as error:
        return contracts, [*checks, _failed("models", error)]
    return contracts, [*checks, Check("models", "ok", f"{len(models)} models")]


def _folders(settings: Settings, contracts: tuple[Contract, ...]) -> Iterator[Check]:
    landing = settings.landing_folder
    wanted = [landing / contract.folder / "source" for contract in contracts] + [landing / settings.landing.manifests]
    missing = [path.relative_to(settings.project).as_posix() for path in wanted if not path.is_dir()]
    closed = [path for path in (settings.project, landing) if not os.access(path, os.R_OK | os.W_OK | os.X_OK)]
    if closed:
        yield Check("project", "fail", f"{closed[0]} cannot be read or written", "Give this user the right to both.")
    elif missing:
        yield Check("project", "warn", f"missing: {', '.join(missing)}", "Make them, if these feeds deliver files.")
    else:
        yield Check("project", "ok", str(settings.project))


def _lock(settings: Settings) -> Iterator[Check]:
    if (settings.project / STATE_FOLDER / "lock").exists():
        try:
            LakeLock(settings.project).require_free()
        except Locked as error:
            yield Check("lock", "warn", error.message, "Reading is fine; a run has to wait.")
            return
        except CartlakeError as error:
            yield _failed("lock", error)
            return
    yield Check("lock", "ok", "nobody works on this lake")


def _lake(settings: Settings) -> Iterator[Check]:
    if not settings.lake_folder.is_dir():
        yield Check("tables", "ok", "none yet: the first run makes them")
        return
    from cartlake.engines.registry import open_engine
    from cartlake.pipeline import open_context

    try:
        engine = open_engine(settings)
    except CartlakeError as error:
        yield _failed("tables", error)
        return
    try:
        yield _tables(open_context(settings, engine))
    except CartlakeError as error:
        yield _failed("tables", error)
    finally:
        engine.close()


def _tables(context: Context) -> Check:
    """Every table opens, its newest version is the published one, and today's definitions would make it so."""
    from cartlake.tasks.shapes import MADE_ANEW, NOT_TODAYS, outdated_models, require_same

    try:
        published = context.ledger.latest_publication()
        tables = (*context.production_tables, *context.stage_tables)
        heads = {table.name: context.engine.version(table.name) for table in tables}
    except TableMissing as error:
        hint = "A run makes tables that were never there. One that was there: restore the lake folder from a backup."
        return Check("tables", "warn", error.message, hint)
    stored = {table.name for table in context.production_tables}  # logs grow with held and failed batches too
    ahead = sorted(name for name in stored if heads[name] != published.tables.get(name, 0))
    if ahead:
        said = f"newer than what is published: {', '.join(ahead)}"
        return Check("tables", "warn", said, "A run is under way or ended in the middle; the next one puts it right.")
    require_same(context)
    if outdated := outdated_models(context):
        return Check("tables", "warn", f"{NOT_TODAYS}: {', '.join(outdated)}", MADE_ANEW)
    return Check("tables", "ok", f"{len(heads)} tables, publication {published.publication_id}")
