from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cartlake.errors import UsageError
from cartlake.project import CONTRACTS, package_texts
from cartlake.scaffold import SETTINGS_TEXT, create_project
from cartlake.settings import Settings, load_settings
from tests.cli.conftest import Call

MISSION_FOLDERS = [
    "landing/customer_data/source",
    "landing/inventory_data/source",
    "landing/orders_data/source",
    "landing/products_data/source",
    "landing/shipping_data/source",
    "landing/trigger_file",
]


def uncommented() -> dict[str, dict[str, object]]:
    return tomllib.loads(re.sub(r"^# ([a-z_]+ = )", r"\1", SETTINGS_TEXT, flags=re.MULTILINE))


def test_the_settings_file_lists_every_key_there_is() -> None:
    sections = {name: type(field.default) for name, field in Settings.model_fields.items() if name != "project"}
    assert {name: list(keys) for name, keys in uncommented().items()} == {
        name: [field.alias or key for key, field in section.model_fields.items()] for name, section in sections.items()
    }


def test_the_settings_file_shows_the_defaults(tmp_path: Path) -> None:
    shown = uncommented()
    without_default = (
        *(("landing", "wait_for_files"), ("engine", "schema"), ("engine", "remote")),
        *(("maintain", "archive_days"), ("maintain", "quarantine_days")),
        *(("lineage", "openlineage"), ("lineage", "api_key"), ("alerts", "webhook"), ("log", "file")),
    )
    assert all(shown[section].pop(key) for section, key in without_default)  # the comments say so
    assert Settings.model_validate({"project": tmp_path, **shown}) == Settings(project=tmp_path)


def test_a_new_project_has_the_missions_folders_and_loads(tmp_path: Path) -> None:
    create_project(tmp_path / "shop")
    found = [path.relative_to(tmp_path / "shop").as_posix() for path in (tmp_path / "shop").rglob("*") if path.is_dir()]
    assert [folder for folder in sorted(found) if folder.endswith(("source", "file"))] == MISSION_FOLDERS
    assert not (tmp_path / "shop" / "contracts").exists()
    assert load_settings(tmp_path / "shop", {}) == Settings(project=tmp_path / "shop")


def test_contracts_are_copied_only_if_asked(cartlake: Call, tmp_path: Path) -> None:
    assert cartlake("init", tmp_path / "shop", "--with-contracts").code == 0
    copied = {path.name: path.read_text("utf-8") for path in (tmp_path / "shop" / "contracts").iterdir()}
    assert copied == package_texts(CONTRACTS, (".yaml",))
    assert cartlake("doctor", "--project", tmp_path / "shop").code == 0


@pytest.mark.parametrize("name", ["cartlake.toml", ".gitignore"])
def test_nothing_is_overwritten_and_nothing_half_done(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError) as error:
        create_project(tmp_path)
    assert error.value.code == "project_exists"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_of_that_name_is_refused(cartlake: Call, tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("")
    assert cartlake("init", tmp_path / "shop").code == 2


def test_init_says_what_comes_next(cartlake: Call, tmp_path: Path) -> None:
    shown = cartlake("init", tmp_path / "shop").out
    assert "cartlake manifest create" in shown
    assert "cartlake run" in shown
