"""Rules on what a checkpoint puts out for train and for another split."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from slr_accel.findings import Finding
from slr_accel.scoring.wer import Counts, score

UNIFORM = 0.95
"""Entropy, as a share of ln V, from which the output is uniform."""
CERTAIN_BLANK = 0.98
"""Mean probability of blank in a collapse; a healthy early phase has 1 - labels / output steps."""
MANY_INSERTIONS = 0.5
BLANK_BIAS = 4.0
EARLY = 0.15
"""Share of a run in which CTC may still say nothing, or the same of everything."""
UNLEARNED = 0.9
LEARNED = 0.5
PERMUTATIONS = 20
FEWEST = 8
"""Sentences from which hypotheses are compared with those of chance."""


@dataclass(frozen=True)
class Emitted:
    """What a checkpoint said of some sentences."""

    split: str
    references: Sequence[list[str]]
    hypotheses: Sequence[list[str]]
    entropy: float
    """Mean over output steps, as a share of ln V."""
    blank_probability: float
    confidence: float
    """Mean probability of the best token."""
    expected_blank: float
    """1 - labels / output steps: the share of blank steps of a model that says each label in one
    step."""
    blank_bias: float = 0.0
    """Nats by which the bias of the head puts blank ahead of the mean token."""

    @property
    def counts(self) -> Counts:
        return sum(score(list(self.references), list(self.hypotheses)), Counts())


def early_findings(emitted: Emitted, share: float | None) -> Iterator[Finding]:
    """As `output_findings`; notes in the first part of a run, where they are usual.

    Args:
        share: of the run that is over; None: unknown.
    """
    for finding in output_findings(emitted):
        if share is None or share >= EARLY:
            yield finding
        else:
            yield replace(
                finding,
                severity="note",
                problem=f"{finding.problem} Only {share:.0%} of the run is over: this is usual.",
                cure="Look again later.",
            )


def output_findings(emitted: Emitted) -> Iterator[Finding]:
    """Yields at most one state of the output: the cause before its consequences."""
    counts, split = emitted.counts, emitted.split
    empty = sum(not words for words in emitted.hypotheses)
    every = len(emitted.hypotheses)
    if emitted.entropy >= UNIFORM:
        yield Finding(
            "error",
            "uniform_output",
            f"The output is uniform: every token is about as likely as any other at every step of "
            f"{split} (entropy {emitted.entropy:.3f} of ln V, where 1 is uniform; the best token "
            f"has a probability of {emitted.confidence:.1%} on average). The model has learned "
            "nothing yet.",
            "First raise --learning_rate tenfold; then take more optimizer steps "
            "(--micro_batches_per_step 1, more --epochs); then look whether features vary.",
        )
    elif empty == every and emitted.blank_probability >= max(
        CERTAIN_BLANK, emitted.expected_blank + 0.01
    ):
        yield Finding(
            "error",
            "blank_collapse",
            f"The output has collapsed to blank: all {every} hypotheses of {split} are empty, and "
            f"blank has a mean probability of {emitted.blank_probability:.4f} (an ordinary early "
            f"blank phase stays near {emitted.expected_blank:.2f}).{_bias(emitted)}",
            f"{_start_anew(emitted)}set --blank_margin 1; then raise --learning_rate by a factor "
            "of 3 where the loss hardly moves, or lower it where it jumps; then give the "
            "convolutions a head of their own (--auxiliary_weight 0.5).",
        )
    elif empty == every:
        yield Finding(
            "warning",
            "blank_phase",
            f"All {every} hypotheses of {split} are empty. The mean probability of blank is "
            f"{emitted.blank_probability:.3f}, as in the blank phase that CTC goes through before "
            "it says its first token.",
            "Train on, while the loss falls; where it has stopped falling, change --learning_rate "
            "by a factor of 3.",
            "likely",
        )
    elif every > 1 and len({tuple(words) for words in emitted.hypotheses}) == 1:
        yield Finding(
            "error",
            "constant_output",
            f"All {every} sentences of {split} get the same hypothesis "
            f"({' '.join(emitted.hypotheses[0])}): the output does not depend on the input.",
            "First look whether features are constant or missing; then lower --learning_rate by a "
            "factor of 10.",
        )
    elif counts.insertions > MANY_INSERTIONS * counts.reference_tokens:
        yield Finding(
            "error",
            "insertion_explosion",
            f"Far more is recognised than was signed: {counts.insertions} insertions to "
            f"{counts.reference_tokens} reference words of {split}.",
            "First lower --learning_rate by a factor of 10; then set --blank_margin 0 where it is "
            "set.",
        )


def _bias(emitted: Emitted) -> str:
    if emitted.blank_bias < BLANK_BIAS:
        return ""
    return (
        f" The bias of the output layer alone puts blank {emitted.blank_bias:.1f} nats ahead of "
        "the other tokens: it was started there, or has been driven there."
    )


def _start_anew(emitted: Emitted) -> str:
    if emitted.blank_bias < BLANK_BIAS:
        return "First "
    return "First start anew with an output layer whose bias is 0; then "


def transfer_findings(train: Emitted, other: Emitted) -> Iterator[Finding]:
    """Yields a finding where what is known by heart of train does not help with the other split."""
    train_wer, wer = train.counts.wer, other.counts.wer
    if train_wer > LEARNED or wer < UNLEARNED or train.split == other.split:
        return
    chance = chance_wer(other)
    by_chance = (
        f" Hypotheses given to other sentences at random would have {chance:.0%}: they have "
        "nothing to do with what was signed."
        if chance is not None and wer > 0.97 * chance
        else ""
    )
    yield Finding(
        "error",
        "no_transfer",
        f"The model knows train (WER {train_wer:.0%} on {len(train.references)} sentences) but not "
        f"{other.split} (WER {wer:.0%}).{by_chance} That is so where the features of the two "
        "splits differ, where labels of train do not belong to their sequences and are learned by "
        "heart, or where there is far too little data. Findings on features and labels in this "
        "page say which; a model of another size would not help.",
        "Mend what is found about features and labels first. Where nothing is, watch some train "
        "sequences beside their labels.",
    )


def chance_wer(emitted: Emitted) -> float | None:
    """Mean WER of the hypotheses where each is scored on another sentence's reference.

    None of few sentences.
    """
    if len(emitted.references) < FEWEST:
        return None
    chooser = random.Random(0)
    wers = []
    for _ in range(PERMUTATIONS):
        order = list(range(len(emitted.references)))
        chooser.shuffle(order)
        mixed = [emitted.references[i] for i in order]
        wers.append(sum(score(mixed, list(emitted.hypotheses)), Counts()).wer)
    return sum(wers) / len(wers)
