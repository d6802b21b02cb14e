"""The published student and teacher in plain PyTorch, as their description says.

Both read 6,516 ready-made features per frame: Holistic's pose (99 values), hands (126), face
(1,404) and the 4,887 values of three further groups. Both answer at the full frame rate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

PARTS = {"pose": 99, "hands": 126, "face": 1404, "rest": 4887}


class LiteralStudent(nn.Module):
    """14.4 M parameters: four encoders, six MobileNetV3-Small blocks at T / 4, one BiLSTM."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        widths = {"pose": 64, "hands": 128, "face": 64, "rest": 128}
        self.encoders = nn.ModuleDict(
            {name: student_encoder(PARTS[name], widths[name]) for name in PARTS}
        )
        self.convolutions = nn.Sequential(
            *conv_norm(sum(widths.values()), 16, 3, stride=2),
            nn.Hardswish(),
            MobileBlock(16, 16, 16, 3, nn.ReLU, excitation=True),
            MobileBlock(16, 72, 24, 3, nn.ReLU, stride=2),
            MobileBlock(24, 88, 24, 3, nn.ReLU),
            MobileBlock(24, 96, 40, 5, nn.Hardswish, excitation=True),
            MobileBlock(40, 240, 40, 5, nn.Hardswish, excitation=True),
            MobileBlock(40, 120, 48, 5, nn.Hardswish, excitation=True),
            nn.ConvTranspose1d(48, 128, 4, 4),
            nn.BatchNorm1d(128),
            nn.ReLU(),
            *conv_norm(128, 128, 3),
            nn.ReLU(),
            nn.Dropout(0.3),
        )
        self.lstm = nn.LSTM(128, 128, batch_first=True, bidirectional=True)
        self.head = nn.Linear(256, num_outputs)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, 6516] -> [B, T, V] log-probabilities."""
        parts = features.split(list(PARTS.values()), dim=-1)
        x = torch.cat([self.encoders[n](p) for n, p in zip(PARTS, parts, strict=True)], dim=-1)
        x = self.convolutions(x.transpose(1, 2))[:, :, : features.shape[1]]
        return self.head(packed(self.lstm, x.transpose(1, 2), lengths)).log_softmax(dim=-1)


def student_encoder(columns: int, channels: int) -> nn.Sequential:
    hidden = (columns + channels) // 2
    return nn.Sequential(
        *(nn.Linear(columns, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Dropout(0.3)),
        *(nn.Linear(hidden, channels), nn.LayerNorm(channels)),
    )


def conv_norm(
    before: int, after: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    conv = nn.Conv1d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return conv, nn.BatchNorm1d(after)


class MobileBlock(nn.Module):
    def __init__(
        self,
        before: int,
        inside: int,
        after: int,
        kernel: int,
        activation: type[nn.Module],
        *,
        stride: int = 1,
        excitation: bool = False,
    ) -> None:
        super().__init__()
        wider = [*conv_norm(before, inside, 1), activation()] if inside != before else []
        self.depthwise = nn.Sequential(
            *wider, *conv_norm(inside, inside, kernel, stride, groups=inside), activation()
        )
        self.gate = (
            nn.Sequential(
                *(nn.AdaptiveAvgPool1d(1), nn.Conv1d(inside, inside // 4, 1), nn.ReLU()),
                *(nn.Conv1d(inside // 4, inside, 1), nn.Sigmoid()),
            )
            if excitation
            else None
        )
        self.narrow = nn.Sequential(*conv_norm(inside, after, 1))
        self.is_residual = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(x)
        y = self.narrow(y if self.gate is None else y * self.gate(y))
        return x + y if self.is_residual else y


class LiteralTeacher(nn.Module):
    """27 M parameters: I3D over time at T / 16, then a three-layer BiLSTM at every frame."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        widths = {"pose": 102, "hands": 206, "face": 153, "rest": 51}
        self.norms = nn.ModuleDict({name: nn.BatchNorm1d(PARTS[name]) for name in PARTS})
        self.encoders = nn.ModuleDict(
            {name: teacher_encoder(PARTS[name], widths[name]) for name in PARTS}
        )
        self.gates = nn.Parameter(torch.ones(len(PARTS)))
        self.attention = nn.MultiheadAttention(512, 8, dropout=0.1, batch_first=True)
        self.fusion_norm = nn.LayerNorm(512)
        self.stages = nn.Sequential(
            Beside(
                nn.Sequential(
                    *(nn.Conv1d(512, 64, 7, 2, 3), nn.GroupNorm(8, 64), nn.ReLU()),
                    nn.MaxPool1d(3, 2, 1),
                ),
                nn.Conv1d(512, 64, 1, 4),
            ),
            Inception(64, 64, (96, 128), (16, 32), 32),
            Inception(256, 128, (128, 192), (32, 96), 64),
            Beside(nn.MaxPool1d(3, 2, 1), nn.Conv1d(480, 480, 1, 2)),
            Inception(480, 192, (96, 208), (16, 48), 64),
            Inception(512, 160, (112, 224), (24, 64), 64),
            Inception(512, 128, (128, 256), (24, 64), 64),
            Inception(512, 112, (144, 288), (32, 64), 64),
            Inception(528, 256, (160, 320), (32, 128), 128),
            Beside(nn.MaxPool1d(3, 2, 1), nn.Conv1d(832, 832, 1, 2)),
            Inception(832, 256, (160, 320), (32, 128), 128),
            Inception(832, 384, (192, 384), (48, 128), 128),
        )
        self.lstm = nn.LSTM(1024, 512, 3, batch_first=True, bidirectional=True, dropout=0.3)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(1024, num_outputs)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """[B, T, 6516] -> [B, T, V] log-probabilities."""
        parts = features.split(list(PARTS.values()), dim=-1)
        encoded = []
        for name, part, gate in zip(PARTS, parts, self.gates.sigmoid(), strict=True):
            normed = self.norms[name](part.flatten(0, 1)).view_as(part)
            encoded.append(self.encoders[name](normed) * gate)
        x = torch.cat(encoded, dim=-1)
        x = self.fusion_norm(x + self.attention(x, x, x)[0])
        x = self.stages(x.transpose(1, 2))
        x = functional.interpolate(x, features.shape[1], mode="linear").transpose(1, 2)
        return self.head(self.dropout(packed(self.lstm, x, lengths))).log_softmax(dim=-1)


def teacher_encoder(columns: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(columns, 2 * channels), nn.LayerNorm(2 * channels), nn.ReLU()),
        *(nn.Dropout(0.1), nn.Linear(2 * channels, channels)),
    )


class Beside(nn.Module):
    """The sum of two modules' outputs."""

    def __init__(self, one: nn.Module, other: nn.Module) -> None:
        super().__init__()
        self.one, self.other = one, other

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) + self.other(x)


class Inception(nn.Module):
    """Branches of 1, 3 and 7 frames and of the maximum over 3; group norm after convolutions."""

    def __init__(
        self, before: int, point: int, three: tuple[int, int], seven: tuple[int, int], pooled: int
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                conv_group_norm(before, point, 1),
                nn.Sequential(conv_group_norm(before, three[0], 1), conv_group_norm(*three, 3)),
                nn.Sequential(conv_group_norm(before, seven[0], 1), conv_group_norm(*seven, 7)),
                nn.Sequential(nn.MaxPool1d(3, 1, 1), conv_group_norm(before, pooled, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def conv_group_norm(before: int, after: int, kernel: int) -> nn.Sequential:
    groups = next(n for n in range(min(32, after // 2), 0, -1) if after % n == 0)
    return nn.Sequential(
        nn.Conv1d(before, after, kernel, padding=kernel // 2),
        nn.GroupNorm(groups, after),
        nn.ReLU(),
    )


def packed(lstm: nn.LSTM, x: Tensor, lengths: Tensor) -> Tensor:
    """Runs an LSTM over padded sequences, [B, T, C] -> [B, T, C']."""
    found, _ = lstm(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    return pad_packed_sequence(found, batch_first=True)[0]
