"""Implements `slr-accel evaluate RUN`: scores a trained model on a split, and writes a report."""

from __future__ import annotations

import argparse
from pathlib import Path

from slr_accel.commands import transcripts
from slr_accel.commands.run_arguments import Stops, add_run_arguments, with_run
from slr_accel.runs.opened import OpenedRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, output="eval")
    parser.add_argument("--json", action="store_true", help="print the result as JSON alone")


def run(args: argparse.Namespace) -> int:
    return with_run(args, _evaluate)


def _evaluate(opened: OpenedRun, folder: Path, args: argparse.Namespace, stops: Stops) -> None:
    from slr_accel.ctc.health import warning
    from slr_accel.files import replaced
    from slr_accel.scoring.references import evaluation_rows, references
    from slr_accel.scoring.report import ScoredSequence, print_summary, result, write_html
    from slr_accel.scoring.wer import score
    from slr_accel.scoring.words import recognised_texts
    from slr_accel.terminal import Terminal

    corpus, split, vocabulary = opened.corpus, opened.split, opened.vocabulary
    rows = evaluation_rows(corpus, split)
    transcript = transcripts.transcribe(opened, rows, stops)
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
        split=split,
        decoder="greedy",
        label_policy=vocabulary.label_policy,
        **transcripts.source_of(opened),
        health=transcript.health,
    )
    text = transcripts.write_result(folder / f"{split}.json", figures)
    transcripts.write_word_times(folder / f"{split}.ctm", opened, rows, transcript.hypotheses)
    with replaced(folder / "report.html") as path:
        write_html(path, figures, sequences)
    if args.json:
        print(text)
        return
    console = Terminal()
    print_summary(console, figures, sequences)
    transcripts.warn(warning(transcript.health, errors=sum(s.counts.errors for s in sequences)))
    print(f"\nreport: {folder / 'report.html'}")
