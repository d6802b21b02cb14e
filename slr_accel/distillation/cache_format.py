"""Describes a teacher cache on disk: which soft labels it holds, and of what.

    cache.json                     what the labels depend on; written first
    view_00000/part_00000.arrow    labels of up to PART_ROWS sequences in one view

A view is what augmentation and splicing make of a sequence in one epoch, by (row, seed, epoch).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt

from slr_accel.files import write_whole

CACHE_FILE = "cache.json"
PART_ROWS = 256


class CacheInfo(BaseModel):
    """The content of cache.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["slr_accel teacher cache"] = "slr_accel teacher cache"
    version: Literal[1] = 1
    views: PositiveInt
    top_k: PositiveInt
    """Tokens kept of an output step."""
    num_outputs: PositiveInt
    rows: PositiveInt
    """Sequences of a view."""
    teachers: dict[str, str]
    """By address, what tells the weights from others."""
    belongs_to: dict[str, Any]
    """What a student must have in common with the cache, by name."""

    @property
    def parts(self) -> list[tuple[int, int]]:
        """(view, part) of every file."""
        return [(v, p) for v in range(self.views) for p in range(-(-self.rows // PART_ROWS))]

    @property
    def fingerprint(self) -> str:
        """Tells this cache from others of the same kind."""
        text = json.dumps(self.model_dump(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def positions(self, part: int) -> slice:
        """The sequences of a part, among the rows that are trained on."""
        return slice(part * PART_ROWS, min((part + 1) * PART_ROWS, self.rows))


def part_path(folder: Path, view: int, part: int) -> Path:
    return folder / f"view_{view:05d}" / f"part_{part:05d}.arrow"


def read_info(folder: Path) -> CacheInfo:
    """Raises ValueError where the folder is no cache."""
    path = folder / CACHE_FILE
    try:
        return CacheInfo.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = f"no {CACHE_FILE}" if isinstance(error, OSError) else str(error).splitlines()[0]
        raise ValueError(
            f"{folder}: not a teacher cache ({reason}); `slr-accel teach` makes one"
        ) from None


def write_info(folder: Path, info: CacheInfo) -> None:
    text = json.dumps(info.model_dump(), indent=1, ensure_ascii=False)
    write_whole(folder / CACHE_FILE, text + "\n")


def differences(there: dict[str, Any], here: dict[str, Any]) -> Iterator[str]:
    """Says by name what differs between a cache and what is asked of it."""
    for name in there | here:
        ours, theirs = here.get(name), there.get(name)
        if ours != theirs:
            yield f"{name}: {theirs!r} there, {ours!r} here"


def packed(log_probs: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keeps the `top_k` most likely tokens of [T', V] log-probabilities.

    Returns:
        tokens: [T', k] uint16; empty where all are kept.
        values: [T', k] float16 log-probabilities.
        rest: [T'] float16, the mean log-probability of the others; empty where all are kept.
    """
    outputs = log_probs.shape[1]
    if top_k >= outputs:
        none = np.empty(0)
        return none.astype(np.uint16), log_probs.astype(np.float16), none.astype(np.float16)
    order = np.argpartition(-log_probs, top_k, axis=1)
    kept, others = order[:, :top_k], order[:, top_k:]
    left = np.exp(np.take_along_axis(log_probs, others, 1).astype(np.float64)).mean(axis=1)
    return (
        kept.astype(np.uint16),
        np.take_along_axis(log_probs, kept, 1).astype(np.float16),
        np.log(np.maximum(left, np.finfo(np.float64).tiny)).astype(np.float16),
    )


def unpacked(
    tokens: np.ndarray, values: np.ndarray, rest: np.ndarray, steps: int, outputs: int
) -> np.ndarray:
    """Undoes `packed`, from flat arrays: [steps, outputs] float32; the others share the rest."""
    values = values.reshape(steps, -1).astype(np.float32)
    if len(rest) == 0:
        return values
    full = np.repeat(rest.astype(np.float32)[:, None], outputs, axis=1)
    np.put_along_axis(full, tokens.reshape(steps, -1).astype(np.int64), values, 1)
    return full
