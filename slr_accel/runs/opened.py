"""Opens a trained model and a corpus that it can read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from slr_accel.corpus.leakage import leakage
from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.errors import OutOfMemory
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.layouts.units import have_other_units
from slr_accel.models.find import find_model
from slr_accel.runs.run_folder import LAYOUT_FILE, RunFolder, other_data, read_missing
from slr_accel.settings.decoding import DecodingSettings
from slr_accel.settings.run import problems_of

if TYPE_CHECKING:
    from slr_accel.models.recogniser import Recogniser
    from slr_accel.scoring.transcribe import Transcript

USUAL_STRETCH = 1.3
"""Augmentation stretches time by up to this factor, so a model has seen such frame rates."""


@dataclass(frozen=True)
class OpenedRun:
    """A trained model on its device, in evaluation mode, and the corpus that it reads."""

    corpus: Corpus
    split: str
    model: Recogniser
    vocabulary: Vocabulary
    checkpoint: Path
    accelerator: Any
    decoding: DecodingSettings
    batches: dict[str, Any]
    """batch_size, batch_frames and shard_window, as in the plan."""
    warnings: list[str]
    """What may make results worse than expected."""

    @property
    def is_main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def transcribe(
        self,
        rows: np.ndarray,
        *,
        advance: Callable[[int], None] = lambda sequences: None,
        stops: Callable[[], bool] = lambda: False,
    ) -> Transcript:
        """Returns the hypotheses of `rows` of the corpus; all processes call it together.

        `advance` and `stops` are those of scoring.transcribe.

        Raises:
            Interrupted: `stops` returned true.
            OutOfMemory: a batch does not fit on the device.
        """
        from torch import OutOfMemoryError

        from slr_accel.ctc.decoders import make_decoder
        from slr_accel.scoring.transcribe import transcribe

        options: dict[str, Any] = {"max_frames": self.model.max_frames, **self.batches}
        try:
            return transcribe(
                self.accelerator,
                self.model,
                self.corpus,
                rows,
                decoder=make_decoder(self.decoding),
                advance=advance,
                stops=stops,
                **options,
            )
        except OutOfMemoryError:
            raise self._out_of_memory(rows) from None

    def _out_of_memory(self, rows: np.ndarray) -> OutOfMemory:
        """Says how large the batches of these rows are, and what to set."""
        from slr_accel.loading.plan import evaluation_plan

        frames, shards = self.corpus.rows.frames[rows], self.corpus.rows.shard[rows]
        plan = evaluation_plan(frames, shards=shards, **self.batches)
        read = np.minimum(frames, self.model.max_frames or frames)
        largest = max(plan, key=lambda batch: len(batch) * int(read[batch].max()))
        size = f"{len(largest)} sequence{'s' * (len(largest) > 1)} x {read[largest].max()} frames"
        if len(largest) > 1:
            way_out = f"give a --batch_size below {len(largest)}"
        else:
            way_out = "put ACCELERATE_USE_CPU=true before the command to use the CPU"
        return OutOfMemory(f"out of memory: batches have up to {size}; {way_out}")


@contextmanager
def open_run(
    source: str,
    *,
    split: str | None = None,
    data_dir: str | None = None,
    checkpoint: str = "best",
    batch_size: int = 16,
    shard_window: int | None = None,
    cache_dir: str | None = None,
    cache_gb: float | None = None,
    decoding: dict[str, Any] | None = None,
) -> Iterator[OpenedRun]:
    """Opens a trained model, and ends the work of several processes in order.

    Args:
        source: a run folder; or a model folder or hf://OWNER/NAME, which need `data_dir`.
        split: by default dev, or the only split of the corpus.
        data_dir: a corpus; by default the one trained on.
        checkpoint: `best`, `last` or a checkpoint folder of the run.
        batch_size: sequences in a batch at most; the run's batch_frames is a limit too.
        shard_window, cache_dir, cache_gb: by default those of the run.
        decoding: decoder and its settings by name; by default, and where None, those of the run.

    Raises:
        ValueError: there is no such model, corpus or split, or the two do not fit.
    """
    run = RunFolder(Path(source))
    for name, number in (("batch_size", batch_size), ("shard_window", shard_window)):
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}; give at least 1")
    if run.exists:
        config, found = run.config(), _find_checkpoint(run, checkpoint)
    else:
        config, found = {}, _find_model_without_run(source, data_dir, checkpoint)
    shard_window = shard_window or config.get("shard_window")
    chosen = _decoding(config, decoding or {})
    try:
        corpus = open_corpus(
            data_dir or config["data_dir"],
            cache_dir=cache_dir or config.get("cache_dir"),
            cache_gb=config.get("cache_gb") if cache_gb is None else cache_gb,
        )
    except ValueError as error:
        if data_dir:
            raise
        raise ValueError(
            f"{error}\n{run.path} was trained on it; if it was moved, give --data_dir"
        ) from None
    corpus.check_window(shard_window)
    split = split or _default_split(corpus)
    corpus.rows.of_split(split)

    # Importing torch takes seconds: mistakes are reported before.
    from slr_accel.models.folder import load_model
    from slr_accel.processes.accelerator import make_accelerator

    model, vocabulary = load_model(found)
    wanted = model.features.layout
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
    model.features.read_at(corpus.info.frames_per_second)
    changed = other_data(run, corpus) if run.exists and not data_dir else None
    absence = _other_absence(run, corpus) if run.exists else None
    frames = config.get("batch_frames")
    if frames == "auto":
        frames = run.environment().get("batch_frames")
    batches = {"batch_size": batch_size, "batch_frames": frames, "shard_window": shard_window}
    accelerator = make_accelerator(None)
    try:
        yield OpenedRun(
            corpus=corpus,
            split=split,
            model=model.to(accelerator.device).eval(),
            vocabulary=vocabulary,
            checkpoint=found.resolve(),
            accelerator=accelerator,
            decoding=chosen,
            batches=batches,
            warnings=[
                text
                for text in (_other_rate(model, corpus), changed, absence, leakage(corpus))
                if text
            ],
        )
    finally:
        # gloo's threads abort a process that exits before they are joined.
        accelerator.end_training()


def _other_absence(run: RunFolder, corpus: Corpus) -> str | None:
    """A warning where the corpus marks absent blocks in another way than that of the run."""
    there = read_missing(run.path / LAYOUT_FILE)
    here = corpus.info.source.get("missing", {})
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


def _decoding(config: dict[str, Any], given: dict[str, Any]) -> DecodingSettings:
    """The decoding settings of the run, with those that are given in their place."""
    values = {name: config[name] for name in DecodingSettings.model_fields if name in config}
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return DecodingSettings(**values)
    except ValidationError as error:
        raise ValueError("\n".join(problems_of(error))) from None


def _default_split(corpus: Corpus) -> str:
    names = sorted(corpus.rows.split_names)
    if "dev" in names:
        return "dev"
    if len(names) > 1:
        raise ValueError(f"{corpus.address} has the splits {', '.join(names)}; give --split")
    return names[0]


def _other_rate(model: Recogniser, corpus: Corpus) -> str | None:
    """Warns of a corpus whose frame rate is far from those seen in training."""
    trained, read = model.features.frames_per_second, corpus.info.frames_per_second
    if read is None or not model.features.knows_rate:
        return None
    if max(trained / read, read / trained) <= USUAL_STRETCH:
        return None
    return (
        f"{corpus.address} has {read:g} frames per second, the model was trained at {trained:g}: "
        "velocities are comparable, since they are per second, but the model's time windows span "
        f"{trained / read:.2g} times the usual time; resample the corpus to about {trained:g} for "
        "the best result"
    )


def _hint(run: RunFolder) -> str:
    if not run.exists:
        return ""
    return (
        ", or, from arrays in the model's layout:\n"
        "  slr-accel prepare manifest --index INDEX.jsonl --out FOLDER --layout "
        + shlex.quote(str(run.path / LAYOUT_FILE))
    )


def _find_model_without_run(source: str, data_dir: str | None, checkpoint: str) -> Path:
    found = find_model(source)
    if not data_dir:
        raise ValueError(f"{source}: a model without its run; give --data_dir")
    if checkpoint != "best":
        raise ValueError(f"{source}: a model without its run has no other --checkpoint")
    return found


def _find_checkpoint(run: RunFolder, name: str) -> Path:
    from slr_accel.runs.checkpoint import latest_checkpoint

    if name == "best":
        found = run.best if run.best.exists() else None
    elif name == "last":
        found = latest_checkpoint(run.checkpoints)
    else:
        found = next((p for p in (Path(name), run.checkpoints / name) if p.is_dir()), None)
    if found is None:
        last = latest_checkpoint(run.checkpoints)
        hint = f"--checkpoint last is {last.name}" if last else "give its train command again"
        raise ValueError(f"{run.path}: has no checkpoint {name!r} yet; {hint}")
    return found
