"""Implements `slr-accel predict RUN --data_dir CORPUS`: transcribes without references."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from slr_accel.commands import transcripts
from slr_accel.commands.run_arguments import Stops, add_run_arguments, with_run
from slr_accel.runs.opened import OpenedRun

NUM_SHOWN = 5
LINE, MOST_OF_ID = 80, 40
"""Columns of the terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, output="predictions")
    parser.add_argument("--json", action="store_true", help="print all transcripts as JSON alone")


def run(args: argparse.Namespace) -> int:
    return with_run(args, _predict)


def _predict(opened: OpenedRun, folder: Path, args: argparse.Namespace, stops: Stops) -> None:
    from slr_accel.ctc.health import warning_without_references
    from slr_accel.files import replaced
    from slr_accel.scoring.ctm import write_ctm
    from slr_accel.scoring.words import n_best_words, recognised_words

    corpus, split = opened.corpus, opened.split
    rows = corpus.rows.of_split(split)
    transcript = transcripts.transcribe(opened, rows, stops)
    if not opened.is_main:
        return
    transcripts.write_result(folder / f"{split}.json", transcripts.source_of(opened))
    found: list[dict[str, Any]] = []
    for row, hypothesis in zip(rows, transcript.hypotheses, strict=True):
        words = recognised_words(opened.vocabulary, hypothesis)
        found.append(
            {
                "id": corpus.rows.id(row),
                "hypothesis": " ".join(word.text for word in words),
                "confidence": [round(word.confidence, 4) for word in words],
            }
        )
        if hypothesis.n_best:
            found[-1]["n_best"] = n_best_words(opened.vocabulary, hypothesis)
    path, ctm = folder / f"{split}.jsonl", folder / f"{split}.ctm"
    with replaced(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in found)
    with replaced(ctm) as unfinished:
        write_ctm(unfinished, transcripts.word_times(opened, rows, transcript.hypotheses))
    transcripts.warn(warning_without_references(transcript.health))
    if args.json:
        source = {"split": split, **transcripts.source_of(opened)}
        print(json.dumps({**source, "transcripts": found}, indent=1, ensure_ascii=False))
        return
    for record in found[:NUM_SHOWN]:
        print(shown_line(str(record["id"]), str(record["hypothesis"])))
    if len(found) > NUM_SHOWN:
        print(f"... and {len(found) - NUM_SHOWN:,} more")
    print(f"\n{len(found):,} sequences of the split {split}")
    print(f"transcripts: {path}\nword times:  {ctm}")


def shown_line(id: str, words: str) -> str:
    """The id and the words of a sequence on one line of a terminal, cut off where too long."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(id) > MOST_OF_ID:
        id = set_cell_size(id, MOST_OF_ID)
    line = f"{id}  {words or '(no words)'}"
    return line if cell_len(line) <= LINE else set_cell_size(line, LINE - 3) + "..."
