"""Rules on the layers of a model: where does the signal, or its gradient, end?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slr_accel.findings import Finding

DEAD = 0.9
"""Share of a layer's units that are 0 in all frames."""
SATURATED = 0.5
"""Share of a layer's values at a limit, as of an attention that is clamped."""
STILL = 1e-4
"""Share of the variance over time below which a layer says the same at every step."""
WEAK, VANISHED = 2e-3, 1e-5
"""Gradient of the first weights, as a share of that of all, from which too little, or nothing,
reaches them; new models have 0.03 to 0.4."""
TINY, HUGE = 1e-4, 50.0
"""Gradient norm of all weights that is too small to learn from, and that has exploded."""


@dataclass(frozen=True)
class LayerFigures:
    """One layer on one training batch, gradients of the loss an output step."""

    name: str
    kind: str
    rms: float
    """Root mean square of the output."""
    zeros: float
    """Share of output values that are 0."""
    dead: float
    """Share of units that are 0 in all frames."""
    at_limit: float | None
    """Share of values at a limit; None where the layer has none."""
    time_variation: float | None
    """Share of the output's variance that lies within sequences; None where it has no time."""
    non_finite: int
    """Output values that are NaN or infinite."""
    gradient: float | None
    """Norm of the gradient at the output."""
    weight: float | None
    weight_gradient: float | None
    """Norms of the layer's own weights and of their gradient; None where it has none."""


def layer_findings(layers: Sequence[LayerFigures], learned: bool) -> Iterator[Finding]:
    """Yields what is wrong with layers, in the order of computation.

    Args:
        layers: of one batch.
        learned: whether the model already knows the batch, so that small gradients are no fault.
    """
    yield from _non_finite(layers)
    for layer in layers:
        if layer.dead > DEAD and layer.kind != "FeatureTransform":
            yield Finding(
                "warning",
                "dead_layer",
                f"{layer.dead:.0%} of the units of layer {layer.name} ({layer.kind}) are 0 in all "
                "frames of a training batch: they learn nothing any more.",
                "Lower --learning_rate by a factor of 3 and lengthen the warm-up "
                "(--warmup_ratio 0.1), and train anew.",
            )
        if layer.at_limit is not None and layer.at_limit > SATURATED and layer.kind == "Linear":
            yield Finding(
                "warning",
                "saturated_clamp",
                f"{layer.at_limit:.0%} of what layer {layer.name} adds is clamped "
                "(--attention_clamp): no gradient passes there.",
                "Raise --attention_clamp, or set it to 0, and look whether features have values "
                "in another unit.",
            )
    yield from _still(layers)
    yield from _gradients(layers, learned)


def _non_finite(layers: Sequence[LayerFigures]) -> Iterator[Finding]:
    first = next((layer for layer in layers if layer.non_finite), None)
    if first is not None:
        data = first.kind == "FeatureTransform"
        yield Finding(
            "error",
            "non_finite",
            f"The output of layer {first.name} has {first.non_finite} NaN or infinite values on a "
            "training batch, and is the first that has any.",
            "The features themselves are not finite: look with `slr-accel inspect` for NaN in the "
            "corpus."
            if data
            else "Lower --learning_rate by a factor of 10, train with --mixed_precision no, and "
            "start from a checkpoint before.",
        )


def _still(layers: Sequence[LayerFigures]) -> Iterator[Finding]:
    """A layer whose output no longer varies over time, though its input did."""
    before = None
    for layer in layers:
        variation = layer.time_variation
        if variation is None:
            continue
        if before is not None and variation < STILL < before:
            yield Finding(
                "error",
                "time_lost",
                f"From layer {layer.name} ({layer.kind}) on, the output is the same at all steps "
                f"of a sequence ({variation:.1g} of its variance lies over time): one vector a "
                "sentence cannot say several signs in order.",
                "Look for a mean or pooling over the whole sequence in the model.",
            )
            return
        before = variation


def _gradients(layers: Sequence[LayerFigures], learned: bool) -> Iterator[Finding]:
    norms = [(layer.name, norm) for layer in layers if (norm := layer.weight_gradient) is not None]
    if not norms or any(not math.isfinite(norm) for _, norm in norms):
        return
    total = math.hypot(*(norm for _, norm in norms))
    (first, first_norm), (last, last_norm) = norms[0], norms[-1]
    if total > HUGE:
        name, worst = max(norms, key=lambda pair: pair[1])
        yield Finding(
            "warning",
            "exploding_gradient",
            f"The gradient of a training batch has a norm of {total:.3g}; most of it "
            f"({worst:.3g}) in layer {name}.",
            "Lower --learning_rate by a factor of 10; lower --max_grad_norm to 1; lengthen the "
            "warm-up (--warmup_ratio 0.1).",
        )
    elif learned:
        return
    elif total < TINY:
        yield Finding(
            "error",
            "vanishing_gradient",
            f"The gradient of a training batch has a norm of only {total:.2g}, though the model "
            "does not know the batch yet: nothing can be learned from it.",
            "Look in the table of layers where the outputs become tiny or the units die; raise "
            "the gain of the first weights; use fewer layers (--conv_blocks, --lstm_layers).",
        )
    elif first_norm < WEAK * total:
        is_gone = first_norm < VANISHED * total
        yield Finding(
            "error" if is_gone else "warning",
            "vanishing_gradient",
            f"{'No' if is_gone else 'Hardly any'} gradient reaches the first layer: that of "
            f"{first} is {first_norm:.2g}, that of {last} {last_norm:.2g}.",
            "Look in the table of layers from where on gradients are 0 (dead units, saturated "
            "clamps); give the convolutions a head of their own (--auxiliary_weight 0.5).",
        )
