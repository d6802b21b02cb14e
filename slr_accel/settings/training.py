"""Settings of training itself: optimizer, schedule, validation, checkpoints, logging."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
)

from slr_accel.labels.policies import LabelPolicy
from slr_accel.settings.group import MayChange, SettingsGroup
from slr_accel.settings.models.by_name import DEFAULT_MODEL, MODELS

Schedule = Literal["cosine", "one_cycle", "plateau", "constant", "inverse_square_root"]


def _no_is_a_word(value: Any) -> Any:
    """Undoes YAML's reading of a bare `no` as false."""
    return "no" if value is False else value


class TrainingSettings(SettingsGroup):
    data_dir: MayChange[str] = ""
    """Corpus made by `slr-accel prepare`: a folder, or an address (s3://bucket/corpus)."""
    output_dir: MayChange[str] = ""
    """Run folder. The same command again continues the run in it."""
    layout: str | None = None
    """Layout that the corpus must have, as `slr-accel inspect` prints it; recipes set it."""
    model: Literal[tuple(MODELS)] = DEFAULT_MODEL  # type: ignore[valid-type]
    """Model to train; `slr-accel models` compares their sizes and speeds."""
    label_policy: LabelPolicy = "raw"
    """How labels become tokens: as they are; after the usual cleaning of PHOENIX-2014 or 2014T;
    after the filter that leaves PHOENIX 973 outputs; or split into characters."""
    init_from: str | None = None
    """Start from the weights of this run, model folder or hf://OWNER/NAME. For another vocabulary,
    the output layer starts anew."""

    epochs: MayChange[PositiveInt | None] = None
    """Passes over the train split; default: 40, and on a small corpus as many as make 6,000
    optimizer steps."""
    max_steps: MayChange[PositiveInt | None] = None
    """Stop after this many optimizer steps, for a trial; the schedule stays that of all epochs."""
    learning_rate: PositiveFloat = 1e-3
    """Peak learning rate, reached after the warm-up. Lower it where losses become infinite."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of all steps in which the learning rate rises linearly (one_cycle: always 0.1)."""
    schedule: Schedule = "cosine"
    """Learning rate after the warm-up: falls as half a cosine to almost 0 (cosine), falls as
    1 / sqrt(step), stays constant, or is reduced where the validation WER no longer falls
    (plateau). one_cycle rises tenfold, then falls to almost 0."""
    plateau_patience: PositiveInt = 3
    """With schedule plateau: validations in a row without a better WER before a reduction."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """With schedule plateau: factor on the learning rate at each reduction."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW (eps 1e-8), or SGD without momentum."""
    weight_decay: NonNegativeFloat = 0.01
    """Weight decay of matrices and kernels; biases and norms have none."""
    max_grad_norm: Annotated[float, Field(gt=0, allow_inf_nan=True)] = 5.0
    """Largest norm of all gradients together; larger ones are scaled down to it. inf is off."""
    delay_penalty: NonNegativeFloat = 0.0
    """Cost of a late gloss, in nats per output step that it comes later. It is scaled as the
    learning rate is. The loss shown contains it, and may be negative. 0 is off."""
    blank_margin: NonNegativeFloat = 0.0
    """Nats added to blank in the loss, but not in recognition, so that fewer glosses are deleted.
    Raise it where deletions are most of the errors. The loss shown contains it. 0 is off."""
    accumulation_steps: MayChange[PositiveInt | None] = None
    """Micro-batches that each process accumulates per optimizer step; default: 1."""
    micro_batches_per_step: MayChange[PositiveInt | None] = None
    """Micro-batches per optimizer step, of all processes together. Recipes set this instead of
    accumulation_steps, so that the result does not depend on the number of processes."""
    mixed_precision: MayChange[
        Annotated[Literal["no", "bf16", "fp16"] | None, BeforeValidator(_no_is_a_word)]
    ] = None
    """Compute in half precision where it is safe; bf16 saves memory and time on newer GPUs.
    Default: that of `accelerate launch`, else no."""
    compile: MayChange[bool] = False
    """Compile all but the features and the LSTM by torch.compile. Takes minutes at each start; no
    gain was measured on a CPU."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Evaluate an exponential moving average of the weights with this decay per step, e.g. 0.999;
    0 is off. The raw weights are scored too, so that a validation takes twice as long."""
    average_best: MayChange[Annotated[int, Field(ge=2)] | None] = None
    """Average the weights of this many best checkpoints, which stay, at the end of the run. The
    average becomes the best checkpoint where its WER is no worse."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of the first weights, data order, dropout and augmentation."""

    eval_split: str = "dev"
    """Split on which validation computes the WER."""
    eval_steps: PositiveInt | None = None
    """Optimizer steps from one validation to the next; default: one after every epoch."""
    early_stopping_patience: MayChange[PositiveInt | None] = None
    """Stop after this many validations in a row without a better WER; default: never."""
    zero_wer_patience: MayChange[PositiveInt | None] = None
    """Stop after this many validations in a row with a WER of 0, for sequences that are learned by
    heart; default: never."""
    save_steps: MayChange[PositiveInt | None] = None
    """Optimizer steps from one checkpoint to the next, besides one after every validation."""
    keep_last: MayChange[PositiveInt] = 2
    """Number of latest checkpoints to keep; the best one is kept too."""
    keep_every: MayChange[PositiveInt | None] = None
    """Also save at each multiple of this many optimizer steps, and keep these checkpoints."""
    save_total_gb: MayChange[PositiveFloat | None] = None
    """Most gigabytes (10^9 bytes) of checkpoints, not counting averages. The oldest are deleted,
    but never the last and the best one."""
    async_save: MayChange[bool] = False
    """Write checkpoints while training goes on; takes as much memory as a checkpoint is large."""
    log_steps: MayChange[PositiveInt] = 10
    """Optimizer steps from one line of metrics to the next."""
    profile: MayChange[PositiveInt | None] = None
    """Record where time goes in this many steps, after the first 3, into RUN/profile."""
    wandb_mode: MayChange[Literal["disabled", "offline", "online"] | None] = None
    """Whether to log to Weights & Biases. Default: as WANDB_MODE or WANDB_DISABLED says, else
    online where there is an API key, else disabled."""
    wandb_project: MayChange[str] = "slr_accel"
    """Project on wandb; where it is not given, that of WANDB_PROJECT."""
    wandb_group: MayChange[str | None] = None
    """Group on wandb, for runs that belong together, e.g. a teacher and its students."""

    @property
    def num_epochs(self) -> int:
        """`epochs`, chosen at the start of a run where it was not given."""
        assert self.epochs is not None
        return self.epochs

    def problems(self) -> list[str]:
        found = [
            f"{name} is missing; give --{name} FOLDER"
            for name in ("data_dir", "output_dir")
            if not getattr(self, name)
        ]
        if self.accumulation_steps and self.micro_batches_per_step:
            found.append(
                "accumulation_steps and micro_batches_per_step set the same quantity; "
                "give one of them"
            )
        return found

    def accumulation(self, world_size: int) -> int:
        """Micro-batches that each process accumulates; where they are not even, a part of one."""
        if self.micro_batches_per_step is not None:
            return self.micro_batches_per_step // world_size
        return self.accumulation_steps or 1

    def without_effect(self) -> list[str]:
        """Returns a text for each setting that was given and changes nothing beside the others."""
        given, found = self.model_fields_set, []
        if self.schedule != "plateau":
            names = given & {"plateau_patience", "plateau_factor"}
            found += [f"{name} has no effect without --schedule plateau" for name in sorted(names)]
        if self.schedule == "one_cycle" and "warmup_ratio" in given:
            found.append("warmup_ratio has no effect with --schedule one_cycle")
        return found
