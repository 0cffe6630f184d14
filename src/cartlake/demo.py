"""The demo: a small generated shop with a few defects, run day by day, and what came out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cartlake.engines.base import Row
from cartlake.errors import UsageError
from cartlake.generate import DayReport, ShopPlan, generate
from cartlake.lake import Lake
from cartlake.lock import STATE_FOLDER
from cartlake.queries import BatchReport, Version
from cartlake.scaffold import create_project
from cartlake.tasks.attempt import OnTask

PLAN = ShopPlan(
    days=4,
    orders_per_day=80,
    customers=120,
    products=40,
    seed=12,
    faults=frozenset({"bad_rows", "duplicates", "late_parents", "mixed_spellings", "recycled_ids"}),
)
_MARK = "demo"
_LANDED = "landed"

_FEEDS = """
SELECT feed, count(*) AS files, sum(rows_in) AS rows_in, sum(rows_staged) AS rows_staged,
    sum(rows_quarantined) AS rows_quarantined, sum(rows_duplicate) AS rows_duplicate
FROM batch_files GROUP BY feed ORDER BY min(CASE feed WHEN 'orders' THEN 1 WHEN 'customers' THEN 2
    WHEN 'products' THEN 3 WHEN 'inventory' THEN 4 ELSE 5 END)
"""
_FIRED = """
SELECT batch_id, rule, description, severity, rows_checked, rows_failed FROM validation_results
WHERE outcome = 'failed'
ORDER BY batch_id, CASE severity WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END, rule
"""
_MOST_CHANGED = """
SELECT customer_id FROM customers GROUP BY customer_id ORDER BY count(*) DESC, customer_id LIMIT 1
"""


@dataclass(frozen=True)
class Summary:
    """What the demo shows. `analytics` is the row of `analytics_summary`; `life` belongs to the customer with most
    versions; `is_repeated` says that nothing was new."""

    project: Path
    lake: Path
    is_repeated: bool
    batches: tuple[BatchReport, ...]
    feeds: tuple[Row, ...]
    fired: tuple[Row, ...]
    analytics: Row
    customer_id: str
    life: tuple[Version, ...]


def play(project: Path, tell: Callable[[str], None], on_task: OnTask) -> Summary:
    """The shop stands in `project` and everything it delivered is published. Again in the same folder nothing is new:
    what landed and was not published yet is, and the summary is the same. Raises UsageError for a project that is not
    a demo."""
    is_repeated = _begin(project)
    with Lake(project) as lake:
        if is_repeated:
            tell("The shop has delivered already; looking for anything new")
            lake.run(on_task)
        else:
            generate(project, PLAN, lambda day: _run_day(lake, day, tell, on_task))
            (project / STATE_FOLDER / _MARK).write_text(_LANDED, "utf-8")
        return gather(lake, is_repeated=is_repeated)


def _begin(project: Path) -> bool:
    """Whether the whole shop has landed before. A demo that was cut short begins again: the same files are no news."""
    mark = project / STATE_FOLDER / _MARK
    if mark.is_file():
        return mark.read_text("utf-8") == _LANDED
    if project.exists() and (not project.is_dir() or any(project.iterdir())):
        hint = "The demo takes an empty or a new folder: cartlake demo ANOTHER"
        raise UsageError("not_a_demo", "the folder is in use and holds no demo", file=str(project), hint=hint)
    create_project(project)
    mark.parent.mkdir()
    mark.write_text("", "utf-8")
    return False


def _run_day(lake: Lake, day: DayReport, tell: Callable[[str], None], on_task: OnTask) -> None:
    tell(f"{day.day}: {day.rows:,} records in {len(day.files)} files have landed")
    lake.run(on_task)


def gather(lake: Lake, *, is_repeated: bool) -> Summary:
    """The summary of a lake in which at least one batch with customers is published."""
    (most_changed,) = lake.query(_MOST_CHANGED)[1]
    (analytics,) = lake.query("SELECT * FROM analytics_summary")[1]
    return Summary(
        project=lake.settings.project,
        lake=lake.settings.lake_folder,
        is_repeated=is_repeated,
        batches=tuple(lake.batches()),
        feeds=tuple(lake.query(_FEEDS)[1]),
        fired=tuple(lake.query(_FIRED)[1]),
        analytics=analytics,
        customer_id=str(most_changed["customer_id"]),
        life=tuple(lake.history("customers", [str(most_changed["customer_id"])])),
    )
