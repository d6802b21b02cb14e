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
    from slr_accel.scoring.words import recognised_words

    corpus, vocabulary = opened.corpus, opened.vocabulary
    rows = corpus.rows.of_split(args.split)
    transcript = opened.transcribe(rows)
    if not opened.is_main:
        return 0
    path = opened.output_dir / f"{args.split}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for row, hypothesis in zip(rows, transcript.hypotheses, strict=True):
            words = recognised_words(vocabulary, hypothesis)
            record = {
                "id": corpus.rows.id(row),
                "hypothesis": " ".join(word.text for word in words),
                "confidence": [round(word.confidence, 4) for word in words],
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    ctm = opened.output_dir / f"{args.split}.ctm"
    write_ctm(ctm, opened.ctm_rows(rows, transcript.hypotheses))
    opened.warn(transcript.health)
    print(f"{len(rows)} sequences: {path}, {ctm}")
    return 0
