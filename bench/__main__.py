"""`make bench`: a generated day of orders through the whole flow, against the floor of parsing the same files and
writing them to Parquet once; what reading costs, part by part; how long a small batch takes on a warm `watch`;
with --growth, what one batch costs on top of histories of several sizes; with --pages, how long the dashboard takes.

Only ratios of one run mean anything: machines differ, and shared ones differ from minute to minute.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import shutil
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.growth import BATCH, CPU, Growth, deliver, grown, known_ids
from bench.measure import Measured, floor, in_child, spark_run, whole_run
from bench.pages import STEPS, page_times
from bench.plain_spark import plain_script
from bench.reading import Ratio, reading_ratios
from bench.warm import warm_latency
from cartlake.generate import ShopPlan, generate
from cartlake.scaffold import create_project

console = Console(width=100)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000, help="orders of the day (default: 1,000,000)")
    parser.add_argument("--rounds", type=int, default=10, help="small batches on a warm watch (default: 10)")
    parser.add_argument(
        "--growth",
        type=int,
        nargs="*",
        metavar="ORDERS",
        help="instead: one batch on top of histories of so many orders (default: 100000 1000000)",
    )
    parser.add_argument("--pages", action="store_true", help="instead: every page of the dashboard on such a lake")
    parser.add_argument("--spark", action="store_true", help="on local Spark too, and against a plain PySpark script")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    given = parser.parse_args()
    console.print(f"{platform.platform()}, Python {platform.python_version()}, {_versions()}")
    with tempfile.TemporaryDirectory(prefix="cartlake-bench-") as folder:
        if given.growth is not None:
            sizes = given.growth or [100_000, 1_000_000]
            grown_to = [grown(Path(folder), size, console.print) for size in sizes]
            _show_growth(grown_to)
            _write(given.json, {"growth": grown_to})
            return
        if given.pages:
            times, peak_mb = page_times(Path(folder), given.orders, console.print)
            _show_pages(times, peak_mb)
            _write(given.json, {"pages": times, "peak_mb": peak_mb})
            return
        ratios = reading_ratios(Path(folder) / "reading", given.orders // 5)
        _show_ratios(ratios)
        figures = _large_day(Path(folder) / "shop", given.orders, is_on_spark=given.spark)
        figures["reading"] = [vars(each) | {"ratio": each.ratio} for each in ratios]
        if given.rounds:
            figures["warm"] = warm_latency(Path(folder), given.rounds)
            _show_warm(figures["warm"])
    _write(given.json, figures)


def _write(path: Path | None, figures: dict[str, object]) -> None:
    if path:
        path.write_text(json.dumps(figures, indent=2, default=vars) + "\n", "utf-8")


def _versions() -> str:
    import deltalake
    import duckdb

    return f"DuckDB {duckdb.__version__}, deltalake {deltalake.__version__}"


def _large_day(project: Path, orders: int, *, is_on_spark: bool) -> dict[str, object]:
    create_project(project)
    plan = ShopPlan(days=1, orders_per_day=orders, customers=orders // 5, products=5_000, seed=1)
    console.print(f"Generating a day of {orders:,} orders ...")
    generate(project, plan)
    files = sorted((project / "landing").rglob("*.csv"))
    size = sum(file.stat().st_size for file in files)
    console.print(f"{len(files)} files, {size / 1e6:,.0f} MB of CSV")
    again = project.with_name("spark")
    if is_on_spark:
        shutil.copytree(project, again)
    base = in_child(floor, files)
    run = in_child(whole_run, project)
    _show_run(base, run)
    figures = {"orders": orders, "bytes": size, "floor": base, "run": run, "ratio": run.seconds / base.seconds}
    return figures | (_on_spark(again, project, run) if is_on_spark else {})


def _on_spark(project: Path, shop: Path, embedded: Measured) -> dict[str, object]:
    """cartlake on local Spark, in `project`, against a plain script with the same settings, and against the embedded
    engine, which has the day in `shop` already: the day, then a small batch on top of it."""
    day = _beside(project, "The same day on local Spark", embedded)
    orders = next((shop / "archive" / "orders_data").rglob("*.csv"))
    with orders.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    for folder in (project, shop):
        deliver(folder, 0, *known_ids(shop), header)
    small = _beside(project, f"{BATCH:,} orders on top of it", in_child(whole_run, shop))
    return {"spark": day, "spark_small": small}


def _beside(project: Path, caption: str, embedded: Measured) -> dict[str, object]:
    script, run = in_child(plain_script, project), in_child(spark_run, project)
    table = Table(title=caption)
    for name in ("step", "seconds", "x script", "x embedded"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for title, measured in (("plain PySpark script", script), ("cartlake run on Spark", run)):
        for step, seconds in measured.parts:
            table.add_row(f"  {step}", f"{seconds:.1f}", "", "", style="dim")
        ratios = (f"{measured.seconds / other.seconds:.1f}" for other in (script, embedded))
        table.add_row(title, f"{measured.seconds:.1f}", *ratios, style="bold")
    console.print(table)
    return {"script": script, "run": run, "embedded": embedded, "x_script": run.seconds / script.seconds}


def _show_ratios(ratios: list[Ratio]) -> None:
    table = Table(title="What reading costs, against the least that it could")
    for name in ("part", "seconds", "against", "seconds", "ratio"):
        table.add_column(name, justify="left" if name in ("part", "against") else "right")
    for each in ratios:
        table.add_row(each.what, f"{each.seconds:.3f}", each.against, f"{each.least:.3f}", f"{each.ratio:.2f}")
    console.print(table)


def _show_run(base: Measured, run: Measured) -> None:
    table = Table(title="The whole flow against parsing the same files and writing them to Parquet once")
    for name in ("step", "seconds", "x floor"):
        table.add_column(name, justify="left" if name == "step" else "right")
    table.add_row("floor (DuckDB)", f"{base.seconds:.2f}", "1.0")
    for step, seconds in run.parts:
        table.add_row(f"  {step}", f"{seconds:.2f}", f"{seconds / base.seconds:.1f}", style="dim")
    ratio = run.seconds / base.seconds
    table.add_row("cartlake run", f"{run.seconds:.2f}", f"{ratio:.1f}", style="bold")
    console.print(table)
    console.print(f"peak memory: floor {base.peak_mb:,.0f} MB, run {run.peak_mb:,.0f} MB")


def _show_growth(sizes: list[Growth]) -> None:
    """Seconds per size, and how many times the smallest history's; steps below 0.05 s are left out."""
    table = Table(title=f"The same batch of {BATCH:,} orders on top of growing histories: wall seconds")
    table.add_column("step")
    for size in sizes:
        table.add_column(f"{size.orders:,}", justify="right")
    table.add_column("growth", justify="right")
    table.add_row(
        "cartlake run", *(f"{size.seconds:.2f}" for size in sizes), _times(sizes[0].seconds, sizes[-1].seconds)
    )
    cpu = [size.parts.get(CPU, 0.0) for size in sizes]
    table.add_row("CPU seconds", *(f"{value:.2f}" for value in cpu), _times(cpu[0], cpu[-1]))
    for found, style in (([size.parts for size in sizes], ""), ([size.floors for size in sizes], "dim")):
        for name in dict.fromkeys(name for one in found for name in one):
            values = [one.get(name, 0.0) for one in found]
            if max(values) >= 0.05 and name != CPU:
                said = name if not style else f"floor: {name}"
                table.add_row(said, *(f"{value:.2f}" for value in values), _times(values[0], values[-1]), style=style)
    console.print(table)
    console.print("peak memory: " + ", ".join(f"{size.orders:,} orders {size.peak_mb:,.0f} MB" for size in sizes))


def _show_pages(times: dict[str, list[float]], peak_mb: float) -> None:
    table = Table(title="Pages of the dashboard: milliseconds, with what a page needs of the lake and without")
    for name in ("page", *STEPS):
        table.add_column(name, justify="left" if name == "page" else "right")
    for page, found in times.items():
        table.add_row(page, *(f"{each:.0f}" for each in found))
    console.print(table)
    firsts = [each for found in times.values() for each in found[::2]]
    console.print(f"slowest first answer {max(firsts):.0f} ms; peak memory {peak_mb:,.0f} MB")


def _times(first: float, last: float) -> str:
    return f"{last / first:.2f}x" if first >= 0.02 else ""


def _show_warm(seconds: object) -> None:
    assert isinstance(seconds, list)
    ordered = sorted(seconds)
    console.print(
        f"100 rows on a warm watch, manifest to publication: median {ordered[len(ordered) // 2]:.2f} s,"
        f" fastest {ordered[0]:.2f} s, slowest {ordered[-1]:.2f} s of {len(ordered)}"
    )


if __name__ == "__main__":
    main()
