"""The dashboard as a server that runs until it is stopped."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable

import uvicorn

from cartlake.dashboard.access import Access
from cartlake.dashboard.app import application
from cartlake.dashboard.following import Following
from cartlake.errors import UsageError
from cartlake.settings import Settings

_LONGEST_SILENCE = 3.0


def serve(settings: Settings, host: str, port: int, tell: Callable[[str], None]) -> None:
    """Serves the dashboard until the process is interrupted; `tell` hears the address with the token once it answers.
    Port 0 takes a free one. Raises UsageError if the address cannot be had."""
    place = _bound(host, port)
    access, reader, stopped = Access(host), Following(settings), threading.Event()
    server = uvicorn.Server(
        uvicorn.Config(
            application(reader, access),
            access_log=False,
            lifespan="off",
            log_level="warning",
            proxy_headers=False,
            server_header=False,
        )
    )
    follower = threading.Thread(target=reader.follow, args=(stopped.wait,), daemon=True)
    shown = f"[{host}]" if ":" in host else host
    try:
        follower.start()
        reader.wait_until_ready(_LONGEST_SILENCE)
        tell(f"http://{shown}:{place.getsockname()[1]}/?token={access.token}")
        server.run(sockets=[place])
    finally:
        stopped.set()
        follower.join()
        reader.close()
        place.close()


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        place = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":  # elsewhere it would share the port with whoever has it
                place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            place.bind(address)
            place.listen()  # so that whoever is told the address waits instead of being refused
        except OSError:
            place.close()
            raise
    except OSError as error:
        said = f"the dashboard cannot listen on {host} port {port}: {error.strerror}"
        raise UsageError("address_taken", said, hint="--port 0 takes a free port.") from None
    return place
