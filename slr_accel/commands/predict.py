"""`slr-accel predict RUN --data_dir CORPUS`: what a trained model reads, without references."""

from __future__ import annotations

import argparse
import json

from slr_accel.commands.run_arguments import Stops, add_run_arguments, with_run
from slr_accel.runs.opened import OpenedRun, warn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, output="predictions")


def run(args: argparse.Namespace) -> int:
    return with_run(args, _predict)


def _predict(opened: OpenedRun, args: argparse.Namespace, stops: Stops) -> None:
    from slr_accel.ctc.health import warning_without_references
    from slr_accel.files import replaced
    from slr_accel.scoring.ctm import write_ctm
    from slr_accel.scoring.words import recognised_words

    split: str = args.split
    corpus, vocabulary = opened.corpus, opened.vocabulary
    rows = corpus.rows.of_split(split)
    transcript = opened.transcribe(rows, stops)
    if not opened.is_main:
        return
    opened.write_result(split, opened.source)
    path = opened.output_dir / f"{split}.jsonl"
    with replaced(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        for row, hypothesis in zip(rows, transcript.hypotheses, strict=True):
            words = recognised_words(vocabulary, hypothesis)
            record = {
                "id": corpus.rows.id(row),
                "hypothesis": " ".join(word.text for word in words),
                "confidence": [round(word.confidence, 4) for word in words],
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    ctm = opened.output_dir / f"{split}.ctm"
    with replaced(ctm) as unfinished:
        write_ctm(unfinished, opened.ctm_rows(rows, transcript.hypotheses))
    warn(warning_without_references(transcript.health))
    print(f"{len(rows)} sequences: {path}, {ctm}")
