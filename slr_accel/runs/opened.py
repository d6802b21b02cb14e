"""Opens a trained model and a corpus that it can read: a run, a model folder or hf://OWNER/NAME."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.errors import OutOfMemory
from slr_accel.files import write_whole
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.location import find_model
from slr_accel.runs.run_folder import LAYOUT_FILE, RunFolder, other_data
from slr_accel.settings.decoding import DecodingSettings

if TYPE_CHECKING:
    from slr_accel.ctc.decoders import Hypothesis
    from slr_accel.models.recogniser import Recogniser
    from slr_accel.scoring.ctm import CtmRow
    from slr_accel.scoring.transcribe import Transcript

USUAL_STRETCH = 1.3
"""Frames that are further apart or closer by this factor are usual in training: augmentation's
default stretch in time."""


@dataclass(frozen=True)
class OpenedRun:
    """A trained model on its device, in evaluation mode, and the corpus that it reads."""

    corpus: Corpus
    model: Recogniser
    vocabulary: Vocabulary
    checkpoint: Path
    output_dir: Path
    accelerator: Any
    batch_size: int
    batch_frames: int | None
    shard_window: int | None
    decoding: DecodingSettings

    @property
    def is_main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    @property
    def source(self) -> dict[str, str]:
        """What results say they are of; an address without its password."""
        corpus = self.corpus
        data_dir = corpus.address if corpus.is_remote else corpus.absolute_address
        return {"checkpoint": str(self.checkpoint), "data_dir": data_dir}

    def write_result(self, split: str, figures: dict[str, Any]) -> str:
        """Writes <split>.json and returns its text; `figures` holds `source`.

        Warns where a result of another corpus makes room for it.
        """
        path = self.output_dir / f"{split}.json"
        warn(_replaced(path, figures["data_dir"]))
        text = json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False)
        write_whole(path, text + "\n")
        return text

    def transcribe(self, rows: np.ndarray, stops: Callable[[], bool]) -> Transcript:
        """Hypotheses of rows, with a progress bar on a terminal.

        `stops` is asked before each batch and must answer alike on all processes.

        Raises:
            Interrupted: `stops` said so.
            OutOfMemory: a batch does not fit.
        """
        from rich.progress import Progress
        from torch import OutOfMemoryError

        from slr_accel.ctc.decoders import make_decoder
        from slr_accel.scoring.transcribe import transcribe
        from slr_accel.terminal import Terminal

        console = Terminal(stderr=True)
        shown = console.is_terminal and self.is_main
        with Progress(console=console, disable=not shown) as progress:
            share = len(rows) / self.accelerator.num_processes
            task = progress.add_task("transcribing", total=share)
            try:
                return transcribe(
                    self.accelerator,
                    self.model,
                    self.corpus,
                    rows,
                    decoder=make_decoder(self.decoding),
                    batch_size=self.batch_size,
                    batch_frames=self.batch_frames,
                    max_frames=self.model.max_frames,
                    shard_window=self.shard_window,
                    advance=lambda sequences: progress.advance(task, sequences),
                    stops=stops,
                )
            except OutOfMemoryError:
                raise self._out_of_memory(rows) from None

    def _out_of_memory(self, rows: np.ndarray) -> OutOfMemory:
        """Says how large batches of rows are and what to set."""
        from slr_accel.loading.plan import evaluation_plan

        frames = self.corpus.rows.frames[rows]
        plan = evaluation_plan(
            frames,
            batch_size=self.batch_size,
            batch_frames=self.batch_frames,
            shards=self.corpus.rows.shard[rows],
            shard_window=self.shard_window,
        )
        read = np.minimum(frames, self.model.max_frames or frames)
        largest = max(plan, key=lambda batch: len(batch) * int(read[batch].max()))
        size = f"{len(largest)} sequence{'s' * (len(largest) > 1)} x {read[largest].max()} frames"
        if len(largest) > 1:
            way_out = f"give a --batch_size below {len(largest)}"
        else:
            way_out = "put ACCELERATE_USE_CPU=true before the command to read on the CPU"
        return OutOfMemory(f"out of memory: batches have up to {size}; {way_out}")

    def ctm_rows(self, rows: np.ndarray, hypotheses: list[Hypothesis]) -> Iterator[CtmRow]:
        """Words with times: an output step covers output_stride frames."""
        from slr_accel.scoring.ctm import CtmRow
        from slr_accel.scoring.words import recognised_words

        rate = self.corpus.info.frames_per_second or self.model.features.frames_per_second
        for row, h in zip(rows, hypotheses, strict=True):
            frames = int(self.corpus.rows.frames[row])
            # Of a subsampled sequence a frame stands for more than one.
            skipped = frames / min(frames, self.model.max_frames or frames)
            seconds = self.model.output_stride * skipped / rate
            for word in recognised_words(self.vocabulary, h):
                start, duration = word.start * seconds, (word.end - word.start) * seconds
                yield CtmRow(self.corpus.rows.id(row), start, duration, word.text)


def warn(text: str | None) -> None:
    if text is not None:
        print(f"warning: {text}", file=sys.stderr)


def _replaced(path: Path, data_dir: str) -> str | None:
    try:
        before = json.loads(path.read_text(encoding="utf-8"))["data_dir"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    if before == data_dir:
        return None
    return f"{path} was of {before} and is of {data_dir} now; --output_dir keeps both"


@contextmanager
def open_run(
    source: str,
    *,
    split: str,
    output: str,
    data_dir: str | None = None,
    checkpoint: str = "best",
    output_dir: Path | None = None,
    batch_size: int = 16,
    shard_window: int | None = None,
    cache_dir: str | None = None,
    cache_gb: float | None = None,
    decoding: DecodingSettings | None = None,
) -> Iterator[OpenedRun]:
    """Opens a trained model, and leaves the other processes in order at the end.

    Args:
        source: a run folder, a model folder or hf://OWNER/NAME; the latter two need `data_dir` and
            `output_dir`.
        split: the corpus must have it.
        output: folder in the run for results, where `output_dir` is not given.
        data_dir: another corpus than the one trained on.
        checkpoint: `best`, `last` or a checkpoint folder of the run.
        batch_size: sequences in a batch at most; the run's batch_frames is a limit too.

    Raises:
        ValueError: model and corpus do not fit, or results cannot be written.
    """
    folder = RunFolder(Path(source))
    for name, number in (("batch_size", batch_size), ("shard_window", shard_window)):
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}; give at least 1")
    if folder.exists:
        config, found = folder.config(), _find_checkpoint(folder, checkpoint)
    else:
        config, found = {}, _find_lone_model(source, data_dir, output_dir, checkpoint)
    shard_window = shard_window or config.get("shard_window")
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
            f"{error}\n{folder.path} was trained on it; where it is elsewhere now, give --data_dir"
        ) from None
    corpus.check_window(shard_window)
    corpus.rows.of_split(split)

    from slr_accel.models.folder import load_model
    from slr_accel.processes.joining import make_accelerator

    model, vocabulary = load_model(found)
    wanted = model.features.layout
    if wanted.blocks != corpus.layout.blocks:
        raise ValueError(
            f"the model reads the layout ({wanted.signature}), but {corpus.address} has "
            f"({corpus.layout.signature}); prepare it as the corpus trained on{_hint(folder)}"
        )
    model.features.read_at(corpus.info.frames_per_second)
    output_dir = output_dir or folder.path / output
    _make_writable(output_dir)
    accelerator = make_accelerator(None)
    if accelerator.is_main_process:
        warn(_other_rate(model, corpus))
        if folder.exists and not data_dir:
            warn(other_data(folder, corpus))
    try:
        yield OpenedRun(
            corpus=corpus,
            model=model.to(accelerator.device).eval(),
            vocabulary=vocabulary,
            checkpoint=found.resolve(),
            output_dir=output_dir,
            accelerator=accelerator,
            batch_size=batch_size,
            batch_frames=_batch_frames(folder, config),
            shard_window=shard_window,
            decoding=decoding or DecodingSettings(),
        )
    finally:
        # gloo's threads abort a process that exits before they are joined.
        accelerator.end_training()


def _batch_frames(folder: RunFolder, config: dict[str, Any]) -> int | None:
    """What the run was trained with; of `auto` what was found."""
    given = config.get("batch_frames")
    return folder.environment().get("batch_frames") if given == "auto" else given


def _other_rate(model: Recogniser, corpus: Corpus) -> str | None:
    """What is to be said of a corpus whose frames are much closer or further apart than usual."""
    trained, read = model.features.frames_per_second, corpus.info.frames_per_second
    if read is None or not model.features.knows_rate:
        return None
    if max(trained / read, read / trained) <= USUAL_STRETCH:
        return None
    return (
        f"{corpus.address} has {read:g} frames per second, the model was trained at {trained:g}: "
        f"motion is per second at both, but a span of frames is {trained / read:.2g} x the time it "
        f"was; for what the model can do, resample the corpus to about {trained:g}"
    )


def _make_writable(folder: Path) -> None:
    why = "no right to write there"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return
    except OSError as error:
        why = error.strerror or why
    raise ValueError(f"{folder}: results cannot go there ({why}); give another --output_dir")


def _hint(folder: RunFolder) -> str:
    if not folder.exists:
        return ""
    return (
        ", or, from arrays in the model's layout:\n"
        "  slr-accel prepare manifest --index INDEX.jsonl --out FOLDER --layout "
        + shlex.quote(str(folder.path / LAYOUT_FILE))
    )


def _find_lone_model(
    source: str, data_dir: str | None, output_dir: Path | None, checkpoint: str
) -> Path:
    """A model that does not lie in its run, which would say what it was trained on."""
    found = find_model(source)
    given = {"--data_dir": data_dir, "--output_dir": output_dir}
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise ValueError(f"{source}: a model without its run; give {' and '.join(missing)}")
    if checkpoint != "best":
        raise ValueError(f"{source}: a model without its run has no --checkpoint")
    return found


def _find_checkpoint(folder: RunFolder, name: str) -> Path:
    from slr_accel.runs.checkpoint import latest_checkpoint

    if name == "best":
        found = folder.best if folder.best.exists() else None
    elif name == "last":
        found = latest_checkpoint(folder.checkpoints)
    else:
        found = next((p for p in (Path(name), folder.checkpoints / name) if p.is_dir()), None)
    if found is None:
        last = latest_checkpoint(folder.checkpoints)
        hint = f"--checkpoint last is {last.name}" if last else "give its train command again"
        raise ValueError(f"{folder.path}: has no checkpoint {name!r} yet; {hint}")
    return found
