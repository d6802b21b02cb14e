"""Makes the Accelerator, by which this process joins those of the same `accelerate launch`."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from accelerate.utils import GradientAccumulationPlugin
from torch import distributed

from slr_accel.processes import deepspeed
from slr_accel.processes.lost_peers import LONGEST_SILENCE
from slr_accel.processes.tf32 import allow_in_training

UNSUPPORTED = {
    "FSDP": "ACCELERATE_USE_FSDP",
    "Megatron-LM": "ACCELERATE_USE_MEGATRON_LM",
    "a parallelism_config": "ACCELERATE_USE_PARALLELISM_CONFIG",
}
"""Ways of accelerate to spread a model, with the variable that its launcher sets for each."""


def make_accelerator(mixed_precision: str | None) -> Accelerator:
    """Makes the Accelerator of this process. Raises ValueError for what it cannot do."""
    for name, variable in UNSUPPORTED.items():
        if os.environ.get(variable, "false").lower() == "true":
            raise ValueError(
                f"{name} is not supported; use accelerate_configs/deepspeed_zero3.yaml"
            )
    has_gpu = _gpu_for_each_process()
    wanted = mixed_precision or os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if wanted == "fp16" and not has_gpu:
        raise ValueError("mixed_precision fp16: no GPU found; use bf16 or no on a CPU")
    if wanted == "bf16" and not has_gpu and not _cpu_computes_bf16():
        raise ValueError(
            "mixed_precision bf16: no GPU found, and this CPU (without AVX-512) has no LSTM in "
            "bf16; use no, which is an option of train and of accelerate launch"
        )
    # DDP reorders its buckets after its first step, also after a resume. On three CPU processes or
    # more, sums would then round differently. This keeps the order; torch warns that it is slow.
    # A static graph would reorder them too, and saves only that search.
    many = int(os.environ.get("WORLD_SIZE", "1")) > 2
    ddp = DistributedDataParallelKwargs(
        find_unused_parameters=many and not has_gpu,
        # Gradients lie in the buckets that are exchanged: one copy of them less.
        gradient_as_bucket_view=True,
    )
    group = InitProcessGroupKwargs(timeout=LONGEST_SILENCE)
    if deepspeed.is_asked_for():
        deepspeed.make_ready(has_gpu=has_gpu)
        if not has_gpu:
            group.backend = "gloo"
    if not has_gpu:
        _join_after_restart()
    allow_in_training()
    return Accelerator(
        # Without cpu=True, accelerate silently lets each of several CPU processes train alone. With
        # it, accelerate ignores DeepSpeed, which finds the CPU by itself.
        cpu=not has_gpu and not deepspeed.is_asked_for(),
        mixed_precision=mixed_precision,
        kwargs_handlers=[ddp, group],
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


def _cpu_computes_bf16() -> bool:
    """Whether oneDNN, which computes on most CPUs, has an LSTM in bf16 for this one."""
    if not torch.backends.mkldnn.is_available():
        return True
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def devices_told(device: torch.device, num_processes: int) -> str:
    """Says which GPUs this machine leaves unused, or that it has none; empty where all is well.

    Args:
        device: of this process.
        num_processes: of this machine.
    """
    if _cpu_is_asked_for():
        return ""
    found = torch.cuda.device_count()
    if device.type == "cuda":
        if num_processes >= found:
            return ""
        return (
            f"uses {num_processes} of the {found} GPUs of this machine; for all of them start it "
            "by ./launch/train.sh, or by accelerate launch --config_file "
            f"accelerate_configs/multi_gpu.yaml --num_processes {found} -m slr_accel.train"
        )
    if found:
        return (
            f"warning: trains on the CPU: {found} GPU(s) are fewer than the processes of this "
            f"machine; for them give --num_processes {found} to accelerate launch"
        )
    other = torch.accelerator.current_accelerator(check_available=True)
    if other is not None:
        return f"warning: trains on the CPU: GPUs of the kind {other.type} are not supported"
    return "no GPU found: trains on the CPU"


def _cpu_is_asked_for() -> bool:
    # accelerate 1.15 does not pass `use_cpu: true` of a config on to several processes.
    return os.environ.get("ACCELERATE_USE_CPU", "false").lower() in ("1", "true")


def _gpu_for_each_process() -> bool:
    if _cpu_is_asked_for():
        return False
    return 0 < int(os.environ.get("LOCAL_WORLD_SIZE", "1")) <= torch.cuda.device_count()
