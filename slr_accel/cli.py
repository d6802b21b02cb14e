"""Runs `slr-accel COMMAND ...`. Imports nothing slow, so that help and errors are instant."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import Any

from slr_accel.errors import reported
from slr_accel.home_folder import with_home
from slr_accel.processes.launcher import end_with_launcher

COMMANDS = {
    "prepare": "make a corpus of arrays, videos or files of known formats",
    "inspect": "look at a corpus and check it",
    "models": "list the models, save a trained one, or check one",
    "overfit": "prove that a model and a corpus can learn",
    "train": "train a recogniser, or continue a run",
    "teach": "cache what trained runs say of a corpus, for students",
    "evaluate": "score a run on a split",
    "score": "score hypotheses of any recogniser against references",
    "lm": "train a language model for beam search",
    "compare": "compare runs: is the difference more than chance?",
    "predict": "transcribe a corpus without references",
    "align": "find when each gloss begins and ends: subtitles, CTM, ELAN",
    "transcribe": "read recordings: arrays, .pose files or videos",
    "export": "write a trained model as ONNX, checked against torch",
    "live": "read signing from a camera or a video, as it comes",
    "diagnose": "say what is wrong with a run or a corpus, and what to change",
}


def main(argv: list[str] | None = None) -> None:
    """Runs one command and exits: 0 good, 1 it failed or the answer is no, 2 wrong use; 75, 129,
    130 or 143 after a signal, 141 where nobody reads the output."""
    words = sys.argv[1:] if argv is None else argv
    with reported():
        end_with_launcher()
        code = _run(words)
        if code == 0:
            print(end="", flush=True)
        sys.exit(code)


def _run(words: list[str]) -> int:
    if words[:1] == ["train"]:
        # train has its own parser, since settings also come from recipes and are checked together.
        from slr_accel.train import main as train

        return train(words[1:], prog="slr-accel train")
    parser = argparse.ArgumentParser(
        prog="slr-accel", description="Continuous sign language recognition: prepare, train, score."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        command.set_defaults(parser=command)
        if name in words[:1]:
            import_module(f"slr_accel.commands.{name}").add_arguments(command)
    if not words:
        parser.print_help()
        return 2
    args, unknown = parser.parse_known_args(with_home(words))
    if "settings" in args:
        args.settings = unknown  # settings of training, which the command checks
    elif unknown:
        # By itself, argparse shows the usage of `slr-accel`, without the options of the command.
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    result: int = import_module(f"slr_accel.commands.{args.command}").run(args)
    return result


class _Version(argparse.Action):
    """argparse's own action looks the version up whether or not it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> None:
        from importlib.metadata import version

        print(version("slr-accel"))
        parser.exit()


if __name__ == "__main__":
    main()
