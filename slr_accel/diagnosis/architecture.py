"""Checks the architecture of a model on a few sequences: what CTC and a corpus ask of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from slr_accel.ctc.loss import ctc_loss
from slr_accel.diagnosis.check import Check
from slr_accel.diagnosis.probes import SAME_OUTPUT, deviation_over_time
from slr_accel.loading.batch import Batch
from slr_accel.models.recogniser import Output, Recogniser
from slr_accel.models.size import megabytes, num_parameters
from slr_accel.padding import frame_mask

SAME = 1e-5
"""Largest difference, in nats, between the output for a sequence alone and in a batch."""
SUM_ERROR = 1e-4
"""Largest distance of a step's probabilities from a sum of 1, in nats."""
MOST_LENGTHS = 40
"""Every length up to this many frames is tried."""


def architecture_checks(model: Recogniser, batch: Batch) -> Iterator[Check]:
    """Yields the checks one by one.

    A check that raises an exception has failed with its text: a model of the user's own may.

    Args:
        model: with fresh weights.
        batch: two sequences or more with targets that CTC can align.
    """
    yield _sizes(model)
    for name, measure in CHECKS.items():
        try:
            yield measure(model, batch)
        except Exception as error:  # whatever a model of the user's own does
            yield Check(name, ok=False, measured=f"{type(error).__name__}: {error}")


def _sizes(model: Recogniser) -> Check:
    count = num_parameters(model)
    text = f"{count / 1e6:.2f} M parameters, {megabytes(model)['fp32']:.1f} MB"
    return Check("size", count > 0, text, "The model has no parameters to train.")


@torch.no_grad()
def _evaluated(model: Recogniser, batch: Batch) -> Output:
    model.eval()
    output: Output = model(batch.features, batch.presence, batch.lengths)
    return output


def shapes(model: Recogniser, batch: Batch) -> Check:
    output = _evaluated(model, batch)
    size, steps = len(batch.lengths), -(-batch.features.shape[1] // model.output_stride)
    wanted = (size, steps, model.num_outputs)
    found = tuple(output.log_probs.shape)
    return Check(
        "shapes",
        found == wanted and tuple(output.lengths.shape) == (size,),
        f"log-probabilities {found}, lengths {tuple(output.lengths.shape)}",
        f"They must be [B, T', V] = {wanted} and [B].",
    )


def temporal_length(model: Recogniser, batch: Batch) -> Check:
    """T' is ceil(T / stride), in the batch and for every small T."""
    stride = model.output_stride
    found = dict(
        zip(batch.lengths.tolist(), _evaluated(model, batch).lengths.tolist(), strict=True)
    )
    for frames in range(1, min(MOST_LENGTHS, int(batch.lengths.max())) + 1):
        output = _evaluated(model, _first(batch, frames))
        found[frames] = int(output.lengths[0])
        if output.log_probs.shape[1] < found[frames]:
            found[frames] = output.log_probs.shape[1]
    wrong = [frames for frames, steps in found.items() if steps != -(-frames // stride)]
    text = f"stride {stride}, {len(found)} lengths from {min(found)} to {max(found)} frames"
    if wrong:
        frames = wrong[0]
        text += f"; {frames} frames give {found[frames]} steps, not {-(-frames // stride)}"
    return Check("temporal_length", not wrong, text, "T' must be ceil(T / output_stride).")


def _first(batch: Batch, frames: int) -> Batch:
    """The first frames of the batch's longest sequence, alone."""
    row = int(batch.lengths.argmax())
    return _alone(batch, row, frames)


def _alone(batch: Batch, row: int, frames: int) -> Batch:
    one = slice(row, row + 1)
    return Batch(
        rows=batch.rows[one],
        features=batch.features[one, :frames],
        presence=batch.presence[one, :frames],
        lengths=torch.tensor([frames]),
        targets=batch.targets[one],
        target_lengths=batch.target_lengths[one],
    )


def variance_over_time(model: Recogniser, batch: Batch) -> Check:
    spread = deviation_over_time(_evaluated(model, batch))
    return Check(
        "variance_over_time",
        spread > SAME_OUTPUT,
        f"standard deviation {spread:.2g} nats over the output steps",
        "All steps say the same: something pools over time, or divides its variance away.",
    )


def log_probabilities(model: Recogniser, batch: Batch) -> Check:
    output = _evaluated(model, batch)
    values = output.log_probs[frame_mask(output.lengths, output.log_probs.shape[1])]
    finite = bool(values.isfinite().all())
    error = float(values.logsumexp(dim=-1).abs().max())
    return Check(
        "log_probabilities",
        finite and error < SUM_ERROR,
        f"{values.min():.3g} to {values.max():.3g}; sums of probabilities within {error:.1g} of 1"
        + ("" if finite else "; not finite"),
        "The output must be log_softmax over the last axis.",
    )


def ctc_gradient(model: Recogniser, batch: Batch) -> Check:
    """CTC is finite in training mode, and its gradient reaches the first layer."""
    model.train()
    model.zero_grad(set_to_none=True)
    output = model(batch.features, batch.presence, batch.lengths)
    heads = [output, *output.early_heads]
    if output.second_view is not None:
        heads += [output.second_view, *output.second_view.early_heads]
    losses = [_loss(head.log_probs, head.lengths, batch) for head in heads]
    torch.stack(losses).sum().backward()
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    without = [name for name, p in named if p.grad is None or not p.grad.any()]
    # A layer of its own for a block that is absent throughout has no gradient, rightly.
    first = named[0][0].split(".")[0]
    own = [p.grad for name, p in named if name.split(".")[0] == first and p.grad is not None]
    norm = float(torch.stack(torch._foreach_norm(own)).norm()) if own else 0.0
    model.zero_grad(set_to_none=True)
    text = f"loss {float(losses[0].detach()):.3f} nats a token; norm in {first} {norm:.2g}"
    if without:
        text += f"; {len(without)} of {len(named)} parameters without a gradient: "
        text += ", ".join(without[:3])
    return Check(
        "ctc_gradient",
        bool(torch.stack(losses).isfinite().all()) and norm > 0,
        text,
        "Look for what detaches, clamps or multiplies by 0 between the first layer and the head.",
    )


def _loss(log_probs: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
    loss = ctc_loss(log_probs, lengths, batch.targets, batch.target_lengths)
    return loss / batch.target_lengths.sum()


def padding_invariance(model: Recogniser, batch: Batch) -> Check:
    """The output for a sequence is the same alone and padded in the batch."""
    together = _evaluated(model, batch)
    largest = 0.0
    for row, frames in enumerate(batch.lengths.tolist()):
        alone = _evaluated(model, _alone(batch, row, frames))
        steps = int(alone.lengths[0])
        difference = alone.log_probs[0, :steps] - together.log_probs[row, :steps]
        largest = max(largest, float(difference.abs().max()))
    return Check(
        "padding_invariance",
        largest < SAME,
        f"alone and in a batch differ by {largest:.1g} nats at most",
        "Padding must enter every layer over time as 0, and statistics must not be taken over it.",
    )


def speed(model: Recogniser, batch: Batch) -> Check:
    start = time.perf_counter()
    _evaluated(model, batch)
    seconds = time.perf_counter() - start
    frames = int(batch.lengths.sum())
    return Check("speed", seconds > 0, f"{1e3 * seconds:.0f} ms for {frames} frames forward")


CHECKS: dict[str, Callable[[Recogniser, Batch], Check]] = {
    check.__name__: check
    for check in (
        shapes,
        temporal_length,
        variance_over_time,
        log_probabilities,
        ctc_gradient,
        padding_invariance,
        speed,
    )
}
