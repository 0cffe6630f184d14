"""The Databricks bundle says what the code does: its job is the DAG, every call in it is one that the program takes,
and the same calls, made here, publish a batch. What only a workspace can say is not tested."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cartlake import cli
from cartlake.cli.app import app
from cartlake.core import dag
from cartlake.project import load_contracts
from cartlake.settings import Landing, load_settings
from tests.conftest import ROOT
from tests.pipeline.shop import Shop, a_day

GIVEN = {"catalog": "main", "alerts": "data@example.com", "runner": "0a1b"}
PROJECT = "/Volumes/main/shop_store/files"
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def merged(into: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`more` over `into`, mapping by mapping, as a target is laid over the bundle."""
    both = {
        key: merged(into[key], more[key]) if isinstance(into[key], dict) else more[key] for key in into.keys() & more
    }
    return into | more | both


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


BUNDLE = read(ROOT / "databricks.yml")
FILES = sorted(path for pattern in BUNDLE["include"] for path in ROOT.glob(pattern))


def bundle(target: str) -> dict[str, Any]:
    """The bundle of a target with its included files, references not yet followed."""
    whole = BUNDLE
    for path in FILES:
        whole = merged(whole, read(path))
    return merged(whole, BUNDLE["targets"][target])


def followed(value: Any, whole: dict[str, Any]) -> Any:
    """The value with every reference to a variable or a resource replaced, as a deployment does."""
    if isinstance(value, dict):
        return {key: followed(member, whole) for key, member in value.items()}
    if isinstance(value, list):
        return [followed(member, whole) for member in value]
    return _REFERENCE.sub(lambda found: target_of(found[1], whole), value) if isinstance(value, str) else value


def target_of(reference: str, whole: dict[str, Any]) -> str:
    kind, *path = reference.split(".")
    if kind == "var":
        variable = whole["variables"][path[0]]
        return str(GIVEN[path[0]] if path[0] in GIVEN else variable["default"])
    place: Any = whole[kind]
    for name in path:
        place = place[name]
    return str(followed(place, whole))


def resources(target: str = "prod") -> dict[str, Any]:
    whole = bundle(target)
    found: dict[str, Any] = followed(whole["resources"], whole)
    return found


JOBS: dict[str, Any] = resources()["jobs"]
PIPELINE = JOBS["pipeline"]
TASKS: dict[str, Any] = {task["task_key"]: task for task in PIPELINE["tasks"]}
CALLS: dict[str, list[str]] = {
    task["task_key"]: [word.replace("{{job.run_id}}", "834298") for word in task["python_wheel_task"]["parameters"]]
    for job in JOBS.values()
    for task in job["tasks"]
}


def test_the_job_is_the_dag(tmp_path: Path) -> None:
    contracts = load_contracts(tmp_path)
    assert tuple(TASKS) == dag.task_names(contracts)
    needs = {name: tuple(one["task_key"] for one in task.get("depends_on", [])) for name, task in TASKS.items()}
    assert needs == {name: dag.needs(name, contracts) for name in dag.task_names(contracts)}


def test_each_task_runs_itself_over_the_list_of_this_run() -> None:
    for name, task in TASKS.items():
        words = task["python_wheel_task"]["parameters"]
        assert words[:3] == ["task", name, "--run={{job.run_id}}"]
    assert [CALLS["run"][0], CALLS["maintain"][0]] == ["run", "maintain"]


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_one_that_the_program_takes(name: str) -> None:
    command: Any = typer.main.get_command(app)
    words = list(CALLS[name])
    command = command.commands[words.pop(0)]
    context = command.make_context(name, words)
    assert not context.args
    assert str(context.params["project"]) == PROJECT


@pytest.mark.parametrize("name", CALLS)
def test_every_setting_that_a_call_makes_is_a_setting(name: str) -> None:
    flags: dict[str, dict[str, object]] = {}
    for word in CALLS[name]:
        if word.startswith("--set="):
            section, key, value = re.fullmatch(r"--set=(\w+)\.(\w+)=(\w+)", word).groups()  # type: ignore[union-attr]
            flags.setdefault(section, {})[key] = value
    settings = load_settings(Path(PROJECT), {}, flags)
    assert flags["engine"].items() <= settings.engine.model_dump(by_alias=True).items()


def test_the_entry_point_and_the_wheel_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for job in JOBS.values():
        [environment] = job["environments"]
        assert environment["spec"] == {"environment_version": "4", "dependencies": ["../dist/*.whl"]}
        for task in job["tasks"]:
            wheel = task["python_wheel_task"]
            assert wheel["package_name"] == project["name"]
            assert project["scripts"][wheel["entry_point"]] == "cartlake.cli:job"
            assert task["environment_key"] == environment["environment_key"]
    assert "--wheel-dir dist " in BUNDLE["artifacts"]["cartlake"]["build"]


def test_only_tasks_whose_errors_are_the_engines_are_repeated() -> None:
    repeated = {task["task_key"]: task["max_retries"] for job in JOBS.values() for task in job["tasks"]}
    assert {name for name, retries in repeated.items() if not retries} == {"final_merge_operation", "run"}
    assert all(task["disable_auto_optimization"] for job in JOBS.values() for task in job["tasks"])


def test_manifests_start_the_job_and_runs_wait_for_each_other() -> None:
    arrival = PIPELINE["trigger"]["file_arrival"]
    assert arrival["url"] == f"{PROJECT}/{Landing().path}/{Landing().manifests}/"
    assert arrival["min_time_between_triggers_seconds"] >= 60
    assert arrival["wait_after_last_change_seconds"] >= 60
    for job in JOBS.values():
        assert job["max_concurrent_runs"] == 1
        assert job["queue"] == {"enabled": True}


def test_what_hangs_is_told_and_ended() -> None:
    for job in JOBS.values():
        [rule] = job["health"]["rules"]
        assert rule["metric"] == "RUN_DURATION_SECONDS"
        assert 0 < rule["value"] < job["timeout_seconds"]
        assert all(0 < task["timeout_seconds"] <= job["timeout_seconds"] for task in job["tasks"])
        told = job["email_notifications"]
        assert told["on_failure"] == told["on_duration_warning_threshold_exceeded"] == ["data@example.com"]


def test_the_compact_job_runs_by_the_hour_and_maintenance_by_the_day() -> None:
    assert re.fullmatch(r"0 \d+ \* \* \* \?", JOBS["compact"]["schedule"]["quartz_cron_expression"])
    assert re.fullmatch(r"0 \d+ \d+ \* \* \?", JOBS["maintenance"]["schedule"]["quartz_cron_expression"])


def test_readers_see_the_views_only() -> None:
    found = resources()
    given = {
        (kind, name): {grant["principal"]: set(grant["privileges"]) for grant in resource["grants"]}
        for kind in ("schemas", "volumes")
        for name, resource in found[kind].items()
    }
    assert given == {
        ("schemas", "views"): {"cartlake-readers": {"USE_SCHEMA", "SELECT"}, "0a1b": {"USE_SCHEMA", "CREATE_TABLE"}},
        ("schemas", "store"): {"0a1b": {"USE_SCHEMA", "CREATE_TABLE"}, "cartlake-senders": {"USE_SCHEMA"}},
        ("volumes", "files"): {
            "0a1b": {"READ_VOLUME", "WRITE_VOLUME"},
            "cartlake-senders": {"READ_VOLUME", "WRITE_VOLUME"},
        },
    }
    assert bundle("prod")["run_as"] == {"service_principal_name": "${var.runner}"}


def test_what_is_stored_stands_apart_from_what_is_read() -> None:
    found = resources()
    assert [found["schemas"][name]["name"] for name in ("views", "store")] == ["shop", "shop_store"]
    assert found["volumes"]["files"]["schema_name"] == "shop_store"


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_every_reference_leads_somewhere_and_every_variable_is_used(target: str) -> None:
    assert set(resources(target)) == {"jobs", "schemas", "volumes"}
    texts = "".join(path.read_text("utf-8") for path in [ROOT / "databricks.yml", *FILES])
    assert set(re.findall(r"\$\{var\.(\w+)\}", texts)) == set(BUNDLE["variables"])
    assert BUNDLE["targets"][target]["mode"] == {"dev": "development", "prod": "production"}[target]


def shown() -> Iterator[tuple[str, str]]:
    text = (ROOT / "docs" / "databricks.md").read_text("utf-8")
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from ((line, name) for line in block.splitlines() for name in re.findall(r"--var[= ]\"?(\w+)=", line))


def test_the_variables_and_jobs_in_the_documentation_are_those_of_the_bundle() -> None:
    assert {name for _, name in shown()} >= {"catalog", "alerts", "runner"}
    assert {name for _, name in shown()} <= set(BUNDLE["variables"])
    text = (ROOT / "docs" / "databricks.md").read_text("utf-8")
    assert set(re.findall(r"databricks bundle run[^`\n]* (\w+)\n", text)) <= set(JOBS)


# the same calls, made here


ENDED = -1  # what Databricks makes of sys.exit(0): a failure


def call(words: list[str], project: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """What a wheel task does: the entry point, without arguments, and what the runner makes of its end."""
    here = [word.replace(PROJECT, str(project)) for word in words if not word.startswith("--set=engine.")]
    monkeypatch.setattr(sys, "argv", ["cartlake-job", *here])
    try:
        cli.job()
    except SystemExit as ended:
        return int(str(ended.code)) or ENDED
    return 0


def test_the_calls_of_the_job_publish_what_has_landed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path / "files")
    shop.deliver("b1", **a_day())
    assert [call(CALLS[name], shop.project, monkeypatch) for name in TASKS] == [0] * 8
    assert shop.statuses() == {"b1": "published"}
    assert shop.rows("SELECT DISTINCT run_id FROM tasks") == [("834298",)]
    shop.deliver("b2", "2025-03-02", orders="colour,shape\nred,round\n")
    assert call(CALLS["run"], shop.project, monkeypatch) == 1
    assert call(CALLS["maintain"], shop.project, monkeypatch) == 0
    shop.lake.close()


def test_a_manifest_whose_files_are_missing_is_no_error_of_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lands while the tasks of that run are under way belongs to the next run, also if it had nothing."""
    shop = Shop(tmp_path / "files")
    shop.announce("b1", files=["orders_b1.csv"])
    ends = [call(CALLS[next(iter(TASKS))], shop.project, monkeypatch)]
    shop.drop("orders", "orders_b1.csv", "colour\nred\n")
    ends += [call(CALLS[name], shop.project, monkeypatch) for name in list(TASKS)[1:]]
    assert ends == [0] * 8
    again = [[word.replace("834298", "834299") for word in CALLS[name]] for name in TASKS]
    assert [call(words, shop.project, monkeypatch) for words in again] == [0] * 7 + [1]
    assert shop.statuses() == {"b1": "failed"}
    shop.lake.close()


# what Databricks' own package says; it is under Databricks' licence, so who has none does without

LACKS = not (importlib.util.find_spec("databricks") and importlib.util.find_spec("databricks.bundles"))


@pytest.mark.skipif(LACKS, reason="databricks-bundles is not installed; `make bundle-check` does it")
def test_databricks_own_package_knows_every_key_and_value() -> None:
    from databricks.bundles.jobs import Job
    from databricks.bundles.schemas import Schema
    from databricks.bundles.volumes import Volume

    kinds = {"jobs": Job, "schemas": Schema, "volumes": Volume}
    for target in BUNDLE["targets"]:
        for kind, found in resources(target).items():
            for resource in found.values():
                assert kinds[kind].from_dict(resource).as_dict() == resource


@pytest.mark.skipif(LACKS, reason="databricks-bundles is not installed; `make bundle-check` does it")
def test_databricks_own_package_refuses_a_key_that_it_does_not_know() -> None:
    from databricks.bundles.jobs import Job

    with pytest.raises(ValueError, match="max_concurent_runs"):
        Job.from_dict(PIPELINE | {"max_concurent_runs": 1})
