"""Training does not wait for the device: nothing is read from it, or brought to it.

The device `meta` holds no values, so that reading one is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import DistributedType
from models_helpers import EVERY_WAY, LAYOUTS, make, random_batch, run
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from slr_accel.distillation.soft_loss import projection
from slr_accel.features.augmentation import Augmentation
from slr_accel.loading.batch import Batch, SoftLabels
from slr_accel.models.recogniser import Output
from slr_accel.settings.features import AugmentationSettings
from slr_accel.training.losses import Criterion, loss_terms, total
from slr_accel.training.preparation import Preparation
from slr_accel.training.step import train_step
from slr_accel.training.step_work import MicroBatch, StepWork

LITERAL = "student_reference"
"""As published: its batch norm picks valid frames out of a batch, which needs their number."""


class Brought(TorchDispatchMode):
    """Operations that take a tensor which is neither among `known` nor made by an earlier one, or
    that copy one from the host."""

    def __init__(self, *known: Any) -> None:
        super().__init__()
        self.known = {id(tensor): tensor for tensor in tensors_in(known)}
        self.operations: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        made = function(*args, **(kwargs or {}))
        given, found = tensors_in((args, kwargs)), tensors_in(made)
        # A number may be mixed with tensors of any device: it goes along with the call.
        is_unknown = any(id(t) not in self.known and t.ndim for t in given)
        is_copied = any(t.is_meta for t in found) and any(t.ndim and not t.is_meta for t in given)
        if is_unknown or is_copied:
            self.operations.append(str(function))
        self.known |= {id(tensor): tensor for tensor in found}
        return made


def tensors_in(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def on_meta(record: Any) -> Any:
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    moved = {name: v.to("meta") for name, v in values.items() if isinstance(v, Tensor)}
    return replace(record, **moved)


@pytest.mark.parametrize(
    "read",
    [
        lambda values: values[:, [0, 2]],
        lambda values: values[:, torch.tensor([0, 2])],
        lambda values: values + torch.tensor([1.0, 2, 3, 4], device="meta"),
        lambda values: values + torch.arange(4.0).to("meta"),
    ],
)
def test_what_is_brought_would_be_noticed(read: Callable[[Tensor], Tensor]) -> None:
    values = torch.zeros(3, 4, device="meta")
    with Brought(values) as brought:
        values[:, 2:] * torch.arange(2, device="meta") + 1.0
        assert not brought.operations
        read(values)
    assert brought.operations


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_augmentation(layout: str) -> None:
    options = {"jitter": 0}  # whose generator is the device's own
    if layout in ("tracks", "holistic"):
        options["mirror_probability"] = 0.5
    augment = Augmentation(
        LAYOUTS[layout], AugmentationSettings(**options), 4, torch.ones(LAYOUTS[layout].columns)
    )
    drawn = augment.drawn(random_batch(LAYOUTS[layout], [31, 12]), seed=1, epoch=0)
    batch = replace(on_meta(drawn), draws=on_meta(drawn.draws))
    augment.to("meta")
    with Brought(vars(batch), vars(batch.draws), list(augment.buffers())) as brought:
        augment(batch)
    assert not brought.operations


@pytest.fixture
def on_no_device(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """`meta`, which lacks memory to pin, generators, autocast and CTC."""

    def ctc(log_probs: Tensor, targets: Tensor, *lengths: Tensor, **_: object) -> Tensor:
        # Of these lengths torch would wait for copies.
        assert targets.is_meta and all(n.device.type == "cpu" for n in lengths)
        return log_probs.sum((0, 2))

    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch.nn.functional, "ctc_loss", ctc)
    monkeypatch.setattr("slr_accel.training.step._seed", lambda *_: None)
    return torch.device("meta")


def taught(batch: Batch, output: Output) -> Batch:
    """With soft labels of two teachers."""
    assert output.features is not None
    soft = SoftLabels(output.log_probs.detach(), output.lengths, output.features.detach())
    return replace(batch, teacher=soft, mean_teacher=soft)


ALL_TERMS = Criterion(
    auxiliary_weight=0.5,
    consistency_weight=0.5,
    delay_penalty=0.1,
    blank_margin=0.1,
    label_weight=0.5,
    feature_matching_weight=0.5,
    self_distillation_weight=0.5,
    mean_teacher_weight=0.5,
    some_unlabelled=True,
)
"""But `sequence`: torch's CTC asks the device how many glosses the teacher says."""


@pytest.mark.parametrize("layout", ["tracks", "streams", "holistic"])
@pytest.mark.parametrize(
    ("name", "settings"), [way for way in EVERY_WAY if way[0] != LITERAL], ids=str
)
def test_a_model_and_its_loss(
    name: str, settings: dict[str, object], layout: str, on_no_device: torch.device
) -> None:
    model = make(name, LAYOUTS[layout], **settings).to(on_no_device)
    batch = random_batch(LAYOUTS[layout], [11, 6]).to(on_no_device)
    known = [vars(batch), list(model.parameters()), list(model.buffers())]
    features = run(model, batch).features
    assert features is not None
    width = features.shape[-1]
    with Brought(*known, projection(width, width, on_no_device)) as brought:
        output = run(model, batch)
        stride = getattr(model.settings, "alignment_stride", 1) // model.output_stride
        options = replace(ALL_TERMS, early_stride=stride)
        loss = total(loss_terms(output, taught(batch, output), options))
    assert not brought.operations
    loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_a_step_reads_twice(on_no_device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether losses are finite, and whether gradients are."""
    layout, reads = LAYOUTS["pose and hands"], []

    def tolist(tensor: Tensor) -> list[float]:
        reads.append(tensor.shape)
        return [0.0] * len(tensor)

    on_host = Tensor.tolist
    monkeypatch.setattr(Tensor, "tolist", lambda t: tolist(t) if t.is_meta else on_host(t))
    model = make("student", layout, auxiliary_weight=0.5, consistency_weight=4).to(on_no_device)
    augment = Augmentation(layout, AugmentationSettings(jitter=0), 4, torch.ones(layout.columns))
    batch = augment.drawn(random_batch(layout, [11, 6]), seed=1, epoch=0)
    accelerator = SimpleNamespace(
        device=on_no_device,
        num_processes=2,
        distributed_type=DistributedType.MULTI_GPU,
        scaler=None,
        no_sync=lambda _: nullcontext(),
        backward=Tensor.backward,
        reduce=lambda tensor, **_: tensor,
        clip_grad_norm_=torch.nn.utils.clip_grad_norm_,
    )
    work = StepWork(
        [MicroBatch(batch, index, True) for index in range(2)],
        num_targets=4,
        rows=[batch.rows.numpy()] * 2,
        first=0,
        num_frames=34,
        num_padded_frames=44,
        num_sequences=4,
        wait_seconds=0.0,
        is_last=True,
    )
    result = train_step(
        accelerator,
        model,
        torch.optim.SGD(model.parameters(), lr=0.1),
        Preparation(augment.to(on_no_device), [lambda b: taught(b, run(model, b))]),
        work,
        epoch=0,
        seed=1,
        max_grad_norm=1.0,
        criterion=ALL_TERMS,
        stop_requested=False,
        measured=True,
    )
    assert result.update.took_step and len(reads) == 2
