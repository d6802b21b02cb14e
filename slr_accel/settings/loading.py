"""Settings of batches: which sequences they hold, and how these are read."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from slr_accel.settings.group import MayChange, Probability, SettingsGroup

CACHE_GB = 50.0
TRUNCATED_FRAMES = 500
"""Frames to which dynamic_truncation subsamples where no limit is given: 20 s at 25 fps."""


class LoadingSettings(SettingsGroup):
    batch_size: PositiveInt = 4
    """Most sequences in a micro-batch, which is what a process computes at once. Lower it where
    memory is short."""
    batch_frames: PositiveInt | Literal["auto"] | None = None
    """Most padded frames in a micro-batch, after augmentation's longest stretch. With a large
    --batch_size, all micro-batches then take about equally long, and processes wait less for each
    other. auto: as many as a GPU has room for, found by trial at the first start."""
    max_frames: PositiveInt | None = None
    """Most frames of a sequence. Longer ones are refused, or with --dynamic_truncation subsampled;
    default: no limit, with --dynamic_truncation 500."""
    dynamic_truncation: bool = False
    """Subsample sequences longer than --max_frames evenly in time: no label is cut off, but motion
    looks faster."""
    num_train_samples: PositiveInt | None = None
    """Train on only this many sequences, evenly spread over those of the train split that CTC can
    align. With --eval_split train the same ones are scored."""
    crop_probability: Probability = 0.0
    """Probability that a sequence is cut to some consecutive signs; only where the corpus has
    segments."""
    join_probability: Probability = 0.0
    """Probability that another train sequence is joined to the end of a sequence."""
    curriculum_epochs: NonNegativeInt = 0
    """Number of first epochs in which short sequences come first, within each window of shards."""
    shard_window: PositiveInt | None = None
    """Shuffle sequences only within windows of this many shards, which are read one after the
    other. Set it for a remote corpus that is larger than the disk; default: one window of all
    shards."""
    cache_dir: MayChange[str | None] = None
    """Folder for the shards of a remote corpus; default: slr_accel in $XDG_CACHE_HOME or
    ~/.cache."""
    cache_gb: MayChange[PositiveFloat] = CACHE_GB
    """Most gigabytes (10^9 bytes) of a remote corpus in --cache_dir. Two windows must fit, or all
    shards without --shard_window."""

    @model_validator(mode="before")
    @classmethod
    def _limit_of_truncation(cls, values: dict[str, Any]) -> dict[str, Any]:
        is_on = str(values.get("dynamic_truncation", False)).lower() in ("true", "1", "yes", "on")
        if not is_on or values.get("max_frames") is not None:
            return values
        return {**values, "max_frames": TRUNCATED_FRAMES}

    @property
    def frame_budget(self) -> int | None:
        """`batch_frames`, where `auto` has been replaced by a number."""
        assert self.batch_frames != "auto"
        return self.batch_frames

    def without_effect(self, *, is_remote: bool, num_train: int, longest: int) -> list[str]:
        """Returns a text for each setting that was given and changes nothing for a corpus.

        Args:
            is_remote: whether the corpus is no folder of this machine.
            num_train: sequences of its train split.
            longest: frames of the longest sequence that is read.
        """
        found = []
        if not is_remote:
            found += [
                f"{name} has no effect, the corpus is a folder of this machine"
                for name in sorted(self.model_fields_set & {"cache_dir", "cache_gb"})
                if getattr(self, name) is not None
            ]
        if self.num_train_samples is not None and self.num_train_samples >= num_train:
            found.append(
                f"num_train_samples has no effect, the train split has {num_train} sequences"
            )
        if self.dynamic_truncation and self.max_frames is not None and longest <= self.max_frames:
            found.append(
                f"dynamic_truncation has no effect, no sequence has more than {longest} frames"
            )
        return found

    def problems(self) -> list[str]:
        found = []
        spliced = [name for name in ("crop_probability", "join_probability") if getattr(self, name)]
        if spliced and self.max_frames is not None:
            found.append(f"max_frames does not work with {' or '.join(spliced)}")
        if spliced and self.shard_window is not None:
            found.append(
                f"shard_window does not work with {' or '.join(spliced)}: signs are taken from the "
                "whole corpus"
            )
        return found
