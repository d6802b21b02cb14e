"""What evaluate and predict share: from their command line to a model and a corpus that it fits."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slr_accel.commands.opened_run import OpenedRun, warn
from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.errors import Interrupted
from slr_accel.models.hub import find_model
from slr_accel.threads import yield_to_other_programs
from slr_accel.training.run import LAYOUT_FILE, RunFolder, other_data

if TYPE_CHECKING:
    from slr_accel.models.recogniser import Recogniser
    from slr_accel.training.preemption import StopRequest

USUAL_STRETCH = 1.3
"""Frames that are further apart or closer by this factor are usual in training: augmentation's
default stretch in time."""


def add_run_arguments(parser: argparse.ArgumentParser, output: str) -> None:
    """Arguments of a command whose results go to the folder `output` in the run."""
    parser.add_argument(
        "run",
        metavar="RUN",
        help="run folder; or a model folder or hf://OWNER/NAME, with --data_dir and --output_dir",
    )
    parser.add_argument("--data_dir", help="corpus, a folder or an address [the one trained on]")
    parser.add_argument("--split", default="dev", help="[dev]")
    parser.add_argument(
        "--checkpoint", default="best", help="best, last, or a checkpoint folder [best]"
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=16,
        help="most sequences in a batch [16]; the run's batch_frames is a limit too",
    )
    parser.add_argument("--output_dir", type=Path, help=f"where results go [RUN/{output}]")
    parser.add_argument("--shard_window", type=int, help="shards read together [that of the run]")
    add_cache_arguments(parser, "that of the run")
    parser.set_defaults(output=output)


def add_cache_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    """Arguments of a command that may read a remote corpus."""
    parser.add_argument("--cache_dir", help=f"where its shards are kept, if remote [{default}]")
    parser.add_argument(
        "--cache_gb", type=float, help=f"most gigabytes of them that are kept [{default}]"
    )


def with_run(
    args: argparse.Namespace, work: Callable[[OpenedRun, argparse.Namespace], None]
) -> int:
    """Does the work on what the arguments name; returns the exit code.

    After a signal the work either ends between two batches, before it wrote anything, or is past
    them and writes all.
    """
    yield_to_other_programs()
    from slr_accel.training.preemption import StopRequest

    with StopRequest() as stop, open_run(args, stop) as opened:
        try:
            work(opened, args)
        except Interrupted:
            with suppress(OSError):  # the terminal may be what was closed
                if opened.is_main:
                    print(f"{stop.name}: ended, nothing was written", file=sys.stderr)
            return stop.exit_code
    return 0


@contextmanager
def open_run(args: argparse.Namespace, stop: StopRequest) -> Iterator[OpenedRun]:
    """Opens what the arguments name, and leaves the other processes in order at the end.

    Raises:
        ValueError: model and corpus do not fit, or results cannot be written.
    """
    folder = RunFolder(Path(args.run))
    for name in ("batch_size", "shard_window"):
        number = getattr(args, name)
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}; give at least 1")
    if folder.exists:
        config, checkpoint = folder.config(), _find_checkpoint(folder, args.checkpoint)
    else:
        config, checkpoint = {}, _find_lone_model(args)
    shard_window = args.shard_window or config.get("shard_window")
    try:
        corpus = open_corpus(
            args.data_dir or config["data_dir"],
            cache_dir=args.cache_dir or config.get("cache_dir"),
            cache_gb=config.get("cache_gb") if args.cache_gb is None else args.cache_gb,
        )
    except ValueError as error:
        if args.data_dir:
            raise
        raise ValueError(
            f"{error}\n{folder.path} was trained on it; where it is elsewhere now, give --data_dir"
        ) from None
    corpus.check_window(shard_window)
    corpus.rows.of_split(args.split)

    from slr_accel.models.folder import load_model
    from slr_accel.training.processes import make_accelerator

    model, vocabulary = load_model(checkpoint)
    wanted = model.features.layout
    if wanted.blocks != corpus.layout.blocks:
        raise ValueError(
            f"the model reads the layout ({wanted.signature}), but {corpus.address} has "
            f"({corpus.layout.signature}); prepare it as the corpus trained on{_hint(folder)}"
        )
    model.features.read_at(corpus.info.frames_per_second)
    output_dir = args.output_dir or folder.path / args.output
    _make_writable(output_dir)
    accelerator = make_accelerator(None)
    if accelerator.is_main_process:
        warn(_other_rate(model, corpus))
        if folder.exists and not args.data_dir:
            warn(other_data(folder, corpus))
    try:
        yield OpenedRun(
            corpus=corpus,
            model=model.to(accelerator.device).eval(),
            vocabulary=vocabulary,
            checkpoint=checkpoint.resolve(),
            output_dir=output_dir,
            accelerator=accelerator,
            batch_size=args.batch_size,
            batch_frames=_batch_frames(folder, config),
            shard_window=shard_window,
            stop=stop,
        )
    finally:
        # gloo's threads abort a process that exits before they are joined.
        accelerator.end_training()


def _batch_frames(folder: RunFolder, config: dict[str, Any]) -> int | None:
    """What the run was trained with; of `auto` what was found."""
    given = config.get("batch_frames")
    return folder.environment().get("batch_frames") if given == "auto" else given


def _other_rate(model: Recogniser, corpus: Corpus) -> str | None:
    """What is to be said of a corpus whose frames are much closer or further apart than usual."""
    trained, read = model.features.frames_per_second, corpus.info.frames_per_second
    if read is None or not model.features.knows_rate:
        return None
    if max(trained / read, read / trained) <= USUAL_STRETCH:
        return None
    return (
        f"{corpus.address} has {read:g} frames per second, the model was trained at {trained:g}: "
        f"motion is per second at both, but a span of frames is {trained / read:.2g} x the time it "
        f"was; for what the model can do, resample the corpus to about {trained:g}"
    )


def _make_writable(folder: Path) -> None:
    why = "no right to write there"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return
    except OSError as error:
        why = error.strerror or why
    raise ValueError(f"{folder}: results cannot go there ({why}); give another --output_dir")


def _hint(folder: RunFolder) -> str:
    if not folder.exists:
        return ""
    return (
        ", or, from arrays in the model's layout:\n"
        "  slr-accel prepare manifest --index INDEX.jsonl --out FOLDER --layout "
        + shlex.quote(str(folder.path / LAYOUT_FILE))
    )


def _find_lone_model(args: argparse.Namespace) -> Path:
    """A model that does not lie in its run, which would say what it was trained on."""
    checkpoint = find_model(args.run)
    missing = [f"--{name}" for name in ("data_dir", "output_dir") if not getattr(args, name)]
    if missing:
        raise ValueError(f"{args.run}: a model without its run; give {' and '.join(missing)}")
    if args.checkpoint != "best":
        raise ValueError(f"{args.run}: a model without its run has no --checkpoint")
    return checkpoint


def _find_checkpoint(folder: RunFolder, name: str) -> Path:
    from slr_accel.training.checkpoint import latest_checkpoint

    if name == "best":
        found = folder.best if folder.best.exists() else None
    elif name == "last":
        found = latest_checkpoint(folder.checkpoints)
    else:
        found = next((p for p in (Path(name), folder.checkpoints / name) if p.is_dir()), None)
    if found is None:
        last = latest_checkpoint(folder.checkpoints)
        hint = f"--checkpoint last is {last.name}" if last else "give its train command again"
        raise ValueError(f"{folder.path}: has no checkpoint {name!r} yet; {hint}")
    return found
