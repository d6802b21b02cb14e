"""Reads arrays from npy, npz and safetensors files, without unpickling."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

SUFFIXES = (".npy", ".npz", ".safetensors")
NUM_SAMPLES = 12
"""Arrays that are examined before any is imported."""
T = TypeVar("T")
S = TypeVar("S")


def split_reference(folder: Path, reference: str) -> tuple[Path, str]:
    """(file, key) of `FILE` or `FILE#KEY`; a file whose own name holds a `#` takes precedence."""
    whole = find_file(folder, reference)
    if "#" not in reference or whole.is_file():
        return whole, ""
    name, _, key = reference.partition("#")
    return find_file(folder, name), key


def find_file(folder: Path, name: str) -> Path:
    """The file of that name, however Windows or a Mac has written it; else `folder / name`.

    A Mac writes letters and their accents apart (NFD), and Windows a backslash between folders.
    """
    written = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    slashes = [text.replace("\\", "/") for text in (name, *written)]
    # OSError: a name that is too long for any file.
    with suppress(OSError):
        for other in dict.fromkeys([name, *written, *slashes]):
            if (folder / other).exists():
                return folder / other
    return folder / name


def hint_at_windows(folder: Path, name: str) -> str:
    """Words for a message where a file is not found: a path of Windows."""
    if "\\" not in name and not re.match("[A-Za-z]:", name):
        return ""
    parts = name.replace("\\", "/").split("/")
    ends = ["/".join(parts[i:]) for i in range(1, len(parts))]
    here = next((end for end in ends if (folder / end).exists()), None)
    cure = f"write {here}" if here else "write where the file lies from the index"
    return f"; this is a path of a Windows computer: {cure}"


def read_array(folder: Path, reference: str, columns: int | None = None) -> np.ndarray:
    """Reads `file.npy`, `file.npz#key` or `file.safetensors#key` in `folder`.

    Args:
        columns: values a frame, where they are known: [T, points, axes] of as many becomes [T, D].

    Returns:
        [T, D], T and D >= 1, of a numeric or boolean dtype.

    Raises:
        ValueError: says what is wrong with the file, the key or the array.
    """
    path, key = split_reference(folder, reference)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: features are read from {', '.join(SUFFIXES)}")
    if not path.exists():
        raise ValueError(f"{path}: no such file{hint_at_windows(folder, reference)}")
    if not path.is_file():
        raise ValueError(f"{path}: is not a file; name each array in the index")
    array = load_numbers(path, key)
    if array.ndim == 3 and columns == array.shape[1] * array.shape[2]:
        array = array.reshape(len(array), array.shape[1] * array.shape[2])
    if array.ndim != 2:
        raise ValueError(
            f"{reference}: has shape {array.shape}; needed is [frames, values]: "
            "reshape it to one row a frame, or give the --layout that its points have"
        )
    if 0 in array.shape:
        missing = "frames" if len(array) == 0 else "values in its frames"
        raise ValueError(f"{reference}: has no {missing} (shape {array.shape})")
    return array


def read_samples(read: Callable[[T], S], sources: list[T]) -> list[S]:
    """Reads some of many arrays, evenly spaced ones first; those that cannot be read are left out.

    Reading all of them later reports what is wrong.
    """
    step = max(len(sources) // NUM_SAMPLES, 1)
    samples: list[S] = []
    for number in sorted(range(len(sources)), key=lambda number: number % step):
        if len(samples) < NUM_SAMPLES:
            with suppress(ValueError):
                samples.append(read(sources[number]))
    return samples


def only_array(path: Path) -> str:
    """FILE or FILE#KEY of the only array in a file, or of the one named `features`.

    Raises:
        ValueError: says what is wrong with the file.
    """
    if path.suffix.lower() not in (".npz", ".safetensors"):
        return path.name
    keys = sorted(_open_archive(path, path.stat().st_mtime_ns).keys())
    if "features" in keys:
        return f"{path.name}#features"
    if len(keys) == 1:
        return f"{path.name}#{keys[0]}"
    raise ValueError(
        f"{path}: holds {', '.join(keys) or 'nothing'}; needed is one array, or one called "
        "`features`"
    )


def as_float32(array: np.ndarray, name: str) -> np.ndarray:
    """Copies to float32. Raises ValueError, with `name`, where a value is beyond its range."""
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    if not np.array_equal(np.isinf(single), np.isinf(array)):
        raise ValueError(f"{name} has values up to {np.abs(array).max():g}, beyond float32")
    return single


def load_numbers(path: Path, key: str = "") -> np.ndarray:
    """Reads an array of any shape, numeric or boolean. ValueError says what is wrong with it."""
    array = _load(path, key)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path.name}{'#' if key else ''}{key}: holds {array.dtype}, not numbers")
    return array


def _load(path: Path, key: str) -> np.ndarray:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        if key:
            raise ValueError(f"{path}: a .npy file holds one array; remove `#{key}`")
        return _decode(path, lambda: np.load(path, allow_pickle=False), np.ndarray)
    archive = _open_archive(path, path.stat().st_mtime_ns)
    if key not in archive.keys():  # noqa: SIM118 (safe_open is no mapping)
        keys = sorted(archive.keys())
        known = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
        wanted = f"no array {key!r}" if key else "name an array, as in FILE#KEY"
        raise ValueError(f"{path}: {wanted}; it holds {known or 'nothing'}")
    if suffix == ".npz":
        return _decode(path, lambda: archive[key], np.ndarray)
    dtype = archive.get_slice(key).get_dtype()
    if dtype.startswith(("BF", "F8")):
        raise ValueError(f"{path}#{key}: holds {dtype}, which numpy cannot read; save float32")
    return _decode(path, lambda: archive.get_tensor(key), np.ndarray)


@lru_cache(maxsize=8)
def _open_archive(path: Path, modified: int) -> Any:
    # An index may name thousands of keys of one file: its directory is read once. With `modified`
    # a changed file is read again.
    if path.suffix.lower() == ".npz":
        return _decode(path, lambda: np.load(path, allow_pickle=False), np.lib.npyio.NpzFile)
    from safetensors import safe_open

    return _decode(path, lambda: safe_open(path, framework="numpy"), safe_open)


def _decode(path: Path, load: Callable[[], Any], kind: type) -> Any:
    try:
        loaded = load()
    # Damaged bytes raise many exceptions (OSError, BadZipFile, zlib.error, TokenError,
    # SafetensorError, MemoryError, ...), which mean the same to a user.
    except Exception as error:
        raise ValueError(f"{path}: not readable ({_reason(path, str(error))})") from None
    if not isinstance(loaded, kind):
        raise ValueError(f"{path}: its content is not what {path.suffix} stands for")
    return loaded


def _reason(path: Path, error: str) -> str:
    if "allow_pickle" not in error:
        return error
    # numpy takes an unknown format for a pickle; pickles begin with this byte.
    if error.startswith("Object arrays") or path.read_bytes()[:1] == b"\x80":
        return "it holds Python objects, which are never unpickled; save an array of numbers"
    return f"damaged, or no {path.suffix} file at all; save the array anew"
