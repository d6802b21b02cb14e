"""Several trained models that decode together: their log-probabilities are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.recogniser import Output, Recogniser


class Member(NamedTuple):
    """A trained model, and where it is from."""

    source: str
    model: Recogniser
    vocabulary: Vocabulary


class AveragedModels(Recogniser):
    """The mean of the models' log-probabilities, step by step, made to sum to 1 again."""

    def __init__(self, models: Sequence[Recogniser]) -> None:
        first = models[0]
        super().__init__(first.features, first.settings, first.num_outputs)
        self.models = nn.ModuleList(models)
        self.max_frames = first.max_frames

    def forward(self, features: Tensor, presence: Tensor, lengths: Tensor) -> Output:
        outputs = [model(features, presence, lengths) for model in self.models]
        mean = torch.stack([output.log_probs for output in outputs]).mean(dim=0)
        return Output(mean.log_softmax(dim=-1), outputs[0].lengths)


def average_models(members: Sequence[Member]) -> Recogniser:
    """One model of all, or the only one itself.

    Raises:
        ValueError: names what differs: vocabulary, label policy, output stride or max_frames.
    """
    first, *others = members
    for other in others:
        differing = [
            name
            for name, same in {
                "label policy": first.vocabulary.label_policy == other.vocabulary.label_policy,
                "vocabulary": first.vocabulary.tokens == other.vocabulary.tokens,
                "output stride": first.model.output_stride == other.model.output_stride,
                "max_frames": first.model.max_frames == other.model.max_frames,
            }.items()
            if not same
        ]
        if differing:
            raise ValueError(
                f"{first.source} and {other.source} cannot decode together: they differ in "
                f"{' and '.join(differing)}; train them on the same corpus with the same settings "
                "of these"
            )
    return AveragedModels([member.model for member in members]) if others else first.model
