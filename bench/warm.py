"""How long a small batch takes from its manifest to its publication while `watch` is running."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from cartlake.generate import ShopPlan, generate
from cartlake.lake import Lake, RunReport
from cartlake.scaffold import create_project


def warm_latency(folder: Path, rounds: int) -> list[float]:
    """Seconds per batch of about 100 rows; the first two batches warm up and are not counted."""
    project, source = folder / "warm", folder / "deliveries"
    create_project(project)
    create_project(source)
    generate(source, ShopPlan(days=rounds + 2, orders_per_day=20, customers=40, products=10, seed=2))
    stop, published = threading.Event(), threading.Event()

    def on_run(report: RunReport) -> None:
        if report.batches:
            published.set()

    lake = Lake(project)
    watching = threading.Thread(target=lake.watch, args=(stop.is_set, on_run))
    watching.start()
    try:
        time.sleep(1)
        return [_deliver(manifest, source, project, published) for manifest in _manifests(source)][2:]
    finally:
        stop.set()
        watching.join()
        lake.close()


def _manifests(source: Path) -> list[Path]:
    return sorted((source / "landing" / "trigger_file").glob("*.json"))


def _deliver(manifest: Path, source: Path, project: Path, published: threading.Event) -> float:
    """Moves one day's files, then its manifest; the seconds from there to the commit that makes the batch visible."""
    day = manifest.stem.removeprefix("trigger_")
    for file in (source / "landing").rglob(f"*{day}.csv"):
        file.rename(project / file.relative_to(source))
    time.sleep(0.5)
    published.clear()
    started = time.time()
    manifest.rename(project / manifest.relative_to(source))
    if not published.wait(120):
        raise TimeoutError(f"{manifest.name} was not published in 120 s")
    commits = (project / "lake" / "publications" / "_delta_log").glob("*.json")
    return max(commit.stat().st_mtime for commit in commits) - started
