"""Pairs hypotheses with references by id and scores them under a protocol."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from slr_accel.labels.phoenix_rules import clean_2014_lines
from slr_accel.labels.policies import LABEL_POLICIES, reference_labels
from slr_accel.scoring.bootstrap import wer_ci95
from slr_accel.scoring.cer import character_error_rate
from slr_accel.scoring.formats import Transcripts
from slr_accel.scoring.protocols import (
    EMPTY,
    folds_case,
    prepared_hypotheses,
    prepared_references,
)
from slr_accel.scoring.scored import (
    ScoredSequence,
    ScoredSplit,
    by_signer,
    count_errors,
    scored_sequences,
)
from slr_accel.scoring.words import folded_form, unavoidable_errors, unavoidable_errors_under

if TYPE_CHECKING:
    from slr_accel.labels.vocabulary import Vocabulary

MOST_NAMED = 5
"""Ids that a note names."""


@dataclass(frozen=True)
class Comparison:
    """Every sentence of the references, scored."""

    protocol: str
    sequences: list[ScoredSequence]
    missing: list[str]
    """Ids of references without a hypothesis: scored as if nothing had been recognised."""
    extra: list[str]
    """Ids of hypotheses without a reference: not scored."""
    notes: list[str]


def compare(references: Transcripts, hypotheses: Transcripts, protocol: str) -> Comparison:
    """Scores every reference; where there is no hypothesis for it, an empty one.

    Raises:
        ValueError: the files have no id in common, or a word that the protocol cannot compare.
    """
    ids = list(references.sentences)
    missing = [name for name in ids if name not in hypotheses.sentences]
    extra = [name for name in hypotheses.sentences if name not in references.sentences]
    if len(missing) == len(ids):
        raise ValueError(
            f"{hypotheses.path} has no sentence of {references.path}: its first id is "
            f"{next(iter(hypotheses.sentences))!r}, there it is {ids[0]!r}; give both files the "
            "same ids (those of a .txt file are the numbers of its lines)"
        )
    if references.path.suffix == hypotheses.path.suffix == ".txt" and (missing or extra):
        raise ValueError(
            f"{references.path} has {len(ids)} lines and {hypotheses.path} "
            f"{len(hypotheses.sentences)}; write one line a sentence, an empty one for nothing"
        )
    if not any(references.sentences.values()):
        raise ValueError(f"{references.path}: has no word at all, so there is nothing to score")
    expected = prepared_references(protocol, list(references.sentences.values()))
    said = [hypotheses.sentences.get(name, []) for name in ids]
    prepared = prepared_hypotheses(protocol, said)
    known = hypotheses.signers | references.signers
    signers = [known.get(name, "") for name in ids]
    sequences = scored_sequences(ids, signers, expected, prepared)
    notes = [*references.notes, *hypotheses.notes, *_id_notes(protocol, missing, extra)]
    return Comparison(
        protocol, sequences, missing, extra, notes + _word_notes(protocol, references, sequences)
    )


def comparison_figures(comparison: Comparison) -> dict[str, Any]:
    """Figures with the keys of `eval/<split>.json`. `per_signer` is empty where none is known."""
    sequences = comparison.sequences
    interval = wer_ci95([sequence.counts for sequence in sequences])
    figures = {
        **count_errors(sequences),
        "wer_ci95": None if interval is None else list(interval),
        "per_signer": by_signer([s for s in sequences if s.signer]),
        "protocol": comparison.protocol,
    }
    if comparison.protocol == "characters":
        expected = [sequence.reference for sequence in sequences]
        figures["cer"] = character_error_rate(expected, [s.hypothesis for s in sequences])
    return figures | {
        "missing_ids": comparison.missing,
        "extra_ids": comparison.extra,
        "notes": comparison.notes,
    }


def _id_notes(protocol: str, missing: list[str], extra: list[str]) -> list[str]:
    notes = []
    if missing:
        counted = "as deletions"
        if protocol == "phoenix2014":
            counted = f"as {EMPTY}, a wrong word and deletions"
        notes.append(f"{_named(missing)} of the reference without a hypothesis: counted {counted}")
    if extra:
        notes.append(f"{_named(extra)} of the hypothesis without a reference: not scored")
    return notes


def _named(names: list[str], kind: str = "id") -> str:
    first = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
    return f"{len(names)} {kind}{'s' * (len(names) > 1)} ({first})"


def _word_notes(
    protocol: str, references: Transcripts, sequences: list[ScoredSequence]
) -> list[str]:
    """Signs that the two files do not write words alike."""
    notes = []
    expected = set(chain.from_iterable(references.sentences.values()))
    if protocol == "phoenix2014":
        words = sorted(expected)
        cleaned = clean_2014_lines(words)
        raw = [word for word, own in zip(words, cleaned, strict=True) if own != word]
        if raw:
            notes.append(
                f"cleaning would change {_named(raw, 'word')} of the reference: this protocol "
                "cleans hypotheses only, so no hypothesis can match them"
            )
    said = set(chain.from_iterable(sequence.hypothesis for sequence in sequences))
    written = "\n".join(expected | said)
    if not written.isascii() and not unicodedata.is_normalized("NFC", written):
        notes.append(
            "some words are written with combining marks (Unicode form NFD), and differ from the "
            "same words in form NFC: convert both files to NFC, uconv -x any-nfc"
        )
    if folds_case(protocol):
        return notes
    compared = {word for sequence in sequences for word in sequence.reference}
    folded = {folded_form(word) for word in compared}
    same = {unicodedata.normalize("NFC", word) for word in compared}  # but for the form, told above
    others = {word for word in said - compared if unicodedata.normalize("NFC", word) not in same}
    if other_case := sorted(word for word in others if folded_form(word) in folded):
        notes.append(
            f"{_named(other_case, 'word')} of the hypothesis differ from words of the reference in "
            "case alone: with --protocol sclite other case counts as equal"
        )
    return notes


def rescored(scored: ScoredSplit, references: list[list[str]], protocol: str) -> ScoredSplit:
    """A split scored under a protocol: its hypotheses against other references, in its order."""
    expected = prepared_references(protocol, references)
    said = prepared_hypotheses(protocol, [s.hypothesis for s in scored.sequences])
    ids, signers = [s.id for s in scored.sequences], [s.signer for s in scored.sequences]
    return replace(scored, sequences=scored_sequences(ids, signers, expected, said))


def vocabulary_floors(
    vocabulary: Vocabulary, raw: list[list[str]], protocol: str
) -> dict[str, float]:
    """The lowest WERs that a vocabulary can reach, as fractions.

    Args:
        raw: references as annotated.

    Returns:
        policy_floor, under the run's own label policy, and protocol_floor, under the protocol.
    """
    policy = vocabulary.label_policy
    expected = protocol_references(protocol, policy, raw)
    return {
        "policy_floor": unavoidable_errors(vocabulary, reference_labels(policy, raw)).wer,
        "protocol_floor": unavoidable_errors_under(protocol, vocabulary, expected).wer,
    }


def protocol_references(protocol: str, policy: str, raw: list[list[str]]) -> list[list[str]]:
    """The references a protocol compares with, of labels as annotated: PHOENIX' are cleaned."""
    return reference_labels(protocol if protocol in LABEL_POLICIES else policy, raw)
