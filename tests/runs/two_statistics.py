"""Started as two processes by test_average.py: all score with the first one's statistics."""

from __future__ import annotations

import torch
from models_helpers import LAYOUTS, make

from slr_accel.processes.accelerator import make_accelerator
from slr_accel.runs.weight_average import share_statistics, start_average


def main() -> None:
    accelerator = make_accelerator(None)
    model = make("student_reference", LAYOUTS["tracks"])
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.fill_(1 + accelerator.process_index)
    average = start_average(model)
    share_statistics(model, average)
    buffers = dict(model.named_buffers())
    own = float(1 + accelerator.process_index)
    assert all((tensor == 1).all() for tensor in buffers.values() if tensor.is_floating_point())
    for name, tensor in average.items():
        assert (tensor == (1 if name in buffers else own)).all(), name
    print("shared", flush=True)
    accelerator.end_training()


if __name__ == "__main__":
    main()
