"""Reuses the memory of padded batches once nothing refers to them."""

from __future__ import annotations

import math
import weakref
from collections import defaultdict

import numpy as np
from numpy.typing import DTypeLike


class Buffers:
    """Makes arrays as np.empty does, in the memory of earlier ones.

    Fresh memory comes page by page from the operating system, which can take longer than filling
    it. A buffer is free again as soon as nothing refers to its array, to views of the array or to
    tensors made of them. There are as many buffers as were in use at a time, each as large as the
    largest array that it held.
    """

    def __init__(self) -> None:
        self._free: defaultdict[np.dtype, list[bytearray]] = defaultdict(list)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """Returns an array of any content. Only one thread at a time may call this."""
        dtype = np.dtype(dtype)
        free = self._free[dtype]
        size = math.prod(shape) * dtype.itemsize
        buffer = free.pop() if free else bytearray()
        if len(buffer) < size:
            buffer = bytearray(size)
        # Were the buffer an array, views would refer to it and not to the array made here.
        array: np.ndarray = np.ndarray(shape, dtype, buffer=buffer)
        weakref.finalize(array, free.append, buffer).atexit = False
        return array
