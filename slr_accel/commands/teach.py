"""Implements `slr-accel teach RUN ...`: caches what teachers say of a student's sequences."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from functools import partial
from pathlib import Path

EPILOG = """\
The student's run sees each sequence augmented, anew in each epoch. The cache holds --views epochs
of that; `slr-accel train --teacher_cache CACHE` then repeats them. Give the recipe and settings of
the student's run here too: a cache made with other ones is refused by name.

The same command again continues. --shard 1/4 to 4/4 share the work among four machines.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from slr_accel.commands.help_text import Description

    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="teacher: a run, a model folder or hf://OWNER/NAME; several are averaged",
    )
    parser.add_argument("--data_dir", required=True, help="corpus, a folder or an address")
    parser.add_argument("--out", type=Path, required=True, help="folder of the cache")
    parser.add_argument(
        "--views", type=int, default=1, help="epochs whose augmentation is cached [1]"
    )
    parser.add_argument(
        "--top_k",
        type=int,
        default=256,
        help="tokens kept of an output step; the others share the rest of the probability [256]",
    )
    parser.add_argument("--shard", default="1/1", help="i/n: do the i-th of n parts [1/1]")
    parser.formatter_class = Description
    parser.epilog = EPILOG
    parser.set_defaults(settings=None)  # cli passes the words that are settings of training


def run(args: argparse.Namespace) -> int:
    for name in ("views", "top_k"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} is {getattr(args, name)}; give at least 1")
    match = re.fullmatch(r"(\d+)/(\d+)", args.shard)
    index, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= count:
        raise ValueError(f"--shard is {args.shard}; give i/n, e.g. 1/4 for the first of four parts")
    from slr_accel.corpus.reader import Corpus, open_corpus
    from slr_accel.models.find import find_model
    from slr_accel.runs.run_folder import RunFolder
    from slr_accel.settings.command_line import parse_settings
    from slr_accel.training.by_corpus import values_by_corpus, with_epochs

    places = [f"--data_dir={args.data_dir}", f"--output_dir={args.out}"]
    words = [*places, *(args.settings or [])]
    for source in args.runs:
        find_model(source)
        words.append(f"--teacher={source}")
    opened: list[Corpus] = []
    settings = parse_settings(words, "slr-accel teach", partial(values_by_corpus, opened=opened))
    loading = settings.loading
    corpus = next(iter(opened), None) or open_corpus(
        args.data_dir, cache_dir=loading.cache_dir, cache_gb=loading.cache_gb
    )
    settings = with_epochs(settings, corpus, RunFolder(args.out))

    # Importing torch takes seconds: mistakes are reported before.
    from slr_accel.distillation.cache_format import part_path
    from slr_accel.errors import Interrupted
    from slr_accel.processes.accelerator import make_accelerator
    from slr_accel.processes.preemption import StopRequest
    from slr_accel.progress import track
    from slr_accel.training.data import check_splits
    from slr_accel.training.teach import make_cache

    check_splits(settings, corpus)
    with StopRequest() as stop:
        try:
            info = make_cache(
                args.out,
                settings,
                corpus,
                views=args.views,
                top_k=args.top_k,
                shard=(index, count),
                device=make_accelerator(None).device,
                track=track,
                stops=lambda: stop.signal is not None,
            )
        except Interrupted:
            print(f"{stop.name}: stopped; the same command continues", file=sys.stderr)
            return stop.exit_code
    size = sum(path.stat().st_size for path in args.out.rglob("*.arrow"))
    print(f"{args.out}: {info.views} view(s) of {info.rows:,} sequences, {size / 1e6:,.1f} MB")
    lacking = sum(not part_path(args.out, *part).is_file() for part in info.parts)
    if lacking:
        print(f"{lacking} of {len(info.parts)} files are lacking; make the other shards, too")
    else:
        print(f"train with it: slr-accel train --teacher_cache {shlex.quote(str(args.out))} ...")
    return 0
