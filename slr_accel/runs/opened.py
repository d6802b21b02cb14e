"""Opens a trained model and a corpus that it can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from slr_accel.corpus.leakage import leakage
from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.ctc.language_model import explain_weight
from slr_accel.errors import OutOfMemory, out_of_memory_as
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.find import find_model
from slr_accel.runs.other_corpus import check_layout, other_absence, other_rate
from slr_accel.runs.run_folder import RunFolder, other_data
from slr_accel.settings.decoding import DecodingSettings
from slr_accel.settings.run import problems_of

if TYPE_CHECKING:
    from slr_accel.models.recogniser import Recogniser
    from slr_accel.scoring.transcribe import Transcript


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
    averaged_with: list[Path] = field(default_factory=list)
    """Checkpoints of further runs, whose log-probabilities are averaged with those of the first."""

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
        from slr_accel.ctc.decoders import make_decoder
        from slr_accel.scoring.transcribe import transcribe

        options: dict[str, Any] = {
            "max_frames": self.model.max_frames,
            "temperature": self.model.temperature,
            **self.batches,
        }
        with out_of_memory_as(partial(self._out_of_memory, rows)):
            return transcribe(
                self.accelerator,
                self.model,
                self.corpus,
                rows,
                decoder=make_decoder(self.decoding, self.vocabulary),
                advance=advance,
                stops=stops,
                **options,
            )

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
    others: Sequence[str] = (),
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
        others: further runs or models, whose log-probabilities are averaged with those of the
            first; of runs the same `checkpoint`.

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
    chosen = decoding_settings(config | run.decoding(), decoding or {})
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
    from slr_accel.models.averaged import Member, average_models
    from slr_accel.models.folder import load_model
    from slr_accel.processes.accelerator import make_accelerator

    further = [_find_other(other, checkpoint) for other in others]
    loaded = [
        Member(name, *load_model(path))
        for name, path in zip([source, *others], [found, *further], strict=True)
    ]
    for member in loaded:
        check_layout(member.model.features.layout, run, corpus)
        member.model.features.read_at(corpus.info.frames_per_second)
    model, vocabulary = average_models(loaded), loaded[0].vocabulary
    changed = other_data(run, corpus) if run.exists and not data_dir else None
    absence = other_absence(run, corpus) if run.exists else None
    lighter = explain_weight(Path(chosen.language_model)) if chosen.language_model else None
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
                for text in (other_rate(model, corpus), changed, absence, leakage(corpus), lighter)
                if text
            ],
            averaged_with=[path.resolve() for path in further],
        )
    finally:
        # gloo's threads abort a process that exits before they are joined.
        accelerator.end_training()


def decoding_settings(config: dict[str, Any], given: dict[str, Any]) -> DecodingSettings:
    """The decoding settings of the run, with those that are given in their place."""
    values = {name: config[name] for name in DecodingSettings.model_fields if name in config}
    given = {name: value for name, value in given.items() if value is not None}
    if given.get("decoder") == "greedy":
        values.pop("language_model", None)
    try:
        chosen = DecodingSettings(**values | given)
    except ValidationError as error:
        raise ValueError("\n".join(problems_of(error))) from None
    if problems := chosen.problems():
        raise ValueError("\n".join(problems))
    return chosen


def _default_split(corpus: Corpus) -> str:
    names = sorted(corpus.rows.split_names)
    if "dev" in names:
        return "dev"
    if len(names) > 1:
        raise ValueError(f"{corpus.address} has the splits {', '.join(names)}; give --split")
    return names[0]


def _find_model_without_run(source: str, data_dir: str | None, checkpoint: str) -> Path:
    found = find_model(source)
    if not data_dir:
        raise ValueError(f"{source}: a model without its run; give --data_dir")
    if checkpoint != "best":
        raise ValueError(f"{source}: a model without its run has no other --checkpoint")
    return found


def _find_other(source: str, checkpoint: str) -> Path:
    run = RunFolder(Path(source))
    return _find_checkpoint(run, checkpoint) if run.exists else find_model(source)


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
