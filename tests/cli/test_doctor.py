from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from filelock import FileLock

from cartlake import doctor
from cartlake.doctor import Check, examine
from cartlake.scaffold import create_project
from cartlake.settings import load_settings
from tests.cli.conftest import Call


def found(project: Path) -> dict[str, Check]:
    return {check.name: check for check in examine(project)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    create_project(tmp_path)
    return tmp_path


def test_a_lake_in_order_is_all_well(cartlake: Call, shop: Path) -> None:
    answer = cartlake("doctor", "--project", shop, "--json")
    assert answer.code == 0
    assert answer.json["ok"] is True
    assert {check["name"]: check["status"] for check in answer.json["checks"]}["tables"] == "ok"


def test_nothing_is_made_in_a_project_that_never_ran(project: Path) -> None:
    before = sorted(project.rglob("*"))
    assert found(project)["tables"].message.startswith("none yet")
    assert sorted(project.rglob("*")) == before


def test_a_typo_in_the_settings_fails_with_the_key(cartlake: Call, project: Path) -> None:
    (project / "cartlake.toml").write_text("[engine]\nthread = 2\n")
    answer = cartlake("doctor", "--project", project)
    assert answer.code == 3
    assert "engine.thread" in answer.out
    assert "threads" in answer.out


def test_a_time_zone_that_does_not_exist_fails(project: Path) -> None:
    (project / "cartlake.toml").write_text('[business]\ntimezone = "Europe/Berlinn"\n')
    check = found(project)["settings"]
    assert check.status == "fail"
    assert check.message.startswith("cartlake.toml: business.timezone: there is no zone 'Europe/Berlinn'")


def test_a_broken_contract_fails_with_its_file(project: Path) -> None:
    (project / "contracts").mkdir()
    (project / "contracts" / "orders.yaml").write_text("kind: [\n")
    check = found(project)["contracts"]
    assert check.status == "fail"
    assert "contracts/orders.yaml" in check.message


@pytest.mark.parametrize(("there", "missing"), [("sql", "yml"), ("yml", "sql")])
def test_a_model_without_its_twin_fails(project: Path, there: str, missing: str) -> None:
    (project / "models").mkdir()
    (project / "models" / f"big_orders.{there}").write_text("SELECT order_id FROM orders")
    check = found(project)["models"]
    assert (check.status, check.message) == ("fail", f"models/big_orders.{there}: there is no big_orders.{missing}")


def test_a_folder_without_landing_fails_and_says_how_to_make_one(tmp_path: Path) -> None:
    check = found(tmp_path)["project"]
    assert check.status == "fail"
    assert "cartlake init" in str(check.hint)


def test_a_missing_landing_folder_is_a_warning(project: Path) -> None:
    (project / "landing/shipping_data/source").rmdir()
    check = found(project)["project"]
    assert (check.status, "landing/shipping_data/source" in check.message) == ("warn", True)


def test_somebody_at_work_is_a_warning(shop: Path) -> None:
    with FileLock(shop / ".cartlake" / "lock"):
        assert found(shop)["lock"].status == "warn"
    assert found(shop)["lock"].status == "ok"


def test_a_table_newer_than_its_publication_is_a_warning(shop: Path, tmp_path: Path) -> None:
    from cartlake.core.tables import history_table
    from cartlake.engines.embedded import EmbeddedEngine
    from cartlake.project import load_contracts

    copy = shutil.copytree(shop, tmp_path / "shop")
    engine = EmbeddedEngine(load_settings(copy))
    orders = next(history_table(contract) for contract in load_contracts(copy) if contract.feed == "orders")
    engine.values("nothing", orders.columns, [])
    engine.replace(orders, {}, "nothing")
    engine.close()
    check = found(copy)["tables"]
    assert check.status == "warn"
    assert "orders" in check.message


def test_tables_that_todays_contract_would_make_otherwise_fail_with_the_way_out(shop: Path, tmp_path: Path) -> None:
    project = shutil.copytree(shop, tmp_path / "shop")
    (project / "contracts").mkdir(exist_ok=True)
    ours = files("cartlake").joinpath("contracts/customers.yaml").read_text("utf-8")
    changed = ours.replace(
        "customProperties:\n", "customProperties:\n  - {property: timezone, value: Europe/Berlin}\n", 1
    )
    (project / "contracts" / "customers.yaml").write_text(changed, "utf-8")
    check = found(project)["tables"]
    assert (check.status, "timezone" in check.message) == ("fail", True)
    assert "cartlake rebuild --from-archive" in (check.hint or "")


def test_tables_that_todays_settings_would_make_otherwise_are_a_warning(
    cartlake: Call, shop: Path, tmp_path: Path
) -> None:
    project = shutil.copytree(shop, tmp_path / "shop")
    (project / "cartlake.toml").write_text("[business]\nprofit_margin_rate = 0.25\n", "utf-8")
    check = found(project)["tables"]
    assert (check.status, "enriched_orders" in check.message) == ("warn", True)
    assert "cartlake rebuild" in (check.hint or "")
    assert cartlake("rebuild", "--project", project).code == 0
    assert found(project)["tables"].status == "ok"


def test_a_lost_table_is_a_warning(shop: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(shop, tmp_path / "shop")
    shutil.rmtree(copy / "lake" / "products")
    check = found(copy)["tables"]
    assert (check.status, "products" in check.message) == ("warn", True)


def test_a_foreign_table_fails(shop: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(shop, tmp_path / "shop")
    log = copy / "lake" / "products" / "_delta_log" / f"{0:020}.json"
    log.write_text(log.read_text().replace("cartlake.layout", "other.layout"))
    assert found(copy)["tables"].status == "fail"


def test_a_package_that_is_missing_fails_with_the_command_that_installs_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "ENGINE_PACKAGES", ("duckdb", "no-such-package"))
    check = found(project)["packages"]
    assert (check.status, check.hint) == ("fail", 'pip install "cartlake[local]"')
    (project / "cartlake.toml").write_text('[engine]\nname = "spark"\n')
    assert found(project)["packages"].status == "ok", "Spark does without"


def test_watchfiles_is_wished_for_only(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda _: None)
    assert found(project)["watchfiles"].status == "warn"


@pytest.mark.parametrize(("free", "status"), [(10**12, "ok"), (10**9, "warn"), (10**6, "fail")])
def test_little_disk_space_is_told(project: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert found(project)["disk"].status == status
