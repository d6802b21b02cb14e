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
    from slr_accel.scoring.references import evaluation_rows
    from slr_accel.scoring.report import print_summary, write_html
    from slr_accel.scoring.scored import result, score_transcript
    from slr_accel.terminal import Terminal

    corpus, split, vocabulary = opened.corpus, opened.split, opened.vocabulary
    rows = evaluation_rows(corpus, split)
    transcript = transcripts.transcribe(opened, rows, stops)
    if not opened.is_main:
        return
    scored = score_transcript(corpus, rows, vocabulary, transcript)
    figures = result(
        scored, split=split, decoder=opened.decoding.decoder, **transcripts.source_of(opened)
    )
    text = transcripts.write_result(folder / f"{split}.json", figures)
    transcripts.write_word_times(folder / f"{split}.ctm", opened, rows, transcript.hypotheses)
    with replaced(folder / "report.html") as path:
        write_html(path, figures, scored.sequences)
    if args.json:
        print(text)
        return
    console = Terminal()
    print_summary(console, figures, scored.sequences)
    transcripts.warn(warning(scored.health, errors=scored.errors))
    print(f"\nreport: {folder / 'report.html'}")
