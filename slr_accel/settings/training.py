"""Settings of a training run that belong to no other part."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
)

from slr_accel.labels.policies import LabelPolicy
from slr_accel.settings.form import FORM, MayChange
from slr_accel.settings.models import ModelName

Schedule = Literal["cosine", "one_cycle", "plateau", "constant", "inverse_square_root"]


def _no_is_a_word(value: Any) -> Any:
    """YAML reads a bare `no` as false."""
    return "no" if value is False else value


class TrainingSettings(BaseModel):
    model_config = FORM

    data_dir: MayChange[str] = ""
    """Corpus made by `slr-accel prepare`: a folder, or an address (s3://bucket/corpus)."""
    output_dir: MayChange[str] = ""
    """Run folder. The same command again continues the run in it."""
    layout: str | None = None
    """Layout the corpus must have, as `slr-accel inspect` prints it; recipes set it."""
    model: ModelName = "student"
    """Which model is trained; `slr-accel models` compares them."""
    label_policy: LabelPolicy = "raw"
    """What is made of the labels as annotated: nothing, the field's cleaning for PHOENIX-2014 or
    2014T, the filter behind PHOENIX lists of 973 outputs, or the characters of the words."""
    init_from: str | None = None
    """Start from the weights of this run, model folder or hf://OWNER/NAME; the head is rebuilt for
    another vocabulary."""

    epochs: MayChange[PositiveInt] = 60
    """Passes over the train split."""
    max_steps: MayChange[PositiveInt | None] = None
    """Stop after this many optimizer steps, for a trial."""
    learning_rate: PositiveFloat = 1e-3
    """Peak, reached after warm-up."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of all steps in which the learning rate rises linearly (one_cycle: always a tenth)."""
    schedule: Schedule = "cosine"
    """After the warm-up: fall as a cosine, fall as 1 / sqrt(step), stay constant, or be reduced on
    a plateau of the validation WER; one_cycle rises tenfold from its start, then falls."""
    plateau_patience: PositiveInt = 3
    """With plateau: reduce after this many validations in a row without a better WER."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """With plateau: what the learning rate is multiplied with."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW (eps 1e-8), or plain SGD without momentum; torch's fused kernels."""
    weight_decay: NonNegativeFloat = 0.01
    """On matrices and kernels; never on biases and norms."""
    max_grad_norm: Annotated[float, Field(gt=0, allow_inf_nan=True)] = 5.0
    """Gradients are clipped to this norm; inf: they are not."""
    delay_penalty: NonNegativeFloat = 0.0
    """Nats by which each output step of a gloss costs more the later it is said, per output step;
    scaled as the learning rate is. The loss shown contains it, and may fall below 0. 0 is off."""
    blank_margin: NonNegativeFloat = 0.0
    """Nats that blank is ahead by in the loss, and not in recognition: fewer glosses are left out.
    The loss shown contains it. 0 is off."""
    accumulation_steps: MayChange[PositiveInt | None] = None
    """Micro-batches a process adds up per optimizer step; default 1."""
    micro_batches_per_step: MayChange[PositiveInt | None] = None
    """Micro-batches of all processes together per optimizer step, fixed for the run; recipes set
    this, so that the result does not depend on the number of processes."""
    mixed_precision: MayChange[
        Annotated[Literal["no", "bf16", "fp16"] | None, BeforeValidator(_no_is_a_word)]
    ] = None
    """Default: what `accelerate launch` was told, else no."""
    compile: bool = False
    """Let torch.compile make kernels of all but the features and the LSTM: minutes at each start,
    and no gain was measured on a CPU."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Evaluate an exponential moving average of the weights with this decay a step; 0 is off. The
    raw weights are scored beside it, so that a validation takes twice as long."""
    average_best: MayChange[Annotated[int, Field(ge=2)] | None] = None
    """At the end, average the weights of this many best checkpoints, which stay; the average
    becomes the best where its WER is no worse."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Of weights, data order, dropout and augmentation."""

    eval_split: str = "dev"
    """Split that validation scores."""
    eval_steps: PositiveInt | None = None
    """Validate every n optimizer steps; default: after every epoch."""
    early_stopping_patience: MayChange[PositiveInt | None] = None
    """Stop after this many validations without a better WER."""
    save_steps: MayChange[PositiveInt | None] = None
    """Save every n optimizer steps, besides after every validation."""
    keep_last: MayChange[PositiveInt] = 2
    """Last checkpoints kept; the best one stays, too."""
    keep_every: MayChange[PositiveInt | None] = None
    """Also save at each multiple of this many optimizer steps, and keep these checkpoints."""
    save_total_gb: MayChange[PositiveFloat | None] = None
    """Most gigabytes (10^9 bytes) of checkpoints, averages left out: the oldest go first, never the
    last or best."""
    async_save: MayChange[bool] = False
    """Write checkpoints in a thread while training goes on; costs their size in memory."""
    log_steps: MayChange[PositiveInt] = 10
    """A line of metrics every n optimizer steps."""
    profile: MayChange[PositiveInt | None] = None
    """Record this many steps, after the first few, with torch.profiler into RUN/profile."""
    wandb_mode: MayChange[Literal["disabled", "offline", "online"] | None] = None
    """Default: what WANDB_MODE says, else online with a key, else disabled; never asks."""
    wandb_project: MayChange[str] = "slr_accel"
    """Project at wandb."""
    wandb_group: MayChange[str | None] = None
    """Group at wandb, for runs that belong together, e.g. a teacher and its students."""

    def problems(self) -> list[str]:
        """What does not fit together, each with the way out."""
        found = [
            f"{name} is missing; give --{name} FOLDER"
            for name in ("data_dir", "output_dir")
            if not getattr(self, name)
        ]
        if self.accumulation_steps and self.micro_batches_per_step:
            found.append(
                "accumulation_steps and micro_batches_per_step say the same thing twice; "
                "give one of them"
            )
        return found

    def without_effect(self) -> list[str]:
        """Settings that were given and change nothing in this combination."""
        given, found = self.model_fields_set, []
        if self.schedule != "plateau":
            names = given & {"plateau_patience", "plateau_factor"}
            found += [f"{name} has no effect without --schedule plateau" for name in sorted(names)]
        if self.schedule == "one_cycle" and "warmup_ratio" in given:
            found.append("warmup_ratio has no effect with --schedule one_cycle")
        return found
