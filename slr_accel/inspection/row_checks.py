"""Checks the row table and corpus.json of a corpus, without reading its features."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from unicodedata import category, normalize

import numpy as np

from slr_accel.corpus.leakage import explain_repeated, repeated_sentences
from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.sequence import UNKNOWN_SIGNER
from slr_accel.corpus.split_names import hint_at_case, how_to_validate
from slr_accel.findings import Finding
from slr_accel.layouts.face_mesh import FACE_POINTS, REFINED_FACE_POINTS, explain_refined
from slr_accel.loading.plan import alignable

MAX_EXAMPLES = 5
OUTPUT_STRIDES = (1, 2, 4)


def row_findings(
    corpus: Corpus, required: np.ndarray, signer_independent: bool
) -> Iterator[Finding]:
    """Yields what is wrong with rows, splits, signers and labels.

    Args:
        required: [N] output steps CTC needs for each row.
    """
    yield from _refined_face(corpus)
    yield from _duplicate_ids(corpus)
    yield from _impossible_rows(corpus, required)
    yield from _short_rows(corpus, required)
    yield from _shared_signers(corpus, signer_independent)
    yield from _splits(corpus.rows.split_names)
    if "train" in corpus.rows.split_names:
        yield from _repeated_sentences(corpus)
        yield from _unseen_labels(corpus)
    yield from _alike_labels(corpus)
    skipped = corpus.info.source.get("skipped")
    if skipped:
        yield Finding(
            "note",
            "skipped",
            f"{counted(skipped, 'sequence')} could not be read when the corpus was prepared, and "
            f"are not in it: {examples(skipped)}.",
        )
    if corpus.info.frames_per_second is None:
        yield Finding(
            "note",
            "no_frame_rate",
            "The frame rate is unknown: hours are unknown, and velocity is measured per frame "
            "instead of per second.",
            "Prepare with --fps to use it together with corpora of other rates.",
        )


def _splits(names: list[str]) -> Iterator[Finding]:
    found = (
        f"The splits are {examples(names)}" if len(names) > 1 else f"The only split is {names[0]}"
    )
    if "train" not in names:
        yield Finding(
            "warning",
            "no_train_split",
            f"{found}: without a split `train` this corpus can be evaluated on, but not trained "
            f"on{hint_at_case('train', names)}.",
        )
    elif "dev" not in names:
        yield Finding(
            "warning",
            "no_dev_split",
            f"{found}, but training validates on `dev`{hint_at_case('dev', names)}.",
            f"To train on this corpus, {how_to_validate('dev', names)}.",
        )


def _refined_face(corpus: Corpus) -> Iterator[Finding]:
    sizes = {block.name: len(block.points) for block in corpus.layout.blocks}
    if sizes.get("face") == REFINED_FACE_POINTS:
        yield Finding(
            "warning",
            "refined_face",
            f"Block face has {REFINED_FACE_POINTS} points. Models and corpora of the usual "
            f"{len(FACE_POINTS)} do not fit this one.",
            f"{explain_refined('These are')}, unless they are wanted.",
        )


def _duplicate_ids(corpus: Corpus) -> Iterator[Finding]:
    values, counts = np.unique(np.array(corpus.rows.ids.to_pylist()), return_counts=True)
    twice = values[counts > 1].tolist()
    if twice:
        yield Finding(
            "error",
            "duplicate_id",
            f"{counted(twice, 'id')} stand for more than one sequence: {examples(twice)}.",
            "Give every sequence an id of its own and prepare the corpus anew.",
        )


def _impossible_rows(corpus: Corpus, required: np.ndarray) -> Iterator[Finding]:
    frames = corpus.rows.frames
    empty = np.flatnonzero(frames == 0)
    if len(empty):
        yield Finding(
            "error",
            "no_frames",
            f"{counted(empty, 'sequence')} without a frame: {ids_of(corpus, empty)}.",
            "Remove them from the source and prepare the corpus anew.",
        )
    without: dict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(required == 0).tolist():
        without[corpus.rows.split(row)].append(row)
    for split, unlabelled in without.items():
        found = f"of {split} without labels: {ids_of(corpus, unlabelled)}."
        if split == "train":
            yield Finding(
                "error",
                "no_labels",
                f"{counted(unlabelled, 'sequence')} {found}",
                "Label them, or move them to another split.",
            )
        else:
            is_whole = len(unlabelled) == len(corpus.rows.of_split(split))
            yield Finding(
                "note" if is_whole and split != "dev" else "warning",
                "unlabelled",
                f"{counted(unlabelled, 'sequence')} {found}",
                "`predict` transcribes the split; to validate or to score on it, label them or "
                "move them to another.",
            )
    fits, _ = alignable(frames, required, 1)
    too_short = np.flatnonzero(~fits & (frames > 0))
    if len(too_short):
        row = int(too_short[0])
        yield Finding(
            "error",
            "unalignable",
            f"{counted(too_short, 'sequence')} shorter than their labels, which CTC cannot align "
            f"at any stride: {ids_of(corpus, too_short)}. {corpus.rows.id(row)} has {frames[row]} "
            f"frames and needs {required[row]}.",
            "Check whether frames and labels belong together.",
        )


def _short_rows(corpus: Corpus, required: np.ndarray) -> Iterator[Finding]:
    """Yields, by stride, the rows that CTC cannot align at it, but at stride 1."""
    frames = corpus.rows.frames
    possible, _ = alignable(frames, required, 1)
    for stride in OUTPUT_STRIDES[1:]:
        fits, _ = alignable(frames, required, stride)
        short = np.flatnonzero(possible & ~fits)
        if len(short):
            yield Finding(
                "warning",
                f"unalignable_stride_{stride}",
                f"{counted(short, 'sequence')} too short for CTC at --output_stride {stride}: "
                f"{ids_of(corpus, short)}. Training leaves them out; in scores their missed labels "
                "count as errors.",
                "Use a smaller stride to keep them.",
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
        yield Finding(
            "error" if signer_independent else "note",
            "signer_overlap",
            f"{counted(shared, 'signer')} in more than one split: {examples(shared)}. Scores say "
            "little about unseen signers.",
            "Move each to one split."
            if signer_independent
            else "Where that matters, move each to one split; --signer_independent makes this an "
            "error.",
        )


def _repeated_sentences(corpus: Corpus) -> Iterator[Finding]:
    for split in corpus.rows.split_names:
        told = explain_repeated(repeated_sentences(corpus, corpus.rows.of_split(split)), split)
        if told:
            yield Finding(
                "note",
                "repeated_sentences",
                f"{told}. Scores on them say little about sentences that are new.",
                "Where that matters, look at the WER of the others, which `evaluate` gives too.",
            )


def _unseen_labels(corpus: Corpus) -> Iterator[Finding]:
    known = np.unique(corpus.rows.labels_of_split("train"))
    composed = {normalize("NFC", corpus.info.labels[i]) for i in known}
    for split in corpus.rows.split_names:
        of_split = corpus.rows.labels_of_split(split)
        unseen = of_split[~np.isin(of_split, known)]
        if not len(unseen):
            continue
        names = [corpus.info.labels[i] for i in np.unique(unseen)]
        alike = [name for name in names if normalize("NFC", name) in composed]
        form = (
            f"{examples(alike)}: train has the same in another Unicode form, as file names of a "
            "Mac are; write all in one (NFC)."
            if alike
            else ""
        )
        if len(unseen) == len(of_split):
            yield Finding(
                "warning",
                "unseen_labels",
                f"None of the labels of {split} occurs in train: {examples(names)}. Each will "
                "count as an error.",
                "Check whether both are written the same way (upper and lower case, spelling), and "
                f"whether train has a sequence of each. {form}".strip(),
            )
        else:
            yield Finding(
                "note",
                "unseen_labels",
                f"{counted(names, 'label')} of {split} never occur in train: {examples(names)}. "
                f"They are {len(unseen)} of {len(of_split)} tokens "
                f"({len(unseen) / len(of_split):.1%}), and each will count as an error.",
                form,
            )


def _alike_labels(corpus: Corpus) -> Iterator[Finding]:
    """Yields labels that look the same, or differ in upper and lower case alone."""
    of_look: dict[str, list[str]] = defaultdict(list)
    for label in corpus.info.labels:
        visible = "".join(c for c in normalize("NFC", label) if category(c) != "Cf")
        of_look[visible.casefold()].append(label)
    alike = [labels for labels in of_look.values() if len(labels) > 1]
    if alike:
        unseen = any(len({label.casefold() for label in labels}) > 1 for labels in alike)
        shown = [" = ".join(map(ascii if unseen else str, labels)) for labels in alike]
        yield Finding(
            "warning" if unseen else "note",
            "alike_labels",
            f"{counted(alike, 'label')} written in more than one way: {examples(shown)}. Each way "
            "is learned and scored as a gloss of its own.",
            "Write them alike (in Unicode's form NFC) where the same is meant.",
        )


def ids_of(corpus: Corpus, rows: Iterable[int]) -> str:
    """The ids of the first few rows, and how many more there are."""
    return examples([corpus.rows.id(int(row)) for row in rows])


def examples(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:MAX_EXAMPLES])
    more = len(names) - MAX_EXAMPLES
    return f"{shown} and {more} more" if more > 0 else shown


def counted(items: list | np.ndarray | dict, noun: str) -> str:
    """`1 signer`, `2 signers`."""
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
