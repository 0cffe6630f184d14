"""Somebody who listens: an HTTP endpoint on this machine that remembers what it was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any


class Listener:
    """`taken` are the documents it was sent, `keys` the Authorization of each request; it answers with `answer` and, if
    it is set, `elsewhere` as the address to go to."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answer = 200
        self.elsewhere = ""
        self.address = ""


@contextmanager
def listening(path: str) -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            listener.keys.append(self.headers["Authorization"])
            listener.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(listener.answer)
            if listener.elsewhere:
                self.send_header("Location", listener.elsewhere)
            self.end_headers()

        def do_GET(self) -> None:
            listener.keys.append(self.headers["Authorization"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    listener.address = f"http://127.0.0.1:{server.server_port}{path}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
