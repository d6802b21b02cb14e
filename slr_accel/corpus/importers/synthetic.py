"""`slr-accel prepare synthetic`: the procedural signer's sentences become a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from slr_accel.corpus.format import CorpusInfo
from slr_accel.corpus.layout import mediapipe_holistic
from slr_accel.corpus.synthetic import FRAMES_PER_SECOND, generate
from slr_accel.corpus.writer import check_new_folder, write_corpus


def prepare_synthetic(
    out: Path,
    *,
    num_train: int,
    num_dev: int,
    num_test: int,
    num_signers: int,
    seed: int,
    track: Callable[[Iterable[Any], str, int], Iterable[Any]],
) -> CorpusInfo:
    """Writes a synthetic corpus to `out`; the same arguments give the same corpus.

    Raises:
        ValueError: `out` exists, or the grammar does not have that many sentences.
    """
    check_new_folder(out)
    options = {
        "num_train": num_train,
        "num_dev": num_dev,
        "num_test": num_test,
        "num_signers": num_signers,
        "seed": seed,
    }
    sequences = generate(num_train, num_dev, num_test, seed=seed, num_signers=num_signers)
    return write_corpus(
        out,
        track(sequences, "signing", num_train + num_dev + num_test),
        layout=mediapipe_holistic(),
        # Inside the frame float16 errs by less than 1/1000 of a shoulder width; beyond its lower
        # edge, where a detector only guesses, by up to 1/500.
        dtype="float16",
        frames_per_second=FRAMES_PER_SECOND,
        source={"importer": "synthetic", **options},
    )
