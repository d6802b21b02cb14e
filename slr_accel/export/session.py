"""Runs an exported graph with onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from slr_accel.export.graph import INPUTS
from slr_accel.models.recogniser import Recogniser

Run = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(features [B, T, D] float32, presence [B, T, blocks], lengths [B]) -> (log_probs [B, T', V],
output_lengths [B])"""


def onnx_run(path: Path, threads: int = 1) -> Run:
    """Opens a graph. Raises ValueError where onnxruntime refuses it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    # Its errors have no common class.
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{path.name}: onnxruntime does not open it ({reason})") from None

    def run(
        features: np.ndarray, presence: np.ndarray, lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        given = dict(zip(INPUTS, (features, presence, lengths), strict=True))
        log_probs, steps = session.run(None, given)
        return log_probs, steps

    return run


def torch_run(model: Recogniser) -> Run:
    """The model itself, in the same form."""

    @torch.inference_mode()
    def run(
        features: np.ndarray, presence: np.ndarray, lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        output = model(*map(torch.from_numpy, (features, presence, lengths)))
        return output.log_probs.numpy(), output.lengths.numpy()

    return run
