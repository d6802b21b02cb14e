"""Measures a model on one batch: outputs, clamps, gradients, features, labels and vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from slr_accel.ctc.health import OutputMeans, output_sums
from slr_accel.ctc.loss import ctc_loss
from slr_accel.diagnosis.check import Check
from slr_accel.diagnosis.overfit_status import ALL
from slr_accel.features.transform import LARGEST
from slr_accel.labels.vocabulary import BLANK
from slr_accel.loading.batch import Batch
from slr_accel.loading.plan import required_output_length
from slr_accel.models.attention import CrossModalAttention
from slr_accel.models.recogniser import Output, Recogniser
from slr_accel.padding import frame_mask

NO_GRADIENT = 1e-7
"""Norm of a part's gradient, a token, from which nothing reaches the part."""
UNIFORM = 0.9
"""Entropy over ln V of outputs that say nothing."""
SATURATED = 0.05
"""Share of clamped values that is too large."""
ATTENTION = "attention"
"""The teacher's child that holds its attention layers."""
STILL = 1e-6
"""Standard deviation of a standardised feature that does not vary."""
SAME_OUTPUT = 1e-4
"""Standard deviation over time, in nats, below which all output steps say the same."""


def probe(model: Recogniser, batch: Batch) -> list[Check]:
    """Measures everything below on one batch, in evaluation mode.

    Args:
        model: on the device of the batch; its gradients are cleared.
        batch: sequences with their targets.
    """
    was_training = model.training
    model.eval()
    try:
        clamps: dict[str, list[Tensor]] = {}
        with watched_clamps(model, clamps):
            output = model(batch.features, batch.presence, batch.lengths)
        return [
            *output_checks(output),
            *clamp_checks(clamps),
            *gradient_checks(model, batch),
            *batch_checks(model, batch),
            *label_checks(batch, output.lengths, model.num_outputs),
        ]
    finally:
        model.train(was_training)


@torch.no_grad()
def output_checks(output: Output) -> list[Check]:
    """Checks the log-probabilities of the valid steps: finite, in range, changing over time."""
    valid = frame_mask(output.lengths, output.log_probs.shape[1])
    values = output.log_probs[valid]  # (steps, V)
    nan, inf = int(values.isnan().sum()), int(values.isinf().sum())
    finite = values[values.isfinite()]
    low, high = (finite.min().item(), finite.max().item()) if len(finite) else (math.nan, math.nan)
    spread = deviation_over_time(output)
    means = OutputMeans.of(output_sums(output.log_probs, output.lengths).tolist())
    return [
        Check(
            "log_probabilities",
            nan == inf == 0,
            f"{low:.3g} to {high:.3g}, {nan} NaN, {inf} Inf",
            "Look for NaN in the features, then lower --learning_rate.",
        ),
        Check(
            "output_distribution",
            means.entropy < UNIFORM and means.blank_share < ALL,
            f"entropy {means.entropy:.3f} of ln V; {means.blank_share:.1%} of the steps blank, "
            f"mean blank probability {means.blank_probability:.3f}",
            "Entropy near 1 is uniform: the output layer has hardly moved from its first weights. "
            "Nothing but blank is the first phase of CTC. Both take more or larger optimizer "
            "steps: look at those above.",
        ),
        Check(
            "output_over_time",
            spread > SAME_OUTPUT,
            f"standard deviation {spread:.2g} nats",
            "All steps say the same: time is pooled away, or the features do not vary.",
        ),
    ]


def deviation_over_time(output: Output) -> float:
    """Returns the standard deviation of log-probabilities over a sequence's steps, in nats: the
    mean over tokens and over the sequences of two steps or more; 0 where there are none."""
    spreads = [
        log_probs[:steps].std(dim=0).mean()
        for log_probs, steps in zip(output.log_probs.detach(), output.lengths, strict=True)
        if steps > 1
    ]
    return float(torch.stack(spreads).mean()) if spreads else 0.0


@contextmanager
def watched_clamps(model: Recogniser, found: dict[str, list[Tensor]]) -> Iterator[None]:
    """While entered, each forward adds to `found` the share of values that are clamped, by name."""

    def watch(name: str, limit: float) -> Callable[[nn.Module, object, Tensor], None]:
        def note(module: nn.Module, inputs: object, values: Tensor) -> None:
            found.setdefault(name, []).append((values.detach().abs() >= limit).float().mean())

        return note

    with ExitStack() as hooks:
        hook = model.features.register_forward_hook(watch("features", LARGEST))
        hooks.callback(hook.remove)
        for name, module in model.named_modules():
            if isinstance(module, CrossModalAttention) and module.clamp:
                hook = module.out.register_forward_hook(watch(name, module.clamp))
                hooks.callback(hook.remove)
        yield


def clamp_checks(found: dict[str, list[Tensor]]) -> list[Check]:
    shares = {name: float(torch.stack(seen).mean()) for name, seen in found.items()}
    return [
        Check(
            "clamp_saturation",
            max(shares.values()) < SATURATED,
            "; ".join(f"{name} {share:.2%} at the clamp" for name, share in shares.items()),
            "Clamped values pass no gradient. Features: look at their range with `slr-accel "
            "inspect`. Attention: raise --attention_clamp, or switch it off with 0.",
        )
    ]


def gradient_checks(model: Recogniser, batch: Batch) -> list[Check]:
    """Checks the gradient of CTC that reaches each part, also with attention bypassed."""
    norms = gradient_norms(model, batch)
    checks = [_gradient_check("gradient_flow", norms)]
    if any(isinstance(module, CrossModalAttention) for module in model.modules()):
        with bypassed_attention(model):
            without = gradient_norms(model, batch)
        rest = {name: norm for name, norm in without.items() if name != ATTENTION}
        checks.append(_gradient_check("gradient_flow_without_attention", rest))
    return checks


def _gradient_check(name: str, norms: dict[str, float]) -> Check:
    return Check(
        name,
        all(norm > NO_GRADIENT and math.isfinite(norm) for norm in norms.values()),
        ", ".join(f"{part} {norm:.2g}" for part, norm in norms.items()),
        "A part without a gradient does not learn: look at what lies between it and the head.",
    )


def gradient_norms(model: Recogniser, batch: Batch) -> dict[str, float]:
    """Returns the norm of the CTC loss' gradient, a token, by child module in its order.

    Further heads, which have no gradient in evaluation mode, are left out.
    """
    model.zero_grad(set_to_none=True)
    # cuDNN has no backward of an LSTM in evaluation mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        output = model(batch.features, batch.presence, batch.lengths)
        loss = ctc_loss(output.log_probs, output.lengths, batch.targets, batch.target_lengths)
        (loss / batch.target_lengths.sum()).backward()
    norms = {}
    for name, child in model.named_children():
        weights = list(child.parameters())
        gradients = [p.grad for p in weights if p.grad is not None]
        if gradients:
            norms[name] = float(torch.stack(torch._foreach_norm(gradients)).norm())
        elif weights and not name.endswith("head"):
            norms[name] = 0.0
    model.zero_grad(set_to_none=True)
    return norms


@contextmanager
def bypassed_attention(model: Recogniser) -> Iterator[None]:
    """While entered, cross-modal attention hands its input on."""
    with ExitStack() as hooks:
        for module in model.modules():
            if isinstance(module, CrossModalAttention):
                hook = module.register_forward_hook(lambda module, inputs, output: inputs[0])
                hooks.callback(hook.remove)
        yield


@torch.no_grad()
def batch_checks(model: Recogniser, batch: Batch) -> list[Check]:
    """Checks the standardised features of the batch and the presence of its blocks."""
    transform = model.features
    valid = frame_mask(batch.lengths, batch.features.shape[1])
    values = transform(batch.features, batch.presence, batch.lengths)[valid]
    values = values[:, : len(transform.mean)]  # without presence
    absent = 1 - batch.presence[valid].float().mean(dim=0)
    blocks = transform.layout.blocks
    shares = [f"{b.name} {share:.0%}" for b, share in zip(blocks, absent.tolist(), strict=True)]
    # Columns of a block that is absent throughout are constant, rightly: see presence.
    shown = absent[[blocks.index(block) for block in transform.columns.blocks]] < 1
    widths = torch.tensor(transform.columns.block_widths, device=values.device)
    seen = values[:, shown.repeat_interleave(widths)]
    constant = float((seen.std(dim=0) < STILL).float().mean())
    twins = _same_input_other_labels(values, batch)
    return [
        Check(
            "features",
            bool(values.isfinite().all()) and not constant >= 0.5,
            f"mean {seen.mean():.3f}, variance {seen.var():.3f}, {constant:.0%} of the columns "
            "constant",
            "Features that do not vary carry no signs: run `slr-accel inspect`.",
        ),
        Check(
            "presence",
            float(absent.mean()) < 0.9,
            "absent: " + ", ".join(shares),
            "Almost nothing was detected: prepare the corpus anew, with its mark of absence.",
        ),
        Check(
            "distinct_inputs",
            not twins,
            f"{twins} pairs of equal features with different labels",
            "No model can tell them apart: look at how features and labels were joined.",
        ),
    ]


def _same_input_other_labels(values: Tensor, batch: Batch) -> int:
    parts = values.split(batch.lengths.tolist())
    targets = [t[:n].tolist() for t, n in zip(batch.targets, batch.target_lengths, strict=True)]
    return sum(
        targets[i] != targets[j] and torch.equal(parts[i], parts[j])
        for i in range(len(parts))
        for j in range(i)
    )


def label_checks(batch: Batch, steps: Tensor, num_outputs: int) -> list[Check]:
    """Checks that labels fit the output steps and the vocabulary.

    Args:
        batch: sequences with their targets.
        steps: [B] int64 output steps.
        num_outputs: tokens of the vocabulary and the blank.
    """
    targets = [t[:n].tolist() for t, n in zip(batch.targets, batch.target_lengths, strict=True)]
    slack = [
        int(own) / max(required_output_length(ids), 1)
        for own, ids in zip(steps, targets, strict=True)
    ]
    seen = {token for ids in targets for token in ids}
    counts = [len(ids) for ids in targets]
    return [
        Check(
            "labels",
            min(slack) >= 1 and min(counts) > 0,
            f"{min(counts)} to {max(counts)} a sequence; {min(slack):.1f} to {max(slack):.1f} "
            "times the output steps that CTC needs",
            "Lower --output_stride where there are too few steps.",
        ),
        Check(
            "vocabulary",
            min(seen, default=0) > BLANK and max(seen, default=0) < num_outputs,
            f"{len(seen)} of {num_outputs - 1} tokens in these sequences",
            "Token ids lie outside the outputs: vocabulary and labels do not belong together.",
        ),
    ]
