"""Rows of a corpus -> padded batches of tensors, one batch read ahead in a thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    """Reads rows into one padded batch: a single copy from the mapped shard to the tensor.

    Args:
        rows: [B] row numbers.
        targets: token ids by row; rows that are missing get none.
        max_frames: longer sequences are subsampled evenly in time to this length.
        pieces: what to read in place of a row; rows that are missing are read as they are.
        buffers: memory of earlier batches to write into.
    """
    pieces, buffers = pieces or {}, buffers or Buffers()
    features = [_subsample(_read(corpus.features, row, pieces), max_frames) for row in rows]
    presence = [_subsample(_read(corpus.presence, row, pieces), max_frames) for row in rows]
    ids = [np.array(targets.get(int(row), []), np.int64) for row in rows]
    return Batch(
        rows=torch.from_numpy(rows.astype(np.int64)),
        features=_pad(features, buffers),
        presence=_pad(presence, buffers),
        lengths=torch.tensor([len(array) for array in features]),
        targets=_pad(ids, buffers),
        target_lengths=torch.tensor([len(i) for i in ids]),
    )


def _read(
    read: Callable[[int], np.ndarray], row: int, pieces: dict[int, tuple[Piece, ...]]
) -> np.ndarray:
    if int(row) not in pieces:
        return read(row)
    return np.concatenate([read(piece.row)[piece.start : piece.end] for piece in pieces[int(row)]])


def _subsample(array: np.ndarray, max_frames: int | None) -> np.ndarray:
    if max_frames is None or len(array) <= max_frames:
        return array
    return array[np.linspace(0, len(array) - 1, max_frames).round().astype(np.int64)]


def _pad(arrays: list[np.ndarray], buffers: Buffers) -> Tensor:
    longest = max(map(len, arrays))
    padded = buffers.empty((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
    # Only the padding is zeroed: the rest is written anyway.
    for target, array in zip(padded, arrays, strict=True):
        target[: len(array)] = array
        target[len(array) :] = 0
    return torch.from_numpy(padded)


def read_ahead(
    corpus: Corpus,
    batches: Iterable[np.ndarray],
    targets: dict[int, list[int]],
    max_frames: int | None = None,
    pieces: dict[int, tuple[Piece, ...]] | None = None,
    windows: Sequence[np.ndarray] = (),
    finish: Callable[[Batch], Batch] | None = None,
    buffers: Buffers | None = None,
) -> Generator[Batch, None, None]:
    """Yields the batches in order; the next one is read while this one is worked on.

    A thread is enough, and no worker process has to be started, signalled or killed: reading is
    copying from mapped memory, which lets go of the interpreter.

    Args:
        windows: shard numbers of the windows that the batches walk through; of a remote corpus,
            the window after that of a batch is fetched meanwhile. Without them, the shards
            of each batch are fetched when it is read.
        finish: what else is done to a batch in the thread.
        buffers: memory of earlier batches to write into; by default only that of this pass.
    """
    memory = buffers or Buffers()

    def load(rows: np.ndarray) -> Batch:
        with corpus.reading(*_window_and_following(corpus, rows, windows)):
            batch = load_batch(corpus, rows, targets, max_frames, pieces, memory)
        return batch if finish is None else finish(batch)

    with ThreadPoolExecutor(1, thread_name_prefix="read_ahead") as pool:
        pending = None
        for rows in batches:
            following = pool.submit(load, rows)
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()


def _window_and_following(
    corpus: Corpus, rows: np.ndarray, windows: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    shards = np.unique(corpus.rows.shard[rows])
    for window, following in pairwise([*windows, np.array([], int)]):
        if shards[0] in window:
            return window, following
    return shards, np.array([], int)
