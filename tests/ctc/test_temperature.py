"""A temperature changes how sure a hypothesis is, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from slr_accel.ctc.decoders import greedy_decode
from slr_accel.ctc.temperature import with_temperature


def test_one_gives_the_confidences_of_the_decoder_and_more_makes_less_sure() -> None:
    torch.manual_seed(0)
    log_probs = (4 * torch.randn(3, 20, 6)).log_softmax(dim=-1)
    hypotheses = greedy_decode(log_probs, torch.tensor([20, 11, 0]))
    nearly = with_temperature(hypotheses, log_probs, 1 + 1e-9)
    soft, sharp = (with_temperature(hypotheses, log_probs, t) for t in (2.0, 0.5))
    for plain, same, less, more in zip(hypotheses, nearly, soft, sharp, strict=True):
        assert same.confidence == pytest.approx(plain.confidence, abs=1e-5)
        assert all(a < b for a, b in zip(less.confidence, plain.confidence, strict=True))
        assert all(a > b for a, b in zip(more.confidence, plain.confidence, strict=True))
        assert replace(less, confidence=plain.confidence) == plain
    assert with_temperature(hypotheses, log_probs, 1) is hypotheses
