"""Settings: one frozen object, read once at the entry point: flags > environment > `cartlake.toml` > defaults.

Environment variables are `CARTLAKE_<SECTION>__<KEY>` (`CARTLAKE_ENGINE__THREADS=2`). A key nobody knows is an error.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from cartlake.core.alerts import KINDS, Kind
from cartlake.core.closest import closest
from cartlake.errors import ConfigError, UsageError

FILE_NAME = "cartlake.toml"
Layer = Mapping[str, Mapping[str, object]]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Landing(Section):
    """Where files arrive and when a batch starts. Paths are relative to the project; times are seconds."""

    path: Path = Path("landing")
    manifests: str = "trigger_file"
    archive: Path = Path("archive")
    trigger: Literal["manifest", "quiet"] = "manifest"
    quiet_seconds: Annotated[float, Field(gt=0)] = 60
    wait_for_files: Annotated[float, Field(ge=0)] | None = None
    on_missing: Literal["wait", "fail", "partial"] = "wait"


class EngineSettings(Section):
    """`memory_limit` bounds the embedded engine's own memory (`800MB`); `threads` 0 means all cores. On Spark `schema`
    of `catalog` takes the tables in the place of the folder `lake`, and `remote` is a Connect server (`sc://host`).
    Where several processes may write, a run that has recorded nothing for `run_timeout` seconds is dead."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_alias=True)

    name: Literal["embedded", "spark"] = "embedded"
    lake: Path = Path("lake")
    catalog: str = "spark_catalog"
    schema_name: Annotated[str | None, Field(alias="schema")] = None
    remote: str | None = None
    memory_limit: str = "1500MB"
    threads: Annotated[int, Field(ge=0)] = 0
    run_timeout: Annotated[float, Field(gt=0)] = 3600

    @field_validator("memory_limit")
    @classmethod
    def _is_size(cls, size: str) -> str:
        if re.fullmatch(r"\d+(\.\d+)? ?[KMGT]i?B", size):
            return size
        raise PydanticCustomError(
            "size", "{size} is no size with its unit, such as 800MB or 2GiB", {"size": repr(size)}
        )


class Gate(Section):
    """What holds a batch back: rules that say so (`rule`) or any failed high rule (`high`)."""

    hold_on: Literal["rule", "high"] = "rule"


class Maintain(Section):
    """How many days what is old is kept: publications that can be opened, archived files, quarantined records. None
    keeps it for good."""

    keep_days: Annotated[int, Field(ge=1)] = 90
    archive_days: Annotated[int, Field(ge=1)] | None = None
    quarantine_days: Annotated[int, Field(ge=1)] | None = None


class Business(Section):
    """The numbers of the shop that the models use as `:name` parameters."""

    timezone: str = "UTC"
    reporting_currency: str = "USD"
    profit_margin_rate: Annotated[Decimal, Field(ge=0, le=1, decimal_places=6)] = Decimal("0.30")
    not_sale_statuses: tuple[str, ...] = ("cancelled", "canceled", "refunded", "returned")
    open_hour: Annotated[int, Field(ge=0, le=23)] = 8
    close_hour: Annotated[int, Field(ge=0, le=23)] = 18
    order_amount_min: Decimal = Decimal("1")
    order_amount_max: Decimal = Decimal("10000")
    shipping_cost_max: Decimal = Decimal("100")
    low_value_premium_max: Decimal = Decimal("100")
    quarantine_share_max: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.5")
    quarantine_min_rows: Annotated[int, Field(ge=1)] = 20

    @field_validator("reporting_currency")
    @classmethod
    def _is_code(cls, code: str) -> str:
        if re.fullmatch(r"[A-Z]{3}", code):
            return code
        raise PydanticCustomError("currency", "{code} is no code of a currency, such as EUR", {"code": repr(code)})

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            return ZoneInfo(zone).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            said = "there is no zone {zone}; names are those of the IANA list, such as Europe/Berlin"
            raise PydanticCustomError("zone_unknown", said, {"zone": repr(zone)}) from None


class Lineage(Section):
    """Where OpenLineage events go after a run: an http address, or a file below the project, a line for each event."""

    openlineage: str | None = None
    namespace: Annotated[str, Field(min_length=1)] = "cartlake"
    api_key: Annotated[str | None, Field(repr=False)] = None
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 5


class Alerts(Section):
    """Who is told of what needs somebody: a webhook that takes JSON (Slack shows its `text`), and a command that gets
    the same on its standard input. `late_after_hours` is how long a batch may wait for its files."""

    webhook: Annotated[str | None, Field(repr=False)] = None
    command: tuple[str, ...] = ()
    on: tuple[Kind, ...] = KINDS
    late_after_hours: Annotated[float, Field(gt=0)] = 24
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10


class Log(Section):
    """What the command line says of its way on stderr: text for people, or a JSON line for each event; `file` takes
    those lines in any case."""

    format: Literal["console", "json"] = "console"
    file: Path | None = None


class Settings(Section):
    """Everything a run can be told. `project` is absolute; the other paths are resolved against it."""

    project: Path
    landing: Landing = Landing()
    engine: EngineSettings = EngineSettings()
    gate: Gate = Gate()
    maintain: Maintain = Maintain()
    business: Business = Business()
    lineage: Lineage = Lineage()
    alerts: Alerts = Alerts()
    log: Log = Log()

    @property
    def landing_folder(self) -> Path:
        return self.project / self.landing.path

    @property
    def archive_folder(self) -> Path:
        return self.project / self.landing.archive

    @property
    def lake_folder(self) -> Path:
        return self.project / self.engine.lake

    def require_outside(self, path: Path) -> None:
        """Raises UsageError for a place in a folder that cartlake reads or keeps: what is written there for people
        would be taken for data."""
        place = path.resolve()
        for folder in (self.lake_folder, self.archive_folder, self.landing_folder):
            if place.is_relative_to(folder.resolve()):
                raise UsageError("export_place", f"{path} lies inside {folder}", hint="Choose another folder.")

    def parameters(self) -> dict[str, object]:
        """The `:name` parameters that models may use."""
        return {name: getattr(self.business, name) for name in Business.model_fields if name != "timezone"} | {
            "business_timezone": self.business.timezone
        }


def load_settings(project: Path, environment: Mapping[str, str] = os.environ, flags: Layer | None = None) -> Settings:
    """The settings of a project folder. Raises ConfigError that names the file or the variable, and the setting; where
    there is none of that name, those like it."""
    project = Path.cwd() / project
    layers: dict[str, Layer] = {
        "file": _read_file(project / FILE_NAME),
        "environment": _read_environment(environment),
        "flags": flags or {},
    }
    merged: dict[str, dict[str, object]] = {}
    for layer in layers.values():
        for section, values in layer.items():
            merged.setdefault(section, {}).update(values)
    try:
        return Settings.model_validate({"project": project, **merged})
    except ValidationError as error:
        first: Any = error.errors()[0]
        raise _config_error(first["type"], first["msg"], tuple(map(str, first["loc"])), layers) from None


def _read_file(file: Path) -> dict[str, dict[str, object]]:
    try:
        read = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("settings_invalid", f"not valid TOML: {error}", file=FILE_NAME) from None
    for section, values in read.items():
        if not isinstance(values, dict):
            raise ConfigError(
                "settings_invalid",
                f"{section!r} stands outside a section",
                file=FILE_NAME,
                hint=f"Sections are {', '.join(_sections())}.",
            )
    return read


def _read_environment(environment: Mapping[str, str]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for name, value in environment.items():
        section, separator, key = name.removeprefix("CARTLAKE_").partition("__")
        if name.startswith("CARTLAKE_") and separator:
            found.setdefault(section.lower(), {})[key.lower()] = value
    return found


def _sections() -> list[str]:
    return [name for name in Settings.model_fields if name != "project"]


def _config_error(kind: str, said: str, place: tuple[str, ...], layers: Mapping[str, Layer]) -> ConfigError:
    section, name = place[0], ".".join(place)
    said, hint = f"{name}: {said}", None
    if kind == "extra_forbidden":
        known = _sections() if len(place) == 1 else [*Settings.model_fields[section].default.model_dump(by_alias=True)]
        said, hint = f"there is no setting {name}", closest(place[-1], known)
    elif kind == "tuple_type":
        said, hint = f"{name} is a list", f'In {FILE_NAME} it is written as ["first", "second"].'
    return ConfigError("settings_invalid", said, file=_given_in(layers, section, *place[1:2]), hint=hint)


def _given_in(layers: Mapping[str, Layer], section: str, key: str | None = None) -> str | None:
    """The file or the variable that has the last word on a setting; None where the caller has."""
    last = None
    for layer, found in layers.items():
        if section in found and (key is None or key in found[section]):
            variable = f"CARTLAKE_{section}__{key or next(iter(found[section]))}".upper()
            last = {"file": FILE_NAME, "environment": variable}.get(layer)
    return last
