"""`slr-accel prepare compose`: makes a corpus of sentences from a corpus of single signs."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.corpus.format import CORPUS_FILE
from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.corpus.sequence import UNKNOWN_SIGNER, Segment, Sequence
from slr_accel.importers.listing import Item, Listing, Problems
from slr_accel.importers.sentences import Sentence, read_sentences, sample_sentences
from slr_accel.importers.sign_clips import SignClip, SignClips, find_sign_clips
from slr_accel.synthetic.joining import TRANSITION_SPEED, Clip, Joiner

DESCRIPTION = """\
Makes sentences from a corpus of single signs: its sequences have one label each, or segments. Each
sentence joins clips of its own split only. Bodies are moved to one place and size, and a smooth
transition leads from sign to sign; segments say where the signs are. Columns without named origin
and scale points (tracks, MFCC) are joined without transitions. A clip stays whole, with the rest
position that was recorded before and after the sign.

--num_train, --num_dev and --num_test sample sentences, from signs that train has, too;
--sentences FILE lists them:

  .jsonl  {"id": "s1", "split": "train", "labels": "HELLO", "signer": "anna"}
  .csv    with a header id,split,labels,signer
  .txt    s1 train HELLO WORLD

A sentence is signed by its `signer`, or by one who has clips of all its signs. Where there is none,
clips of all signers are mixed, and the sentence's signer is `unknown`.
"""
SPLITS = ("train", "dev", "test")
USUAL_SIGNS = "2-6"
USUAL_RATE = 25.0
"""The frame rate for transitions where that of the corpus is unknown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", required=True, type=Path, help="corpus folder of single signs")
    parser.add_argument("--sentences", type=Path, help="jsonl, csv or txt file")
    for split in SPLITS:
        parser.add_argument(f"--num_{split}", type=int, help="sampled sentences [0]")
    parser.add_argument(
        "--signs", metavar="MIN-MAX", help=f"how many in a sampled sentence [{USUAL_SIGNS}]"
    )
    parser.add_argument("--seed", type=int, default=1, help="chooses signs and clips [1]")


def list_sequences(args: argparse.Namespace) -> Listing:
    if args.seed < 0:
        raise ValueError(f"--seed is {args.seed}; give 0 or more")
    counts = {split: getattr(args, f"num_{split}") for split in SPLITS}
    counts = {split: count for split, count in counts.items() if count}
    if args.sentences:
        if counts or args.signs:
            raise ValueError("--sentences names all sentences; leave out --num_* and --signs")
        return list_listed(args.corpus, args.sentences, args.seed)
    if not counts:
        raise ValueError("give --num_train N (and --num_dev, --num_test), or --sentences FILE")
    return list_sampled(args.corpus, counts, _range(args.signs or USUAL_SIGNS), args.seed)


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if low.isdecimal() and high.isdecimal() and 1 <= int(low) <= int(high):
        return int(low), int(high)
    raise ValueError(f"--signs is {text!r}; give MIN-MAX with 1 <= MIN <= MAX, e.g. {USUAL_SIGNS}")


def list_listed(folder: Path, path: Path, seed: int = 1) -> Listing:
    """Lists the sentences of a file, in its order; `seed` chooses among the clips of a sign.

    Raises:
        ValueError: this is no corpus, or no such file.
    """
    corpus, problems = open_corpus(folder), Problems()
    clips = find_sign_clips(corpus, problems)
    sentences = read_sentences(path, problems)
    return _listing(corpus, clips, sentences, {"seed": seed}, problems, (path,))


def list_sampled(
    folder: Path, counts: dict[str, int], signs: tuple[int, int], seed: int = 1
) -> Listing:
    """Samples sentences; the same arguments give the same ones.

    Args:
        counts: sentences by split.
        signs: fewest and most in a sentence.

    Raises:
        ValueError: this is no corpus, or it has no signs for these sentences.
    """
    corpus, problems = open_corpus(folder), Problems()
    clips = find_sign_clips(corpus, problems)
    problems.raise_if_any()
    for split, count in counts.items():
        corpus.rows.of_split(split)
        if count < 0:
            raise ValueError(f"--num_{split} is {count}; give 0 or more")
    sentences = [
        sentence
        for split, count in counts.items()
        for sentence in sample_sentences(clips, split, count, signs, seed)
    ]
    options = {"seed": seed, "sentences": counts, "signs": list(signs)}
    return _listing(corpus, clips, sentences, options, problems)


def _listing(
    corpus: Corpus,
    clips: dict[str, SignClips],
    sentences: list[Sentence],
    options: dict[str, Any],
    problems: Problems,
    files: tuple[Path, ...] = (),
) -> Listing:
    rate = corpus.info.frames_per_second or USUAL_RATE
    joiner = Joiner(corpus.layout, rate)
    transitions: dict[str, Any] = {"transitions": "none"}
    if joiner.has_body:
        transitions = {
            "transitions": "minimum jerk",
            "transition_speed": TRANSITION_SPEED,
            "transition_frames_per_second": rate,
        }
    items, mixed = [], 0
    for sentence in sentences:
        signs = clips.get(sentence.split, SignClips())
        missing = signs.missing(sentence.labels, sentence.signer)
        if missing:
            of = f" of {sentence.signer}" if sentence.signer else ""
            problems.add(
                sentence.where, f"no clip{of} in split {sentence.split}: {', '.join(missing)}"
            )
            continue
        random = np.random.default_rng([options["seed"], 1, *sentence.id.encode()])
        signer, chosen = signs.choose(sentence.labels, sentence.signer, random)
        mixed += signer == UNKNOWN_SIGNER
        read = partial(_compose, corpus, joiner, sentence, signer, chosen)
        items.append(Item(sentence.id, sentence.where, read))
    return Listing(
        importer="compose",
        layout=corpus.layout,
        frames_per_second=corpus.info.frames_per_second,
        items=items,
        source={**options, **transitions, "signs_from": corpus.info.source},
        files=(corpus.folder / CORPUS_FILE, *files),
        root=corpus.folder,
        problems=problems,
        notes=_notes(corpus, joiner, mixed, len(items)),
    )


def _notes(corpus: Corpus, joiner: Joiner, mixed: int, count: int) -> list[str]:
    notes = []
    if mixed:
        notes.append(
            f"{mixed} of {count} sentences mix clips of all signers: no known signer has clips of "
            "all their signs"
        )
    if not joiner.has_body:
        notes.append("the layout names no origin and scale points: there are no transitions")
    elif corpus.info.frames_per_second is None:
        notes.append(
            f"the frame rate of the corpus is unknown: transitions are as long as at "
            f"{USUAL_RATE:g} fps; prepare it with --fps if that is wrong"
        )
    return notes


def _compose(
    corpus: Corpus, joiner: Joiner, sentence: Sentence, signer: str, chosen: list[SignClip]
) -> Sequence:
    clips = [
        Clip(corpus.features(row)[start:end].astype(np.float32), corpus.presence(row)[start:end])
        for row, start, end in chosen
    ]
    joined, spans = joiner.join(clips)
    labels = sentence.labels
    segments = [Segment(*span, label) for span, label in zip(spans, labels, strict=True)]
    features, presence = joined.features, joined.presence
    return Sequence(sentence.id, sentence.split, signer, features, presence, labels, segments)
