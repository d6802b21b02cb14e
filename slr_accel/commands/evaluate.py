"""`slr-accel evaluate RUN`: WER of a trained model on a split, with a report to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from slr_accel.commands.run_arguments import Stops, add_run_arguments, with_run
from slr_accel.runs.opened import OpenedRun, warn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, output="eval")
    parser.add_argument("--json", action="store_true", help="print the result as JSON alone")


def run(args: argparse.Namespace) -> int:
    return with_run(args, _evaluate)


def _evaluate(opened: OpenedRun, args: argparse.Namespace, stops: Stops) -> None:
    from slr_accel.ctc.health import warning
    from slr_accel.files import replaced
    from slr_accel.scoring.ctm import write_ctm
    from slr_accel.scoring.references import evaluation_rows, references
    from slr_accel.scoring.report import ScoredSequence, print_summary, result, write_html
    from slr_accel.scoring.wer import score
    from slr_accel.scoring.words import recognised_texts
    from slr_accel.terminal import Terminal

    corpus, vocabulary = opened.corpus, opened.vocabulary
    rows = evaluation_rows(corpus, args.split)
    transcript = opened.transcribe(rows, stops)
    if not opened.is_main:
        return
    expected = references(corpus, rows, vocabulary.label_policy)
    hypotheses = recognised_texts(vocabulary, transcript.hypotheses)
    sequences = [
        ScoredSequence(corpus.rows.id(row), corpus.rows.signer(row), reference, hypothesis, counts)
        for row, reference, hypothesis, counts in zip(
            rows, expected, hypotheses, score(expected, hypotheses), strict=True
        )
    ]
    figures = result(
        sequences,
        split=args.split,
        decoder="greedy",
        label_policy=vocabulary.label_policy,
        **opened.source,
        health=transcript.health,
    )
    folder: Path = opened.output_dir
    text = opened.write_result(args.split, figures)
    with replaced(folder / f"{args.split}.ctm") as path:
        write_ctm(path, opened.ctm_rows(rows, transcript.hypotheses))
    with replaced(folder / "report.html") as path:
        write_html(path, figures, sequences)
    if args.json:
        print(text)
        return
    console = Terminal()
    print_summary(console, figures, sequences)
    warn(warning(transcript.health, errors=sum(s.counts.errors for s in sequences)))
    print(f"\nreport: {folder / 'report.html'}")
