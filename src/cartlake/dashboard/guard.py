"""What holds for every request and every answer, whichever page it is about."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cartlake.dashboard.access import Access

_LOG = logging.getLogger(__name__)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Refuses requests that name another host, and adds the headers that keep an answer from doing harm."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store" if not _is_static(scope) else "no-cache")
            await send(message)

        request = Request(scope)
        if self._access.answers_to(request.headers.get("host", "")):
            try:
                await self._app(scope, receive, send_guarded)
            except Exception as error:  # answered already, as 500; its words may quote data
                _LOG.error("unexpected %s: this is a defect of cartlake (%s)", type(error).__name__, _place(error))
        else:
            refused = PlainTextResponse("This address is not one of the dashboard's.\n", 421)
            await refused(scope, receive, send_guarded)


def _place(error: Exception) -> str:
    """The innermost line that was reached."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _is_static(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/static/")
