"""Views are complementary, and pulled together only in training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from models_helpers import LAYOUTS, make, random_batch, run
from torch import Tensor

from slr_accel.models.recogniser import Output
from slr_accel.models.two_views import read_views, two_views


def test_what_one_view_hides_the_other_shows() -> None:
    torch.manual_seed(0)
    shown = two_views(torch.zeros(50, 31, 4, 1), share=0.3, span=3)
    assert shown.shape == (2, 50, 31, 4, 1)
    assert shown.any(dim=0).all()
    hidden = (~shown).float().mean(dim=(1, 2, 3, 4))
    torch.testing.assert_close(hidden, torch.full((2,), 0.3), atol=0.03, rtol=0)
    spans = shown[:, :, :30].unflatten(2, (10, 3))
    assert torch.equal(spans.all(dim=3), spans.any(dim=3))


def test_with_half_hidden_each_view_shows_just_what_the_other_hides() -> None:
    first, second = two_views(torch.zeros(50, 30, 4, 1), share=0.5, span=6)
    assert torch.equal(first, ~second)


@pytest.mark.parametrize(
    ("name", "layout", "settings", "heads"),
    [
        *(
            (name, "pose and hands", {"consistency_weight": 4, "auxiliary_weight": 0.5}, 1)
            for name in ("student", "teacher")
        ),
        ("cosign", "tracks", {}, 2),
    ],
)
def test_training_reads_two_views_with_all_heads_and_nothing_else_does(
    name, layout, settings, heads
) -> None:
    model = make(name, LAYOUTS[layout], **settings)
    batch = random_batch(LAYOUTS[layout], [30, 12])
    output = run(model.train(), batch)
    other = output.second_view
    assert other is not None
    for view in (output, other):
        assert view.log_probs.shape[0] == 2 and len(view.early_heads) == heads
    assert not torch.equal(output.log_probs, other.log_probs)
    alone = run(model.eval(), batch)
    assert alone.early_heads == () and alone.second_view is None


def test_each_view_of_a_sequence_keeps_its_length() -> None:
    settings = SimpleNamespace(consistency_weight=4.0, mask_share=0.3, mask_frames=8)
    model: Any = SimpleNamespace(training=True, settings=settings)
    seen: list[Tensor] = []

    def recognise(blocks: Tensor, lengths: Tensor) -> Output:
        seen.extend([blocks.amax(dim=(1, 2)), lengths])
        return Output(torch.zeros(len(blocks), 12, 3), lengths)

    blocks = torch.tensor([1.0, 2.0])[:, None, None, None].expand(2, 12, 4, 1)
    read_views(model, recognise, [blocks], torch.tensor([12, 5]), stride=1)
    assert seen[0].flatten().tolist() == [1, 2, 1, 2] and seen[1].tolist() == [12, 5, 12, 5]


def test_a_hidden_span_is_counted_in_frames_whatever_the_stride() -> None:
    settings = SimpleNamespace(consistency_weight=4.0, mask_share=0.3, mask_frames=8)
    model: Any = SimpleNamespace(training=True, settings=settings)
    seen: list[Tensor] = []

    def recognise(blocks: Tensor, lengths: Tensor) -> Output:
        seen.append(blocks[..., 0])
        return Output(torch.zeros(len(blocks), 12, 3), lengths)

    torch.manual_seed(0)
    read_views(model, recognise, [torch.ones(50, 12, 4, 1)], torch.full((50,), 12), stride=4)
    spans = seen[0].unflatten(1, (6, 2))  # of 8 frames at a stride of 4
    assert torch.equal(spans.amin(dim=2), spans.amax(dim=2))
    assert (spans[:, 1, 0] != spans[:, 0, 0]).any(), "no longer spans"
