"""How the arrays an index names are read: npy, npz and safetensors, never unpickling."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

SUFFIXES = (".npy", ".npz", ".safetensors")


def read_array(folder: Path, reference: str) -> np.ndarray:
    """The array behind `file.npy`, `file.npz#key` or `file.safetensors#key`, from `folder`.

    Returns:
        [T, D], T >= 1, of a numeric or boolean dtype.

    Raises:
        ValueError: says what is wrong with the file, the key or the array.
    """
    name, _, key = reference.partition("#")
    path = folder / name
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{name}: features are read from {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        array = _load(path, key)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not readable ({error})") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{reference}: holds {array.dtype}, not numbers")
    if array.ndim != 2:
        raise ValueError(f"{reference}: has shape {array.shape}; needed is [frames, values]")
    if len(array) == 0:
        raise ValueError(f"{reference}: has no frames")
    return array


def _load(path: Path, key: str) -> np.ndarray:
    if path.suffix == ".npy":
        if key:
            raise ValueError(f"{path}: a .npy file holds one array; remove `#{key}`")
        return np.load(path, allow_pickle=False)
    archive = _open_archive(path, path.stat().st_mtime_ns)
    if key not in archive.keys():  # noqa: SIM118 (safe_open is no mapping)
        known = ", ".join(sorted(archive.keys())[:3])
        wanted = f"no array {key!r}" if key else "name an array, as in FILE#KEY"
        raise ValueError(f"{path}: {wanted}; it holds {known}, ...")
    return archive.get_tensor(key) if path.suffix == ".safetensors" else archive[key]


@lru_cache(maxsize=8)
def _open_archive(path: Path, modified: int) -> Any:
    # Indexes name thousands of keys of one file: the directory is read once. `modified` keeps a
    # changed file from being served from the cache.
    if path.suffix == ".npz":
        return np.load(path, allow_pickle=False)
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise ValueError(f"{path}: not readable ({error})") from None
