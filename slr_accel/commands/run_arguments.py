"""What evaluate and predict share: a trained model and a corpus it fits, from the command line."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.corpus.vocabulary import Vocabulary
from slr_accel.training.run import LAYOUT_FILE, RunFolder

if TYPE_CHECKING:
    from slr_accel.ctc.decode import Hypothesis
    from slr_accel.ctc.health import Health
    from slr_accel.models.student import Student
    from slr_accel.scoring.ctm import CtmRow
    from slr_accel.scoring.transcribe import Transcript


def add_run_arguments(parser: argparse.ArgumentParser, output: str) -> None:
    """Arguments of a command whose results go to the folder `output` in the run."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--data_dir", type=Path, help="corpus [the one trained on]")
    parser.add_argument("--split", default="dev", help="[dev]")
    parser.add_argument(
        "--checkpoint", default="best", help="best, last, or a checkpoint folder [best]"
    )
    parser.add_argument("--batch_size", type=int, default=16, help="sequences in a batch [16]")
    parser.add_argument("--output_dir", type=Path, help=f"where results go [RUN/{output}]")
    parser.set_defaults(output=output)


@dataclass(frozen=True)
class OpenedRun:
    corpus: Corpus
    model: Student
    vocabulary: Vocabulary
    checkpoint: Path
    output_dir: Path
    accelerator: Any
    batch_size: int
    max_frames: int | None

    @property
    def is_main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def transcribe(self, rows: np.ndarray) -> Transcript:
        """Hypotheses of rows, with a progress bar on a terminal."""
        from rich.console import Console
        from rich.progress import Progress

        from slr_accel.scoring.transcribe import transcribe

        console = Console(stderr=True)
        shown = console.is_terminal and self.is_main
        with Progress(console=console, disable=not shown) as progress:
            share = len(rows) / self.accelerator.num_processes
            task = progress.add_task("transcribing", total=share)
            return transcribe(
                self.accelerator,
                self.model,
                self.corpus,
                rows,
                batch_size=self.batch_size,
                max_frames=self.max_frames,
                advance=lambda sequences: progress.advance(task, sequences),
            )

    def ctm_rows(self, rows: np.ndarray, hypotheses: list[Hypothesis]) -> Iterator[CtmRow]:
        """Words with times: an output step covers output_stride frames."""
        from slr_accel.scoring.ctm import CtmRow

        for row, h in zip(rows, hypotheses, strict=True):
            frames = int(self.corpus.rows.frames[row])
            # Of a subsampled sequence a frame stands for more than one.
            skipped = frames / min(frames, self.max_frames or frames)
            seconds = self.model.output_stride * skipped / self.model.features.frames_per_second
            words = self.vocabulary.decode(h.tokens)
            for word, start, end in zip(words, h.start, h.end, strict=True):
                yield CtmRow(
                    self.corpus.rows.id(row), start * seconds, (end - start) * seconds, word
                )

    def warn(self, health: Health) -> None:
        from slr_accel.ctc.health import warning

        text = warning(health)
        if text is not None:
            print(f"warning: {text}", file=sys.stderr)


def open_run(args: argparse.Namespace) -> OpenedRun:
    """Opens what the arguments name. Raises ValueError where model and corpus do not fit."""
    folder = RunFolder(args.run)
    if not folder.exists:
        raise ValueError(f"{args.run}: not a run folder (it has no config.yaml)")
    if args.batch_size < 1:
        raise ValueError(f"batch_size is {args.batch_size}; give at least 1")
    config = folder.config()
    corpus = open_corpus(args.data_dir or config["data_dir"])
    corpus.rows.of_split(args.split)
    checkpoint = _find_checkpoint(folder, args.checkpoint)

    from slr_accel.models.folder import load_model
    from slr_accel.training.setup import make_accelerator

    model, vocabulary = load_model(checkpoint)
    wanted = model.features.layout
    if wanted.blocks != corpus.layout.blocks:
        raise ValueError(
            f"the model reads the layout ({wanted.signature}), but {corpus.folder} has "
            f"({corpus.layout.signature}); prepare the corpus in the model's layout:\n"
            "  slr-accel prepare manifest --index INDEX.jsonl --out FOLDER --layout "
            + shlex.quote(str(folder.path / LAYOUT_FILE))
        )
    # Motion is per second: another frame rate than the one trained on means the same.
    if corpus.info.frames_per_second is not None:
        model.features.frames_per_second = corpus.info.frames_per_second
    accelerator = make_accelerator(None)
    output_dir = args.output_dir or folder.path / args.output
    output_dir.mkdir(parents=True, exist_ok=True)
    return OpenedRun(
        corpus=corpus,
        model=model.to(accelerator.device).eval(),
        vocabulary=vocabulary,
        checkpoint=checkpoint.resolve(),
        output_dir=output_dir,
        accelerator=accelerator,
        batch_size=args.batch_size,
        max_frames=config.get("max_frames") if config.get("dynamic_truncation") else None,
    )


def _find_checkpoint(folder: RunFolder, name: str) -> Path:
    from slr_accel.training.checkpoint import latest_checkpoint

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
