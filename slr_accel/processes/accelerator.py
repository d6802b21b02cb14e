"""Makes the Accelerator, by which this process joins those of the same `accelerate launch`."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from accelerate.utils import GradientAccumulationPlugin
from torch import distributed

from slr_accel.processes import deepspeed
from slr_accel.processes.lost_peers import LONGEST_SILENCE


def make_accelerator(mixed_precision: str | None) -> Accelerator:
    """Makes the Accelerator of this process. Raises ValueError for FSDP and fp16 without a GPU."""
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
        raise ValueError("FSDP is not supported; use accelerate_configs/deepspeed_zero3.yaml")
    has_gpu = _gpu_for_each_process()
    wanted = mixed_precision or os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if wanted == "fp16" and not has_gpu:
        raise ValueError("mixed_precision fp16 needs a GPU; use bf16 or no on a CPU")
    # DDP reorders its buckets after its first step, also after a resume. On three CPU processes or
    # more, sums would then round differently. This keeps the order; torch warns that it is slow.
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
        # Without cpu=True, accelerate silently lets each of several CPU processes train alone. With
        # it, accelerate ignores DeepSpeed, which finds the CPU by itself.
        cpu=not has_gpu and not deepspeed.is_asked_for(),
        mixed_precision=mixed_precision,
        kwargs_handlers=[fixed_buckets, group],
        # training/step.py accumulates gradients. By default accelerate would divide them by
        # ACCELERATE_GRADIENT_ACCUMULATION_STEPS.
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
    )


def _join_after_restart() -> None:
    """Lets processes that torchrun restarted (--max_restarts) find each other.

    All attempts share one store (torch 2.13), so gloo would find the addresses of dead processes.
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
    """The number of GPUs that stay unused though nobody asked for the CPU."""
    return 0 if device.type == "cuda" or _cpu_is_asked_for() else torch.cuda.device_count()


def _cpu_is_asked_for() -> bool:
    # accelerate 1.15 does not pass `use_cpu: true` of a config on to several processes.
    return os.environ.get("ACCELERATE_USE_CPU", "false").lower() in ("1", "true")


def _gpu_for_each_process() -> bool:
    if _cpu_is_asked_for():
        return False
    return 0 < int(os.environ.get("LOCAL_WORLD_SIZE", "1")) <= torch.cuda.device_count()
