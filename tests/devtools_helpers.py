"""Drives a page in headless Chromium through the pipe of its DevTools protocol."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser_helpers import NAMES

WORDS = ["--headless", "--no-sandbox", "--hide-scrollbars", "--remote-debugging-pipe"]
# Nothing but this machine can be reached.
WORDS += ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
WORDS += ["--enable-unsafe-swiftshader"]  # WebGL without a GPU
COMMANDS, ANSWERS = 3, 4
"""The file descriptors that Chromium reads and writes."""


class Tab:
    """A tab of a browser: it notes requests and all that the page says."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._read, self._number, self._session = b"", 0, ""
        self.requests: list[str] = []
        self.said: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def call(self, method: str, seconds: float = 60, **parameters: Any) -> dict[str, Any]:
        """Sends a command and returns its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + seconds
        while True:
            answer = self._next(end - time.monotonic())
            assert answer is not None, f"no answer to {method} in {seconds} s; said: {self.said}"
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    def value(self, script: str, seconds: float = 60) -> Any:
        """The value of an expression, or of its promise. An error in it fails the test."""
        options = {"awaitPromise": True, "returnByValue": True}
        result = self.call("Runtime.evaluate", seconds, expression=script, **options)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Waits until an expression holds."""
        end = time.monotonic() + seconds
        while not self.value(condition):
            assert time.monotonic() < end, (
                f"{condition} does not come true; said: {self.said}; "
                f"shows: {self.value('document.body.innerText')}"
            )
            time.sleep(0.1)

    def choose_file(self, selector: str, path: Path) -> None:
        """Gives a file to an <input type=file>."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def picture(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _next(self, seconds: float) -> dict[str, Any] | None:
        """The next message; notes what events tell. None after `seconds`."""
        end = time.monotonic() + seconds
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._answers], [], [], max(end - time.monotonic(), 0))
            if not ready:
                return None
            part = os.read(self._answers, 1 << 20)
            assert part, "Chromium has ended"
            self._read += part
        text, _, self._read = self._read.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        event, told = message.get("method"), message.get("params", {})
        if event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif event == "Runtime.consoleAPICalled":
            words = " ".join(str(a.get("value", a.get("description"))) for a in told["args"])
            self.said.append(f"{told['type']}: {words}")
        elif event == "Runtime.exceptionThrown":
            self.said.append(f"error: {told['exceptionDetails']}")
        elif event == "Log.entryAdded":
            self.said.append(f"{told['entry']['level']}: {told['entry']['text']}")
        return message


@contextmanager
def browser_tab(profile: Path, *words: str) -> Iterator[Tab]:
    """Starts Chromium with further words of its command line. Skips where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    read, our_commands = os.pipe()
    our_answers, write = os.pipe()
    # Above those that Chromium expects, lest one take the place of another.
    theirs = [fcntl.fcntl(number, fcntl.F_DUPFD, 10) for number in (read, write)]
    script = f'exec {COMMANDS}<&{theirs[0]} {ANSWERS}>&{theirs[1]}; exec "$@"'
    command = ["bash", "-c", script, "-", program, *WORDS, f"--user-data-dir={profile}", *words]
    with subprocess.Popen(command, pass_fds=theirs, stderr=subprocess.DEVNULL) as process:
        for number in (read, write, *theirs):
            os.close(number)
        try:
            yield Tab(our_commands, our_answers)
        finally:
            process.terminate()
            process.wait()
            os.close(our_commands)
            os.close(our_answers)
