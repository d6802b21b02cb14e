"""Measures activations and gradients of each layer on one training batch.

Dropout and augmentation are off, so that the figures are the same at each call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from slr_accel.ctc.loss import ctc_loss
from slr_accel.diagnosis.layer_rules import LayerFigures
from slr_accel.features.transform import FeatureTransform
from slr_accel.loading.batch import Batch
from slr_accel.models.attention import CrossModalAttention
from slr_accel.models.recogniser import Recogniser
from slr_accel.models.student_reference import MaskedBatchNorm
from slr_accel.padding import frame_mask

DEAD = 1e-8
"""A unit is dead where its output is smaller than this in all frames of the batch."""
LIMITS = (nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Softmax, nn.ReLU6)
"""Activations with limits on both sides."""
NEAR = 1e-3
ROUNDING = 1e-10
"""Variance, as a share of the mean square, below which a value counts as constant."""


class _Probe:
    """What hooks record of one layer."""

    def __init__(self, name: str, module: nn.Module, clamp: float) -> None:
        self.name, self.module = name, module
        self.clamp = clamp
        self.output: Tensor | None = None

    def hook(self, module: nn.Module, inputs: Any, output: Any) -> None:
        tensor = output[0] if isinstance(output, tuple) else output
        if isinstance(tensor, Tensor) and tensor.is_floating_point():
            if tensor.requires_grad:
                tensor.retain_grad()
            self.output = tensor


def measure_layers(model: Recogniser, batch: Batch) -> tuple[list[LayerFigures], float]:
    """Runs the batch forward and backward.

    Returns:
        the figures of each layer in the order of computation, with gradients of the loss an output
        step; and the CTC loss a target.
    """
    model.eval()
    model.zero_grad(set_to_none=True)
    recurrent = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
    norms = [module for module in model.modules() if isinstance(module, MaskedBatchNorm)]
    statistics = [(norm.mean.clone(), norm.variance.clone()) for norm in norms]
    for module in [*recurrent, *norms]:
        # As in training: cuDNN has no gradient otherwise. LSTMs have no dropout of their own.
        module.train()
    clamps = {
        f"{name}.out": module.clamp
        for name, module in model.named_modules()
        if isinstance(module, CrossModalAttention)
    }
    order: list[_Probe] = []
    handles = [
        module.register_forward_hook(_recorder(_Probe(name, module, clamps.get(name, 0)), order))
        for name, module in model.named_modules()
        if name and _is_layer(module)
    ]
    try:
        output = model(batch.features, batch.presence, batch.lengths)
        loss = ctc_loss(output.log_probs, output.lengths, batch.targets, batch.target_lengths)
        (loss / output.lengths.sum()).backward()
    finally:
        for handle in handles:
            handle.remove()
        for norm, (mean, variance) in zip(norms, statistics, strict=True):
            norm.mean.copy_(mean)
            norm.variance.copy_(variance)
        model.eval()
    figures = [_figures(probe, batch) for probe in order if probe.output is not None]
    model.zero_grad(set_to_none=True)
    return figures, float(loss.detach()) / max(int(batch.target_lengths.sum()), 1)


def _is_layer(module: nn.Module) -> bool:
    """Whether it is a layer by itself, with weights, a limit, or the features of the model."""
    is_leaf = not any(True for _ in module.children())
    has_weights = any(True for _ in module.parameters(recurse=False))
    return isinstance(module, FeatureTransform) or (
        is_leaf and (has_weights or isinstance(module, LIMITS))
    )


def _recorder(probe: _Probe, order: list[_Probe]) -> Callable[..., None]:
    def record(own: nn.Module, inputs: Any, output: Any) -> None:
        if probe.output is None:
            order.append(probe)
        probe.hook(own, inputs, output)

    return record


def _figures(probe: _Probe, batch: Batch) -> LayerFigures:
    assert probe.output is not None
    output, gradient = probe.output.detach().float(), probe.output.grad
    weights = [p for p in probe.module.parameters() if p.requires_grad]
    grads = [p.grad for p in weights if p.grad is not None]
    finite = output.isfinite()
    shown = output.where(finite, 0.0)
    if isinstance(probe.module, nn.Conv1d | nn.ConvTranspose1d):
        shown = shown.transpose(1, 2)  # (B, T, C), as all others
    channels = shown.reshape(-1, shown.shape[-1]).abs().amax(dim=0)
    return LayerFigures(
        name=probe.name,
        kind=type(probe.module).__name__,
        rms=float(shown.square().mean().sqrt()),
        zeros=float((shown == 0).float().mean()),
        dead=float((channels < DEAD).float().mean()),
        at_limit=_at_limit(probe, shown),
        time_variation=_time_variation(shown, batch),
        non_finite=int((~finite).sum()),
        gradient=None if gradient is None else float(gradient.float().norm()),
        weight=float(_norm(weights)) if weights else None,
        weight_gradient=float(_norm(grads)) if grads else None,
    )


def _norm(tensors: list[Any]) -> Tensor:
    return torch.stack([tensor.detach().float().norm() for tensor in tensors]).norm()


def _at_limit(probe: _Probe, output: Tensor) -> float | None:
    """Share of the values at a limit of the layer; None where it has none."""
    module = probe.module
    if probe.clamp:
        return float((output.abs() >= probe.clamp).float().mean())
    if isinstance(module, nn.Hardsigmoid | nn.Sigmoid | nn.Softmax):
        return float(((output < NEAR) | (output > 1 - NEAR)).float().mean())
    if isinstance(module, nn.Tanh | nn.Hardtanh):
        return float((output.abs() > 1 - NEAR).float().mean())
    if isinstance(module, nn.ReLU6):
        return float((output > 6 - NEAR).float().mean())
    return None


def _time_variation(output: Tensor, batch: Batch) -> float | None:
    """Share of the variance of an output that lies within sequences, over time.

    None where the layer has no time of its own, or its output does not vary.
    """
    if output.ndim != 3 or len(output) != len(batch.lengths) or len(output) < 2:
        return None
    steps = output.shape[1]
    if steps < 2 or steps > batch.features.shape[1]:
        return None
    stride = batch.features.shape[1] / steps
    lengths = (batch.lengths / stride).ceil().long().clamp(1, steps)
    mask = frame_mask(lengths, steps)[..., None]
    count = lengths[:, None, None].float()
    mean = (output * mask).sum(dim=1, keepdim=True) / count
    within = ((output - mean).square() * mask).sum()
    overall = (output * mask).sum(dim=(0, 1)) / count.sum()
    total = ((output - overall).square() * mask).sum()
    is_noise = total <= ROUNDING * (output * mask).square().sum()
    return None if is_noise else float(within / total)
