"""Start: a project, a demo, a generated shop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cartlake.cli.options import START, AsJson, taking
from cartlake.cli.output import Output, plain
from cartlake.cli.progress import TaskLog

if TYPE_CHECKING:
    from cartlake.generate import DayReport


def register(app: typer.Typer) -> None:
    for command in (init, demo, taking(ShopOptions, generate)):
        app.command(rich_help_panel=START)(command)


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The new project folder.", show_default=False)],
    with_contracts: Annotated[
        bool, typer.Option("--with-contracts", help="Also copy the contracts, to change them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a project: settings with comments, and the folders in which files land. Nothing is overwritten."""
    from cartlake.scaffold import create_project

    out = Output(as_json)
    written = create_project(directory, with_contracts=with_contracts)
    out.document({"project": directory.absolute(), "written": written})
    out.show(
        Text(f"{plain(directory)} is a cartlake project.", "green"),
        "",
        "Next:",
        Text(f"  cd {plain(directory)}"),
        "  put CSV files into landing/orders_data/source, landing/customer_data/source, ...",
        "  cartlake manifest create    announces what is there",
        "  cartlake run                loads and publishes it",
        "Or try it with a generated shop: cartlake generate . --days 3 && cartlake run",
    )


def demo(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the demo.")] = Path("cartlake-demo"),
    as_json: AsJson = False,
) -> None:
    """Generate a small shop, run it day by day, and show what came out."""
    from cartlake.cli.summary import document, page
    from cartlake.demo import play

    out = Output(as_json)
    with TaskLog(out, "demo") as log:
        summary = play(directory, lambda said: out.log.print(Text(plain(said), "bold")), log.on_task)
    out.document(document(summary))
    out.show(*page(summary))


@dataclass(frozen=True)
class ShopOptions:
    """The options of `generate`, by their names on the command line."""

    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The project folder.", show_default=False)]
    days: Annotated[int, typer.Option("--days", metavar="N", help="How many days.")] = 3
    orders_per_day: Annotated[int, typer.Option("--orders-per-day", metavar="N", help="How many orders a day.")] = 100
    customers: Annotated[int, typer.Option("--customers", metavar="N", help="How many customers at first.")] = 50
    products: Annotated[int, typer.Option("--products", metavar="N", help="How many products at first.")] = 30
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Equal numbers give equal files.")] = 1
    start: Annotated[
        datetime,
        typer.Option("--start", formats=["%Y-%m-%d"], metavar="DATE", help="The first day.", show_default="2025-01-01"),
    ] = datetime(2025, 1, 1)  # noqa: DTZ001 - a date: typer knows no other type for it
    faults: Annotated[
        str, typer.Option("--faults", metavar="all|NAME,...", help="Defects to put in.", show_default="none")
    ] = ""
    as_json: AsJson = False


def generate(options: ShopOptions) -> None:
    """Put a realistic shop into the landing folders: files and manifests, day by day."""
    from cartlake.generate import ShopPlan, faults_named
    from cartlake.generate import generate as generate_shop

    out = Output(options.as_json)
    plan = ShopPlan(
        options.days,
        options.orders_per_day,
        options.customers,
        options.products,
        options.seed,
        options.start.date(),
        faults_named(options.faults),
    )
    reports = generate_shop(options.directory, plan, lambda report: out.log.print(_day_line(report)))
    out.document([_day_document(report) for report in reports])
    for report in reports:
        for fault in report.faults:
            said = f"{report.day}  {plain(fault.name)}: {fault.count:,} in {plain(', '.join(fault.files))}"
            out.show(Text(said, "yellow"))
    rows = sum(report.rows for report in reports)
    out.show(f"{rows:,} records of {len(reports):,} days landed in {plain(options.directory / 'landing')}")


def _day_line(report: DayReport) -> Text:
    return Text(f"{report.day}  {report.rows:>10,} records  {report.bytes:>13,} bytes")


def _day_document(report: DayReport) -> dict[str, object]:
    return {
        "day": report.day,
        "rows": report.rows,
        "bytes": report.bytes,
        "files": [vars(file) for file in report.files],
        "manifests": list(report.manifests),
        "faults": [vars(fault) for fault in report.faults],
    }
