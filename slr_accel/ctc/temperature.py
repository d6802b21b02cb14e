"""Makes confidences more or less sure by a temperature; tokens and times stay as they are."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from slr_accel.ctc.decoders import Hypothesis


@torch.no_grad()
def with_temperature(
    hypotheses: list[Hypothesis], log_probs: Tensor, temperature: float
) -> list[Hypothesis]:
    """The hypotheses with confidences of softened log-probabilities (temperature scaling, Guo et
    al., "On calibration of modern neural networks", ICML 2017).

    Args:
        hypotheses: of a batch, with runs of output steps.
        log_probs: [B, T', V]; every step is divided by the temperature and normalised again.
        temperature: above 0; 1 leaves everything as it is, more makes less sure.
    """
    if temperature == 1:
        return hypotheses
    said = torch.zeros(log_probs.shape[:2], dtype=torch.int64)
    for row, h in enumerate(hypotheses):
        for token, start, end in zip(h.tokens, h.start, h.end, strict=True):
            said[row, start:end] = token
    softened = (log_probs.float() / temperature).log_softmax(dim=-1)
    chosen = softened.gather(2, said.to(log_probs.device)[..., None])[..., 0]
    probability = chosen.exp().cpu().numpy()  # (B, T')
    return [
        replace(
            h,
            confidence=[
                float(own[start:end].mean()) for start, end in zip(h.start, h.end, strict=True)
            ],
        )
        for h, own in zip(hypotheses, probability, strict=True)
    ]
