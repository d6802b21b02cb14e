"""Scores a recipe on every sentence of a small corpus, by cross-validation.

    python benchmarks/folds.py --data_dir corpora/boston104 --recipe boston104

The sentences of all splits together are shuffled and dealt into folds. Each fold is scored once, by
a model that is trained on the others, at the end of its run, so that no checkpoint is chosen by
what it is scored on. A word that the other folds lack cannot be recognised: the table has the share
of such words, and the WER of the sentences without any.

Corpora and runs stay in --output_dir: the same command again continues, and with --decoding it
scores the runs that are there in another way:

    ... --decoding decoder=beam language_model=train

decodes each fold with a language model of the sentences that it was trained on.
"""

from __future__ import annotations

import argparse
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from measure import make_parser, record, slr_accel, table

from slr_accel.corpus.format import CORPUS_FILE
from slr_accel.corpus.reader import open_corpus
from slr_accel.corpus.writer import write_corpus
from slr_accel.runs.run_folder import RunFolder
from slr_accel.scoring.wer import Counts, score

OWN_MODEL = "--language_model=train"


class Fold(NamedTuple):
    all: Counts
    known: Counts
    """Of the sentences whose words all occur in training."""
    unseen: int
    """Words that training lacks."""


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--folds", type=int, default=5, help="[5]")
    parser.add_argument("--seed", type=int, default=1, help="of the runs; folds stay [1]")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings")
    parser.add_argument(
        "--decoding", nargs="+", default=[], metavar="NAME=VALUE", help="settings of decoding"
    )
    parser.add_argument("--output_dir", type=Path, default=Path("runs/folds"), help="[%(default)s]")
    parser.add_argument("--workers", type=int, default=1, help="runs at a time [1]")
    args = parser.parse_args()
    with ThreadPoolExecutor(args.workers) as pool:
        folds = list(pool.map(lambda number: run_fold(args, number), range(args.folds)))
    settings = [*args.set, *args.decoding]
    changed = f" with {', '.join(settings)}" if settings else ""
    record("folds", f"recipe `{args.recipe}`{changed}, seed {args.seed}", table_of(folds))


def run_fold(args: argparse.Namespace, number: int) -> Fold:
    corpus = args.output_dir / f"corpus-{number}-of-{args.folds}"
    if not (corpus / CORPUS_FILE).is_file():
        deal(args.data_dir, corpus, number, args.folds)
    name = "-".join([args.recipe, *args.set, f"seed={args.seed}", f"{number}-of-{args.folds}"])
    run = args.output_dir / name
    slr_accel(
        "train",
        *("--recipe", args.recipe, "--data_dir", corpus, "--output_dir", run),
        *("--seed", args.seed, "--wandb_mode", "disabled"),
        *(f"--{setting}" for setting in args.set),
    )
    results = run / ("eval_decoded" if args.decoding else "eval")
    decoding = [f"--{setting}" for setting in args.decoding]
    if OWN_MODEL in decoding:
        decoding[decoding.index(OWN_MODEL)] = f"--language_model={language_model(corpus, run)}"
    slr_accel("evaluate", run, "--checkpoint", "last", "--json", "--output_dir", results, *decoding)
    found = read_fold(corpus, results / "dev.ctm")
    print(f"fold {number + 1}: {found.all.wer:.1%}", file=sys.stderr, flush=True)
    return found


def language_model(corpus: Path, run: Path) -> Path:
    """Trains one on the fold's train sentences, under the label policy of its run."""
    path, policy = run / "lm.arpa", RunFolder(run).config()["label_policy"]
    slr_accel("lm", "train", corpus, "--out", path, "--label_policy", policy)
    return path


def deal(data_dir: Path, out: Path, number: int, folds: int) -> None:
    """Writes a corpus in which one fold is dev and all the others are train."""
    corpus = open_corpus(data_dir)
    order = [corpus.rows.id(row) for row in range(len(corpus.rows))]
    random.Random(0).shuffle(order)
    held_out = set(order[number::folds])
    sequences = (corpus.sequence(row) for row in range(len(corpus.rows)))
    write_corpus(
        out,
        (replace(s, split="dev" if s.id in held_out else "train") for s in sequences),
        layout=corpus.layout,
        dtype=corpus.info.dtype,
        frames_per_second=corpus.info.frames_per_second,
        source={"importer": "folds", "fold": number, "folds": folds},
    )


def read_fold(data_dir: Path, ctm: Path) -> Fold:
    corpus = open_corpus(data_dir)
    known = {word for row in corpus.rows.of_split("train") for word in corpus.labels(row)}
    said: dict[str, list[str]] = {}
    for line in ctm.read_text(encoding="utf-8").splitlines():
        sentence, _, _, _, word, *_ = line.split()
        said.setdefault(sentence, []).append(word)
    rows = corpus.rows.of_split("dev")
    references = [corpus.labels(row) for row in rows]
    counts = score(references, [said.get(corpus.rows.id(row), []) for row in rows])
    seen = [c for c, words in zip(counts, references, strict=True) if known.issuperset(words)]
    unseen = sum(word not in known for words in references for word in words)
    return Fold(sum(counts, Counts()), sum(seen, Counts()), unseen)


def table_of(folds: list[Fold]) -> str:
    pooled = Fold(
        sum((fold.all for fold in folds), Counts()),
        sum((fold.known for fold in folds), Counts()),
        sum(fold.unseen for fold in folds),
    )
    named = {**{str(number): fold for number, fold in enumerate(folds, 1)}, "pooled": pooled}
    return table(
        ("fold", "WER", "words", "S / D / I", "unseen words", "sentences without these", "words"),
        [
            [
                *(name, f"{all.wer:.1%}", all.reference_tokens),
                f"{all.substitutions} / {all.deletions} / {all.insertions}",
                f"{unseen / all.reference_tokens:.1%}",
                *(f"{known.wer:.1%}", known.reference_tokens),
            ]
            for name, (all, known, unseen) in named.items()
        ],
    )


if __name__ == "__main__":
    main()
