"""Which findings a corpus gives rise to: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.record import UNKNOWN_SIGNER
from slr_accel.corpus.survey import Content
from slr_accel.loading.plan import alignable

MAX_EXAMPLES = 5
UNMARKED_SHARE = 0.01


@dataclass(frozen=True)
class Finding:
    severity: Literal["error", "warning", "note"]
    code: str
    message: str
    """What, which (examples), and what to do."""


def row_findings(
    corpus: Corpus, required: np.ndarray, signer_independent: bool
) -> Iterator[Finding]:
    """What the row table alone shows.

    Args:
        required: [N] output steps CTC needs for each row.
    """
    yield from _duplicate_ids(corpus)
    yield from _impossible_rows(corpus, required)
    yield from _shared_signers(corpus, signer_independent)
    if "train" in corpus.rows.split_names:
        yield from _unseen_labels(corpus)
    else:
        yield Finding(
            "warning",
            "no_train_split",
            f"The splits are {examples(corpus.rows.split_names)}: without a split `train` this "
            "corpus can be evaluated on, but not trained on.",
        )
    if corpus.info.frames_per_second is None:
        yield Finding(
            "note",
            "no_frame_rate",
            "The frame rate is unknown, so hours are unknown and motion counts per frame instead "
            "of per second; prepare with --fps to mix it with corpora of other rates.",
        )


def _duplicate_ids(corpus: Corpus) -> Iterator[Finding]:
    values, counts = np.unique(np.array(corpus.rows.ids.to_pylist()), return_counts=True)
    twice = values[counts > 1].tolist()
    if twice:
        yield Finding(
            "error",
            "duplicate_id",
            f"{_count(twice, 'id')} stand for more than one sequence: {examples(twice)}. "
            "Give every sequence an id of its own and prepare the corpus anew.",
        )


def _impossible_rows(corpus: Corpus, required: np.ndarray) -> Iterator[Finding]:
    frames = corpus.rows.frames
    empty = np.flatnonzero(frames == 0)
    if len(empty):
        yield Finding(
            "error",
            "no_frames",
            f"{_count(empty, 'sequence')} without a frame: {_ids(corpus, empty)}. "
            "Remove them from the source and prepare the corpus anew.",
        )
    is_train = np.isin(np.array(corpus.rows.split_names), ["train"])[corpus.rows.split_codes]
    unlabelled = np.flatnonzero(is_train & (required == 0))
    if len(unlabelled):
        yield Finding(
            "error",
            "no_labels",
            f"{_count(unlabelled, 'train sequence')} without labels: {_ids(corpus, unlabelled)}. "
            "Label them, or move them to another split.",
        )
    fits, _ = alignable(frames, required, 1)
    too_short = np.flatnonzero(~fits & (frames > 0))
    if len(too_short):
        row = int(too_short[0])
        yield Finding(
            "error",
            "unalignable",
            f"{_count(too_short, 'sequence')} shorter than their labels, which CTC cannot align "
            f"at any stride: {_ids(corpus, too_short)}. {corpus.rows.id(row)} has {frames[row]} "
            f"frames and needs {required[row]}. Check whether frames and labels belong together.",
        )


def _shared_signers(corpus: Corpus, signer_independent: bool) -> Iterator[Finding]:
    splits_of: dict[str, set[str]] = defaultdict(set)
    pairs = np.unique(np.stack([corpus.rows.signer_codes, corpus.rows.split_codes]), axis=1)
    for signer, split in pairs.T.tolist():
        splits_of[corpus.rows.signer_names[signer]].add(corpus.rows.split_names[split])
    splits_of.pop(UNKNOWN_SIGNER, None)
    shared = [
        f"{signer} ({' and '.join(sorted(splits))})"
        for signer, splits in sorted(splits_of.items())
        if len(splits) > 1
    ]
    if shared:
        advice = (
            "Move each to one split."
            if signer_independent
            else "Scores say little about unseen signers; --signer_independent makes this an error."
        )
        yield Finding(
            "error" if signer_independent else "note",
            "signer_overlap",
            f"{_count(shared, 'signer')} in more than one split: {examples(shared)}. {advice}",
        )


def _unseen_labels(corpus: Corpus) -> Iterator[Finding]:
    lengths = np.diff(corpus.rows.label_offsets)
    split_of_token = np.repeat(corpus.rows.split_codes, lengths)
    train = corpus.rows.split_names.index("train")
    tokens = corpus.rows.label_ids[: len(split_of_token)]
    known = np.unique(tokens[split_of_token == train])
    for code, split in enumerate(corpus.rows.split_names):
        of_split = tokens[split_of_token == code]
        unseen = of_split[~np.isin(of_split, known)]
        if len(unseen):
            names = [corpus.info.labels[i] for i in np.unique(unseen)]
            yield Finding(
                "note",
                "unseen_labels",
                f"{_count(names, 'label')} of {split} never occur in train: {examples(names)}. "
                f"They are {len(unseen)} of {len(of_split)} tokens "
                f"({len(unseen) / len(of_split):.1%}), and each will count as an error.",
            )


def content_findings(corpus: Corpus, content: Content) -> Iterator[Finding]:
    """What reading the features shows."""
    if content.non_finite:
        total = sum(content.non_finite.values())
        yield Finding(
            "error",
            "non_finite",
            f"{total} values are NaN or infinite, in {_count(content.non_finite, 'sequence')}: "
            f"{_ids(corpus, list(content.non_finite))}. Repair the source and prepare anew.",
        )
    yield from _same_content(corpus, content)
    if content.frames:
        yield from _blocks(corpus, content)


def _same_content(corpus: Corpus, content: Content) -> Iterator[Finding]:
    rows_of: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(content.hashes):
        if digest is not None and corpus.rows.frames[row]:
            rows_of[digest].append(row)
    across: list[str] = []
    within: list[str] = []
    for rows in rows_of.values():
        if len(rows) > 1:
            leaks = len({corpus.rows.split(row) for row in rows}) > 1
            named = [f"{corpus.rows.id(row)} ({corpus.rows.split(row)})" for row in rows]
            (across if leaks else within).append(" = ".join(named[:MAX_EXAMPLES]))
    if across:
        yield Finding(
            "error",
            "split_overlap",
            f"{_count(across, 'recording')} in more than one split: {examples(across)}. Keep each "
            "in one split: a score on what was trained on means nothing.",
        )
    if within:
        yield Finding(
            "note",
            "repeated_content",
            f"{_count(within, 'recording')} more than once in a split: {examples(within)}. "
            "They count more than others in training and scores; remove them if not meant.",
        )


def _blocks(corpus: Corpus, content: Content) -> Iterator[Finding]:
    constant = content.maximum <= content.minimum
    still = []
    for index, block in enumerate(corpus.layout.blocks):
        columns = corpus.layout.slices[block.name]
        present, zero = content.present_frames[index], content.zero_frames[index]
        if present == 0:
            yield Finding(
                "warning",
                "absent_block",
                f"Block {block.name} is absent from every frame: nothing can be learned from it. "
                "Check how the source marks absence (--missing), or leave the block out.",
            )
        elif constant[columns].all():
            yield Finding(
                "warning",
                "constant_block",
                f"Block {block.name} has the same values in every frame: nothing can be learned "
                "from it. Check the source, or leave the block out.",
            )
        else:
            names = [
                f"{block.name}.{point}.{axis}" for point in block.points for axis in block.axes
            ]
            still += [name for name, flag in zip(names, constant[columns], strict=True) if flag]
            if block.coordinates and zero > UNMARKED_SHARE * present:
                yield Finding(
                    "warning",
                    "unmarked_absence",
                    f"All values of block {block.name} are 0 in {zero / present:.0%} of the frames "
                    "that count as detected. If zeros mark absence, prepare with --missing zeros.",
                )
    if still:
        yield Finding(
            "note",
            "constant_columns",
            f"{len(still)} of {corpus.layout.columns} columns never change: {examples(still)}.",
        )


def _ids(corpus: Corpus, rows: Iterable[int]) -> str:
    return examples([corpus.rows.id(int(row)) for row in rows])


def examples(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:MAX_EXAMPLES])
    more = len(names) - MAX_EXAMPLES
    return f"{shown} and {more} more" if more > 0 else shown


def _count(items: list | np.ndarray | dict, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
