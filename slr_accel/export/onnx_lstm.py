"""Replaces the BiLSTM by the bidirectional LSTM of ONNX, which knows the sequences' lengths.

torch.onnx unrolls the LSTM of torch over a time that is not known, and does not end (torch 2.13).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slr_accel.models.blocks import BiLSTM

GATES = (0, 3, 1, 2)
"""torch has the gates input, forget, cell, output; ONNX input, output, forget, cell."""


class OnnxBiLSTM(nn.Module):
    """[B, T, C] and lengths -> [B, T, 2 * hidden], in a graph of ONNX alone; without dropout."""

    def __init__(self, lstm: BiLSTM) -> None:
        super().__init__()
        self.layers = nn.ModuleList(map(_Layer, lstm.forwards, lstm.backwards))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, lengths)
        return x


class _Layer(nn.Module):
    """One layer, with weights in ONNX's order, [2 directions, 4 * hidden, ...]."""

    weights: Tensor
    recurrent: Tensor
    biases: Tensor

    def __init__(self, ahead: nn.Module, back: nn.Module) -> None:
        super().__init__()
        named = [dict(lstm.named_parameters()) for lstm in (ahead, back)]

        def both(name: str) -> Tensor:
            return torch.stack([_reordered(parameters[name].detach()) for parameters in named])

        self.register_buffer("weights", both("weight_ih_l0"))
        self.register_buffer("recurrent", both("weight_hh_l0"))
        self.register_buffer("biases", torch.cat([both("bias_ih_l0"), both("bias_hh_l0")], dim=1))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        batch, steps, _ = x.shape
        hidden = self.recurrent.shape[-1]
        y = torch.onnx.ops.symbolic(
            "LSTM",
            (x.transpose(0, 1), self.weights, self.recurrent, self.biases, lengths.int()),
            {"direction": "bidirectional", "hidden_size": hidden},
            dtype=x.dtype,
            shape=(steps, 2, batch, hidden),
            version=14,
        )
        return y.permute(2, 0, 1, 3).flatten(2)


def _reordered(parameter: Tensor) -> Tensor:
    """Puts the gates of (4 * hidden, ...) into ONNX's order."""
    gates = parameter.chunk(4)
    return torch.cat([gates[gate] for gate in GATES])
