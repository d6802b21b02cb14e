"""Indexes of own data, good and bad, and what `prepare manifest` makes of them."""

from pathlib import Path

import numpy as np
from prepare_helpers import built, refusal, row_of

from slr_accel.corpus.reader import Corpus
from slr_accel.importers.manifest import list_manifest

LAYOUT = {
    "blocks": [
        {"name": "pose", "points": ["nose"], "axes": ["x", "y", "confidence"]},
        {"name": "hand", "points": ["wrist"], "axes": ["x", "y"], "missing": "zeros"},
    ],
    "units": "pixel",
}


def array(frames: int = 6, columns: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1, 2, (frames, columns)).astype(np.float32)


def row(number: int, **changes) -> dict:
    fields = {
        "id": f"s{number}",
        "split": "train",
        "signer": "anna",
        "features": f"s{number}.npy",
        "labels": "HELLO WORLD",
    }
    return row_of(fields, changes)


def prepare(
    index: Path, *, layout: str | None = None, missing: str | None = None, fps: float | None = None
) -> Corpus:
    out = index.parent / "out" / "corpus"
    return built(list_manifest(index, layout=layout, missing=missing, fps=fps), out)


def refused(index: Path, **options) -> str:
    return refusal(prepare, index, **options)
