"""A forward in training does not wait for the device: nothing is read from it, or brought to it.

The device `meta` holds no values, so that reading one is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from models_helpers import EVERY_WAY, LAYOUTS, make, random_batch, run
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from slr_accel.features.augmentation import Augmentation
from slr_accel.settings.features import AugmentationSettings

LITERAL = "student_reference"
"""As published: its batch norm picks valid frames out of a batch, which needs their number."""


class Brought(TorchDispatchMode):
    """Operations that take a tensor which is neither among `known` nor made by an earlier one."""

    def __init__(self, *known: Any) -> None:
        super().__init__()
        self.known = {id(tensor): tensor for tensor in tensors_in(known)}
        self.operations: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        made = function(*args, **(kwargs or {}))
        # A number may be mixed with tensors of any device: it goes along with the call.
        if any(id(t) not in self.known and t.ndim for t in tensors_in((args, kwargs))):
            self.operations.append(str(function))
        self.known |= {id(tensor): tensor for tensor in tensors_in(made)}
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


@pytest.mark.parametrize("layout", ["tracks", "streams", "holistic"])
@pytest.mark.parametrize(
    ("name", "settings"), [way for way in EVERY_WAY if way[0] != LITERAL], ids=str
)
def test_a_model(
    name: str, settings: dict[str, object], layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # unknown on meta
    model = make(name, LAYOUTS[layout], **settings).to("meta")
    batch = on_meta(random_batch(LAYOUTS[layout], [31, 12]))
    with Brought(vars(batch), list(model.parameters()), list(model.buffers())) as brought:
        run(model, batch)
    assert not brought.operations
