"""When watch looks at the landing folders, and how it begins and ends."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from cartlake import watching
from cartlake.generate import ShopPlan, generate
from cartlake.lake import Lake, RunReport
from cartlake.scaffold import create_project
from cartlake.settings import Settings
from cartlake.watching import arrivals, looks
from tests.cli.conftest import Call, start

LANDING = Path("/shop/landing")
MANIFESTS = LANDING / "trigger_file"
MANIFEST = MANIFESTS / "trigger.json"
ORDERS = LANDING / "orders_data" / "source" / "orders.csv"
NOTHING: set[Path] = set()


def looked_at(story: list[tuple[float, set[Path]]], scan_seconds: float = 30) -> list[float]:
    """The times of the looks, when at these times these paths came or changed."""
    now = 0.0

    def told() -> Iterator[set[Path]]:
        nonlocal now
        for at, paths in story:
            now = at
            yield paths

    times = []
    for _ in looks(told(), MANIFESTS, scan_seconds, lambda: now):
        times.append(now)
    return times


def test_there_is_a_look_at_the_start() -> None:
    assert looked_at([(0, NOTHING), (0.1, NOTHING), (0.2, NOTHING)]) == [0]


def test_a_manifest_is_looked_at_at_once() -> None:
    assert looked_at([(0, NOTHING), (0.1, {MANIFEST}), (0.2, NOTHING), (0.3, NOTHING)]) == [0, 0.1]


def test_a_long_copy_is_looked_at_once_it_has_ceased_to_grow() -> None:
    copying = [(tick / 10, {ORDERS}) for tick in range(1, 200)]
    after = [(20 + tick / 10, NOTHING) for tick in range(20)]
    (first, second) = looked_at([(0, NOTHING), *copying, *after])
    assert first == 0
    assert second == pytest.approx(20.4)


def test_a_manifest_that_lands_during_a_copy_does_not_wait_for_it() -> None:
    copying = [(tick / 10, {ORDERS}) for tick in range(1, 20)]
    assert looked_at([(0, NOTHING), *copying, (2.0, {ORDERS, MANIFEST}), (2.1, {ORDERS})]) == [0, 2.0]


def test_partial_downloads_and_locks_of_spreadsheets_are_no_arrival() -> None:
    ignored = {ORDERS.with_name("~$orders.csv"), MANIFESTS / "trigger.json.tmp", MANIFESTS / ".part"}
    assert looked_at([(0, NOTHING), (0.1, ignored), (0.7, NOTHING), (5, NOTHING)]) == [0]


def test_without_any_event_there_is_a_look_every_scan() -> None:
    quiet = [(float(second), NOTHING) for second in range(70)]
    assert looked_at(quiet) == [0, 30, 60]


def test_the_scan_counts_from_the_end_of_the_run_before() -> None:
    clock = iter([0.0, 25.0, 31.0, 56.0, 80.0]).__next__
    seen = list(looks([NOTHING] * 3, MANIFESTS, 30, clock))
    assert len(seen) == 2  # at 0 until 25, not at 31, at 56


@pytest.fixture
def project(tmp_path: Path) -> Path:
    create_project(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture(params=["watchfiles", "listing"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With watchfiles, and as on an installation that lacks it."""
    if request.param == "listing":
        monkeypatch.setattr(watching, "find_spec", lambda _: None)
    else:
        pytest.importorskip("watchfiles")


class Watcher:
    """`arrivals` in a thread of its own: when there were looks."""

    def __init__(self, settings: Settings, scan_seconds: float = 30.0) -> None:
        self.times: list[float] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(settings, scan_seconds))

    def __enter__(self) -> Watcher:
        self._thread.start()
        self.wait_for(1)
        time.sleep(0.3)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(5)
        assert not self._thread.is_alive()

    def _watch(self, settings: Settings, scan_seconds: float) -> None:
        for _ in arrivals(settings, self._stopping.is_set, scan_seconds):
            self.times.append(time.monotonic())

    def wait_for(self, count: int, seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while len(self.times) < count and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.times) >= count


def test_a_dropped_manifest_is_seen_within_a_second(project: Path, either_way: None) -> None:
    with Watcher(Settings(project=project)) as watcher:
        dropped_at = time.monotonic()
        (project / "landing/trigger_file/trigger.json").write_text("{}")
        watcher.wait_for(2)
    assert watcher.times[1] - dropped_at < 1


def test_a_growing_file_causes_one_look_when_it_is_whole(project: Path, either_way: None) -> None:
    with Watcher(Settings(project=project)) as watcher:
        with (project / "landing/orders_data/source/orders.csv").open("w") as copying:
            for _ in range(15):
                copying.write("x" * 1000)
                copying.flush()
                time.sleep(0.1)
        assert len(watcher.times) == 1
        watcher.wait_for(2)
        time.sleep(0.7)
    assert len(watcher.times) == 2


def test_what_is_tidied_away_causes_no_look(project: Path, either_way: None) -> None:
    manifest = project / "landing/trigger_file/trigger.json"
    manifest.write_text("{}")
    with Watcher(Settings(project=project)) as watcher:
        manifest.unlink()
        time.sleep(1)
    assert len(watcher.times) == 1


def test_the_scan_needs_no_event(project: Path, either_way: None) -> None:
    with Watcher(Settings(project=project), scan_seconds=0.3) as watcher:
        watcher.wait_for(3)


def test_with_quiet_files_there_is_a_look_as_often_as_they_have_to_be_quiet(project: Path) -> None:
    settings = Settings.model_validate({"project": project, "landing": {"trigger": "quiet", "quiet_seconds": 0.3}})
    with Watcher(settings) as watcher:
        watcher.wait_for(3)


def test_what_lands_while_another_process_has_the_lake_is_handled_as_soon_as_it_is_free(project: Path) -> None:
    stopping, handled = threading.Event(), threading.Event()

    def on_run(report: RunReport) -> None:
        if [one.batch.status.value for one in report.batches] == ["published"]:
            handled.set()

    def watch() -> None:
        with Lake(project) as lake:
            lake.watch(stopping.is_set, on_run)

    with Lake(project) as lake:
        lake.run()
    watcher = threading.Thread(target=watch)
    with FileLock(project / ".cartlake" / "lock"):
        watcher.start()
        time.sleep(0.5)
        generate(project, ShopPlan(days=1, orders_per_day=5, customers=5, products=4, seed=2))
        time.sleep(2)
        assert not handled.is_set()
    is_soon = handled.wait(20)  # the next scan is 30 seconds away
    stopping.set()
    watcher.join(10)
    assert is_soon


def test_a_folder_that_is_no_project_is_refused(cartlake: Call, tmp_path: Path) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        assert cartlake("watch", "--project", tmp_path).code == 2
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), handlers, strict=True):
            signal.signal(number, handler)


@pytest.mark.posix
@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_watch_cleanly_after_it_published_what_landed(project: Path, asked: signal.Signals) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start("watch", "--project", project, "--json", **pipes) as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None
        assert watch.stderr.readline().startswith("watching")
        generate(project, ShopPlan(days=1, orders_per_day=5, customers=5, products=4, seed=2))
        begun = watch.stdout.readline()
        watch.send_signal(asked)
        rest, _ = watch.communicate(timeout=60)
    assert watch.returncode == 0
    (first,) = json.loads(begun + rest)
    assert (first["batch_id"], first["status"]) == ("batch_2025_01_01_001", "published")


@pytest.mark.posix
def test_a_signal_during_a_run_ends_it_between_two_tasks_and_nothing_is_lost(cartlake: Call, project: Path) -> None:
    generate(project, ShopPlan(days=3, orders_per_day=5, customers=5, products=4, seed=2))
    with start("watch", "--project", project, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        assert watch.stderr is not None
        while "orders_stage_load" not in watch.stderr.readline():
            pass
        watch.send_signal(signal.SIGTERM)
        _, said = watch.communicate(timeout=60)
    assert watch.returncode == 0
    assert "stopped between two tasks" in said
    assert "final_merge_operation" not in said
    statuses = {batch["status"] for batch in cartlake("batch", "list", "--project", project, "--json").json}
    assert statuses == {"ready"}
    done = cartlake("run", "--project", project, "--json").json
    assert [batch["status"] for batch in done] == ["published"] * 3


@pytest.mark.posix
def test_a_second_signal_ends_watch_at_once(project: Path) -> None:
    generate(project, ShopPlan(days=3, orders_per_day=50, customers=50, products=9, seed=2))
    with start("watch", "--project", project, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        assert watch.stderr is not None
        watch.stderr.readline()
        watch.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        watch.send_signal(signal.SIGTERM)
        watch.communicate(timeout=10)
    assert watch.returncode in {-signal.SIGTERM, 0}
