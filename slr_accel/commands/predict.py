"""`slr-accel predict RUN --data_dir CORPUS`: what a trained model reads, without references."""

from __future__ import annotations

import argparse
import json

from slr_accel.commands.run_arguments import (
    OpenedRun,
    add_run_arguments,
    corpus_address,
    replaced_result,
    warn,
    with_run,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, output="predictions")


def run(args: argparse.Namespace) -> int:
    return with_run(args, _predict)


def _predict(opened: OpenedRun, args: argparse.Namespace) -> None:
    from slr_accel.ctc.health import warning_without_references
    from slr_accel.files import replaced, write_whole
    from slr_accel.scoring.ctm import write_ctm
    from slr_accel.scoring.words import recognised_words

    split: str = args.split
    corpus, vocabulary = opened.corpus, opened.vocabulary
    rows = corpus.rows.of_split(split)
    transcript = opened.transcribe(rows)
    if not opened.is_main:
        return
    source = {"checkpoint": str(opened.checkpoint), "data_dir": corpus_address(corpus)}
    source_file = opened.output_dir / f"{split}.json"
    warn(replaced_result(source_file, source["data_dir"]))
    write_whole(source_file, json.dumps(source, indent=1, ensure_ascii=False) + "\n")
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
