"""Implements `slr-accel diagnose RUN|CORPUS|METRICS`: says what is wrong, and what to change."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slr_accel.commands.run_arguments import add_cache_arguments

if TYPE_CHECKING:
    from slr_accel.corpus.reader import Corpus
    from slr_accel.runs.run_folder import RunFolder

PAGE, RESULT = "diagnosis.html", "diagnosis.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="RUN|CORPUS|METRICS",
        help="run folder (it may still train), corpus, or a metrics.jsonl; or a model folder or "
        "hf://OWNER/NAME, with --data_dir",
    )
    parser.add_argument("--data_dir", help="corpus of a run or model [the one trained on]")
    parser.add_argument("--split", help="compared with train [dev, or the only other split]")
    parser.add_argument(
        "--checkpoint", default="best", help="best, last, or a checkpoint folder [best]"
    )
    parser.add_argument(
        "--output_dir",
        type=Path,
        help=f"where {PAGE} and {RESULT} go [RUN/diagnosis; else ./diagnosis]",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON alone")
    add_cache_arguments(parser, "that of the run")
    parser.epilog = "Exit code: 0 no errors, 1 errors found, 2 wrong use."


def run(args: argparse.Namespace) -> int:
    from slr_accel.commands.transcripts import make_writable
    from slr_accel.diagnosis.page import write_page
    from slr_accel.diagnosis.summary import print_diagnosis
    from slr_accel.files import replaced, write_whole
    from slr_accel.runs.run_folder import RunFolder
    from slr_accel.terminal import Terminal

    is_run = RunFolder(Path(args.source)).exists
    folder = args.output_dir or (Path(args.source, "diagnosis") if is_run else Path("diagnosis"))
    result = _diagnose(args, is_run)
    make_writable(folder)
    text = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(folder / RESULT, text + "\n")
    with replaced(folder / PAGE) as path:
        write_page(path, result)
    if args.json:
        print(text)
    else:
        print_diagnosis(Terminal(), result)
        print(f"\npage: {folder / PAGE}")
    return 0 if result["ok"] else 1


def _diagnose(args: argparse.Namespace, is_run: bool) -> dict[str, Any]:
    from slr_accel.corpus.format import CORPUS_FILE
    from slr_accel.diagnosis.diagnose import diagnose_metrics

    path = Path(args.source)
    if path.is_file():
        return diagnose_metrics(path)
    if is_run or args.data_dir:
        return _diagnose_run(args)
    if "://" in args.source or (path / CORPUS_FILE).is_file():
        return _diagnose_corpus(args)
    raise ValueError(
        f"{args.source}: is no run, corpus or metrics.jsonl; of a model give --data_dir too"
    )


def _diagnose_corpus(args: argparse.Namespace) -> dict[str, Any]:
    from slr_accel.corpus.reader import open_corpus
    from slr_accel.diagnosis.diagnose import diagnose_corpus
    from slr_accel.progress import track

    corpus = open_corpus(args.source, cache_dir=args.cache_dir, cache_gb=args.cache_gb)
    corpus.check_shard()
    split = args.split or _split_beside_train(corpus.rows.split_names)
    corpus.rows.of_split(split)
    return diagnose_corpus(corpus, split, track)


def _split_beside_train(names: list[str]) -> str:
    others = [name for name in sorted(names) if name != "train"]
    return "dev" if "dev" in others or not others else others[0]


def _diagnose_run(args: argparse.Namespace) -> dict[str, Any]:
    from slr_accel.diagnosis.diagnose import diagnose_run, diagnose_unsaved
    from slr_accel.processes.threads import yield_to_other_programs
    from slr_accel.runs.opened import open_run
    from slr_accel.runs.run_folder import RunFolder

    yield_to_other_programs()
    run, checkpoint = RunFolder(Path(args.source)), args.checkpoint
    if run.exists and checkpoint == "best" and not run.best.exists():
        from slr_accel.runs.checkpoint import latest_checkpoint

        if latest_checkpoint(run.checkpoints) is None:
            return diagnose_unsaved(run, *_corpus_of(run, args))
        checkpoint = "last"
    with open_run(
        args.source,
        split=args.split,
        data_dir=args.data_dir,
        checkpoint=checkpoint,
        cache_dir=args.cache_dir,
        cache_gb=args.cache_gb,
    ) as opened:
        return diagnose_run(opened, run, own_corpus=not args.data_dir)


def _corpus_of(run: RunFolder, args: argparse.Namespace) -> tuple[Corpus, str]:
    from slr_accel.corpus.reader import open_corpus

    corpus = open_corpus(
        args.data_dir or run.config()["data_dir"], cache_dir=args.cache_dir, cache_gb=args.cache_gb
    )
    return corpus, args.split or _split_beside_train(corpus.rows.split_names)
