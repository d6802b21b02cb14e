"""Some values of a dimension, by numbers that lie on the device with the model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Pick(nn.Module):
    """values[..., indices, ...] of a dimension of `size` values; no copy where that is all of it.

    A list as an index would be brought to the device again each time, which waits for it.
    """

    indices: Tensor | None

    def __init__(self, indices: Sequence[int], size: int) -> None:
        super().__init__()
        is_all = list(indices) == list(range(size))
        numbers = None if is_all else torch.tensor(indices, dtype=torch.long)
        self.register_buffer("indices", numbers, persistent=False)

    def forward(self, values: Tensor, dim: int = -1) -> Tensor:
        return values if self.indices is None else values.index_select(dim, self.indices)
