"""Implements `slr-accel evaluate RUN --streaming`: WER and delay against look-ahead."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.commands.transcripts import warn
from slr_accel.errors import Interrupted
from slr_accel.models.find import STREAMING_FILE
from slr_accel.runs.opened import OpenedRun

SECONDS = (0.0, 0.32, 0.64, 1.28, 1.92, 2.56)
"""Look-aheads that are tried."""
MOST_LOST = 0.01
"""WER, as a fraction, that the chosen look-ahead may lose against reading whole sequences."""


def evaluate_streaming(
    opened: OpenedRun, folder: Path, args: argparse.Namespace, stops: Callable[[], bool]
) -> None:
    """Streams the split with several look-aheads; prints the table and writes it."""
    from slr_accel.files import write_whole
    from slr_accel.scoring.references import evaluation_rows

    if opened.accelerator.num_processes > 1:
        raise ValueError("--streaming runs in one process; start it without `accelerate launch`")
    if args.protocol:
        raise ValueError(
            "--streaming compares under the run's own label policy: leave out --protocol"
        )
    for option in ("calibrate", "tune"):
        if getattr(args, option):
            raise ValueError(
                f"--streaming has no use for --{option}: first give `evaluate --{option}` without "
                "--streaming"
            )
    if opened.decoding.decoder != "greedy":
        warn(f"--streaming decodes greedily, not by {opened.decoding.decoder}")
    rows = evaluation_rows(opened.corpus, opened.split)
    rate = opened.corpus.info.frames_per_second or opened.model.features.frames_per_second
    stride = opened.model.output_stride
    points = []
    for seconds in (*SECONDS, None):
        look_ahead = None if seconds is None else round(seconds * rate / stride) * stride
        if stops():
            raise Interrupted
        points.append(_measured(opened, rows, look_ahead, rate, args))
    chosen = _chosen(points[:-1], offline=points[-1]["wer"])
    result = {
        "split": opened.split,
        "checkpoint": str(opened.checkpoint),
        "frames_per_second": rate,
        "chosen": {name: chosen[name] for name in ("chunk", "left", "look_ahead")},
        "points": points,
    }
    text = json.dumps(result, indent=1)
    write_whole(folder / STREAMING_FILE, text + "\n")
    if args.json:
        print(text)
        return
    _show(points, chosen, rate)
    if opened.corpus.info.frames_per_second is None and not opened.model.features.knows_rate:
        print(f"the frame rate is not known: seconds are of {rate:g} frames")
    print(f"\nwritten to {folder / STREAMING_FILE}")


def _chosen(points: list[dict[str, Any]], offline: float) -> dict[str, Any]:
    """The smallest look-ahead that loses little; where all lose more, the one that loses least."""
    good = [point for point in points if point["wer"] <= offline + MOST_LOST]
    return good[0] if good else min(points, key=lambda point: float(point["wer"]))


def _measured(
    opened: OpenedRun,
    rows: np.ndarray,
    look_ahead: int | None,
    rate: float,
    args: argparse.Namespace,
) -> dict[str, Any]:
    from slr_accel.live.figures import StreamFigures, add_stream
    from slr_accel.live.streaming import StreamSettings, model_emit
    from slr_accel.scoring.references import references
    from slr_accel.scoring.scored import count_errors, scored_sequences
    from slr_accel.scoring.words import recognised_texts

    corpus, model = opened.corpus, opened.model
    settings = StreamSettings(args.chunk, args.left_context, look_ahead)
    settings.check(model.max_frames)
    figures, emit = StreamFigures(), model_emit(model)
    for row in rows:
        values = np.asarray(corpus.features(row), np.float32)
        add_stream(figures, emit, model.output_stride, settings, values, corpus.presence(row))
    ids = [corpus.rows.id(row) for row in rows]
    expected = references(corpus, rows, opened.vocabulary.label_policy)
    hypotheses = recognised_texts(opened.vocabulary, figures.hypotheses)
    counts = count_errors(scored_sequences(ids, ids, expected, hypotheses))
    return {**vars(settings), "wer": counts["wer"], **figures.summary(rate)}


def _show(points: list[dict[str, Any]], chosen: dict[str, Any], rate: float) -> None:
    from rich.table import Table

    from slr_accel.terminal import Terminal

    table = Table(box=None)
    for name in ("look-ahead", "WER", "delay s, mean", "95 %", "taken back of 100"):
        table.add_column(name, justify="right")
    for point in points:
        frames = point["look_ahead"]
        name = "everything" if frames is None else f"{frames} frames, {frames / rate:.2f} s"
        table.add_row(
            name + (" (chosen)" if point is chosen else ""),
            f"{point['wer']:.1%}",
            *(
                "" if point[key] is None else f"{point[key]:.2f}"
                for key in ("delay_mean", "delay_p95")
            ),
            f"{point['revisions_per_100']:.0f}",
        )
    Terminal().print(table)
