"""`slr-accel predict RUN --data_dir CORPUS`: what a trained model reads, without references."""

from __future__ import annotations

import argparse
import json

from slr_accel.commands.run_arguments import add_run_arguments, open_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, output="predictions")


def run(args: argparse.Namespace) -> int:
    opened = open_run(args)

    from slr_accel.scoring.ctm import write_ctm

    corpus, vocabulary = opened.corpus, opened.vocabulary
    rows = corpus.rows.of_split(args.split)
    transcript = opened.transcribe(rows)
    if not opened.is_main:
        return 0
    path = opened.output_dir / f"{args.split}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for row, hypothesis in zip(rows, transcript.hypotheses, strict=True):
            record = {
                "id": corpus.rows.id(row),
                "hypothesis": " ".join(vocabulary.decode(hypothesis.tokens)),
                "confidence": [round(c, 4) for c in hypothesis.confidence],
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    ctm = opened.output_dir / f"{args.split}.ctm"
    write_ctm(ctm, opened.ctm_rows(rows, transcript.hypotheses))
    opened.warn(transcript.health)
    print(f"{len(rows)} sequences: {path}, {ctm}")
    return 0
