"""A compiled model is the model."""

from __future__ import annotations

import pytest
import torch
from models_helpers import LAYOUTS, make, random_batch, run

from slr_accel.ctc.loss import ctc_loss
from slr_accel.models.compiled import compile_parts

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(
    " " in torch.__file__, reason="torch cannot compile from a folder with a space in its name"
)


@pytest.mark.slow
def test_a_compiled_step_has_the_same_loss_and_gradients() -> None:
    """With batches of two lengths: what is compiled for the one must serve the other."""
    settings = {"dropout": 0.0, "reduction": 1, "output_stride": 1, "conv_blocks": 1}
    plain = make("student", LAYOUTS["tracks"], **settings)
    compiled = make("student", LAYOUTS["tracks"], **settings)
    compile_parts(compiled, CPU)
    for lengths in ([20, 9], [13, 31]):
        batch = random_batch(LAYOUTS["tracks"], lengths)
        losses = []
        for model in (plain, compiled):
            output = run(model, batch)
            loss = ctc_loss(output.log_probs, output.lengths, batch.targets, batch.target_lengths)
            loss.backward()
            losses.append(loss)
        torch.testing.assert_close(losses[1], losses[0], atol=1e-4, rtol=0)
        ours = dict(compiled.named_parameters())
        for name, parameter in plain.named_parameters():
            torch.testing.assert_close(ours[name].grad, parameter.grad, atol=1e-4, rtol=1e-4)


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"C\+\+ compiler: install g\+\+"):
        compile_parts(make("student", LAYOUTS["tracks"]), CPU)
