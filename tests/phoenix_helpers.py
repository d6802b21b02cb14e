"""Releases of RWTH-PHOENIX-Weather as their authors lay them out, with made-up landmarks beside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.synthetic.performance import make_signers, perform

SIGNERS = make_signers(4, seed=0)
SIZES = {"pose": 33 * 3, "face": 468 * 3, "left_hand": 21 * 3, "right_hand": 21 * 3}
"""Columns of each block, in the order in which extractors mostly join MediaPipe's results."""


class Sentence(NamedTuple):
    id: str
    split: str
    signer: str
    glosses: str
    text: str = ""


SENTENCES = [
    Sentence("01April_2010_Thursday_heute_default-0", "train", "Signer04", "__ON__ loc-NORD WARM"),
    Sentence("01April_2010_Thursday_heute_default-1", "train", "Signer04", "REGEN cl-KOMMEN REGEN"),
    Sentence("05May_2011_Thursday_tagesschau_default-5", "train", "Signer01", "MORGEN SONNE"),
    Sentence("02June_2010_Wednesday_heute_default-3", "dev", "Signer05", "MORGEN loc-NORD REGEN"),
    Sentence("03July_2010_Saturday_heute_default-7", "test", "Signer08", "WARM SONNE __OFF__"),
]


def landmarks(number: int, glosses: str) -> dict[str, np.ndarray]:
    """{block: [T, columns]} of a signed sentence, 0 where a block is absent."""
    rng = np.random.default_rng([7, number])
    features, _, _ = perform(glosses.split(), SIGNERS[number % len(SIGNERS)], rng)
    blocks = {name: features[:, c] for name, c in mediapipe_holistic().slices.items()}
    assert {name: block.shape[1] for name, block in blocks.items()} == SIZES
    return blocks


def joined(blocks: Mapping[str, np.ndarray], order: str = ",".join(SIZES)) -> np.ndarray:
    """[T, 1629] in the columns of an extractor with this order."""
    return np.concatenate([blocks[name] for name in order.split(",")], axis=1)


def with_derived(base: np.ndarray) -> np.ndarray:
    """[T, 6516] as an extractor in use has made them: the last quarter is the first again."""
    velocity = np.zeros_like(base)
    velocity[1:] = base[1:] - base[:-1]
    velocity[0] = velocity[1]
    acceleration = np.zeros_like(base)
    acceleration[2:] = velocity[2:] - velocity[1:-1]
    acceleration[:2] = acceleration[2]
    return np.concatenate([base, velocity, acceleration, base], axis=1)


def write_2014(
    root: Path, sentences: list[Sentence], *, si5: bool = False, line_end: str = "\n"
) -> Path:
    """`root` with one of the two partitions of the release."""
    folder = "phoenix-2014-signerindependent-SI5" if si5 else "phoenix-2014-multisigner"
    for split in ("train", "dev", "test"):
        rows = [
            f"{s.id}|{s.id}/1/*.png|{s.signer}|{s.glosses}" for s in sentences if s.split == split
        ]
        name = f"{split}{'.SI5' if si5 else ''}.corpus.csv"
        _write(root / folder / "annotations" / "manual" / name, line_end, HEADER_2014, *rows)
    return root


def write_2014t(root: Path, sentences: list[Sentence]) -> Path:
    for split in ("train", "dev", "test"):
        rows = [
            f"{s.id}|{s.id}/1/*.png|-1|-1|{s.signer}|{s.glosses}|{s.text}"
            for s in sentences
            if s.split == split
        ]
        folder = root / "PHOENIX-2014-T" / "annotations" / "manual"
        _write(folder / f"PHOENIX-2014-T.{split}.corpus.csv", "\n", HEADER_2014T, *rows)
    return root


HEADER_2014 = "id|folder|signer|annotation"
HEADER_2014T = "name|video|start|end|speaker|orth|translation"


def _write(path: Path, line_end: str, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + line_end for line in lines).encode("utf-8"))


def write_features(folder: Path, arrays: Mapping[tuple[str, str], np.ndarray]) -> Path:
    """{(split, id): array} as FOLDER/SPLIT/ID.npy."""
    for (split, id), array in arrays.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        np.save(folder / split / f"{id}.npy", array)
    return folder
