"""Makes int8 graphs: weights of one byte, activations quantised as they come (onnxruntime)."""

from __future__ import annotations

import logging
from pathlib import Path

PARTS = {
    "lstm": ("LSTM", "MatMul"),
    "all": ("LSTM", "MatMul", "Gemm", "Conv"),
}
"""{name: the operators whose weights become int8}, from the fewest to the most."""


def write_int8(source: Path, target: Path, operators: tuple[str, ...]) -> None:
    """Writes a graph whose weights of these operators are int8, with a scale for each channel.

    Their range is reduced to 7 bits, without which products overflow on CPUs that have no VNNI:
    the error of the student's log-probabilities was eight times as large.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)  # it recommends a preparation that is not for dynamic shapes
    try:
        quantize_dynamic(
            str(source),
            str(target),
            op_types_to_quantize=list(operators),
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
    finally:
        root.setLevel(before)
