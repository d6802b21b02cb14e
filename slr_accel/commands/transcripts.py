"""Transcribes with a progress bar, and writes what evaluate and predict have found."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slr_accel.files import write_whole
from slr_accel.runs.opened import OpenedRun

if TYPE_CHECKING:
    from slr_accel.ctc.decoders import Hypothesis
    from slr_accel.scoring.ctm import CtmRow
    from slr_accel.scoring.transcribe import Transcript


def warn(text: str | None) -> None:
    if text is not None:
        print(f"warning: {text}", file=sys.stderr)


def note(text: str) -> None:
    print(text, file=sys.stderr)


def transcribe(opened: OpenedRun, rows: np.ndarray, stops: Callable[[], bool]) -> Transcript:
    """As OpenedRun.transcribe, with a progress bar on a terminal."""
    from rich.progress import Progress

    from slr_accel.terminal import Terminal

    console = Terminal(stderr=True)
    shown = console.is_terminal and opened.is_main
    with Progress(console=console, disable=not shown) as progress:
        share = len(rows) / opened.accelerator.num_processes
        task = progress.add_task("transcribing", total=share)
        return opened.transcribe(rows, advance=lambda n: progress.advance(task, n), stops=stops)


def make_writable(folder: Path, option: str = "--output_dir") -> None:
    """Makes the folder for results. Raises ValueError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "no right to write there")
    except OSError as error:
        why = error.strerror
        raise ValueError(
            f"{folder}: results cannot go there ({why}); give another {option}"
        ) from None


def source_of(opened: OpenedRun) -> dict[str, Any]:
    """The checkpoint, the decoder and the corpus that results belong to; an address without its
    password."""
    corpus = opened.corpus
    data_dir = corpus.address if corpus.is_remote else corpus.absolute_address
    others = [str(path) for path in opened.averaged_with]
    return {
        "decoder": opened.decoding.description,
        "checkpoint": str(opened.checkpoint),
        **({"averaged_with": others} if others else {}),
        "data_dir": data_dir,
    }


def write_result(path: Path, figures: dict[str, Any]) -> str:
    """Writes figures, which hold `source_of`, as JSON and returns the text.

    Warns where it replaces a result of another corpus or decoder.
    """
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        before = {}
    for name in ("data_dir", "decoder"):
        if before.get(name, figures[name]) != figures[name]:
            warn(
                f"{path}: replaced the result for {before[name]} with one for {figures[name]}; "
                "--output_dir keeps both"
            )
    text = json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, text + "\n")
    return text


def word_times(opened: OpenedRun, rows: np.ndarray, hypotheses: list[Hypothesis]) -> list[CtmRow]:
    """Returns the recognised words with their times in seconds."""
    from slr_accel.runs.outputs import frame_rate, step_frames
    from slr_accel.scoring.ctm import CtmRow
    from slr_accel.scoring.words import recognised_words

    corpus, words = opened.corpus, []
    for row, hypothesis in zip(rows, hypotheses, strict=True):
        seconds = step_frames(opened, row) / frame_rate(opened)  # of an output step
        words += [
            CtmRow(corpus.rows.id(row), w.start * seconds, (w.end - w.start) * seconds, w.text)
            for w in recognised_words(opened.vocabulary, hypothesis)
        ]
    return words
