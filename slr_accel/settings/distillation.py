"""Settings of distillation: what a student learns from its teachers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from slr_accel.settings.group import REPEATED, MayChange, Probability, SettingsGroup


def _absolute(source: str) -> str:
    """Returns the absolute path of a folder; an address as it is."""
    return source if "://" in source else str(Path(source).absolute())


def _several(value: Any) -> Any:
    """Makes a list of the one name that a recipe may give."""
    return (value,) if isinstance(value, str) else value


WITHOUT_TEACHER = {
    *("teacher", "teacher_cache", "unlabelled_split"),
    *("self_distillation_weight", "self_distillation_temperature", "mean_teacher_weight"),
}
"""Settings that may have an effect where there is no teacher, or say that there is one."""
Source = Annotated[str, AfterValidator(_absolute)]


class DistillationSettings(SettingsGroup):
    """Settings of distillation; without a teacher, only the student's own outputs can teach."""

    teacher: MayChange[Annotated[tuple[Source, ...], BeforeValidator(_several), REPEATED]] = ()
    """Trained run, model folder or hf://OWNER/NAME that teaches this run. Repeat it for several:
    their probabilities are averaged. A teacher sees what the student sees, augmented alike."""
    teacher_cache: MayChange[Annotated[str, AfterValidator(_absolute)] | None] = None
    """Folder of soft labels that `slr-accel teach` made, instead of --teacher. Epochs then repeat
    its views in turn."""
    unlabelled_split: str | None = None
    """Split whose sequences are trained on too, with the soft labels alone. With `train` and
    --num_train_samples: the train sequences that are left out otherwise."""
    layers_from_teacher: bool = False
    """Start from those weights of the first teacher whose name and shape the model has too."""
    distillation_weight: Probability = 0.7
    """With a teacher: weight of its soft labels; CTC of the labels keeps the rest."""
    final_distillation_weight: Probability | None = None
    """Weight that distillation_weight moves to, linearly over all steps; default: it stays."""
    distillation_temperature: PositiveFloat = 3.0
    """Temperature of the soft labels: the higher, the more the unlikely glosses count. The loss is
    multiplied by its square, so that the gradients stay as large."""
    distillation_frames: Literal["all", "non_blank", "symmetric"] = "all"
    """Output steps that the soft labels teach: all; those at which the teacher says a gloss; or
    these and as many of the blank ones next to them."""
    distillation_blank: bool = True
    """Let the soft labels teach blank too; else only how likely the glosses are beside each
    other."""
    teacher_shift: NonNegativeInt = 0
    """Output steps by which a sequence's soft labels may be moved to where the student says the
    same; set it where the student says glosses earlier or later than the teacher (spike_offset in
    the log). 0 is off."""
    sequence_weight: NonNegativeFloat = 0.0
    """With a teacher: weight of a further CTC loss, of what the teacher recognises. It does not
    depend on when the teacher says a gloss. 0 is off."""
    sequence_hypotheses: PositiveInt = 1
    """With sequence_weight: hypotheses of the teacher. 1 is the greedy one, weighted by its
    probability; several, by beam search, share the weight by theirs."""
    feature_matching_weight: NonNegativeFloat = 0.0
    """With --teacher: weight of how much what the student's last head reads differs in direction
    from what the teachers' heads read, through a fixed random projection (after FitNets). 0 is
    off."""
    teacher_precision: MayChange[Literal["no", "bf16"]] = "no"
    """Precision in which teachers compute, whatever that of the student; bf16 saves time on newer
    GPUs."""
    self_distillation_weight: NonNegativeFloat = 0.0
    """Weight of what the heads before the LSTM learn from the final head's output (VAC); it needs
    the model's auxiliary_weight. 0 is off."""
    self_distillation_temperature: PositiveFloat = 8.0
    """Temperature of self_distillation_weight and mean_teacher_weight."""
    mean_teacher_weight: NonNegativeFloat = 0.0
    """Weight of what the student learns from the moving average of its own weights; it needs
    ema_decay. 0 is off."""

    @property
    def has_teacher(self) -> bool:
        return bool(self.teacher or self.teacher_cache)

    def problems(self) -> list[str]:
        found = []
        if self.teacher and self.teacher_cache:
            found.append("teacher and teacher_cache give the same labels; give one of them")
        if self.feature_matching_weight and self.teacher_cache:
            found.append(
                "feature_matching_weight needs the teacher itself, a cache keeps no features; give "
                "--teacher RUN instead of --teacher_cache"
            )
        if self.layers_from_teacher and not self.teacher:
            found.append("layers_from_teacher needs a teacher; give --teacher RUN")
        if self.unlabelled_split and not self.has_teacher:
            found.append("unlabelled_split needs a teacher; give --teacher RUN")
        return found

    def weight_at(self, progress: float) -> float:
        """The weight of the soft labels when this share of all steps is done."""
        first, last = self.distillation_weight, self.final_distillation_weight
        return first if last is None else first + progress * (last - first)

    def without_effect(self, *, has_early_heads: bool) -> list[str]:
        """Returns a text for each setting that was given and changes nothing beside the others.

        Args:
            has_early_heads: whether the model has heads before its recurrent part.
        """
        given = self.model_fields_set
        found = [] if self.has_teacher else self._unused("a teacher", given - WITHOUT_TEACHER)
        weights = (self.weight_at(0), self.weight_at(1), self.sequence_weight)
        if not any((*weights, self.feature_matching_weight, self.layers_from_teacher)):
            needed = "distillation_weight, sequence_weight or feature_matching_weight"
            found += self._unused(needed, given & {"teacher", "teacher_cache"})
        if not (self.self_distillation_weight or self.mean_teacher_weight):
            found += self._unused(
                "self_distillation_weight or mean_teacher_weight",
                given & {"self_distillation_temperature"},
            )
        if not self.sequence_weight:
            found += self._unused("sequence_weight", given & {"sequence_hypotheses"})
        if self.self_distillation_weight and not has_early_heads:
            found += self._unused("--auxiliary_weight", ["self_distillation_weight"])
        return found

    @staticmethod
    def _unused(needed: str, names: Iterable[str]) -> list[str]:
        return [f"{name} has no effect without {needed}" for name in sorted(names)]
