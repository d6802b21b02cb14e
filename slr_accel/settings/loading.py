"""Settings of the plan and the loader."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, PositiveInt

from slr_accel.settings.form import FORM, MayChange

CACHE_GB = 50.0
Probability = Annotated[float, Field(ge=0, le=1)]


class LoadingSettings(BaseModel):
    model_config = FORM

    batch_size: PositiveInt = 4
    """Most sequences in a micro-batch."""
    batch_frames: PositiveInt | Literal["auto"] | None = None
    """Most padded frames in a micro-batch, counting the longest stretch of augmentation: with a
    large --batch_size all micro-batches take about equally long, and processes wait less for each
    other; auto: what a GPU has room for, tried at the first start."""
    max_frames: PositiveInt | None = None
    """Longer sequences are refused, or subsampled in time with --dynamic_truncation."""
    dynamic_truncation: bool = False
    """Subsample sequences longer than --max_frames evenly in time; labels are never cut off. Their
    motion then looks faster."""
    num_train_samples: PositiveInt | None = None
    """Train on this many sequences, evenly spread over the train split."""
    crop_probability: Probability = 0.0
    """Replace a sequence by a run of its signs, where the corpus has segments."""
    join_probability: Probability = 0.0
    """Join another train sequence to the end of one."""
    curriculum_epochs: NonNegativeInt = 0
    """In this many first epochs, short sequences come first (within each window of shards)."""
    shard_window: PositiveInt | None = None
    """Sequences are shuffled within windows of this many shards, read one after the other, so that
    a remote corpus larger than the disk can be trained on; default: all shards are one window."""
    cache_dir: MayChange[str | None] = None
    """Where shards of a remote corpus are kept; default: ~/.cache/slr_accel, or in
    $XDG_CACHE_HOME."""
    cache_gb: MayChange[PositiveFloat] = CACHE_GB
    """Most gigabytes of a remote corpus that are kept; two windows must fit, or all shards
    where they are one."""

    @property
    def frame_budget(self) -> int | None:
        """`batch_frames` as a number, once `auto` is one."""
        assert self.batch_frames != "auto", "training.setup replaces it"
        return self.batch_frames

    def without_effect(self, *, is_remote: bool, num_train: int, longest: int) -> list[str]:
        """Settings that were given and change nothing for a corpus.

        Args:
            num_train: sequences of its train split.
            longest: most frames of one that is read.
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
        """What does not fit together, each with the way out."""
        found = []
        if self.dynamic_truncation and self.max_frames is None:
            found.append("dynamic_truncation needs max_frames, the frames to keep")
        spliced = [name for name in ("crop_probability", "join_probability") if getattr(self, name)]
        if spliced and self.max_frames is not None:
            found.append(f"max_frames does not go with {' or '.join(spliced)}")
        if spliced and self.shard_window is not None:
            found.append(
                f"shard_window does not go with {' or '.join(spliced)}: signs are taken from the "
                "whole corpus"
            )
        return found
