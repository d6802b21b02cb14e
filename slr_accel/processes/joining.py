"""How this process joins those that `accelerate launch` started with it."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from accelerate.utils import GradientAccumulationPlugin
from torch import distributed

from slr_accel.processes import deepspeed
from slr_accel.processes.lost_peers import LONGEST_SILENCE


def make_accelerator(mixed_precision: str | None) -> Accelerator:
    """One of the processes that `accelerate launch` started, or the only one.

    Raises:
        ValueError: fp16 without a GPU, or a way of running that is not supported.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
        raise ValueError(
            "FSDP is not supported yet; accelerate_configs/deepspeed_zero3.yaml spreads the "
            "weights too, and multi_gpu.yaml is enough for models of this size"
        )
    has_gpu = _gpu_for_each_process()
    wanted = mixed_precision or os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if wanted == "fp16" and not has_gpu:
        raise ValueError("mixed_precision fp16 needs a GPU; use bf16 or no on a CPU")
    # DDP orders its buckets anew after its first step, also when that follows a resume. Sums over
    # three CPU processes or more would then round differently; this keeps the order, and warns.
    many = int(os.environ.get("WORLD_SIZE", "1")) > 2
    fixed_buckets = DistributedDataParallelKwargs(find_unused_parameters=many and not has_gpu)
    group = InitProcessGroupKwargs(timeout=LONGEST_SILENCE)
    if deepspeed.is_asked_for():
        deepspeed.make_ready(has_gpu=has_gpu)
        if not has_gpu:
            group.backend = "gloo"
    if not has_gpu:
        _join_after_restart()
    return Accelerator(
        # Without cpu=True, accelerate lets each of several CPU processes train alone, silently.
        # Told so, it would leave DeepSpeed out; with that it finds out by itself.
        cpu=not has_gpu and not deepspeed.is_asked_for(),
        mixed_precision=mixed_precision,
        kwargs_handlers=[fixed_buckets, group],
        # Gradients are summed here (training/step.py). Left open, accelerate would divide them by
        # what ACCELERATE_GRADIENT_ACCUMULATION_STEPS says.
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
    )


def _join_after_restart() -> None:
    """Lets processes that torchrun started again (--max_restarts) find each other.

    All attempts share one store (torch 2.13), in which gloo would read where the dead ones were.
    """
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if attempt == "0":
        return
    store, rank, world_size = next(distributed.rendezvous("env://"))
    own = distributed.PrefixStore(f"restart_{attempt}", store)
    distributed.init_process_group(
        "gloo", store=own, rank=rank, world_size=world_size, timeout=LONGEST_SILENCE
    )


def unused_gpus(device: torch.device) -> int:
    """GPUs that are there, and not trained on though nobody asked for the CPU."""
    return 0 if device.type == "cuda" or _cpu_is_asked_for() else torch.cuda.device_count()


def _cpu_is_asked_for() -> bool:
    # `use_cpu: true` of a config does not reach several processes by itself (accelerate 1.15).
    return os.environ.get("ACCELERATE_USE_CPU", "false").lower() in ("1", "true")


def _gpu_for_each_process() -> bool:
    if _cpu_is_asked_for():
        return False
    return 0 < int(os.environ.get("LOCAL_WORLD_SIZE", "1")) <= torch.cuda.device_count()
