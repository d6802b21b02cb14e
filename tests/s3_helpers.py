"""A real S3 API on loopback (moto's server), behind a proxy that counts and makes faults."""

from __future__ import annotations

import http.client
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BUCKET = "corpora"
SLOW_SECONDS = 1.0

Fault = Callable[[str, int], str | None]
"""(object, how many GETs of it came before) -> "slow", "reset", "500", "cut", or None."""


class S3:
    """`url` leads to the proxy; objects are written past it."""

    def __init__(self, port: int) -> None:
        self.server = ("127.0.0.1", port)
        self.gets: Counter[str] = Counter()
        self.fault: Fault = lambda key, before: None
        self.lock = threading.Lock()
        self.proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.proxy.daemon_threads = True
        threading.Thread(target=self.proxy.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.server_port}"

    def put(self, key: str, content: bytes) -> None:
        connection = http.client.HTTPConnection(*self.server)
        connection.request("PUT", f"/{BUCKET}/{key}" if key else f"/{BUCKET}", content, SIGNED)
        assert connection.getresponse().status == 200
        connection.close()

    def upload(self, folder: Path, name: str) -> str:
        """Returns the address."""
        for path in folder.iterdir():
            self.put(f"{name}/{path.name}", path.read_bytes())
        return f"s3://{BUCKET}/{name}"

    def shard_gets(self) -> dict[str, int]:
        """GETs of each shard since the last time."""
        with self.lock:
            found = {key.rsplit("/", 1)[-1]: count for key, count in self.gets.items()}
            self.gets.clear()
        return {name: count for name, count in found.items() if name[-11:-6].isdigit()}


SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request"}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def _handler(s3: S3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.forward(None)

        def do_GET(self) -> None:
            key = self.path.split("?")[0].removeprefix(f"/{BUCKET}/")
            with s3.lock:
                before = s3.gets[key]
                s3.gets[key] += 1
            self.forward(s3.fault(key, before))

        def forward(self, fault: str | None) -> None:
            if fault == "slow":
                time.sleep(SLOW_SECONDS)
            if fault == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
                return
            if fault == "500":
                self.send_response(500)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            upstream = http.client.HTTPConnection(*s3.server)
            upstream.request(self.command, self.path, headers=dict(self.headers))
            response = upstream.getresponse()
            content = response.read()
            upstream.close()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "server", "date"):
                    self.send_header(name, value)
            self.end_headers()
            if fault == "cut":
                content = content[: len(content) // 2]
                self.close_connection = True
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler


@contextmanager
def s3_server() -> Iterator[S3]:
    """Runs until the end of the block, with an empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(words, **silent)  # type: ignore[call-overload]
    try:
        _wait_for(port, process)
        s3 = S3(port)
        s3.put("", b"")
        yield s3
        s3.proxy.shutdown()
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("moto's server did not start")
