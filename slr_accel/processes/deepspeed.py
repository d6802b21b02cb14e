"""Checks whether `accelerate launch` asks for DeepSpeed, and prepares for it."""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings

import torch

from slr_accel.optional_packages import how_to_install


def is_asked_for() -> bool:
    """Whether `accelerate launch` asks for DeepSpeed."""
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"


def make_ready(*, has_gpu: bool) -> None:
    """Prepares for DeepSpeed; must come before the Accelerator is made.

    Raises:
        ValueError: DeepSpeed is not installed, or there are fewer GPUs than processes, but some.
    """
    missing = [name for name in ("deepspeed", "transformers") if not importlib.util.find_spec(name)]
    if missing:
        raise ValueError(f"DeepSpeed needs {' and '.join(missing)}: {how_to_install('deepspeed')}")
    if not has_gpu:
        if torch.cuda.is_available():
            raise ValueError(
                "DeepSpeed needs a GPU for each process; give --num_processes "
                f"{torch.cuda.device_count()}, or CUDA_VISIBLE_DEVICES= to train on the CPU"
            )
        os.environ["DS_ACCELERATOR"] = "cpu"
        os.environ.pop("ACCELERATE_USE_CPU", None)
    import deepspeed

    deepspeed.utils.logger.setLevel(logging.WARNING)
    # This extension is for inference only, and would be compiled for minutes at the start.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    # DeepSpeed calls functions of torch 2.13 by their old names.
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
