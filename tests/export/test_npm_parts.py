"""Packages of the page are those that are pinned, or nothing is written."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from dataclasses import replace
from http.client import BadStatusLine
from pathlib import Path
from urllib.error import URLError

import pytest

from slr_accel.errors import FetchError
from slr_accel.export import npm_parts
from slr_accel.export.npm_parts import PARTS, Part, find_archives, unpack


def archive(path: Path, part: Part, files: dict[str, bytes]) -> Part:
    """Writes an archive; returns the part with its hash."""
    with tarfile.open(path, "w:gz") as opened:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            opened.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha512(path.read_bytes()).digest()
    return replace(part, integrity=base64.b64encode(digest).decode(), files=("dist/a.js",))


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two small archives, which are pinned. One has a file that would climb out."""
    folder = tmp_path / "vendor"
    folder.mkdir()
    files = {"package/dist/a.js": b"ours", "package/b.js": b"not needed", "../evil": b"x"}
    parts = tuple(archive(folder / part.archive, part, files) for part in PARTS)
    monkeypatch.setattr(npm_parts, "PARTS", parts)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_what_the_page_needs_is_written_and_nothing_else(vendor: Path, tmp_path: Path) -> None:
    unpack(find_archives(vendor), tmp_path / "page" / "vendor")
    written = {p.relative_to(tmp_path / "page") for p in (tmp_path / "page").rglob("*.*")}
    assert written == {Path("vendor", part.folder, "a.js") for part in PARTS}
    assert not list(tmp_path.rglob("evil"))


def test_another_archive_in_its_place_is_refused(vendor: Path) -> None:
    path = vendor / PARTS[1].archive
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="is not the archive that is pinned"):
        find_archives(vendor)
    path.unlink()
    with pytest.raises(ValueError, match=f"npm pack {PARTS[1].package}@"):
        find_archives(vendor)


def test_archives_are_fetched_once_and_checked(
    vendor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def served(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        (part,) = [part for part in PARTS if part.address == address]
        return io.BytesIO((vendor / part.archive).read_bytes())

    monkeypatch.setattr(npm_parts, "urlopen", served)
    first = find_archives(None)
    first[0].write_bytes(b"cut off")
    assert find_archives(None) == first
    assert asked == [PARTS[0].address, PARTS[1].address, PARTS[0].address]

    def other(address: str, timeout: float) -> io.BytesIO:
        return io.BytesIO(b"another file")

    first[0].unlink()
    monkeypatch.setattr(npm_parts, "urlopen", other)
    with pytest.raises(FetchError, match="not the archive that is pinned"):
        find_archives(None)
    assert not first[0].exists()


@pytest.mark.parametrize("error", [URLError("not known"), BadStatusLine("not known")])
def test_without_a_network_the_way_out_is_told(
    error: Exception, vendor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(address: str, timeout: float) -> io.BytesIO:
        raise error

    monkeypatch.setattr(npm_parts, "urlopen", unreachable)
    with pytest.raises(FetchError, match=r"not known.*--vendor FOLDER.*npm pack onnxruntime-web@"):
        find_archives(None)
