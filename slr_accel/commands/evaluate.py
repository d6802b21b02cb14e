"""Implements `slr-accel evaluate RUN`: scores a trained model on a split, and writes a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from slr_accel.commands import transcripts
from slr_accel.commands.run_arguments import Stops, add_run_arguments, with_run
from slr_accel.commands.tuning import tuned
from slr_accel.runs.opened import OpenedRun
from slr_accel.scoring.protocols import PROTOCOLS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, output="eval")
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        help="score as `slr-accel score --protocol` does [the words under the run's label policy]",
    )
    parser.add_argument(
        "--tune",
        action="store_true",
        help="first choose alpha and beta on dev, which must be another split than the one scored, "
        "and keep them in the run",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON alone")


def run(args: argparse.Namespace) -> int:
    return with_run(args, _evaluate)


def _evaluate(opened: OpenedRun, folder: Path, args: argparse.Namespace, stops: Stops) -> None:
    from slr_accel.ctc.health import warning
    from slr_accel.files import replaced
    from slr_accel.scoring.comparison import protocol_references, rescored, vocabulary_floors
    from slr_accel.scoring.ctm import write_ctm
    from slr_accel.scoring.references import evaluation_rows
    from slr_accel.scoring.report import print_summary, write_html
    from slr_accel.scoring.scored import count_errors, result, score_transcript
    from slr_accel.scoring.sentences import write_sentences, write_stm
    from slr_accel.scoring.words import n_best_words, recognised_words
    from slr_accel.terminal import Terminal

    corpus, split, vocabulary = opened.corpus, opened.split, opened.vocabulary
    rows = evaluation_rows(corpus, split)
    raw = [corpus.labels(row) for row in rows]
    expected = protocol_references(args.protocol or "plain", vocabulary.label_policy, raw)
    floors = vocabulary_floors(vocabulary, raw, args.protocol) if args.protocol else {}
    if args.tune:
        opened = tuned(opened, args.run, stops)
    transcript = transcripts.transcribe(opened, rows, stops)
    if not opened.is_main:
        return
    scored = score_transcript(corpus, rows, vocabulary, transcript)
    figures: dict[str, Any] = {}
    if args.protocol:
        own_wer = count_errors(scored.sequences)["wer"]
        figures = {"protocol": args.protocol, "policy_wer": own_wer, **floors}
        scored = rescored(scored, expected, args.protocol)
    figures |= result(scored, split=split, **transcripts.source_of(opened))
    text = transcripts.write_result(folder / f"{split}.json", figures)
    words = [recognised_words(vocabulary, h) for h in transcript.hypotheses]
    times = transcripts.word_times(opened, rows, transcript.hypotheses)
    with replaced(folder / f"{split}.ctm") as path:
        write_ctm(path, times)
    with replaced(folder / f"{split}.stm") as path:
        write_stm(path, scored.sequences, expected)
    with replaced(folder / f"{split}.jsonl") as path:
        n_best = [n_best_words(vocabulary, h) for h in transcript.hypotheses]
        write_sentences(path, scored.sequences, expected, words, times, n_best)
    with replaced(folder / "report.html") as path:
        write_html(path, figures, scored.sequences)
    if args.json:
        print(text)
        return
    console = Terminal()
    print_summary(console, figures, scored.sequences)
    transcripts.warn(warning(scored.health, errors=scored.errors))
    print(f"\nreport: {folder / 'report.html'}")
