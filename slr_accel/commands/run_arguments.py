"""Defines the arguments that evaluate and predict share, and opens the run they name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from slr_accel.commands.transcripts import make_writable, warn
from slr_accel.errors import Interrupted
from slr_accel.models.find import find_model
from slr_accel.processes.threads import yield_to_other_programs
from slr_accel.runs.opened import OpenedRun, open_run
from slr_accel.runs.run_folder import RunFolder
from slr_accel.settings.command_line import add_argument
from slr_accel.settings.decoding import DecodingSettings

Stops = Callable[[], bool]


def add_run_arguments(parser: argparse.ArgumentParser, output: str) -> None:
    """Adds the arguments of a command whose results go to the folder `output` in the run."""
    parser.add_argument(
        "run",
        metavar="RUN",
        help="run folder; or a model folder or hf://OWNER/NAME, with --data_dir and --output_dir",
    )
    parser.add_argument(
        "others",
        nargs="*",
        metavar="RUN",
        help="further ones, whose log-probabilities are averaged with those of the first",
    )
    parser.add_argument("--data_dir", help="corpus, a folder or an address [the one trained on]")
    parser.add_argument("--split", help="[dev, or the only split of the corpus]")
    parser.add_argument(
        "--checkpoint", default="best", help="best, last, or a checkpoint folder [best]"
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=16,
        help="most sequences in a batch [16]; batch_frames of the run is a limit too",
    )
    for name, field in DecodingSettings.model_fields.items():
        add_argument(parser, name, field, "that of the run")
    parser.add_argument("--output_dir", type=Path, help=f"where results go [RUN/{output}]")
    parser.add_argument("--shard_window", type=int, help="shards read together [that of the run]")
    add_cache_arguments(parser, "that of the run")
    parser.set_defaults(output=output)


def add_cache_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds the arguments of a command that may read a remote corpus."""
    parser.add_argument("--cache_dir", help=f"where its shards are kept, if remote [{default}]")
    parser.add_argument(
        "--cache_gb", type=float, help=f"most gigabytes of them that are kept [{default}]"
    )


def with_run(
    args: argparse.Namespace,
    work: Callable[[OpenedRun, Path, argparse.Namespace, Stops], None],
) -> int:
    """Opens what the arguments name and calls `work` on it, with the folder for results.

    After a signal, the work either stops between two batches and writes nothing, or it has read
    all batches and writes everything.

    Returns:
        The exit code.
    """
    yield_to_other_programs()
    from slr_accel.processes.preemption import StopRequest

    if not RunFolder(Path(args.run)).exists:
        given = {"--data_dir": args.data_dir, "--output_dir": args.output_dir}
        missing = [name for name, value in given.items() if not value]
        if missing:
            find_model(args.run)
            raise ValueError(f"{args.run}: a model without its run; give {' and '.join(missing)}")
    if args.others and not args.output_dir:
        raise ValueError("several runs decode together: give --output_dir for their results")
    opened_run = open_run(
        args.run,
        split=args.split,
        data_dir=args.data_dir,
        checkpoint=args.checkpoint,
        batch_size=args.batch_size,
        shard_window=args.shard_window,
        cache_dir=args.cache_dir,
        cache_gb=args.cache_gb,
        decoding={name: getattr(args, name) for name in DecodingSettings.model_fields},
        others=args.others,
    )
    with StopRequest() as stop, opened_run as opened:
        folder = args.output_dir or Path(args.run, args.output)
        make_writable(folder)
        for text in opened.warnings if opened.is_main else []:
            warn(text)
        try:
            work(opened, folder, args, lambda: stop.is_anywhere(opened.accelerator))
        except Interrupted:
            with suppress(OSError):  # the terminal may be closed
                if opened.is_main:
                    print(f"{stop.name}: stopped, nothing was written", file=sys.stderr)
            return stop.exit_code
    return 0
