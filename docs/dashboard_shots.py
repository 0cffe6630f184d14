"""Photographs the dashboard over a generated shop, for its document: `make docs-shots`. Needs `make browser`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from cartlake.generate import ShopPlan, generate
from cartlake.lake import Lake
from cartlake.scaffold import create_project

DOCS = Path(__file__).resolve().parent
DESKTOP, PHONE = {"width": 1200, "height": 780}, {"width": 390, "height": 780}
SHOTS = (
    ("overview", "/", DESKTOP, "light"),
    ("quality", "/quality", DESKTOP, "dark"),
    ("phone", "/quarantine", PHONE, "light"),
)
FAULTS = frozenset({"bad_rows", "duplicates", "late_parents", "mixed_spellings", "recycled_ids"})
PLAN = ShopPlan(days=14, orders_per_day=90, customers=120, products=40, seed=12, faults=FAULTS)
PROGRAM = (sys.executable, "-m", "cartlake")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "cartlake-demo"
        trade(project)
        serving = (*PROGRAM, "dashboard", "--port", "0", "--json", "--project", str(project))
        process = subprocess.Popen(serving, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout
            said = "".join(process.stdout.readline() for _ in range(3))
            photograph(json.loads(said)["address"])
        finally:
            process.terminate()
            process.wait()


def trade(project: Path) -> None:
    create_project(project)
    with Lake(project) as lake:
        generate(project, PLAN, lambda _: lake.run())


def photograph(address: str) -> None:
    base = address.partition("/?")[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, path, size, scheme in SHOTS:
            page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(address)
            page.goto(f"{base}{path}")
            page.wait_for_timeout(500)  # for the curves
            page.screenshot(path=DOCS / f"dashboard-{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
