"""Examines a corpus, whole or by a sample: its content, its labels, and how alike splits are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.diagnosis.feature_rules import feature_findings
from slr_accel.diagnosis.label_rules import label_findings, length_correlation
from slr_accel.diagnosis.samples import by_signer, evenly, look_alikes
from slr_accel.findings import Finding
from slr_accel.inspection.content import read_content
from slr_accel.inspection.content_checks import content_findings
from slr_accel.inspection.inspect_corpus import inspect_corpus, required_lengths, split_figures
from slr_accel.inspection.row_checks import row_findings
from slr_accel.progress import Progress

CONTENT_ROWS = 300
FEATURE_ROWS = 60
TRAIN = "train"


def whole_corpus(corpus: Corpus, track: Progress) -> tuple[list[Finding], dict[str, Any]]:
    """All findings of `slr-accel inspect` and on labels, and figures: `corpus`, `labels`."""
    found = inspect_corpus(corpus, track=track)
    findings = [
        Finding(
            entry["severity"],
            entry["code"],
            entry["message"].removesuffix(entry["cure"]).rstrip(),
            entry["cure"],
        )
        for entry in found["findings"]
    ]
    return _with_labels(corpus, findings, found["splits"], checked=len(corpus.rows))


def sampled_corpus(corpus: Corpus, split: str) -> tuple[list[Finding], dict[str, Any]]:
    """As `whole_corpus`, but only the content of some rows of train and `split` is read."""
    required = required_lengths(corpus)
    chosen = evenly(corpus.rows.of_split(split), CONTENT_ROWS)
    if split != TRAIN and TRAIN in corpus.rows.split_names:
        train = corpus.rows.of_split(TRAIN)
        alike = look_alikes(corpus, chosen, train)
        chosen = np.unique(np.concatenate([chosen, alike, evenly(train, CONTENT_ROWS)]))
    findings = [
        *row_findings(corpus, required, signer_independent=False),
        *content_findings(corpus, read_content(corpus, chosen.tolist())),
    ]
    return _with_labels(corpus, findings, split_figures(corpus, required), checked=len(chosen))


def _with_labels(
    corpus: Corpus, findings: list[Finding], figures: dict[str, Any], checked: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Adds whether labels belong to their sequences, and the correlations behind that."""
    counts = np.diff(corpus.rows.label_offsets)
    splits = {}
    for name in corpus.rows.split_names:
        rows = corpus.rows.of_split(name)
        rows = rows[counts[rows] > 0]
        splits[name] = (corpus.rows.frames[rows], counts[rows])
    correlations = {name: length_correlation(*rows) for name, rows in splits.items()}
    return [*findings, *label_findings(splits)], {
        "corpus": {"splits": figures, "sequences": len(corpus.rows), "checked": checked},
        "labels": {"length_correlation": correlations},
    }


def features(
    corpus: Corpus, split: str, transform: Any, max_frames: int | None
) -> tuple[list[Finding], dict[str, Any]]:
    """Findings on whether train and `split` reach a model alike, and the comparison.

    Args:
        transform: of the model.
    """
    from slr_accel.diagnosis.feature_figures import (
        base_means,
        compare_blocks,
        measure_rows,
        signer_drift,
    )

    train_rows, rows = (_with_frames(corpus, name) for name in (TRAIN, split))
    train = measure_rows(transform, corpus, train_rows, max_frames)
    other = measure_rows(transform, corpus, rows, max_frames)
    signers = [corpus.rows.signer(int(row)) for row in train_rows]
    blocks = compare_blocks(transform, train, other, signers)
    found = list(_not_finite(corpus, train.rows[train.non_finite > 0], TRAIN))
    found += _not_finite(corpus, other.rows[other.non_finite > 0], split)
    found += feature_findings(split, blocks, base_means(corpus, train, other))
    return found, {
        "split": split,
        "train_sequences": len(train_rows),
        "sequences": len(rows),
        "blocks": [vars(block) for block in blocks],
        "signers": signer_drift(transform, train, other, by_signer(corpus, rows)),
    }


def default_transform(corpus: Corpus) -> Any:
    """A feature transform in default settings, with statistics of a sample of train."""
    from slr_accel.features.statistics import train_statistics
    from slr_accel.features.transform import FeatureTransform
    from slr_accel.settings.features import FeatureSettings

    transform = FeatureTransform(corpus.layout, FeatureSettings(), corpus.info.frames_per_second)
    statistics = train_statistics(transform, corpus, _with_frames(corpus, TRAIN), None)
    transform.mean.copy_(statistics["mean"])
    transform.deviation.copy_(statistics["deviation"])
    return transform


def _with_frames(corpus: Corpus, split: str) -> np.ndarray:
    rows = corpus.rows.of_split(split)
    return evenly(rows[corpus.rows.frames[rows] > 0], FEATURE_ROWS)


def _not_finite(corpus: Corpus, rows: np.ndarray, split: str) -> Iterator[Finding]:
    if len(rows):
        yield Finding(
            "error",
            "non_finite",
            f"{len(rows)} of the examined sequences of {split} have NaN or infinite features: "
            f"{corpus.rows.names(rows, most=5)}.",
            "Repair the source and prepare anew.",
        )
