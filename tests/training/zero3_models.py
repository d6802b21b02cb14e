"""Started as two processes by test_zero.py: every model's step under ZeRO-3 is the one without it.

accelerate launch --config_file ... tests/training/zero3_models.py
"""

from __future__ import annotations

import copy
import sys

import torch
from models_helpers import LAYOUTS, make, random_batch

from slr_accel.models.recogniser import Recogniser
from slr_accel.processes.accelerator import make_accelerator
from slr_accel.settings.models.by_name import MODELS
from slr_accel.settings.run import build_settings
from slr_accel.training.losses import Criterion, loss_terms, total
from slr_accel.training.setup import make_optimizer
from slr_accel.training.zero import Zero, ZeroPasses

LAYOUT = LAYOUTS["pose and hands"]
LAYOUT_OF = {"speech": LAYOUTS["log-mel"]}


def loss_of(model: torch.nn.Module, batch) -> torch.Tensor:
    torch.manual_seed(3)
    output = model(batch.features, batch.presence, batch.lengths)
    return total(loss_terms(output, batch, Criterion(auxiliary_weight=1, consistency_weight=4)))


def compare(accelerator, kind: str, checkpointing: bool) -> str:
    """Two SGD steps of two micro-batches with ZeRO-3 and without."""
    values = {"data_dir": "-", "output_dir": "-", "model": kind, "optimizer": "sgd"}
    settings = build_settings({**values, "learning_rate": 0.1, "max_grad_norm": 1e9})
    layout = LAYOUT_OF.get(kind, LAYOUT)
    plain: Recogniser = make(kind, layout, gradient_checkpointing=checkpointing)
    model = copy.deepcopy(plain)
    sharded = Zero(accelerator, settings, model, make_optimizer(settings, model), accumulation=2)
    optimizer, passes = make_optimizer(settings, plain), ZeroPasses(sharded.engine)
    for _ in range(2):
        for seed in range(2):
            batch = random_batch(layout, [20, 33], seed=seed)
            loss_of(plain, batch).backward()
            with passes.micro_batch(is_last=seed == 1):
                passes.backward(loss_of(sharded.engine, batch))
        expected = torch.nn.utils.clip_grad_norm_(plain.parameters(), 1e9)
        update = passes.update()
        assert update.took_step
        torch.testing.assert_close(update.grad_norm, float(expected), rtol=1e-4, atol=1e-6)
        optimizer.step()
        optimizer.zero_grad()
    spread = sum(p.numel() == 0 for p in model.parameters())
    sharded.gather()
    for (name, ours), theirs in zip(
        sharded.whole.named_parameters(), plain.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5, msg=name)
    return f"{kind} checkpointing={checkpointing}: {spread} weights spread, the same step"


def main() -> int:
    accelerator = make_accelerator(None)
    for kind in sys.argv[1:] or MODELS:
        for checkpointing in (False, True):
            accelerator.print(compare(accelerator, kind, checkpointing))
    accelerator.end_training()
    return 0


if __name__ == "__main__":
    sys.exit(main())
