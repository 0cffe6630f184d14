"""Who may do what: a token that is printed when the dashboard starts, and marks against forged requests.

A browser that has shown the token keeps a cookie made from it; forms carry another mark made from it. Neither tells
the token. A new start has a new token, so nothing outlives the process.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import Request

LOCAL_NAMES = ("localhost",)


def is_local(host: str) -> bool:
    """Whether only this machine reaches a server on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOCAL_NAMES


@dataclass(frozen=True)
class Access:
    """What one start of the dashboard on `host` allows. Comparisons take the same time whatever is given."""

    host: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def looks_are_free(self) -> bool:
        """Pages without data of people need no token where only this machine can ask for them."""
        return is_local(self.host)

    @property
    def form_mark(self) -> str:
        return self._made("form")

    @property
    def session(self) -> str:
        return self._made("session")

    def knows(self, token: str) -> bool:
        return _same(token, self.token)

    def is_known(self, request: Request) -> bool:
        return _same(request.cookies.get(cookie_name(request), ""), self.session)

    def is_own_form(self, request: Request, mark: str) -> bool:
        """Whether a form of ours sent this, from a page of ours."""
        site = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin")
        is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
        return site in ("same-origin", "none") and is_ours and _same(mark, self.form_mark)

    def answers_to(self, host: str) -> bool:
        """Whether a request for this host name is meant for us: a page elsewhere may have its name lead here, but not
        to an address or to the name that we were told."""
        name = (urlsplit(f"//{host}").hostname or "") if _is_plain(host) else ""
        if name in (*LOCAL_NAMES, self.host):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _made(self, purpose: str) -> str:
        return hmac.new(self.token.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def cookie_name(request: Request) -> str:
    """Browsers send cookies to every port of a host."""
    return f"cartlake-{request.url.port or 80}"


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _is_plain(host: str) -> bool:
    return bool(host) and not set(host) & set("/\\@?#")
