"""Started as two processes by test_resume.py: they go on from one step, or from two."""

from __future__ import annotations

from pathlib import Path

import pytest

from slr_accel.processes.accelerator import make_accelerator
from slr_accel.runs.resume import check_agreement
from slr_accel.runs.run_folder import RunFolder
from slr_accel.runs.train_state import TrainState


def main() -> None:
    accelerator = make_accelerator(None)
    run = RunFolder(Path("run"))
    check_agreement(run, TrainState(step=3))
    with pytest.raises(ValueError, match=r"different checkpoints of run \(steps 3, 4\)"):
        check_agreement(run, TrainState(step=3 + accelerator.process_index))
    print("checked", flush=True)
    accelerator.end_training()


if __name__ == "__main__":
    main()
