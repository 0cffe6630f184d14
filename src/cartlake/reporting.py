"""What others are told after a run. Nothing here can fail a run: what goes wrong becomes a notice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import metadata
from pathlib import Path

from cartlake import health, lineage
from cartlake.alerting import alert, is_wanted
from cartlake.core.dag import MERGE, VALIDATION
from cartlake.core.entries import Run
from cartlake.core.openlineage import Emitter, Event, Outcome, events
from cartlake.core.tables import VALIDATION_RESULTS
from cartlake.engines.base import Row
from cartlake.errors import CartlakeError
from cartlake.outbound import Undelivered, post_json
from cartlake.tasks.context import Context


@contextmanager
def reported(context: Context, run: Run | None) -> Iterator[list[str]]:
    """Whoever wants to know is told what happened inside, also if it raised or nothing was to do; the list holds what
    could not be told."""
    since, notices, failure = context.ledger.now(), list[str](), None
    try:
        yield notices
    except CartlakeError as error:
        failure = error
        raise
    finally:
        if run is not None and context.settings.lineage.openlineage:
            _quietly(notices, "OpenLineage", lambda: _emit_lineage(context, run, since))
        if is_wanted(context.settings):
            _quietly(notices, "alerts", lambda: alert(context, failure))


def _quietly(notices: list[str], what: str, tell: Callable[[], None]) -> None:
    try:
        tell()
    except (Undelivered, CartlakeError) as error:
        notices.append(f"{what}: {error}; the run itself is not concerned")
    except Exception as error:  # whatever it is, the run is over and stands
        notices.append(f"{what}: {type(error).__name__}; the run itself is not concerned")


def _emit_lineage(context: Context, run: Run, since: datetime) -> None:
    """The attempts of the run since then have been told as events, the oldest first."""
    attempts = [each for each in context.ledger.tasks(run_id=run.run_id) if each.started_at >= since]
    if not attempts:
        return
    emitter, batches = _emitter(context), context.ledger.batches()
    published = {each.batch_id: each for each in context.ledger.publications() if each.published_at >= since}
    results = _results(context, [each.batch_id for each in attempts if each.task == VALIDATION])
    metrics = {batch_id: health.metrics(context, batch_id, None) for batch_id in results}
    made: list[Event] = []
    for attempt in attempts:
        batch_id, is_judged = attempt.batch_id, attempt.task == VALIDATION
        outcome = Outcome(
            attempt,
            batches[batch_id].batch_date,
            published.get(batch_id) if attempt.task == MERGE else None,
            metrics.get(batch_id, []) if is_judged else [],
            results.get(batch_id, []) if is_judged else [],
        )
        made += events(emitter, outcome)
    _deliver(context, made)


def _emitter(context: Context) -> Emitter:
    return Emitter(
        producer=f"urn:cartlake:{_version()}",
        namespace=context.settings.lineage.namespace,
        locate=_locate(context),
        contracts=context.contracts,
        production=context.production_tables,
        logs=context.stage_tables,
        flows=lineage.graph(context, None).flows,
    )


def _locate(context: Context) -> Callable[[str], tuple[str, str]]:
    """Datasets are named by where they stand: files and tables in folders, tables of a catalog by their names there."""
    settings = context.settings
    tables = {table.name for table in (*context.production_tables, *context.stage_tables)}

    def locate(name: str) -> tuple[str, str]:
        if name in tables and settings.engine.schema_name:
            return settings.engine.catalog, f"{settings.engine.schema_name}_store.{name}"
        folder = settings.lake_folder if name in tables else settings.landing_folder
        return "file", (folder / name).as_posix()

    return locate


def _results(context: Context, batches: Sequence[str]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = {batch_id: [] for batch_id in batches}
    if found:
        with context.engine.scope():
            context.engine.read("results", VALIDATION_RESULTS, where={"batch_id": list(found)})
            for row in context.engine.rows("SELECT * FROM results ORDER BY batch_id, rule"):
                found[str(row["batch_id"])].append(row)
    return found


def _deliver(context: Context, made: Sequence[Event]) -> None:
    """The events stand in the file, a line each, or the endpoint has taken each of them."""
    settings = context.settings.lineage
    target = str(settings.openlineage)
    if target.startswith(("http://", "https://")):
        headers = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
        for event in made:
            post_json(target, json.dumps(event, default=str).encode(), headers, settings.timeout_seconds)
        return
    path = context.settings.project / Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{json.dumps(event, default=str)}\n" for event in made)


def _version() -> str:
    try:
        return metadata.version("cartlake")
    except metadata.PackageNotFoundError:
        return "0"
