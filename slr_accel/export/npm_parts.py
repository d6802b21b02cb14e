"""Gets the two npm packages that the page of an export runs with, checked against their hashes."""

from __future__ import annotations

import base64
import hashlib
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from slr_accel.corpus.reader import default_cache_dir
from slr_accel.errors import FetchError
from slr_accel.files import replaced

REGISTRY = "https://registry.npmjs.org"
TIMEOUT, PIECE = 60, 1 << 20
"""Seconds, bytes."""


@dataclass(frozen=True)
class Part:
    """A version of a package, and the files of it that the page needs."""

    package: str
    version: str
    integrity: str
    """The SHA-512 of its archive in base64, as the registry gives it."""
    megabytes: int
    licence: str
    folder: str
    """Below `vendor` in the export."""
    files: tuple[str, ...]

    @property
    def archive(self) -> str:
        """The name that `npm pack` gives it."""
        return f"{self.package.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def address(self) -> str:
        name = self.package.rpartition("/")[2]
        return f"{REGISTRY}/{self.package}/-/{name}-{self.version}.tgz"


PARTS = (
    Part(
        "onnxruntime-web",
        "1.30.0",
        "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        33,
        "MIT",
        "onnxruntime-web",
        ("dist/ort.wasm.bundle.min.mjs", "dist/ort-wasm-simd-threaded.wasm", "package.json"),
    ),
    Part(
        "@mediapipe/holistic",
        "0.5.1675471629",
        "qY+cxtDeSOvVtevrLgnodiwXYaAtPi7dHZtNv/bUCGEjFicAOYtMmrZSqMmbPkTB2+4jLnPF1vgshkAqQRSYAw==",
        53,
        "Apache-2.0",
        "holistic",
        (
            "holistic.js",
            "holistic.binarypb",
            "holistic_solution_packed_assets.data",
            "holistic_solution_packed_assets_loader.js",
            "holistic_solution_simd_wasm_bin.js",
            "holistic_solution_simd_wasm_bin.wasm",
            "holistic_solution_wasm_bin.js",
            "holistic_solution_wasm_bin.wasm",
            "pose_landmark_full.tflite",
            "package.json",
        ),
    ),
)


def find_archives(vendor: Path | None) -> list[Path]:
    """The checked archives of `PARTS`: of a folder, or fetched into the cache where they lack.

    Raises:
        ValueError: the folder lacks one, or holds another file in its place.
        FetchError: the registry cannot be reached, or gives another file.
    """
    if vendor is not None:
        return [_of_folder(part, vendor) for part in PARTS]
    return [_of_cache(part) for part in PARTS]


def unpack(archives: list[Path], target: Path) -> None:
    """Writes the files that the page needs into folders below `target`, and nothing else."""
    for part, archive in zip(PARTS, archives, strict=True):
        folder = target / part.folder
        folder.mkdir(parents=True)
        with tarfile.open(archive) as opened:
            for name in part.files:
                # The names are ours: what else the archive holds is not written.
                content = opened.extractfile(f"package/{name}")
                assert content is not None, name
                (folder / Path(name).name).write_bytes(content.read())


def _of_folder(part: Part, vendor: Path) -> Path:
    path = vendor / part.archive
    way = f"npm pack {part.package}@{part.version} makes it, on any machine with a network"
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; {way}")
    if not _is_whole(path, part):
        raise ValueError(f"{path}: is not the archive that is pinned here; {way}")
    return path


def _of_cache(part: Part) -> Path:
    path = default_cache_dir() / "npm" / part.archive
    if path.is_file() and _is_whole(path, part):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"fetching {part.address} ({part.megabytes} MB)", file=sys.stderr, flush=True)
    with replaced(path) as temporary:
        try:
            _fetch(part, temporary)
        except (OSError, HTTPException) as error:  # URLError is the former
            reason = getattr(error, "reason", None) or error
            raise FetchError(
                f"{part.address} cannot be fetched ({reason}); without a "
                "network give --vendor FOLDER with the files that npm pack "
                f"{' '.join(f'{part.package}@{part.version}' for part in PARTS)} makes"
            ) from None
        if not _is_whole(temporary, part):
            raise FetchError(f"{part.address}: what came is not the archive that is pinned here")
    return path


def _fetch(part: Part, path: Path) -> None:
    most = (part.megabytes + 1) * 10**6
    with urlopen(part.address, timeout=TIMEOUT) as answer, path.open("wb") as file:
        _copy(answer.read, file.write, most)


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], int], most: int) -> None:
    """Copies no more than `most` bytes: a wrong answer does not fill the disk."""
    taken = 0
    while taken < most and (piece := read(PIECE)):
        taken += write(piece)


def _is_whole(path: Path, part: Part) -> bool:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    return base64.b64encode(digest).decode() == part.integrity
