"""What is installed is what was tested: package data travel along, and every pin is a pin."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "cartlake"
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[0-9][0-9a-z.]*)( ; .+)?")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the source distribution of this tree unpacks to; built without network."""
    folder = tmp_path_factory.mktemp("sdist")
    build("sdist", ROOT, folder)
    shutil.unpack_archive(next(folder.glob("*.tar.gz")), folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel unpacks to, built from the source distribution as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    build("wheel", sdist, folder)
    shutil.unpack_archive(next(folder.glob("*.whl")), folder / "site", "zip")
    return folder / "site"


def build(target: str, tree: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)


def files(package: Path) -> dict[str, bytes]:
    found = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in found}


def pins(name: str) -> dict[str, str]:
    """Package to version of one requirements file, with those of the files it includes."""
    found: dict[str, str] = {}
    for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found |= pins(line.removeprefix("-r "))
        elif not line.startswith("#"):
            pin = PIN.fullmatch(line)
            assert pin, f"requirements/{name}: not a pin: {line}"
            found[pin["name"]] = pin["version"]
    return found


def test_every_file_of_the_package_is_in_the_wheel_and_the_sdist(sdist: Path, wheel: Path) -> None:
    assert files(wheel / "cartlake") == files(PACKAGE)
    assert files(sdist / "src" / "cartlake") == files(PACKAGE)


@pytest.mark.parametrize(
    "data",
    [
        "contracts/*.yaml",
        "models/*.sql",
        "models/*.yml",
        "engines/spark/*.properties",
        "dashboard/static/*",
        "dashboard/templates/*.html",
    ],
)
def test_contracts_models_and_pages_are_package_data(data: str, sdist: Path, wheel: Path) -> None:
    expected = {path.name for path in PACKAGE.glob(data)}
    assert expected
    assert {path.name for path in (wheel / "cartlake").glob(data)} == expected
    assert {path.name for path in (sdist / "src" / "cartlake").glob(data)} == expected


def test_the_wheel_makes_a_project_with_contracts_outside_the_tree(wheel: Path, tmp_path: Path) -> None:
    program = f"import cartlake.cli as cli; assert cli.__file__.startswith({str(wheel)!r}); cli.main()"
    command = [sys.executable, "-c", program, "init", "shop", "--with-contracts"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(wheel)}, check=True)
    written = {path.name for path in (tmp_path / "shop").rglob("*.yaml")}
    assert written == {path.name for path in PACKAGE.glob("contracts/*.yaml")}


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "requirements").iterdir()))
def test_a_requirements_file_holds_pins_and_no_package_index(name: str) -> None:
    assert pins(name)


def test_every_declared_dependency_is_pinned_within_its_range(project: dict[str, Any]) -> None:
    run = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["local"]]
    assert not unmet(run, pins("local.txt"))
    for extra, name in (("dashboard", "dashboard.txt"), ("spark", "spark.txt"), ("spark", "spark-4.0.txt")):
        assert not unmet(project["project"]["optional-dependencies"][extra], pins(name))
    assert not unmet(project["build-system"]["requires"], pins("build.txt"))
    assert not unmet(project["dependency-groups"]["dev"], pins("dev.txt"))
    assert not unmet(project["dependency-groups"]["databricks"], pins("databricks.txt"))


def unmet(declared: list[str], pinned: dict[str, str]) -> list[str]:
    wanted = [Requirement(text) for text in declared]
    return [str(one) for one in wanted if not one.specifier.contains(pinned.get(canonicalize_name(one.name), "0"))]
