"""Scores a transcribed split: from hypotheses to every figure that is reported of it.

Validation and `evaluate` take this road. A new figure is a function below and its place in METRICS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from slr_accel.scoring.bootstrap import wer_ci95
from slr_accel.scoring.cer import character_error_rate
from slr_accel.scoring.references import references
from slr_accel.scoring.wer import Counts, score
from slr_accel.scoring.words import recognised_texts

if TYPE_CHECKING:  # scoring files needs neither torch nor a corpus
    import numpy as np

    from slr_accel.corpus.reader import Corpus
    from slr_accel.ctc.health import Health
    from slr_accel.labels.vocabulary import Vocabulary
    from slr_accel.scoring.transcribe import Transcript


class ScoredSequence(NamedTuple):
    """One sentence as it was scored: its words under the label policy, and their counts."""

    id: str
    signer: str
    reference: list[str]
    hypothesis: list[str]
    counts: Counts


@dataclass(frozen=True)
class ScoredSplit:
    """Every sentence of a split, and what the model emitted over it."""

    sequences: list[ScoredSequence]
    label_policy: str
    health: Health
    loss: float | None = None
    """CTC loss a token in nats; None where it was not computed."""

    @property
    def errors(self) -> int:
        return sum(sequence.counts.errors for sequence in self.sequences)


def scored_sequences(
    ids: list[str], signers: list[str], references: list[list[str]], hypotheses: list[list[str]]
) -> list[ScoredSequence]:
    """Aligns each hypothesis with its reference; all lists are in one order."""
    counts = score(references, hypotheses)
    return [
        ScoredSequence(*fields)
        for fields in zip(ids, signers, references, hypotheses, counts, strict=True)
    ]


def score_transcript(
    corpus: Corpus, rows: np.ndarray, vocabulary: Vocabulary, transcript: Transcript
) -> ScoredSplit:
    """Aligns the hypotheses of `rows`, all of one split, with their references."""
    expected = references(corpus, rows, vocabulary.label_policy)
    hypotheses = recognised_texts(vocabulary, transcript.hypotheses)
    ids = [corpus.rows.id(row) for row in rows]
    signers = [corpus.rows.signer(row) for row in rows]
    sequences = scored_sequences(ids, signers, expected, hypotheses)
    return ScoredSplit(sequences, vocabulary.label_policy, transcript.health, transcript.loss)


def word_errors(scored: ScoredSplit) -> dict[str, Any]:
    return count_errors(scored.sequences)


def character_errors(scored: ScoredSplit) -> dict[str, Any]:
    """The character error rate of models that spell."""
    if scored.label_policy != "characters":
        return {}
    expected = [sequence.reference for sequence in scored.sequences]
    return {"cer": character_error_rate(expected, [s.hypothesis for s in scored.sequences])}


def output_health(scored: ScoredSplit) -> dict[str, Any]:
    """Means over output steps, share of empty hypotheses, numbers of distinct ones and tokens."""
    health = scored.health
    return {
        **health.outputs.figures(),
        "empty_share": health.empty_share,
        "distinct_tokens": health.distinct_tokens,
        "distinct_hypotheses": health.distinct_hypotheses,
    }


def evaluation_loss(scored: ScoredSplit) -> dict[str, Any]:
    return {} if scored.loss is None else {"eval_loss": scored.loss}


METRICS: tuple[Callable[[ScoredSplit], dict[str, Any]], ...] = (
    word_errors,
    character_errors,
    output_health,
    evaluation_loss,
)


def figures(scored: ScoredSplit) -> dict[str, Any]:
    """All metrics of a split. Rates and shares are fractions; every number is finite."""
    return {name: figure for metric in METRICS for name, figure in metric(scored).items()}


def count_errors(sequences: Sequence[ScoredSequence]) -> dict[str, Any]:
    """WER and error counts of some sentences together."""
    counts = sum((sequence.counts for sequence in sequences), Counts())
    return {
        "wer": counts.wer,
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
        "correct": counts.correct,
        "reference_tokens": counts.reference_tokens,
        "num_sequences": len(sequences),
        "length_ratio": (counts.correct + counts.substitutions + counts.insertions)
        / max(counts.reference_tokens, 1),
    }


def against_greedy(
    sequences: Sequence[ScoredSequence], greedy: list[Counts]
) -> dict[str, dict[str, Any]]:
    """The WER of greedy decoding, `greedy` counts by sentence, and in how many sentences it has
    more errors (the decoder helped) or fewer (it hurt); nothing where only greedy decoded."""
    if not greedy:
        return {}
    saved = [own.errors - s.counts.errors for s, own in zip(sequences, greedy, strict=True)]
    return {
        "greedy": {
            "wer": sum(greedy, Counts()).wer,
            "helped": sum(number > 0 for number in saved),
            "hurt": sum(number < 0 for number in saved),
        }
    }


def by_signer(sequences: Sequence[ScoredSequence]) -> dict[str, dict[str, Any]]:
    """`count_errors` of each signer, in order of their names."""
    return {
        signer: count_errors([s for s in sequences if s.signer == signer])
        for signer in sorted({sequence.signer for sequence in sequences})
    }


def result(scored: ScoredSplit, *, split: str, decoder: str, **source: Any) -> dict[str, Any]:
    """Makes the content of `eval/<split>.json`.

    `wer_ci95` is None of one sentence. `source` holds `checkpoint` and `data_dir`, and what else
    says where the hypotheses are from.

    Raises:
        ValueError: there is no sequence to score.
    """
    sequences = scored.sequences
    if not sequences:
        raise ValueError(
            f"the split {split!r} of {source['data_dir']} has no sequences to score: "
            "`slr-accel inspect` lists the splits that have some"
        )
    interval = wer_ci95([sequence.counts for sequence in sequences])
    return {
        **figures(scored),
        "wer_ci95": None if interval is None else list(interval),
        "per_signer": by_signer(sequences),
        "decoder": decoder,
        "label_policy": scored.label_policy,
        "split": split,
        **source,
    }
