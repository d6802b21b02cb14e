"""Selects values of a dimension by indices that lie on the model's device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class IndexSelect(nn.Module):
    """Selects values[..., indices, ...]; without a copy where these are all of the `size` values.

    A list as an index would be copied to the device each time, and the host would wait for it.
    """

    indices: Tensor | None

    def __init__(self, indices: Sequence[int], size: int) -> None:
        super().__init__()
        is_all = list(indices) == list(range(size))
        numbers = None if is_all else torch.tensor(indices, dtype=torch.long)
        self.register_buffer("indices", numbers, persistent=False)

    def forward(self, values: Tensor, dim: int = -1) -> Tensor:
        return values if self.indices is None else values.index_select(dim, self.indices)
