"""Says where GPUs may round float32 to TF32, whose mantissa has 10 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def allow_in_training() -> None:
    """Convolutions and the LSTM of cuDNN may; other matrix products may not. As torch's defaults,
    but said, so that neither a new version of torch nor another library changes training."""
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = False


@contextmanager
def in_float32() -> Iterator[None]:
    """While entered nothing is rounded, so that scores do not depend on the GPU."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
