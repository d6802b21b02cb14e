"""Chooses the sentences and signs that a report replays, and gives their words times."""

from __future__ import annotations

from typing import Any

import numpy as np

from slr_accel.corpus.sequence import fit_labels
from slr_accel.diagnosis.sentences import shown_output
from slr_accel.labels.policies import train_labels
from slr_accel.runs.alignment import aligned_words
from slr_accel.runs.opened import OpenedRun
from slr_accel.runs.outputs import frame_rate, outputs, step_frames
from slr_accel.scoring.ctm import CtmRow
from slr_accel.scoring.replay import clip, drawn_blocks
from slr_accel.scoring.report import confusions
from slr_accel.scoring.report_details import ConfusedSigns, ShownSentence, ShownSign, Track
from slr_accel.scoring.scored import ScoredSequence
from slr_accel.scoring.wer import align

TRAIN = "train"
WORST, BEST = 8, 4
"""Sentences that are replayed."""
PAIRS = 6
"""Substitutions whose signs are shown."""
MOST_STEPS = 240
"""Output steps of a heat map."""
AROUND = 0.15
"""Seconds before and after a sign that its clip shows."""


def replayed_sentences(
    opened: OpenedRun, shown: dict[int, ScoredSequence]
) -> tuple[dict[str, ShownSentence], dict[str, Any]]:
    """The worst and the best sentences, and their clips."""
    corpus = opened.corpus
    ranked = sorted(shown, key=lambda row: (-shown[row].counts.errors, shown[row].id))
    best = sorted(
        ranked, key=lambda row: (shown[row].counts.wer, -len(shown[row].reference), shown[row].id)
    )
    both = dict.fromkeys([*ranked[:WORST], *best[:BEST]])
    chosen = [row for row in both if corpus.rows.frames[row] > 0]
    found, clips = {}, {}
    for row, log_probs in outputs(opened, np.array(chosen, int)) if chosen else ():
        sequence, rate = shown[row], frame_rate(opened)
        seconds = step_frames(opened, row) / rate
        tracks = {}
        for name, words in (("reference", sequence.reference), ("hypothesis", sequence.hypothesis)):
            timed = aligned_words(opened, row, log_probs, _tokens_of(opened, words))
            tracks[name] = _track(timed or [], sequence, name, seconds)
        picture = clip(corpus, row, rate)
        if picture is not None:
            clips[sequence.id] = picture
        found[sequence.id] = ShownSentence(
            clip=None if picture is None else sequence.id,
            tracks=tracks,
            output=shown_output(opened.vocabulary, corpus, row, log_probs, MOST_STEPS),
            step_seconds=seconds,
        )
    order = [shown[row].id for row in chosen]
    return {name: found[name] for name in order}, clips


def _tokens_of(opened: OpenedRun, words: list[str]) -> list[str]:
    """The tokens of words that were already cleaned by the label policy."""
    policy = opened.vocabulary.label_policy
    return train_labels("characters" if policy == "characters" else "raw", words)


def _track(timed: list[CtmRow], sequence: ScoredSequence, side: str, seconds: float) -> Track:
    """The words of one side of a sentence, marked with their errors."""
    pairs = align(sequence.reference, sequence.hypothesis).pairs
    own = [(getattr(pair, side), pair.op) for pair in pairs if getattr(pair, side) is not None]
    kinds = [op for _, op in own] if [w for w, _ in own] == [t.token for t in timed] else []
    return [
        (
            word.start / seconds,
            (word.start + word.duration) / seconds,
            word.token,
            kinds[i] if kinds else "correct",
        )
        for i, word in enumerate(timed)
    ]


def confused_signs(
    opened: OpenedRun, shown: dict[int, ScoredSequence]
) -> tuple[list[ConfusedSigns], dict[str, Any]]:
    """The most frequent substitutions with both signs, and the clips of these."""
    if not drawn_blocks(opened.corpus.layout):
        return [], {}
    clips: dict[str, Any] = {}
    found = []
    for (made, read), times in confusions(list(shown.values()), top=4 * PAIRS).substitutions:
        rows = [_row_with_confusion(shown, made, read), _row_with(opened, shown, read)]
        signs = [_sign(opened, row, w, clips) for row, w in zip(rows, (made, read), strict=True)]
        if signs[0] and signs[1]:
            found.append(ConfusedSigns(made, read, times, signs[0], signs[1]))
        if len(found) == PAIRS:
            break
    return found, clips


def _row_with_confusion(shown: dict[int, ScoredSequence], made: str, read: str) -> int | None:
    for row, sequence in shown.items():
        for pair in align(sequence.reference, sequence.hypothesis).pairs:
            if (pair.reference, pair.hypothesis) == (made, read):
                return row
    return None


def _row_with(opened: OpenedRun, shown: dict[int, ScoredSequence], word: str) -> int | None:
    """A sequence in which a sign is made: of the split, best one where it was read, or of train."""
    own = [row for row, sequence in shown.items() if word in sequence.reference]
    own.sort(key=lambda row: word not in shown[row].hypothesis)
    if own:
        return own[0]
    corpus = opened.corpus
    if TRAIN not in corpus.rows.split_names:
        return None
    train = corpus.rows.of_split(TRAIN)
    return next((int(row) for row in train if word in corpus.labels(row)), None)


def _sign(opened: OpenedRun, row: int | None, word: str, clips: dict[str, Any]) -> ShownSign | None:
    """The first place of a word in a row, whose clip is added to `clips`."""
    if row is None:
        return None
    corpus, rate = opened.corpus, frame_rate(opened)
    limits = _limits(opened, row, word)
    if limits is None:
        return None
    start = max(int(limits[0] - AROUND * rate), 0)
    picture = clip(corpus, row, rate, start, int(limits[1] + AROUND * rate) + 1)
    if picture is None:
        return None
    name = f"{corpus.rows.id(row)} {start}"
    clips[name] = picture
    return ShownSign(corpus.rows.id(row), name)


def _limits(opened: OpenedRun, row: int, word: str) -> tuple[float, float] | None:
    """First and last frame of a word: as annotated, or else by forced alignment."""
    corpus = opened.corpus
    segments = corpus.segments(row)
    if segments and fit_labels(segments, corpus.labels(row)):
        own = [(float(s.start), float(s.end)) for s in segments if s.label == word]
        if own:
            return own[0]
    rate, wanted = (
        frame_rate(opened),
        train_labels(opened.vocabulary.label_policy, corpus.labels(row)),
    )
    [(_, log_probs)] = outputs(opened, np.array([row]))
    for found in aligned_words(opened, row, log_probs, wanted) or []:
        if found.token == word:
            return found.start * rate, (found.start + found.duration) * rate
    return None
