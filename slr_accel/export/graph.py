"""Writes a recogniser as one ONNX graph: from what a corpus stores to log-probabilities."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from copy import deepcopy
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from slr_accel.export.functional_features import FunctionalFeatures
from slr_accel.export.onnx_lstm import OnnxBiLSTM
from slr_accel.models.build import model_name
from slr_accel.models.recogniser import Recogniser
from slr_accel.optional_packages import how_to_install

INPUTS = ("features", "presence", "lengths")
OUTPUTS = ("log_probs", "output_lengths")
OPSET = 18
NOT_EXPORTED = ("student_reference",)
FRAMES, BATCH = 37, 2
"""Size of the example that is traced; the graph takes any."""


class _Graph(nn.Module):
    def __init__(self, model: Recogniser) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, presence: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        output = self.model(features, presence, lengths)
        return output.log_probs, output.lengths


def need_packages() -> None:
    """Raises ValueError where the extra `export` is not installed."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            import_module(name)
        except ImportError:
            raise ValueError(
                f"exporting needs the package {name}: {how_to_install('export')}"
            ) from None


def write_graph(model: Recogniser, path: Path) -> None:
    """Writes the ONNX file of a model in evaluation mode.

    Its inputs are features [B, T, base values] float32 as the corpus stores them, presence
    [B, T, blocks] bool and lengths [B] int64; its outputs log_probs [B, T', V] and output_lengths
    [B]. B and T are free.

    Raises:
        ValueError: the model has a part that cannot be exported.
    """
    if model_name(model) in NOT_EXPORTED:
        raise ValueError(
            f"{model_name(model)} cannot be exported: its batch norm is over valid frames alone; "
            "the other models can"
        )
    ready = exportable(model)
    layout = model.features.layout
    example = (
        torch.rand(BATCH, FRAMES, layout.columns),
        torch.ones(BATCH, FRAMES, len(layout.blocks), dtype=torch.bool),
        torch.tensor([FRAMES, FRAMES - 6]),
    )
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    shapes = {"features": free, "presence": free, "lengths": {0: torch.export.Dim.DYNAMIC}}
    with _quiet():
        try:
            program = torch.onnx.export(
                _Graph(ready),
                example,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                opset_version=OPSET,
                verbose=False,
            )
        # The exporter raises errors of its own and of torch.export, which mean the same to a user.
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise ValueError(f"the model cannot be written as ONNX ({reason})") from None
    assert program is not None
    program.save(str(path), external_data=False)
    # Names of source files and stack traces are no part of a model.
    import onnx

    plain = onnx.load(str(path))
    for node in plain.graph.node:
        del node.metadata_props[:]
    onnx.save(plain, str(path))


def exportable(model: Recogniser) -> Recogniser:
    """A copy in evaluation mode, whose features and LSTM have the form that a graph needs."""
    ready = deepcopy(model).cpu().eval()
    ready.features = FunctionalFeatures(ready.features)  # type: ignore[assignment]
    ready.lstm = OnnxBiLSTM(ready.lstm)  # type: ignore[arg-type]
    return ready


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences what the exporter says about its own workings."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
