"""Reads the sentences to compose from a file, or samples them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slr_accel.corpus.sequence import UNKNOWN_SIGNER
from slr_accel.importers.index import check_id_and_split, parse_labels, parse_signer
from slr_accel.importers.index_file import read_fields
from slr_accel.importers.listing import Problems
from slr_accel.importers.sign_clips import SignClips

COLUMNS = ("id", "split", "labels", "signer")


@dataclass(frozen=True)
class Sentence:
    where: str
    """FILE:LINE, or the id of a sampled sentence."""
    id: str
    split: str
    labels: list[str]
    signer: str | None = None
    """None: any signer who has clips of all its signs."""


def read_sentences(path: Path, problems: Problems) -> list[Sentence]:
    """Reads a jsonl, csv or txt file; what is wrong with a line goes to `problems`.

    Raises:
        ValueError: this is no such file.
    """
    is_text = path.suffix.lower() == ".txt"
    rows = _read_text(path) if is_text else read_fields(path, COLUMNS[:3], COLUMNS, problems)
    sentences = []
    for where, fields in rows:
        before = len(problems.messages)
        check_id_and_split(where, fields, problems)
        labels = parse_labels(where, fields.get("labels"), problems)
        if not labels and len(problems.messages) == before:
            problems.add(where, "has no `labels`; a sentence needs at least one")
        if len(problems.messages) == before:
            signer = parse_signer(where, fields.get("signer"), problems)
            asked = None if signer == UNKNOWN_SIGNER else signer
            sentences.append(Sentence(where, fields["id"], fields["split"], labels, asked))
    return sentences


def _read_text(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Reads lines of ID SPLIT LABEL LABEL ..."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not readable as UTF-8 text ({error})") from None
    names = COLUMNS[:3]
    rows = [
        (f"{path}:{number}", dict(zip(names, line.split(maxsplit=2), strict=False)))
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not rows:
        raise ValueError(f"{path}: has no lines")
    return rows


def sample_sentences(
    clips: dict[str, SignClips], split: str, count: int, signs: tuple[int, int], seed: int
) -> Iterator[Sentence]:
    """Samples sentences, uniformly, from the signs that both the split and train have.

    Where known signers have as many different signs as the longest sentence, each sentence is
    sampled for one of them. With a larger `count` the first sentences stay the same.

    Args:
        signs: fewest and most in a sentence.

    Raises:
        ValueError: the split has no such signs.
    """
    # A sign that train lacks could not be recognised.
    known = set(clips["train" if "train" in clips else split].of_all)
    labels = sorted(known & clips[split].of_all.keys())
    if not labels:
        raise ValueError(f"the splits {split} and train have no sign in common")
    low, high = signs
    of_signer = {s: sorted(known & own.keys()) for s, own in clips[split].of_signer.items()}
    rich = [(s, own) for s, own in sorted(of_signer.items()) if len(own) >= high]
    for number in range(count):
        name = f"{split}-{number:05d}"
        random = np.random.default_rng([seed, 0, *name.encode()])
        signer, own = rich[random.integers(len(rich))] if rich else (None, labels)
        length = random.integers(low, high + 1)
        yield Sentence(name, name, split, random.choice(own, length).tolist(), signer)
