"""Layers that models share. Through none of them does padding change a valid frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from slr_accel.models.norms import make_norm
from slr_accel.padding import frame_mask, frames_at
from slr_accel.settings.models.base import Normalisation


class MaskedConv(nn.Module):
    """A convolution over time, [B, T, C] -> [B, ceil(T / stride), C'].

    Padding enters as 0, as the frames before a sequence's start do, so that the result is the same
    for a sequence alone or padded.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups
        )
        self.stride = stride

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = x * frame_mask(lengths, x.shape[1])[..., None]
        if x.shape[1] < self.stride:
            # A frame of zeros changes nothing. Without it, for a single frame at stride 2, the
            # bfloat16 kernel of the CPU (torch 2.13) leaves gradients of weights uninitialised.
            x = functional.pad(x, (0, 0, 0, self.stride - x.shape[1]))
        y = self.conv(x.transpose(1, 2)).transpose(1, 2)
        return y, output_lengths(lengths, self.stride)


class SqueezeExcitation(nn.Module):
    """Weighs channels by their means over a sequence's own frames (Hu et al. 2018)."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        mask = frame_mask(lengths, x.shape[1])[..., None]
        mean = (x * mask).sum(dim=1) / lengths[:, None].to(x.dtype)
        return x * self.gate(mean)[:, None]


class InvertedResidual(nn.Module):
    """MobileNetV3's block (Howard et al. 2019) over time: widen, depthwise, narrow.

    With several kernel sizes, equal parts of the widened channels have convolutions of their own,
    side by side as in Inception (Szegedy et al. 2015). No statistics are taken over sequences.
    """

    def __init__(
        self,
        channels: int,
        kernel_sizes: Sequence[int],
        *,
        expansion: int,
        stride: int,
        squeeze_excitation: bool,
        normalisation: Normalisation,
        dropout: float,
    ) -> None:
        super().__init__()
        width = channels * expansion
        self.norm = make_norm(normalisation, channels)
        self.widen = nn.Linear(channels, width)
        self.depthwise = (
            DepthwiseViews(width, kernel_sizes, stride)
            if len(kernel_sizes) > 1
            else MaskedConv(width, width, kernel_sizes[0], stride, groups=width)
        )
        self.depthwise_norm = make_norm(normalisation, width)
        self.excitation = SqueezeExcitation(width) if squeeze_excitation else None
        self.narrow = nn.Linear(width, channels)
        self.activation = nn.Hardswish()
        self.dropout = nn.Dropout(dropout)
        self.stride = stride

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, C], [B] -> [B, ceil(T / stride), C] and its lengths."""
        y = self.activation(self.widen(self.norm(x, lengths)))
        y, new_lengths = self.depthwise(y, lengths)
        y = self.activation(self.depthwise_norm(y, new_lengths))
        if self.excitation is not None:
            y = self.excitation(y, new_lengths)
        return pooled(x, lengths, self.stride) + self.dropout(self.narrow(y)), new_lengths


class DepthwiseViews(nn.Module):
    """A depthwise MaskedConv in which equal parts of the channels have kernels of several sizes."""

    def __init__(self, channels: int, kernel_sizes: Sequence[int], stride: int) -> None:
        super().__init__()
        own = channels // len(kernel_sizes)
        self.views = nn.ModuleList(
            MaskedConv(own, own, size, stride, groups=own) for size in kernel_sizes
        )

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        parts = zip(self.views, x.chunk(len(self.views), dim=-1), strict=True)
        seen, new_lengths = zip(*(view(part, lengths) for view, part in parts), strict=True)
        return torch.cat(seen, dim=-1), new_lengths[0]


def pooled(x: Tensor, lengths: Tensor, stride: int) -> Tensor:
    """Averages each `stride` frames of [B, T, C]; padding counts as 0."""
    if stride == 1:
        return x
    x = x * frame_mask(lengths, x.shape[1])[..., None]
    return functional.avg_pool1d(
        functional.pad(x.transpose(1, 2), (0, -x.shape[1] % stride)), stride
    ).transpose(1, 2)


def output_lengths(lengths: Tensor, stride: int) -> Tensor:
    """Returns the steps of sequences at 1 / stride of the frame rate: ceil(T / stride)."""
    return torch.div(lengths + stride - 1, stride, rounding_mode="floor")


def strides(reduction: int, blocks: int) -> list[int]:
    """Returns the stride of each block: the first ones halve, where that saves most."""
    halvings = reduction.bit_length() - 1
    assert halvings <= blocks
    return [2] * halvings + [1] * (blocks - halvings)


class Upsampling(nn.Module):
    """Makes more steps of fewer: [B, ceil(T / from_stride), C] -> [B, ceil(T / to_stride), C].

    `interpolate` reads step t at ((t + 0.5) * to_stride / from_stride - 0.5), linearly and never
    beyond the sequence's own last step. `transposed` is a transposed convolution.
    """

    def __init__(self, channels: int, from_stride: int, to_stride: int, kind: str) -> None:
        super().__init__()
        self.to_stride = to_stride
        self.factor = from_stride // to_stride
        self.transposed = (
            nn.ConvTranspose1d(channels, channels, self.factor, self.factor)
            if kind == "transposed" and self.factor > 1
            else None
        )

    def forward(
        self, x: Tensor, lengths: Tensor, frames: Tensor, padded: int
    ) -> tuple[Tensor, Tensor]:
        """Returns x and its new lengths.

        Args:
            lengths: [B] steps of x.
            frames: [B] input frames.
            padded: T, the input frames with padding.
        """
        if self.factor == 1:
            return x, lengths
        steps, count = output_lengths(frames, self.to_stride), -(-padded // self.to_stride)
        if self.transposed is not None:
            return self.transposed(x.transpose(1, 2)).transpose(1, 2)[:, :count], steps
        time = torch.arange(count, device=x.device)
        place = ((time + 0.5) / self.factor - 0.5).clamp(min=0).expand(len(x), -1)
        place = place.minimum((lengths - 1)[:, None].to(place.dtype))
        before = place.floor().long()
        after = (before + 1).minimum((lengths - 1)[:, None])
        share = (place - before)[..., None].to(x.dtype)
        return torch.lerp(frames_at(x, before), frames_at(x, after), share), steps


class BiLSTM(nn.Module):
    """A bidirectional LSTM that padding does not reach, [B, T, C] -> [B, T, 2 * hidden].

    The backward direction runs forward over each sequence's own reversed copy, so that padding
    comes last in both. The result is that of a packed bidirectional LSTM, but on a CPU takes less
    than half the time, since packed sequences do not use the fused kernel. On a GPU a packed call
    would be one instead of two a layer, but packing needs the lengths on the host, where a model
    does not have them, and no one has measured it.
    """

    def __init__(self, in_channels: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        widths = [in_channels] + [2 * hidden] * (layers - 1)
        self.forwards = nn.ModuleList(_lstm(width, hidden) for width in widths)
        self.backwards = nn.ModuleList(_lstm(width, hidden) for width in widths)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        time = torch.arange(x.shape[1], device=x.device)
        # Frame t reads length - 1 - t; padding stays where it is.
        mirrored = torch.where(time < lengths[:, None], lengths[:, None] - 1 - time, time)
        for layer, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            if layer:
                x = self.dropout(x)
            later, _ = back(frames_at(x, mirrored))
            x = torch.cat([ahead(x)[0], frames_at(later, mirrored)], dim=-1)
        return x


def _lstm(in_channels: int, hidden: int) -> nn.LSTM:
    lstm = nn.LSTM(in_channels, hidden, batch_first=True)
    parameters = dict(lstm.named_parameters())
    nn.init.zeros_(parameters["bias_hh_l0"])
    nn.init.zeros_(parameters["bias_ih_l0"])
    # Forget gate (the second quarter) open at first, Jozefowicz et al. 2015.
    nn.init.ones_(parameters["bias_ih_l0"][hidden : 2 * hidden])
    return lstm


class ChannelDropout(nn.Module):
    """Drops a feature channel for a whole sequence, so that the model relies on none alone."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return x
        keep = torch.rand(len(x), 1, x.shape[2], device=x.device) >= self.probability
        return x * keep / (1 - self.probability)
