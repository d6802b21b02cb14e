"""Orders findings into a verdict: causes before their consequences, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slr_accel.findings import SEVERITIES, Finding

CAUSES = (
    *("damaged_shard", "non_finite", "token_map", "token_order", "blocks_swapped"),
    *("features_differ", "absence_differs", "constant_features", "labels_shifted"),
    *("labels_shuffled", "too_short", "unsayable_words", "split_overlap", "labels_unrelated"),
    *("far_values", "tiny_updates", "large_updates", "time_lost"),
    *("exploding_gradient", "vanishing_gradient", "saturated_clamp", "dead_layer"),
    *("high_dropout", "large_blank_margin", "few_steps"),
    *("uniform_output", "blank_collapse", "constant_output"),
    *("insertion_explosion", "diverged", "overfitting", "plateau", "behind"),
    *("blank_phase", "no_transfer", "train_eval_mismatch"),
)
"""Codes in the order in which they are to be mended; others come after them."""
CONSEQUENCES = CAUSES[CAUSES.index("uniform_output") :]
"""States of the output and of progress, which an error further up may explain."""
OF_SCORES = ("split_overlap", "unsayable_words")
"""Errors that make scores wrong and explain no state of a run."""
PROMOTED = (
    "vanishing_gradient",
    "saturated_clamp",
    "dead_layer",
    "high_dropout",
    "large_blank_margin",
    "few_steps",
)
"""Causes that are only a warning as long as no state of a run is an error."""
HEADLINES = {
    "damaged_shard": "The corpus is damaged",
    "non_finite": "There are NaN or infinite values",
    "token_map": "The vocabulary does not belong to this corpus",
    "token_order": "The token map is broken",
    "blocks_swapped": "Blocks of the features are swapped between the splits",
    "features_differ": "The two splits do not have the same kind of features",
    "absence_differs": "A block is missing in one split",
    "constant_features": "Features do not vary",
    "labels_shifted": "Labels are shifted against their sequences",
    "labels_shuffled": "Labels do not belong to their sequences",
    "labels_unrelated": "Labels may not belong to their sequences",
    "too_short": "Sequences are too short for their labels",
    "unalignable": "Sequences are too short for their labels",
    "unalignable_stride_2": "Some sequences are too short for --output_stride 2",
    "unalignable_stride_4": "Some sequences are too short for --output_stride 4",
    "far_values": "Some values are far from the others",
    "absent_block": "A block is absent",
    "constant_block": "A block never changes",
    "broken_sequence": "Some sequences are empty or still",
    "swapped_hands": "Left and right hand are swapped",
    "unmarked_absence": "Missing points are not marked",
    "features_clamped": "Many features are clamped",
    "unseen_labels": "Labels that train does not have",
    "other_corpus": "The corpus is not the one trained on",
    "split_overlap": "What is tested was trained on",
    "unsayable_words": "The model cannot say the words it is scored on",
    "tiny_updates": "The weights hardly move: the learning rate is too low",
    "large_updates": "The weights jump about: the learning rate is too high",
    "time_lost": "The model loses the order of time",
    "exploding_gradient": "The gradient has exploded",
    "vanishing_gradient": "The gradient has vanished",
    "dead_layer": "Layers are dead",
    "saturated_clamp": "The attention is clamped",
    "few_steps": "The run takes too few steps",
    "high_dropout": "The dropout is too high",
    "large_blank_margin": "Blank has too much of a start in the loss",
    "uniform_output": "The output is uniform: nothing is learned yet",
    "blank_collapse": "The output has collapsed to blank",
    "constant_output": "Every sentence gets the same answer",
    "insertion_explosion": "Far too many words are recognised",
    "no_transfer": "The model knows its training data and nothing else",
    "train_eval_mismatch": "The model knows its training data and nothing else",
    "overfitting": "The model overfits",
    "behind": "The run is behind what its recipe expects",
    "plateau": "Training has stopped making progress",
    "diverged": "Training has diverged",
    "spikes_apart": "Student and teacher say glosses at different times",
    "blank_phase": "The model says nothing yet",
}
"""What a finding means in a line."""
SURE = {"certain": "measured", "likely": "likely", "possible": "possible"}


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Worst first; among equals the cause before its consequences.

    Those of the same code become one with the evidence of all. Causes that explain an error are
    errors too.
    """
    order = {code: place for place, code in enumerate(CAUSES)}
    kept: dict[str, Finding] = {}
    for finding in findings:
        first = kept.setdefault(finding.code, finding)
        if finding.problem not in first.problem:
            kept[finding.code] = _joined(first, finding)
    if "blank_collapse" in kept:
        kept.pop("blank_phase", None)
    if any(f.severity == "error" and f.code in CONSEQUENCES for f in kept.values()):
        for code in PROMOTED:
            if code in kept:
                kept[code] = replace(kept[code], severity="error")
    return sorted(
        kept.values(),
        key=lambda f: (SEVERITIES.index(f.severity), order.get(f.code, len(order))),
    )


def follows(findings: Sequence[Finding]) -> dict[str, str]:
    """{code: what to do first} of the states that an error further up may explain.

    Args:
        findings: in order.
    """
    for number, finding in enumerate(findings, 1):
        if finding.severity != "error" or finding.code in CONSEQUENCES:
            return {}
        if finding.code not in OF_SCORES:
            name = heading(finding.code)
            text = f"Mend {number} first, of which this may be a consequence ({name})."
            return {f.code: text for f in findings if f.code in CONSEQUENCES}
    return {}


def heading(code: str) -> str:
    return HEADLINES.get(code) or code.replace("_", " ").capitalize()


def _joined(first: Finding, second: Finding) -> Finding:
    worst = min(first, second, key=lambda finding: SEVERITIES.index(finding.severity))
    problem = f"{sentence(first.problem)} {sentence(second.problem)}"
    return Finding(worst.severity, first.code, problem, first.cure or second.cure, first.sure)


def headline(findings: Sequence[Finding], wer: float | None) -> str:
    """The verdict in a sentence.

    Args:
        findings: in order.
        wer: of the split, where it was measured.
    """
    first = next((finding for finding in findings if finding.severity != "note"), None)
    score = "" if wer is None else f" WER is {wer:.1%}."
    if first is None:
        return f"Nothing wrong was found.{score}"
    text = heading(first.code)
    doubt = {"certain": "", "likely": " (likely)", "possible": " (possibly)"}[first.sure]
    return f"{text}{doubt}.{score}"


def sentence(text: str) -> str:
    """The text with a capital at its start and a full stop at its end."""
    text = text.strip()
    if not text:
        return text
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
