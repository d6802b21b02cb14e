"""Speech: two 2-D convolutions over time and frequency, BiLSTM, CTC (after Deep Speech 2).

Amodei et al. 2016, "Deep Speech 2", arXiv:1512.02595, with layer norm in place of batch norm.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from slr_accel.features.transform import FeatureTransform
from slr_accel.models.blocks import BiLSTM, output_lengths
from slr_accel.models.recogniser import Output, Recogniser, checkpointed, log_probs, make_head
from slr_accel.padding import frame_mask
from slr_accel.settings.models.speech import SpeechSettings


class Speech(Recogniser):
    settings: SpeechSettings

    def __init__(
        self, features: FeatureTransform, settings: SpeechSettings, num_outputs: int
    ) -> None:
        super().__init__(features, settings, num_outputs)
        channels, stride = settings.conv_channels, settings.output_stride
        self.first = MaskedConv2d(1, channels, settings.kernel_size, min(stride, 2))
        self.second = MaskedConv2d(channels, channels, settings.kernel_size, max(stride // 2, 1))
        bins = -(-features.columns.num_features // 4)
        self.projection = nn.Linear(channels * bins, 2 * settings.lstm_hidden)
        self.norm = nn.LayerNorm(2 * settings.lstm_hidden)
        self.dropout = nn.Dropout(settings.dropout)
        self.lstm = BiLSTM(
            2 * settings.lstm_hidden, settings.lstm_hidden, settings.lstm_layers, settings.dropout
        )
        self.head = make_head(2 * settings.lstm_hidden, num_outputs)

    def forward(self, features: Tensor, presence: Tensor, lengths: Tensor) -> Output:
        x = self.features(features, presence, lengths)[:, None]  # (B, 1, T, F)
        for conv in (self.first, self.second):
            x, lengths = checkpointed(self, conv, x, lengths)
        x = self.norm(self.projection(x.transpose(1, 2).flatten(2)))  # (B, T', C)
        x = self.dropout(self.lstm(self.dropout(x), lengths))
        return Output(log_probs(self.head, x), lengths, features=x)


class MaskedConv2d(nn.Module):
    """[B, C, T, F] -> [B, C', ceil(T / stride), ceil(F / 2)], layer norm over channels, ReLU.

    Padding enters as 0, as the frames before a sequence's start do.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, (stride, 2), padding=kernel_size // 2
        )
        self.norm = nn.LayerNorm(out_channels)
        self.stride = stride

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = x * frame_mask(lengths, x.shape[2])[:, None, :, None]
        y = self.norm(self.conv(x).movedim(1, -1)).movedim(-1, 1)
        return functional.relu(y), output_lengths(lengths, self.stride)
