"""Telling people: who is told what, once. State stands in the project's own folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from cartlake import health
from cartlake.core.alerts import Alert, batch_alerts, document, freshness_alert, rule_alert, run_alert, untold
from cartlake.core.tables import VALIDATION_RESULTS
from cartlake.disk import replacing
from cartlake.errors import CartlakeError
from cartlake.lock import STATE_FOLDER
from cartlake.outbound import Undelivered, post_json
from cartlake.settings import Settings
from cartlake.tasks.context import Context

RECENT = timedelta(days=7)
"""For how long a failed rule is news."""
_FILE = "alerts.json"
_Way = Callable[[bytes], None]
"""Delivers a document. Raises Undelivered."""


def is_wanted(settings: Settings) -> bool:
    return settings.alerts.webhook is not None or bool(settings.alerts.command)


def alert(context: Context, failure: CartlakeError | None = None) -> None:
    """Whoever is to be told knows what is new; `failure` ended the run. What one of them did not take that one is told
    the next time. Raises Undelivered."""
    settings = context.settings
    every = [*_alerts(context, context.ledger.now()), *([run_alert(failure)] if failure else [])]
    found = [each for each in every if each.kind in settings.alerts.on]
    told, failures = _told(settings), list[str]()
    known: dict[str, list[str]] = {}
    for name, send in _ways(settings).items():
        before = told.get(name, [])
        new = untold(found, before)
        refused = _failure(settings, send, new) if new else ""
        known[name] = [each.key for each in found if not refused or each.key in before]
        failures.append(refused)
    if known != told:
        _remember(settings, known)
    _require_none(failures)


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
    """The webhook has taken the document, and the command was given it and ended with 0. Raises Undelivered, once both
    were tried."""
    _require_none([_failure(settings, send, alerts) for send in _ways(settings).values()])


def _ways(settings: Settings) -> dict[str, _Way]:
    """How those who are to be told are told, by the names of the settings."""
    to, ways = settings.alerts, dict[str, _Way]()
    if to.webhook is not None:
        ways["webhook"] = partial(_post, to.webhook, to.timeout_seconds)
    if to.command:
        ways["command"] = partial(_run, to.command, to.timeout_seconds, settings.project)
    return ways


def _failure(settings: Settings, send: _Way, alerts: Sequence[Alert]) -> str:
    """The alerts were sent this way; what is said where they were not taken."""
    try:
        send(json.dumps(document(settings.project.name, alerts)).encode())
    except Undelivered as error:
        return str(error)
    return ""


def _require_none(failures: Sequence[str]) -> None:
    if any(failures):
        raise Undelivered("; ".join(filter(None, failures)))


def _post(address: str, seconds: float, body: bytes) -> None:
    try:
        post_json(address, body, {}, seconds)
    except Undelivered as error:
        raise Undelivered(f"the webhook: {error}") from None


def _run(command: Sequence[str], seconds: float, folder: Path, body: bytes) -> None:
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


def _told(settings: Settings) -> dict[str, list[str]]:
    """What each way has told; nothing if the file is gone or no longer ours. A list was once for all of them."""
    try:
        found = json.loads((settings.project / STATE_FOLDER / _FILE).read_text("utf-8"))
        by_way = found if isinstance(found, dict) else dict.fromkeys(_ways(settings), found)
        return {name: [str(key) for key in keys] for name, keys in by_way.items()}
    except (OSError, ValueError, TypeError):
        return {}


def _remember(settings: Settings, told: Mapping[str, Sequence[str]]) -> None:
    path = settings.project / STATE_FOLDER / _FILE
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as beside:
        beside.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
