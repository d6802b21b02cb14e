"""A trained model and a corpus that it reads: what evaluate and predict work on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.vocabulary import Vocabulary
from slr_accel.errors import OutOfMemory
from slr_accel.files import write_whole

if TYPE_CHECKING:
    from slr_accel.ctc.decode import Hypothesis
    from slr_accel.models.recogniser import Recogniser
    from slr_accel.scoring.ctm import CtmRow
    from slr_accel.scoring.transcribe import Transcript
    from slr_accel.training.preemption import StopRequest


@dataclass(frozen=True)
class OpenedRun:
    corpus: Corpus
    model: Recogniser
    vocabulary: Vocabulary
    checkpoint: Path
    output_dir: Path
    accelerator: Any
    batch_size: int
    batch_frames: int | None
    shard_window: int | None
    stop: StopRequest

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

    def transcribe(self, rows: np.ndarray) -> Transcript:
        """Hypotheses of rows, with a progress bar on a terminal.

        Raises:
            Interrupted: upon a signal.
            OutOfMemory: a batch does not fit.
        """
        from rich.progress import Progress
        from torch import OutOfMemoryError

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
                    batch_size=self.batch_size,
                    batch_frames=self.batch_frames,
                    max_frames=self.model.max_frames,
                    shard_window=self.shard_window,
                    advance=lambda sequences: progress.advance(task, sequences),
                    stops=lambda: self.stop.is_anywhere(self.accelerator),
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
