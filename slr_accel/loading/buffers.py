"""Memory of padded batches, taken again when its batch is gone."""

from __future__ import annotations

import math
import weakref
from collections import defaultdict

import numpy as np
from numpy.typing import DTypeLike


class Buffers:
    """Arrays like those of np.empty, in memory that earlier ones have left.

    Megabytes that are given back and asked for anew for each batch come page by page from the
    operating system, which can take longer than filling them. Nobody hands a buffer back: it is
    free as soon as nothing refers to its array, to views of that and to tensors made of these.
    So there are as many as were in use at a time, each as large as the largest that it was for.
    """

    def __init__(self) -> None:
        self._free: defaultdict[np.dtype, list[bytearray]] = defaultdict(list)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """An array of any content. One thread at a time may ask; any may let go."""
        dtype = np.dtype(dtype)
        free = self._free[dtype]
        size = math.prod(shape) * dtype.itemsize
        buffer = free.pop() if free else None
        if buffer is None or len(buffer) < size:
            buffer = bytearray(size)
        # Were the buffer an array, views would refer to it and no longer to the array.
        array: np.ndarray = np.ndarray(shape, dtype, buffer=buffer)
        weakref.finalize(array, free.append, buffer).atexit = False
        return array
