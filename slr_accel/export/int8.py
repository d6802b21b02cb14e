"""Makes int8 graphs of an fp32 one: of weights alone, or of weights and activations."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

LEAST = 1024
"""Numbers of a weight from which on a byte for each is worth its scales."""


def write_int8_weights(source: Path, target: Path) -> None:
    """Stores matrices and kernels as int8 with a scale for each output; computes in float32.

    onnxruntime restores them when it opens the graph, so that it is as fast as fp32, and as small
    as int8.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(source))
    graph = model.graph
    operator_of = {name: node.op_type for node in graph.node for name in node.input}
    restored = []
    for number, initializer in enumerate(list(graph.initializer)):
        weight = numpy_helper.to_array(initializer)
        if weight.dtype != np.float32 or weight.ndim < 2 or weight.size < LEAST:
            continue
        name = initializer.name
        # The axis of outputs: each has a scale of its own. An LSTM has its directions before it.
        axis = {"LSTM": 1, "MatMul": weight.ndim - 1}.get(operator_of.get(name, ""), 0)
        others = tuple(i for i in range(weight.ndim) if i != axis)
        scale = np.maximum(np.abs(weight).max(axis=others), 1e-12) / 127
        shape = [-1 if i == axis else 1 for i in range(weight.ndim)]
        whole = np.rint(weight / scale.reshape(shape)).astype(np.int8)
        graph.initializer[number].CopyFrom(numpy_helper.from_array(whole, f"{name}.int8"))
        graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
        inputs = [f"{name}.int8", f"{name}.scale"]
        restored.append(helper.make_node("DequantizeLinear", inputs, [name], axis=axis))
    nodes = [*restored, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def write_int8(source: Path, target: Path, operators: tuple[str, ...]) -> None:
    """Writes a graph in which these operators compute in int8 (onnxruntime's dynamic quantisation).

    The weights' range is reduced to 7 bits, without which products overflow on CPUs that have no
    VNNI: the error of the student's log-probabilities was eight times as large.
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


FORMS: dict[str, Callable[[Path, Path], None]] = {
    "weights": write_int8_weights,
    "lstm": partial(write_int8, operators=("LSTM", "MatMul")),
    "all": partial(write_int8, operators=("LSTM", "MatMul", "Gemm", "Conv")),
}
"""{name: writes the graph of this form from that of fp32}"""
