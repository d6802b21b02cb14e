"""Reads rows of a corpus into padded batches of tensors, some batches ahead in a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from slr_accel.corpus.reader import Corpus
from slr_accel.loading.batch import Batch
from slr_accel.loading.buffers import Buffers
from slr_accel.loading.splice import Piece


def load_batch(
    corpus: Corpus,
    rows: np.ndarray,
    targets: dict[int, list[int]],
    max_frames: int | None = None,
    pieces: dict[int, tuple[Piece, ...]] | None = None,
    buffers: Buffers | None = None,
) -> Batch:
    """Reads rows into one padded batch, with a single copy from the mapped shard to the tensor.

    Args:
        rows: [B] row numbers.
        targets: token ids by row; rows that are missing get none.
        max_frames: longer sequences are subsampled evenly in time to this length.
        pieces: what to read in place of a row; rows that are missing are read whole.
        buffers: memory of earlier batches to write into.
    """

    def read_all(read: Callable[[int], np.ndarray]) -> list[np.ndarray]:
        return [subsampled(_read(read, int(row), pieces or {}), max_frames) for row in rows]

    features, presence = read_all(corpus.features), read_all(corpus.presence)
    ids = [np.array(targets.get(int(row), []), np.int64) for row in rows]
    return Batch(
        rows=torch.from_numpy(rows.astype(np.int64)),
        features=padded(features, buffers),
        presence=padded(presence, buffers),
        lengths=torch.tensor([len(array) for array in features]),
        targets=padded(ids, buffers),
        target_lengths=torch.tensor([len(i) for i in ids]),
    )


def _read(
    read: Callable[[int], np.ndarray], row: int, pieces: dict[int, tuple[Piece, ...]]
) -> np.ndarray:
    if row not in pieces:
        return read(row)
    return np.concatenate([read(piece.row)[piece.start : piece.end] for piece in pieces[row]])


def subsampled(array: np.ndarray, max_frames: int | None) -> np.ndarray:
    """Chooses `max_frames` of [T, ...] frames, evenly in time, where there are more."""
    if max_frames is None or len(array) <= max_frames:
        return array
    return array[np.linspace(0, len(array) - 1, max_frames).round().astype(np.int64)]


def padded(arrays: Sequence[np.ndarray], buffers: Buffers | None = None) -> Tensor:
    """Copies B arrays (T, ...) into one [B, longest T, ...], with zeros after the short ones."""
    longest = max(map(len, arrays))
    shape = (len(arrays), longest, *arrays[0].shape[1:])
    empty = np.empty if buffers is None else buffers.empty
    together = empty(shape, arrays[0].dtype)
    # Only the padding is zeroed: the rest is written anyway.
    for target, array in zip(together, arrays, strict=True):
        target[: len(array)] = array
        target[len(array) :] = 0
    return torch.from_numpy(together)


def read_ahead(
    corpus: Corpus,
    batches: Iterable[np.ndarray],
    targets: dict[int, list[int]],
    max_frames: int | None = None,
    pieces: dict[int, tuple[Piece, ...]] | None = None,
    windows: Sequence[np.ndarray] = (),
    finish: Callable[[Batch], Batch] | None = None,
    buffers: Buffers | None = None,
    depth: int = 1,
    pin: bool = False,
) -> Generator[Batch, None, None]:
    """Yields the batches in order, and reads the next ones while the caller works on this one.

    A thread suffices, since reading copies from mapped memory without holding the interpreter's
    lock; no worker process has to be started, signalled or killed.

    Args:
        windows: shard numbers of the windows that the batches walk through. Of a remote corpus,
            the window after a batch's own is fetched meanwhile; without windows, only the shards
            of a batch are fetched, when it is read.
        finish: called with each batch in the thread; returns the batch to yield.
        buffers: memory of earlier batches to write into; by default only that of this pass.
        depth: most batches that are read ahead.
        pin: the batches are copied in the thread into memory from which a GPU fetches them without
            the CPU.
    """
    memory = buffers or Buffers()

    def load(rows: np.ndarray) -> Batch:
        with corpus.reading(*_window_and_following(corpus, rows, windows)):
            batch = load_batch(corpus, rows, targets, max_frames, pieces, memory)
        batch = batch if finish is None else finish(batch)
        return batch.pinned() if pin else batch

    pool = ThreadPoolExecutor(1, thread_name_prefix="read_ahead")
    pending: deque[Future[Batch]] = deque()
    try:
        for rows in batches:
            pending.append(pool.submit(load, rows))
            if len(pending) > depth:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _window_and_following(
    corpus: Corpus, rows: np.ndarray, windows: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    shards = np.unique(corpus.rows.shard[rows])
    for window, following in pairwise([*windows, np.array([], int)]):
        if shards[0] in window:
            return window, following
    return shards, np.array([], int)
