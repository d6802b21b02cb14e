"""Rules on labels: do they belong to their sequences, and can the model say them?

A sequence with more labels is longer. Where labels were shuffled or shifted by a row this relation
is lost, or holds with the neighbour's labels. Where all sequences have as many labels nothing can
be said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from slr_accel.findings import Finding

FEWEST_ROWS = 20
RELATED = 0.35
"""Correlation of frames and labels from which they are related; real corpora have 0.5 to 0.95."""
UNRELATED = 0.12
SIGMAS = 2.5
VARIED = 0.25
"""Deviation of the logarithm of the number of labels from which it varies."""
TOO_SHORT = 0.2
SHIFTS = (-2, -1, 1, 2)
UNSAYABLE = 0.1
"""Share of reference words outside the vocabulary that is worth a warning; half is an error."""


def length_correlation(frames: np.ndarray, labels: np.ndarray, shift: int = 0) -> float | None:
    """Correlation of a row's frames with the number of labels `shift` rows later.

    None where there are too few rows, or where either does not vary.
    """
    if shift:
        ahead, back = max(shift, 0), max(-shift, 0)
        frames, labels = frames[back : len(frames) - ahead], labels[ahead : len(labels) - back]
    if len(frames) < FEWEST_ROWS or np.ptp(frames) == 0 or np.ptp(labels) == 0:
        return None
    return float(np.corrcoef(np.log(np.maximum(frames, 1)), np.log(np.maximum(labels, 1)))[0, 1])


def label_findings(splits: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Iterator[Finding]:
    """Yields splits whose labels do not seem to belong to their sequences.

    Args:
        splits: {name: (frames, number of labels)} of each row, in the order of the corpus.
    """
    known = {
        name: found
        for name, rows in splits.items()
        if (found := length_correlation(*rows)) is not None
    }
    for name, found in known.items():
        frames, labels = splits[name]
        count = len(frames)
        shifted = {shift: length_correlation(frames, labels, shift) or 0.0 for shift in SHIFTS}
        shift = max(shifted, key=lambda shift: shifted[shift])
        others = [other for other in known if other != name]
        related = max(others, key=lambda other: known[other], default=name)
        if _is_stronger(shifted[shift], count, found, count):
            yield _shifted(name, shift, shifted[shift], found)
        elif _is_stronger(known[related], len(splits[related][0]), found, count):
            yield Finding(
                "error",
                "labels_shuffled",
                f"The labels of {name} do not seem to belong to its sequences: longer sequences "
                f"do not have more labels (correlation {found:.2f}), while in {related} they do "
                f"({known[related]:.2f}). The fault is in the data, not in the model.",
                "Check how the source joins labels and features: by name or by order? Watch a few "
                "sequences beside their labels.",
                "likely",
            )
        elif found < UNRELATED and np.std(np.log(labels)) > VARIED:
            yield Finding(
                "warning",
                "labels_unrelated",
                f"In {name} longer sequences do not have more labels (correlation {found:.2f}), "
                "though the number of labels varies; in corpora whose labels belong to their "
                "sequences the correlation is 0.5 to 0.95. Either signs differ much in length, or "
                "labels are mixed up.",
                "Check how the source joins labels and features: by name or by order? Watch a few "
                "sequences beside their labels.",
                "possible",
            )


def _is_stronger(one: float, count: int, other: float, other_count: int) -> bool:
    """Whether a correlation is far above another, by Fisher's transformation of both."""
    noise = np.sqrt(1 / (count - 3) + 1 / (other_count - 3))
    apart = float(np.arctanh(min(one, 0.999)) - np.arctanh(max(other, -0.999)))
    return one > RELATED and other < one / 2 and apart > SIGMAS * noise


def _shifted(name: str, shift: int, found: float, own: float) -> Finding:
    rows = f"{abs(shift)} row{'s' if abs(shift) > 1 else ''}"
    return Finding(
        "error",
        "labels_shifted",
        f"The labels of {name} seem to be shifted by {rows}: the length of a sequence goes with "
        f"the number of labels {rows} {'later' if shift > 0 else 'earlier'} (correlation "
        f"{found:.2f}), not with that of its own (correlation {own:.2f}).",
        "Look in the source for a missing or additional line (a header, an empty line) in one of "
        "the two lists that are joined, and prepare the corpus anew.",
        "likely",
    )


def length_findings(stride: int, train_rows: int, too_short: int) -> Iterator[Finding]:
    """Yields a finding where CTC cannot align many train sequences at the model's stride."""
    if too_short > TOO_SHORT * train_rows:
        yield Finding(
            "error",
            "too_short",
            f"{too_short} of {train_rows} examined train sequences have fewer output steps at "
            f"--output_stride {stride} than CTC needs for their labels: they are left out of "
            "training.",
            f"Train with a smaller --output_stride{'' if stride > 1 else ', or check the labels'}.",
        )


def token_findings(
    split: str, words: int, missing: Sequence[str], tokens: Sequence[str]
) -> Iterator[Finding]:
    """Yields a finding where the vocabulary lacks many words of the references.

    Args:
        words: number of reference words of `split`.
        missing: those that the model cannot say, repeats included.
        tokens: of the vocabulary.
    """
    if not words or len(missing) < UNSAYABLE * words:
        return
    share = len(missing) / words
    yield Finding(
        "error" if share > 0.5 else "warning",
        "unsayable_words",
        f"The model cannot say {len(missing)} of the {words} reference words of {split} "
        f"({share:.0%}), as {_few(sorted(set(missing)))}; its vocabulary has {len(tokens)} tokens, "
        f"as {_few(tokens)}. No training can bring WER below about {share:.0%}.",
        "Check that vocabulary.json belongs to this corpus, that both write words the same way "
        "(case, spelling), and the --label_policy; train on sequences that have these words.",
    )


def vocabulary_findings(tokens: Sequence[str], train_tokens: set[str]) -> Iterator[Finding]:
    """Yields a finding where the token map of a run is not that of its train split."""
    strange = [token for token in tokens if token not in train_tokens]
    lacking = sorted(train_tokens - set(tokens))
    if strange or lacking:
        parts = [
            f"{len(strange)} of its {len(tokens)} tokens never occur there ({_few(strange)})"
            if strange
            else "",
            f"{len(lacking)} tokens of train are not in it ({_few(lacking)})" if lacking else "",
        ]
        yield Finding(
            "error",
            "token_map",
            "The vocabulary is not that of the train split: "
            + " and ".join(part for part in parts if part)
            + ".",
            "Use the vocabulary.json that the run wrote at its start and the corpus it was "
            "trained on; after a change of labels train anew.",
        )
    if list(tokens) != sorted(tokens):
        yield Finding(
            "error",
            "token_order",
            "The tokens of vocabulary.json are not sorted, as every run writes them: ids may mean "
            "other words than in training.",
            "Restore the vocabulary.json of the run's start.",
            "likely",
        )


def _few(words: Sequence[str]) -> str:
    return ", ".join([*words[:3], "..."] if len(words) > 3 else words)
