"""`live --web` serves a page as browsers want it, to this machine alone."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from slr_accel.cli import main
from slr_accel.live.web_server import HOST, web_server

FILES = {
    "index.html": "text/html",
    "main.js": "text/javascript",
    "vendor/ort.mjs": "text/javascript",
    "vendor/ort.wasm": "application/wasm",
    "manifest.json": "application/json",
}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "a page"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_files_have_the_types_that_browsers_ask_for(page: Path) -> None:
    with web_server(page, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert server.server_address[0] == HOST == "127.0.0.1"
        for name, kind in FILES.items():
            with urlopen(f"http://{HOST}:{server.server_port}/{name}") as answer:
                assert answer.headers["Content-Type"] == kind
                assert answer.read().decode() == name
        server.shutdown()
        thread.join()


def test_a_foreign_name_that_points_here_reads_nothing(page: Path) -> None:
    with web_server(page, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://{HOST}:{server.server_port}/manifest.json"
        for name, status in (("localhost:1", 200), ("evil.example", 421), ("127.0.0.1.evil", 421)):
            try:
                with urlopen(Request(address, headers={"Host": name})) as answer:
                    found = answer.status
            except HTTPError as error:
                found = error.code
            assert found == status, name
        server.shutdown()
        thread.join()


def test_the_command_serves_until_ctrl_c(page: Path) -> None:
    words = [sys.executable, "-m", "slr_accel", "live", str(page), "--web", "--port", "0"]
    # Programs that are started in the background of a script ignore Ctrl-C.
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        with urlopen(address) as answer:
            assert answer.read() == b"index.html"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def failed(capsys, *words: object) -> str:
    with pytest.raises(SystemExit) as exit_info:
        main([str(word) for word in words])
    assert exit_info.value.code == 2
    return str(capsys.readouterr().err)


def test_mistakes_are_told(page: Path, tmp_path: Path, capsys) -> None:
    with web_server(page, 0) as taken:
        words = ("live", page, "--web", "--port", taken.server_port)
        assert "give another --port" in failed(capsys, *words)
    assert "--port" in failed(capsys, "live", page, "--web", "--port", 70000)
    assert "neither a run nor an export" in failed(capsys, "live", tmp_path, "--web")
    assert "no use for --record" in failed(capsys, "live", page, "--web", "--record", "x")
    assert "no use for --look_ahead" in failed(capsys, "live", page, "--web", "--look_ahead", 0)
    assert "has its packages" in failed(capsys, "live", page, "--web", "--vendor", tmp_path)
    assert "no use without --web" in failed(capsys, "live", page, "--vendor", tmp_path)
