"""A split of four sentences, scored."""

from __future__ import annotations

from slr_accel.ctc.health import Health, OutputMeans
from slr_accel.scoring.scored import ScoredSequence, ScoredSplit, result
from slr_accel.scoring.wer import align

HEALTH = Health(
    OutputMeans(steps=100, blank_share=0.75, blank_probability=0.7, entropy=0.2, confidence=0.9),
    empty_hypotheses=1,
    num_sequences=4,
    distinct_tokens=3,
    distinct_hypotheses=4,
)


def sequence(name: str, signer: str, reference: str, hypothesis: str) -> ScoredSequence:
    ref, hyp = reference.split(), hypothesis.split()
    return ScoredSequence(name, signer, ref, hyp, align(ref, hyp).counts)


SEQUENCES = [
    sequence("s1", "Signer02", "HEUTE REGEN NORD", "HEUTE REGEN NORD"),
    sequence("s2", "Signer01", "MORGEN SONNE", "MORGEN WOLKE SUED"),
    sequence("s3", "Signer01", "SONNE WIND KALT", ""),
    sequence("s4", "Signer02", "REGEN SONNE", "REGEN WOLKE"),
]


def scored(sequences, policy="raw"):
    return result(
        ScoredSplit(sequences, policy, HEALTH),
        split="dev",
        decoder="greedy",
        checkpoint="step_00000100",
        data_dir="/data/x",
    )
