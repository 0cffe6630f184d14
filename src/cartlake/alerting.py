"""Telling people: who is told what, once. State stands in the project's own folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cartlake import health
from cartlake.core.alerts import Alert, batch_alerts, document, freshness_alert, rule_alert, run_alert, untold
from cartlake.core.tables import VALIDATION_RESULTS
from cartlake.disk import replacing
from cartlake.errors import CartlakeError
from cartlake.lock import STATE_FOLDER
from cartlake.outbound import Undelivered, post_json
from cartlake.settings import Alerts, Settings
from cartlake.tasks.context import Context

RECENT = timedelta(days=7)
"""For how long a failed rule is news."""
_FILE = "alerts.json"


def is_wanted(settings: Settings) -> bool:
    return settings.alerts.webhook is not None or bool(settings.alerts.command)


def alert(context: Context, failure: CartlakeError | None = None) -> None:
    """Whoever is to be told knows what is new; `failure` ended the run. What could not be delivered is told the next
    time. Raises Undelivered."""
    settings = context.settings
    every = [*_alerts(context, context.ledger.now()), *([run_alert(failure)] if failure else [])]
    found = [each for each in every if each.kind in settings.alerts.on]
    told = _told(settings)
    new = untold(found, told)
    if new:
        deliver(settings, new)
    if {each.key for each in found} != told:
        _remember(settings, [each.key for each in found])


def _alerts(context: Context, now: datetime) -> list[Alert]:
    late_after = timedelta(hours=context.settings.alerts.late_after_hours)
    first_seen = {batch_id: min(seen.values()) for batch_id, seen in context.ledger.manifests_seen().items()}
    found = list(batch_alerts(context.ledger.batches().values(), first_seen, now, late_after))
    found += [
        freshness_alert(feed.feed, feed.batch_date, feed.due_at)
        for feed in health.feeds(context)
        if feed.is_late and feed.due_at is not None
    ]
    return found + _broken_rules(context, now - RECENT)


def _broken_rules(context: Context, since: datetime) -> list[Alert]:
    """The rules of high severity that failed in the batches that were judged since then."""
    with context.engine.scope():
        context.engine.read("results", VALIDATION_RESULTS)
        rows = context.engine.rows(
            "SELECT batch_id, rule, rows_failed, rows_checked FROM results"
            " WHERE outcome = 'failed' AND severity = 'high' AND validated_at >= :since ORDER BY batch_id, rule",
            {"since": since},
        )
    return [
        rule_alert(str(row["batch_id"]), str(row["rule"]), int(str(row["rows_failed"])), int(str(row["rows_checked"])))
        for row in rows
    ]


def deliver(settings: Settings, alerts: Sequence[Alert]) -> None:
    """The webhook has taken the document, and the command was given it and ended with 0. Raises Undelivered."""
    body = json.dumps(document(settings.project.name, alerts)).encode()
    to: Alerts = settings.alerts
    if to.webhook is not None:
        try:
            post_json(to.webhook, body, {}, to.timeout_seconds)
        except Undelivered as error:
            raise Undelivered(f"the webhook: {error}") from None
    if to.command:
        _run(to.command, body, to.timeout_seconds, settings.project)


def _run(command: Sequence[str], body: bytes, seconds: float, folder: Path) -> None:
    """The command gets the document on its standard input; what it prints is nobody's."""
    try:
        ended = subprocess.run(  # noqa: S603 - the person who wrote the settings chose the program
            command,
            input=body,
            timeout=seconds,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Undelivered(f"the command did not end in {seconds:g} s") from None
    except (OSError, ValueError) as error:
        raise Undelivered(f"the command could not be started ({type(error).__name__})") from None
    if ended.returncode:
        raise Undelivered(f"the command ended with {ended.returncode}")


def _told(settings: Settings) -> set[str]:
    """What has been told; nothing if the file is gone or no longer ours."""
    try:
        return {str(key) for key in json.loads((settings.project / STATE_FOLDER / _FILE).read_text("utf-8"))}
    except (OSError, ValueError, TypeError):
        return set()


def _remember(settings: Settings, told: Sequence[str]) -> None:
    path = settings.project / STATE_FOLDER / _FILE
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as beside:
        beside.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
