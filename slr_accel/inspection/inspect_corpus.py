"""What is in a corpus, in figures, and what is wrong with it, in findings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from slr_accel.corpus.format import Shard, sha256
from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.sequence import UNKNOWN_SIGNER
from slr_accel.findings import SEVERITIES, Finding
from slr_accel.inspection.content_checks import content_findings
from slr_accel.inspection.content_pass import Content, survey
from slr_accel.inspection.row_checks import OUTPUT_STRIDES, row_findings
from slr_accel.loading.plan import alignable, required_output_length
from slr_accel.progress import Progress

TRAIN = "train"


def inspect_corpus(
    corpus: Corpus, *, signer_independent: bool = False, track: Progress
) -> dict[str, Any]:
    """All figures and findings of a corpus, as JSON has them.

    Args:
        signer_independent: a signer in two splits is an error instead of a note.
        track: wraps an iterable to show progress.

    Returns:
        `ok` (no finding is an error), `findings` ({severity, code, message}), `splits` (figures by
        split), `presence` (share of frames by block), `histograms`, and what corpus.json says.
    """
    required = required_lengths(corpus)
    findings = list(row_findings(corpus, required, signer_independent))
    damaged: dict[int, str] = {}
    rows = _rows_of_sound_shards(corpus, damaged)
    content = survey(corpus, track(rows, "reading", len(corpus.rows)))
    for number, reason in damaged.items():
        findings.insert(0, _damaged_shard(corpus.info.shards[number], reason))
    findings += content_findings(corpus, content)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return {
        "ok": all(finding.severity != "error" for finding in findings),
        "corpus": corpus.address,
        "layout": corpus.layout.signature,
        "columns": corpus.layout.columns,
        "units": corpus.layout.units,
        "dtype": corpus.info.dtype,
        "frames_per_second": corpus.info.frames_per_second,
        "bytes": sum(shard.bytes for shard in corpus.info.shards),
        "shards": len(corpus.info.shards),
        "fingerprint": corpus.info.fingerprint,
        "splits": split_figures(corpus, required),
        "presence": _presence(corpus, content),
        "histograms": {
            "frames": histogram(corpus.rows.frames),
            "labels": histogram(np.diff(corpus.rows.label_offsets)),
        },
        "findings": [
            {"severity": found.severity, "code": found.code, "message": found.message}
            for found in findings
        ],
    }


def required_lengths(corpus: Corpus) -> np.ndarray:
    """[N] output steps CTC needs for the raw labels of each row."""
    offsets, ids = corpus.rows.label_offsets, corpus.rows.label_ids
    return np.array(
        [required_output_length(ids[start:end].tolist()) for start, end in pairwise(offsets)],
        dtype=np.int64,
    )


def _rows_of_sound_shards(corpus: Corpus, damaged: dict[int, str]) -> Iterator[int]:
    """Rows shard by shard, as a remote corpus is read best; notes why others cannot be trusted."""
    for number in range(len(corpus.info.shards)):
        reason = _damage(corpus, number)
        if reason:
            damaged[number] = reason
        else:
            yield from np.flatnonzero(corpus.rows.shard == number).tolist()


def _damage(corpus: Corpus, number: int) -> str:
    """Why a shard cannot be trusted; empty where it can."""
    shard = corpus.info.shards[number]
    found = sha256(corpus.shard_path(number))
    if found != shard.sha256:
        return f"its SHA-256 begins {found[:12]}, but corpus.json says {shard.sha256[:12]}"
    try:
        for row in np.flatnonzero(corpus.rows.shard == number)[:1]:
            corpus.features(row)
    except ValueError as error:
        return str(error)
    return ""


def _damaged_shard(shard: Shard, reason: str) -> Finding:
    return Finding(
        "error",
        "damaged_shard",
        f"{shard.file} ({shard.sequences} sequences): {reason}. Copy it again, or prepare the "
        "corpus anew; its sequences were not looked at.",
    )


def split_figures(corpus: Corpus, required: np.ndarray) -> dict[str, dict[str, Any]]:
    """The figures of each split; `oov_*` are label tokens that the train split does not have."""
    order = sorted(corpus.rows.split_names, key=lambda name: (name != TRAIN, name))
    known = corpus.rows.labels_of_split(TRAIN) if TRAIN in corpus.rows.split_names else None
    return {name: _figures(corpus, name, required, known) for name in order}


def _figures(
    corpus: Corpus, split: str, required: np.ndarray, known: np.ndarray | None
) -> dict[str, Any]:
    rows = corpus.rows.of_split(split)
    frames, counts = corpus.rows.frames[rows], np.diff(corpus.rows.label_offsets)[rows]
    labels = corpus.rows.labels_of_split(split)
    fps = corpus.info.frames_per_second
    signers = {corpus.rows.signer(row) for row in rows} - {UNKNOWN_SIGNER}
    unseen = None if known is None else int((~np.isin(labels, known)).sum())
    return {
        "sequences": len(rows),
        "frames": int(frames.sum()),
        "hours": None if fps is None else round(float(frames.sum() / fps / 3600), 4),
        "signers": len(signers),
        "tokens": len(labels),
        "vocabulary": len(np.unique(labels)),
        "unlabelled": int((counts == 0).sum()),
        "oov_tokens": unseen,
        "oov_rate": None if unseen is None or not len(labels) else unseen / len(labels),
        "frames_min_median_max": _spread(frames),
        "labels_min_median_max": _spread(counts),
        "unalignable": {
            str(stride): int((~alignable(frames, required[rows], stride)[0]).sum())
            for stride in OUTPUT_STRIDES
        },
    }


def _spread(values: np.ndarray) -> list[float]:
    if not len(values):
        return []
    return [int(values.min()), float(np.median(values)), int(values.max())]


def histogram(values: np.ndarray, bins: int = 10) -> list[dict[str, int]]:
    """At most `bins` equal bins of whole numbers: {from, to (inclusive), count}."""
    if not len(values):
        return []
    low, high = int(values.min()), int(values.max())
    width = -(-(high - low + 1) // bins)
    return list(_bins(values, low, high, width))


def _bins(values: np.ndarray, low: int, high: int, width: int) -> Iterator[dict[str, int]]:
    for start in range(low, high + 1, width):
        inside = (values >= start) & (values < start + width)
        yield {"from": start, "to": min(start + width - 1, high), "count": int(inside.sum())}


def _presence(corpus: Corpus, content: Content) -> dict[str, float | None]:
    names = [block.name for block in corpus.layout.blocks]
    if not content.frames:
        return dict.fromkeys(names)
    return {
        name: float(frames / content.frames)
        for name, frames in zip(names, content.present_frames, strict=True)
    }
