"""Trains with DeepSpeed ZeRO, which spreads optimizer (1), gradients (2) and weights (3).

Rajbhandari et al. 2020, https://arxiv.org/abs/1910.02054. Weights and optimizer are gathered where
they are saved or scored, so that a checkpoint is the same as of any run, and may be continued at
another stage or on another number of processes. All processes must call these functions together.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from slr_accel.models.recogniser import Recogniser
from slr_accel.runs.checkpoint import optimizer_by_name
from slr_accel.settings.run import Settings
from slr_accel.training.gradients import Update


def check(accelerator: Any, settings: Settings, accumulation: int) -> None:
    """Raises ValueError naming where DeepSpeed's config does not fit the settings."""
    config = accelerator.deepspeed_plugin.deepspeed_config
    training, problems = settings.training, []
    for key, ours in (
        ("gradient_accumulation_steps", accumulation),
        ("gradient_clipping", training.max_grad_norm),
        ("train_micro_batch_size_per_gpu", settings.loading.batch_size),
    ):
        if config.get(key, "auto") not in ("auto", ours):
            problems.append(
                f"{key} is {config[key]} in the config and {ours} in the settings: "
                'write "auto" in the config'
            )
    problems += [
        f"{key} is in the config, but slr_accel has its own: leave it out"
        for key in ("optimizer", "scheduler")
        if key in config
    ]
    if accelerator.mixed_precision == "fp16":
        problems.append("mixed_precision fp16 is not tested with DeepSpeed: use bf16 or no")
    if settings.loading.batch_frames == "auto":
        problems.append("batch_frames auto does not work with DeepSpeed: give a number")
    if training.compile and stage(config) == 3:
        problems.append("compile does not work with ZeRO-3: leave it out, or use ZeRO-2")
    if stage(config) not in (1, 2, 3):
        problems.append(f"zero_stage is {stage(config)}: use 1, 2 or 3, or DDP (multi_gpu.yaml)")
    for part in ("offload_param", "offload_optimizer"):
        if (config["zero_optimization"].get(part) or {}).get("device") == "nvme":
            problems.append(f"{part} to nvme is not tested: use cpu or none")
    if problems:
        heading = (
            "DeepSpeed's config, as changed by options of accelerate launch and variables "
            "ACCELERATE_..., does not fit the settings:"
        )
        raise ValueError("\n  ".join([heading, *problems]))


def stage(config: dict[str, Any]) -> int:
    return int(config["zero_optimization"]["stage"])


class Zero:
    """Trains a model with DeepSpeed, and gathers and spreads its weights and optimizer.

    Attributes:
        engine: computes the forward pass in training.
        optimizer: as accelerate wraps it; its param_groups have the learning rate.
        whole: a model with whole weights, for scoring and saving: the trained one itself, or with
            ZeRO-3 a copy that `gather` updates.
    """

    def __init__(
        self,
        accelerator: Any,
        settings: Settings,
        model: Recogniser,
        optimizer: torch.optim.Optimizer,
        accumulation: int,
    ) -> None:
        config = accelerator.deepspeed_plugin.deepspeed_config
        _fill(config, settings, accumulation, accelerator.mixed_precision)
        accelerator.gradient_accumulation_steps = accumulation
        self._is_stage_3 = stage(config) == 3
        self.whole = copy.deepcopy(model) if self._is_stage_3 else model
        resumed = optimizer_by_name(model, optimizer)
        optimizer.state.clear()
        self._model = model
        self.engine, self.optimizer = accelerator.prepare(model, optimizer)
        self._inner = self.engine.optimizer
        if resumed:
            self._put_optimizer(resumed)

    @torch.no_grad()
    def gather(self) -> None:
        """Updates `whole`."""
        if not self._is_stage_3:
            return
        import deepspeed

        for ours, trained in zip(self.whole.buffers(), self._model.buffers(), strict=True):
            ours.copy_(trained)
        for ours, trained in zip(self.whole.parameters(), self._model.parameters(), strict=True):
            with deepspeed.zero.GatheredParameters([trained]):
                ours.copy_(trained)

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """Returns {"<parameter name>/<state name>": tensor} on the CPU, as without ZeRO."""
        from deepspeed.utils import safe_get_full_optimizer_state

        self._link()
        state = self._inner.optimizer.state.get(self._partitions[0], {})
        tensors = {}
        for name, parameter in self._model.named_parameters():
            for key, value in state.items():
                if torch.is_tensor(value) and value.ndim:
                    value = safe_get_full_optimizer_state(parameter, key).cpu()
                tensors[f"{name}/{key}"] = torch.as_tensor(value).clone()
        return tensors

    @torch.no_grad()
    def _put_optimizer(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        first = next(iter(tensors.values()))
        for partition in self._partitions:
            self._inner.optimizer.state[partition] = {
                key: torch.zeros_like(partition) if value.ndim else value.clone()
                for key, value in first.items()
            }
        self._link()
        for name, parameter in self._model.named_parameters():
            for key, value in tensors[name].items():
                if value.ndim:
                    self._put(parameter, key, value)

    def _put(self, parameter: nn.Parameter, key: str, value: Tensor) -> None:
        from deepspeed import comm
        from deepspeed.utils import (
            safe_get_local_optimizer_state,
            safe_set_full_optimizer_state,
            safe_set_local_optimizer_state,
        )

        if not self._is_stage_3:
            safe_set_full_optimizer_state(parameter, value, key)
            return
        # Partitions have one size, and the last is padded; DeepSpeed's own way omits the padding.
        size = safe_get_local_optimizer_state(parameter, key).numel()
        padded = value.new_zeros(size * comm.get_world_size())
        padded[: value.numel()] = value.flatten()
        own = padded[size * comm.get_rank() :][:size]
        safe_set_local_optimizer_state(parameter, own, key)

    def _link(self) -> None:
        """Links each weight to its optimizer state. DeepSpeed (0.19.8) does so only for the first
        parameter group, and after its first step."""
        if self._is_stage_3:
            return
        for weights, partition in zip(self._inner.bit16_groups, self._partitions, strict=True):
            for weight in weights:
                if weight._hp_mapping is not None:
                    weight._hp_mapping.set_optim_state_fragment(
                        partition, self._inner.optimizer.state[partition]
                    )

    @property
    def _partitions(self) -> list[Tensor]:
        """This process' flat parts of the weights, which are the optimizer's parameters."""
        if self._is_stage_3:
            return list(self._inner.fp32_partitioned_groups_flat)
        return list(self._inner.single_partition_of_fp32_groups)


def _fill(
    config: dict[str, Any], settings: Settings, accumulation: int, mixed_precision: str
) -> None:
    """Writes the settings into DeepSpeed's config."""
    config["gradient_clipping"] = settings.training.max_grad_norm
    config["gradient_accumulation_steps"] = accumulation
    # Only its counters use this: a micro-batch may have fewer sequences.
    config["train_micro_batch_size_per_gpu"] = settings.loading.batch_size
    config["train_batch_size"] = "auto"
    # The optimizer is torch's with offload too, so that results are those of any other run.
    config["zero_force_ds_cpu_optimizer"] = False
    # DeepSpeed's own bf16 converts all weights, also those of CTC's head; autocast does not.
    config["bf16"] = {"enabled": False}
    # By default it also exchanges gradients of Linear and Conv, the CTC head's too, in bf16.
    config["torch_autocast"] = {
        "enabled": mixed_precision == "bf16",
        "dtype": "bfloat16",
        "lower_precision_safe_modules": [],
    }


class ZeroPasses:
    """Makes and applies the gradients of an optimizer step, as step.PlainPasses does without ZeRO.

    DeepSpeed steps and clips by itself. On all processes, it skips a step with a gradient that is
    not finite; so `give_up` makes such a gradient.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    @contextmanager
    def micro_batch(self, *, is_last: bool) -> Iterator[None]:
        self._engine.set_gradient_accumulation_boundary(is_last)
        yield

    def backward(self, loss: Tensor) -> None:
        # The step is normalised as a whole, not by its number of micro-batches.
        self._engine.backward(loss, scale_wrt_gas=False)

    def give_up(self, loss: Tensor) -> None:
        self.backward(loss * torch.nan)
        self.update()

    def update(self, *, measured: bool = False) -> Update:
        """Steps; parts of the model are not measured, since their gradients are spread."""
        self._engine.step()
        grad_norm = float(self._engine.get_global_grad_norm())
        return Update(grad_norm, self._engine.was_step_applied(), {}, None)
