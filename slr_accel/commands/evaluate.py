"""Implements `slr-accel evaluate RUN`: scores a trained model on a split, and writes a report."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slr_accel.commands import transcripts
from slr_accel.commands.run_arguments import Stops, add_run_arguments, with_run
from slr_accel.commands.streaming import evaluate_streaming
from slr_accel.commands.tuning import tuned
from slr_accel.models.find import HUB
from slr_accel.runs.opened import OpenedRun
from slr_accel.scoring.protocols import PROTOCOLS, prepared_hypotheses

if TYPE_CHECKING:
    import numpy as np

NOT_TO_FIT_ON = ("train", "test")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, output="eval")
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        help="score as `slr-accel score --protocol` does [the words under the run's label policy]",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="fit the temperature of confidences on this split, which must be a development one, "
        "and keep it in the checkpoint's config.json",
    )
    parser.add_argument(
        "--tune",
        action="store_true",
        help="first choose alpha and beta on dev, which must be another split than the one scored, "
        "and keep them in the run",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON alone")
    streaming = parser.add_argument_group(
        "streaming",
        "The model reads overlapping windows, decoded greedily, as in `slr-accel live`.",
    )
    streaming.add_argument(
        "--streaming",
        action="store_true",
        help="print WER, delay and revisions against look-ahead, and write them to streaming.json",
    )
    streaming.add_argument(
        "--chunk", type=int, default=8, help="frames from one reading to the next [8]"
    )
    streaming.add_argument(
        "--left_context", type=int, default=96, help="frames that are read again before those [96]"
    )


def run(args: argparse.Namespace) -> int:
    return with_run(args, _evaluate)


def _evaluate(opened: OpenedRun, folder: Path, args: argparse.Namespace, stops: Stops) -> None:
    if args.streaming:
        evaluate_streaming(opened, folder, args, stops)
        return
    from slr_accel.commands.run_report import run_details
    from slr_accel.corpus.leakage import repeated_sentences
    from slr_accel.ctc.health import warning
    from slr_accel.files import replaced
    from slr_accel.scoring.calibration import calibration, judged
    from slr_accel.scoring.comparison import protocol_references, rescored, vocabulary_floors
    from slr_accel.scoring.ctm import write_ctm
    from slr_accel.scoring.page import write_html
    from slr_accel.scoring.references import evaluation_rows
    from slr_accel.scoring.report import print_summary
    from slr_accel.scoring.scored import against_greedy, count_errors, result, score_transcript
    from slr_accel.scoring.sentences import write_sentences, write_stm
    from slr_accel.scoring.wer import score
    from slr_accel.scoring.words import greedy_texts, n_best_words, recognised_words, unsayable
    from slr_accel.terminal import Terminal

    corpus, split, vocabulary = opened.corpus, opened.split, opened.vocabulary
    rows = evaluation_rows(corpus, split)
    raw = [corpus.labels(row) for row in rows]
    expected = protocol_references(args.protocol or "plain", vocabulary.label_policy, raw)
    floors = vocabulary_floors(vocabulary, raw, args.protocol) if args.protocol else {}
    if args.tune:
        opened = tuned(opened, args.run, stops)
    before = {"ece_before": calibrate(opened, rows, args.run)} if args.calibrate else {}
    transcript = transcripts.transcribe(opened, rows, stops)
    if not opened.is_main:
        return
    scored = score_transcript(corpus, rows, vocabulary, transcript)
    words = [recognised_words(vocabulary, h) for h in transcript.hypotheses]
    own_words = judged(scored.sequences, [[word.confidence for word in own] for own in words])
    confidences = {
        "temperature": opened.model.temperature,
        **before,
        **calibration(own_words),
    }
    figures: dict[str, Any] = {}
    if args.protocol:
        own_wer = count_errors(scored.sequences)["wer"]
        figures = {"protocol": args.protocol, "policy_wer": own_wer, **floors}
        scored = rescored(scored, expected, args.protocol)
    figures |= result(scored, split=split, **transcripts.source_of(opened))
    texts = greedy_texts(vocabulary, transcript.hypotheses)
    prepared = prepared_hypotheses(args.protocol or "plain", texts)
    greedy = score([s.reference for s in scored.sequences], prepared) if texts else []
    figures |= against_greedy(scored.sequences, greedy)
    figures["calibration"] = confidences
    repeated = repeated_sentences(corpus, rows, vocabulary.label_policy)
    if repeated.any():
        new = [s for s, known in zip(scored.sequences, repeated, strict=True) if not known]
        figures["new_sentences"] = count_errors(new)
    text = transcripts.write_result(folder / f"{split}.json", figures)
    times = transcripts.word_times(opened, rows, transcript.hypotheses)
    with replaced(folder / f"{split}.ctm") as path:
        write_ctm(path, times)
    with replaced(folder / f"{split}.stm") as path:
        write_stm(path, scored.sequences, expected)
    n_best = [n_best_words(vocabulary, h) for h in transcript.hypotheses]
    with replaced(folder / f"{split}.jsonl") as path:
        write_sentences(path, scored.sequences, expected, words, times, n_best)
    with replaced(folder / "report.html") as path:
        others = n_best_texts(n_best, args.protocol)
        details = run_details(opened, args.run, rows, scored.sequences, others, greedy)
        write_html(path, figures, scored.sequences, details)
    if not args.protocol:
        raw_references = [sequence.reference for sequence in scored.sequences]
        transcripts.warn(unsayable(vocabulary, raw_references).told())
    if args.json:
        print(text)
        return
    console = Terminal()
    print_summary(console, figures, scored.sequences)
    transcripts.warn(warning(scored.health, errors=scored.errors))
    print(f"\nreport: {folder / 'report.html'}")


def n_best_texts(n_best: list[list[dict[str, Any]]], protocol: str | None) -> list[list[list[str]]]:
    """The words of each sequence's n best, as the protocol compares them with the references."""
    texts = [[one["hypothesis"] for one in own] for own in n_best]
    return [prepared_hypotheses(protocol or "plain", own) for own in texts]


def calibrate(opened: OpenedRun, rows: np.ndarray, source: str) -> float:
    """Fits the temperature on a development split, and keeps it; returns the error before.

    Raises:
        ValueError: the split is one to train or to test on, or has too few words; or the model
            that `source` names cannot be changed.
    """
    from slr_accel.runs.calibrate import fit_temperature, keep_temperature

    if opened.split in NOT_TO_FIT_ON:
        raise ValueError(
            f"--calibrate on the split {opened.split!r}: confidences are fitted on sentences that "
            "are neither trained nor tested on; give --split dev"
        )
    if opened.averaged_with:
        raise ValueError("--calibrate fits the confidences of one run; leave out the others")
    if source.startswith(HUB) or not os.access(opened.checkpoint, os.W_OK):
        raise ValueError(
            f"--calibrate writes into {opened.checkpoint}, which is not yours; give a run or a "
            "model folder of your own"
        )
    temperature, before = fit_temperature(opened, rows)
    keep_temperature(opened, temperature)
    return before
