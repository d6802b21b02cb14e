"""Refuses a corpus that a model cannot read, and warns of one unlike that trained on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from slr_accel.corpus.reader import Corpus
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.units import have_other_units
from slr_accel.runs.run_folder import LAYOUT_FILE, RunFolder, read_missing

if TYPE_CHECKING:
    from slr_accel.models.recogniser import Recogniser

USUAL_STRETCH = 1.3
"""Augmentation stretches time by up to this factor, so a model has seen such frame rates."""


def check_layout(wanted: Layout, run: RunFolder, corpus: Corpus) -> None:
    """Raises ValueError where the corpus has other columns, or units, than a model reads."""
    if wanted.blocks != corpus.layout.blocks:
        raise ValueError(
            f"the model reads the layout ({wanted.signature}), but {corpus.address} has "
            f"({corpus.layout.signature}); prepare it as the corpus trained on{_hint(run)}"
        )
    if have_other_units(wanted, corpus.layout):
        raise ValueError(
            f"the model reads coordinates in ({wanted.units}), but {corpus.address} has them in "
            f"({corpus.layout.units}), in which a body has another shape; prepare it as the corpus "
            "trained on (--frame_size, where the importer has it), or train anew"
        )


def _hint(run: RunFolder) -> str:
    if not run.exists:
        return ""
    return (
        ", or, from arrays in the model's layout:\n"
        "  slr-accel prepare manifest --index INDEX.jsonl --out FOLDER --layout "
        + shlex.quote(str(run.path / LAYOUT_FILE))
    )


def other_absence(run: RunFolder, corpus: Corpus) -> str | None:
    """A warning where the corpus marks absent blocks in another way than that of the run."""
    there = read_missing(run.path / LAYOUT_FILE)
    here = corpus.info.source.get("missing")
    if here is None:  # its importer knew what was detected
        return None
    other = [
        f"{block} ({here.get(block, 'none')} here, {marker} in training)"
        for block, marker in there.items()
        if here.get(block, "none") != marker
    ]
    if not other:
        return None
    return (
        f"{corpus.address} marks what was not detected in another way than the corpus trained on: "
        f"{', '.join(other)}. Absent blocks are then read as positions, and the words are wrong; "
        f"prepare it with --layout {shlex.quote(str(run.path / LAYOUT_FILE))}"
    )


def is_usual_rate(model: Recogniser, rate: float | None) -> bool:
    """Whether a model has seen such a frame rate in training, or it is not known."""
    trained = model.features.frames_per_second
    if rate is None or not model.features.knows_rate:
        return True
    return max(trained / rate, rate / trained) <= USUAL_STRETCH


def other_rate(model: Recogniser, corpus: Corpus) -> str | None:
    """Warns of a corpus whose frame rate is far from those seen in training."""
    trained, read = model.features.frames_per_second, corpus.info.frames_per_second
    if read is None or is_usual_rate(model, read):
        return None
    return (
        f"{corpus.address} has {read:g} frames per second, the model was trained at {trained:g}: "
        "velocities are comparable, since they are per second, but the model's time windows span "
        f"{trained / read:.2g} times the usual time; resample the corpus to about {trained:g} for "
        "the best result"
    )
