"""Reads pickles of arrays and builtin containers, without running anything that is in them.

A pickle is a program: it names functions, which the usual reader calls. Here no name is ever looked
up. The few that arrays are written with are stood in for by functions of this file, which check
what they are given; any other name is refused.
"""

from __future__ import annotations

import gzip
import io
import math
import pickle
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
KINDS = "biufcSU"
"""Kinds of numpy's dtypes whose values are plain bytes."""
TORCH_DTYPES = {
    "Double": "f8",
    "Float": "f4",
    "Half": "f2",
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "?",
}
"""{torch's name of a storage: numpy's dtype}"""
TORCH_MAGIC = 0x1950A86A20F9469CFC6C


def load_pickle(path: Path) -> Any:
    """Reads a pickle, which may be compressed by gzip.

    Returns:
        Dictionaries, lists, tuples, sets, texts, numbers, bytes and numpy arrays. Tensors of torch
        become arrays, arrays of objects become lists.

    Raises:
        ValueError: it holds anything else, which is named; or it is no pickle.
    """
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise ValueError(f"{path}: not readable ({error.strerror})") from None


@lru_cache(maxsize=2)
def _load(path: Path, modified: int) -> Any:
    # A pickle may hold a whole corpus: looking at it and reading it load it once.
    try:
        content = path.read_bytes()
        if content.startswith(GZIP):
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: not readable as gzip ({error})") from None
    if content.startswith(ZIP):
        raise ValueError(
            f"{path}: is an archive, as torch.save and numpy.savez write, not a pickle; save its "
            "arrays as .npy, or with pickle.dump as numpy arrays"
        )
    return loads(content, str(path))


def loads(content: bytes, name: str) -> Any:
    """As `load_pickle`, of bytes; `name` is for messages."""
    try:
        return _plain(_Reader(io.BytesIO(content)).load(), {})
    except _Refused as refused:
        raise ValueError(f"{name}: {refused}") from None
    # Damaged bytes raise many exceptions (UnpicklingError, EOFError, KeyError, MemoryError, ...).
    except Exception as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise ValueError(f"{name}: not readable as a pickle of arrays ({reason})") from None


class _Refused(Exception):
    """A pickle holds something that is not read; the message says what."""


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        # latin1: Python 2 wrote the bytes of arrays as texts.
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins")
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        if module == "torch" and name.endswith("Storage"):
            return name
        raise _Refused(
            f"holds {module}.{name}, which is not read; nothing of the file was executed. Read are "
            "numbers, texts, lists, dictionaries, numpy arrays and torch tensors: save it anew "
            "with these alone"
        )

    def persistent_load(self, pid: Any) -> Any:
        raise _Refused("refers to something outside of the file; save it anew as numpy arrays")


class _StandIn:
    """Stands for a function that a pickle names. Nothing of it can be changed from a pickle."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        raise _Refused("changes what it is read with; nothing of the file was executed")


class _Dtype:
    """A dtype of plain values, by its code and, later, its byte order."""

    __slots__ = ("dtype", "is_object")

    def __init__(self, code: Any) -> None:
        self.is_object = code in ("O", "O8", "|O")
        self.dtype = np.dtype("V1") if self.is_object else _checked_dtype(code)

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order in ("<", ">") and not self.is_object:
            self.dtype = self.dtype.newbyteorder(order)


def _checked_dtype(code: Any) -> np.dtype[Any]:
    dtype = np.dtype(code) if isinstance(code, str) and "," not in code else None
    if dtype is None or dtype.kind not in KINDS:
        raise _Refused(f"holds an array of {code!r}, not of numbers or texts")
    return dtype


class _Array:
    """An array to be; its state says what it holds."""

    __slots__ = ("value",)

    def __init__(self, *ignored: Any) -> None:
        self.value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, content = state
        self.value = _array(content, dtype, shape, "F" if is_fortran else "C")


def _array(content: Any, dtype: Any, shape: Any, order: str) -> Any:
    if not isinstance(dtype, _Dtype):
        raise _Refused("holds an array without a dtype")
    if dtype.is_object:
        if isinstance(content, list) and len(shape) == 1:
            return content
        raise _Refused("holds an array of objects; save lists of arrays")
    if isinstance(content, str):
        content = content.encode("latin1")
    # A copy can be written to, and does not keep the bytes of the file.
    return np.frombuffer(content, dtype.dtype).reshape(shape, order=order).copy()  # type: ignore[call-overload]


def _scalar(dtype: Any, content: Any = b"") -> Any:
    return _array(content, dtype, (1,), "C")[0].item()


def _from_buffer(content: Any, dtype: Any, shape: Any, order: str) -> Any:
    return _array(bytes(content), dtype, shape, order)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as old protocols write them."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _Refused("holds bytes in an unusual encoding")
    return text.encode("latin1")


def _bytes(content: Any = b"", *encoding: str) -> bytes:
    # A number would ask for that much memory.
    return _encode(content) if isinstance(content, str) else bytes(memoryview(content))


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    return dict(pairs)


def _default_dict(factory: Any = None) -> dict[Any, Any]:
    return {}


def _items_of(kind: Callable[[Any], Any]) -> Callable[..., Any]:
    def make(items: Any = ()) -> Any:
        if not isinstance(items, list | tuple):
            raise _Refused("holds a collection that is not made of a list")
        return kind(items)

    return make


def _storage(content: Any) -> np.ndarray:
    """The values of a torch storage: pickles of a head, then the bytes, as torch.save wrote them.

    https://github.com/pytorch/pytorch/blob/main/torch/serialization.py (_legacy_save)
    """
    file = io.BytesIO(content)
    if _Reader(file).load() != TORCH_MAGIC:
        raise _Refused("holds a torch storage in an unknown form; save numpy arrays")
    _Reader(file).load(), _Reader(file).load()
    kind, key, count = _StorageHead(file).load()
    if _Reader(file).load() != [key]:
        raise _Refused("holds several torch storages in one; save numpy arrays")
    if int.from_bytes(file.read(8), "little") != count:
        raise _Refused("holds a torch storage that is cut off")
    return np.frombuffer(file.read(), np.dtype(kind).newbyteorder("<"), count)


class _StorageHead(_Reader):
    def persistent_load(self, pid: Any) -> Any:
        _, name, key, _, count, *_ = pid
        kind = TORCH_DTYPES.get(str(name).removesuffix("Storage"))
        if kind is None:
            raise _Refused(f"holds a torch tensor of {name}; save float32")
        return kind, key, count


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *ignored: Any) -> np.ndarray:
    values = storage[offset:]
    if 0 in size:
        return np.zeros(size, values.dtype)
    last = sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if min([*size, *stride, 0]) < 0 or max(last, math.prod(size) - 1) >= len(values):
        raise _Refused("holds a torch tensor that is larger than its storage; save numpy arrays")
    strides = tuple(step * values.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(values, size, strides, writeable=False).copy()


_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): lambda code, *_: _Dtype(code),
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): _bytes,
    ("builtins", "bytearray"): _bytes,
    ("builtins", "set"): _items_of(set),
    ("builtins", "frozenset"): _items_of(frozenset),
    ("builtins", "list"): _items_of(list),
    ("builtins", "tuple"): _items_of(tuple),
    ("builtins", "dict"): _ordered_dict,
    ("builtins", "complex"): complex,
    ("collections", "OrderedDict"): _ordered_dict,
    ("collections", "defaultdict"): _default_dict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
}
# Factories of a defaultdict are named and never called.
_FUNCTIONS |= {("builtins", name): lambda *_: None for name in ("int", "float", "str", "bool")}
_STAND_INS = {name: _StandIn(function) for name, function in _FUNCTIONS.items()}


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """Puts arrays in the place of what stands for them, and refuses what else was left over."""
    if isinstance(value, _Array):
        value = value.value
        if value is None:
            raise _Refused("holds an array without its values")
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.ndarray):
        return value
    if isinstance(value, bytearray):
        return bytes(value)
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, dict):
        made: Any = {}
        done[id(value)] = made
        made |= {_plain(key, done): _plain(item, done) for key, item in value.items()}
    elif isinstance(value, list):
        done[id(value)] = made = []
        made += [_plain(item, done) for item in value]
    elif isinstance(value, tuple | set | frozenset):
        made = type(value)(_plain(item, done) for item in value)
        done[id(value)] = made
    else:
        raise _Refused("holds a dtype or a function where a value belongs")
    return made
