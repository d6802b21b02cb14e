"""Serves the page of an export on this machine alone."""

from __future__ import annotations

import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")


class _Handler(SimpleHTTPRequestHandler):
    # Those of the system may lack these, and browsers refuse modules of other types.
    extensions_map = {  # noqa: RUF012
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def send_head(self) -> Any:
        """Refuses other names: a foreign page whose name is made to point here could read files."""
        name = self.headers.get("Host", HOST).partition(":")[0]  # before the port
        if name not in NAMES:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        # A new export on the same port is not that of yesterday.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of each request."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *connection: Any) -> None:
        """Says nothing of a browser that goes away in the middle of a file."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*connection)


def has_page(folder: Path) -> bool:
    """Whether a folder is an export with a page."""
    return (folder / "index.html").is_file() and (folder / "manifest.json").is_file()


def web_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder at 127.0.0.1; port 0 takes any that is free.

    Raises:
        ValueError: the port is taken, or not allowed.
    """
    try:
        return _Server((HOST, port), partial(_Handler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"port {port} cannot be used ({reason}); give another --port") from None
