"""Settings of the plan and the loader."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt


class LoadingSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    batch_size: PositiveInt = 4
    """Most sequences in a micro-batch."""
    batch_frames: PositiveInt | None = None
    """Most padded frames in a micro-batch, counting the longest stretch of augmentation."""
    max_frames: PositiveInt | None = None
    """Longer sequences are refused, or subsampled in time with --dynamic_truncation."""
    dynamic_truncation: bool = False
    """Subsample sequences longer than --max_frames evenly in time; labels are never cut off."""
    num_train_samples: PositiveInt | None = None
    """Train on this many sequences, evenly spread over the train split."""
    curriculum_epochs: NonNegativeInt = 0
    """In this many first epochs, short sequences come first."""

    def problems(self) -> list[str]:
        """What does not fit together, each with the way out."""
        if self.dynamic_truncation and self.max_frames is None:
            return ["dynamic_truncation needs max_frames, the frames to keep"]
        return []
