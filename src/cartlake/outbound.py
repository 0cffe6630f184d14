"""JSON that leaves this machine, to where the settings say and nowhere else."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping


class Undelivered(Exception):
    """What was to be sent was not taken; its text has neither what was sent nor the address, which may be secret."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Following one would send the headers, a key among them, to an address that nobody wrote into the settings, and
    ask there for a page instead of leaving the document."""

    def redirect_request(self, *_: object) -> None:
        return None


def post_json(address: str, body: bytes, headers: Mapping[str, str], seconds: float) -> None:
    """`address` (http or https) has taken the document; one that sends us elsewhere has not. Raises Undelivered."""
    if not address.startswith(("http://", "https://")):
        raise Undelivered("the address is neither http nor https")
    try:
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            address, body, {"Content-Type": "application/json", **headers}, method="POST"
        )
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=seconds):
            pass
    except urllib.error.HTTPError as error:
        raise Undelivered(f"answered with {error.code}") from None
    except (OSError, ValueError) as error:
        raise Undelivered(type(getattr(error, "reason", error)).__name__) from None
