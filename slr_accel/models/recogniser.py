"""Defines what every model is: landmarks in, log-probabilities of glosses out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from slr_accel.features.transform import FeatureTransform


class Head(NamedTuple):
    """The log-probabilities of a CTC head before the recurrent part, in training only."""

    log_probs: Tensor
    """[B, T', V] float32."""
    lengths: Tensor
    """[B] int64 valid steps."""


class Output(NamedTuple):
    """The log-probabilities of a batch, and in training those that further loss terms read."""

    log_probs: Tensor
    """[B, T', V] float32."""
    lengths: Tensor
    """[B] int64 valid output steps."""
    early_heads: tuple[Head, ...] = ()
    """In training only."""
    second_view: Output | None = None
    """The same batch read with other parts hidden, in training with a consistency loss only."""
    features: Tensor | None = None
    """[B, T', C] what the final head reads."""


class Recogniser(nn.Module):
    """[B, T, base values] -> CTC log-probabilities at 1 / output_stride of the frame rate.

    Every sequence's output is the same alone or padded in a batch (of `student_reference` not in
    training). Modules whose names end in
    `head` map to the vocabulary: they are what `init_from` builds anew for another one.
    """

    features: FeatureTransform
    settings: Any
    """The settings of its kind, from settings/models/."""
    num_outputs: int
    """Tokens of the vocabulary and the blank."""
    max_frames: int | None
    """Longer sequences were subsampled evenly in time to so many frames in training, and are to be
    before they are given to the model (`loading.loader.load_batch` does it); None: none are."""
    temperature: float
    """What the log-probabilities are divided by when confidences are computed; 1 where it was not
    fitted. It changes nothing else."""

    def __init__(self, features: FeatureTransform, settings: Any, num_outputs: int) -> None:
        super().__init__()
        self.features = features
        self.settings = settings
        self.num_outputs = num_outputs
        self.max_frames = None
        self.temperature = 1.0

    @property
    def output_stride(self) -> int:
        """Input frames an output step: T' = ceil(T / output_stride)."""
        return int(self.settings.output_stride)

    @abstractmethod
    def forward(self, features: Tensor, presence: Tensor, lengths: Tensor) -> Output:
        """Log-probabilities of glosses.

        Args:
            features: [B, T, base values] as the corpus stores them.
            presence: [B, T, blocks] bool.
            lengths: [B] int64 frames, each at least 1.
        """


def checkpointed(model: Recogniser, part: nn.Module, *args: Any) -> Any:
    """part(*args); with gradient_checkpointing its inside is recomputed in backward."""
    if model.settings.gradient_checkpointing and model.training:
        return checkpoint(part, *args, use_reentrant=False)
    return part(*args)


def make_head(channels: int, num_outputs: int) -> nn.Linear:
    """Xavier weights and no bias: at first, every token is about as likely as another."""
    head = nn.Linear(channels, num_outputs)
    nn.init.xavier_uniform_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def log_probs(head: nn.Linear, x: Tensor) -> Tensor:
    """[B, T', C] -> [B, T', V] float32."""
    # Half precision loses the tail that CTC sums over.
    with torch.autocast(x.device.type, enabled=False):
        return head(x.float()).log_softmax(dim=-1)
