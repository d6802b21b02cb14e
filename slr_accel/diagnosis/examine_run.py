"""Examines a checkpoint: what it says, its layers, and where it errs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from slr_accel.diagnosis.checkpoint_rules import Emitted, early_findings, transfer_findings
from slr_accel.diagnosis.error_figures import error_figures
from slr_accel.diagnosis.label_rules import length_findings, token_findings, vocabulary_findings
from slr_accel.diagnosis.layer_rules import layer_findings
from slr_accel.diagnosis.layers import measure_layers
from slr_accel.diagnosis.samples import evenly
from slr_accel.diagnosis.sentences import output_over_time
from slr_accel.findings import Finding
from slr_accel.labels.policies import separator, spelled, train_labels
from slr_accel.labels.vocabulary import BLANK
from slr_accel.loading.loader import load_batch
from slr_accel.loading.plan import alignable, required_output_length
from slr_accel.models.recogniser import Recogniser
from slr_accel.runs.opened import OpenedRun
from slr_accel.scoring.references import references
from slr_accel.scoring.report import confusions
from slr_accel.scoring.scored import ScoredSplit, score_transcript
from slr_accel.scoring.wer import align

SPLIT_ROWS = 300
TRAIN_ROWS = 100
BATCH = 8
SENTENCES = 4
ALIGNED = 12
LEARNED = 0.2
"""WER on train below which small gradients are no fault."""
TRAIN = "train"


@dataclass(frozen=True)
class Examined:
    """What a checkpoint said of the rows of one split."""

    emitted: Emitted
    scored: ScoredSplit
    rows: np.ndarray


def hypotheses(opened: OpenedRun, split: str, most: int) -> Examined:
    """Transcribes and scores up to `most` labelled rows, evenly spread.

    Raises:
        ValueError: no row of the split has labels and frames.
    """
    corpus, vocabulary = opened.corpus, opened.vocabulary
    counts = np.diff(corpus.rows.label_offsets)
    rows = corpus.rows.of_split(split)
    rows = evenly(rows[(counts[rows] > 0) & (corpus.rows.frames[rows] > 0)], most)
    if not len(rows):
        raise ValueError(f"the split {split!r} has no labelled sequences; give another --split")
    transcript = opened.transcribe(rows)
    scored = score_transcript(corpus, rows, vocabulary, transcript)
    outputs = transcript.health.outputs
    tokens = sum(
        len(spelled(vocabulary.label_policy, sequence.reference)) for sequence in scored.sequences
    )
    emitted = Emitted(
        split=split,
        references=[sequence.reference for sequence in scored.sequences],
        hypotheses=[sequence.hypothesis for sequence in scored.sequences],
        entropy=outputs.entropy,
        blank_probability=outputs.blank_probability,
        confidence=outputs.confidence,
        expected_blank=max(0.0, 1 - tokens / max(outputs.steps, 1)),
        blank_bias=_blank_bias(opened.model),
    )
    return Examined(emitted, scored, rows)


def _blank_bias(model: Recogniser) -> float:
    """Nats by which the bias of the head alone puts blank ahead of the mean token."""
    head = getattr(model, "head", None)
    bias = getattr(head, "bias", None)
    if bias is None or len(bias) < 2:
        return 0.0
    bias = bias.detach()
    return float(bias[BLANK] - bias[BLANK + 1 :].mean())


def outputs(opened: OpenedRun, share: float | None) -> tuple[list[Finding], dict[str, Any]]:
    """Findings on what the checkpoint says, and figures of its errors.

    Args:
        share: of the run that is over; None: unknown.
    """
    corpus, split = opened.corpus, opened.split
    own = hypotheses(opened, split, SPLIT_ROWS)
    found = list(early_findings(own.emitted, share))
    figures: dict[str, Any] = {
        "split": split,
        "sentences": len(own.rows),
        "blank_probability": own.emitted.blank_probability,
        "entropy": own.emitted.entropy,
        "confidence": own.emitted.confidence,
        "expected_blank": own.emitted.expected_blank,
        "train_wer": None,
    }
    train_counts: Counter[str] = Counter()
    if TRAIN in corpus.rows.split_names:
        rows = corpus.rows.of_split(TRAIN)
        policy = opened.vocabulary.label_policy
        train_counts.update(w for words in references(corpus, rows, policy) for w in words)
        if split != TRAIN:
            train = hypotheses(opened, TRAIN, TRAIN_ROWS)
            figures["train_wer"] = train.emitted.counts.wer
            found += transfer_findings(train.emitted, own.emitted)
    sequences = own.scored.sequences
    frequent = confusions(sequences, top=10)
    shown = sorted(sequences, key=lambda s: -s.counts.errors)
    figures |= {
        "errors": error_figures(sequences, train_counts),
        "confusions": {
            "substitutions": [[*pair, times] for pair, times in frequent.substitutions],
            "deletions": [list(entry) for entry in frequent.deletions],
            "insertions": [list(entry) for entry in frequent.insertions],
        },
        "aligned": [
            {
                "id": s.id,
                "signer": s.signer,
                "wer": s.counts.wer,
                "pairs": [list(pair) for pair in align(s.reference, s.hypothesis).pairs],
            }
            for s in (shown[i] for i in evenly(np.arange(len(shown)), ALIGNED))
        ],
    }
    return found, figures


def tokens(opened: OpenedRun, *, is_own_corpus: bool) -> list[Finding]:
    """Findings on the vocabulary.

    Args:
        is_own_corpus: whether the corpus is the one trained on.
    """
    corpus, vocabulary = opened.corpus, opened.vocabulary
    policy = vocabulary.label_policy
    rows = corpus.rows.of_split(opened.split)
    words = [word for sentence in references(corpus, rows, policy) for word in sentence]
    missing = [w for w in words if any(t not in vocabulary for t in spelled(policy, [w]))]
    found = list(token_findings(opened.split, len(words), missing, vocabulary.tokens))
    if is_own_corpus and TRAIN in corpus.rows.split_names:
        known = {
            token
            for row in corpus.rows.of_split(TRAIN)
            for token in train_labels(policy, corpus.labels(row))
        }
        found += vocabulary_findings(vocabulary.tokens, known | set(separator(policy)))
    return found


def layers(
    opened: OpenedRun, train_wer: float | None
) -> tuple[list[Finding], list[dict[str, Any]], float | None]:
    """Findings on layers, their figures, and the CTC loss a token of one training batch."""
    corpus, model, vocabulary = opened.corpus, opened.model, opened.vocabulary
    if TRAIN not in corpus.rows.split_names:
        return [], [], None
    targets = {}
    for row in evenly(corpus.rows.of_split(TRAIN), SPLIT_ROWS).tolist():
        wanted = train_labels(vocabulary.label_policy, corpus.labels(row))
        if wanted and all(token in vocabulary for token in wanted):
            targets[row] = vocabulary.encode(wanted)
    rows = np.array(list(targets), np.int64)
    frames = np.minimum(corpus.rows.frames[rows], model.max_frames or corpus.rows.frames[rows])
    required = np.array([required_output_length(ids) for ids in targets.values()], np.int64)
    fits, _ = alignable(frames, required, model.output_stride)
    findings = list(length_findings(model.output_stride, len(rows), int((~fits).sum())))
    rows = evenly(rows[fits & (frames > 0)], BATCH)
    if not len(rows):
        return findings, [], None
    batch = load_batch(corpus, rows, targets, model.max_frames).to(model.features.mean.device)
    figures, loss = measure_layers(model, batch)
    learned = train_wer is not None and train_wer < LEARNED
    findings += layer_findings(figures, learned)
    return findings, [vars(layer) for layer in figures], loss


def sentences(opened: OpenedRun) -> list[dict[str, Any]]:
    """The output over time of a few sentences of the split, and one of train."""
    corpus, names = opened.corpus, [opened.split] * (SENTENCES - 1)
    rows: list[int] = []
    if TRAIN in corpus.rows.split_names and opened.split != TRAIN:
        names.append(TRAIN)
    for name, number in Counter(names).items():
        own = corpus.rows.of_split(name)
        rows += evenly(own[corpus.rows.frames[own] > 0], number + 2)[1 : number + 1].tolist()
    return [output_over_time(opened.model, opened.vocabulary, corpus, row) for row in rows]
