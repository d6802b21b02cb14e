"""Implements `slr-accel align RUN --data_dir CORPUS`: when each gloss begins and ends."""

from __future__ import annotations

import argparse
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from slr_accel.commands import transcripts
from slr_accel.commands.help_text import Description
from slr_accel.commands.run_arguments import Stops, add_run_arguments, with_run
from slr_accel.runs.opened import OpenedRun

if TYPE_CHECKING:
    from slr_accel.runs.alignment import Aligned

DESCRIPTION = """\
Finds when each word of the references, and of the hypotheses, begins and ends: the path of CTC
that is the most probable one of all that say the sentence (forced alignment).

It writes for each sequence:

  .vtt .srt  subtitles of one word each, of references and hypotheses apart
  .eaf       both as tiers for ELAN (needs the extra elan)

and for the whole split SPLIT.reference.ctm and SPLIT.hypothesis.ctm. Times are in seconds.

Example:
  slr-accel align runs/mine --split dev
"""
FORMATS = ("ctm", "vtt", "srt", "eaf")
SIDES = ("reference", "hypothesis")
NAMED = 5
MOST_OF_NAME = 60
"""Characters; file systems allow 255 bytes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = Description
    parser.description = DESCRIPTION
    add_run_arguments(parser, output="alignments")
    parser.add_argument(
        "--formats", nargs="+", choices=FORMATS, help="[all; eaf where pympi-ling is installed]"
    )
    parser.add_argument(
        "--blank_penalty",
        type=float,
        default=0.0,
        help="nats that a step between words costs: more make words longer, 30 leaves no pauses; "
        "for corpora whose signs follow without a pause [0]",
    )


def run(args: argparse.Namespace) -> int:
    from slr_accel.scoring.elan import check_elan_is_installed, elan_is_installed

    if args.formats is None:
        args.formats = [name for name in FORMATS if name != "eaf" or elan_is_installed()]
        if "eaf" not in args.formats:
            transcripts.warn("no .eaf for ELAN is written, since the extra elan is not installed")
    elif "eaf" in args.formats:
        check_elan_is_installed()
    return with_run(args, _align)


def _align(opened: OpenedRun, folder: Path, args: argparse.Namespace, stops: Stops) -> None:
    from slr_accel.runs.alignment import align_rows

    rows = opened.corpus.rows.of_split(opened.split)
    hypotheses = transcripts.transcribe(opened, rows, stops).hypotheses
    said = {int(row): h.tokens for row, h in zip(rows, hypotheses, strict=True)}
    aligned = align_rows(opened, rows, said, args.blank_penalty, stops=stops)
    if not opened.is_main:  # not before: all processes ask together whether to stop
        return
    _write(folder, opened.split, aligned, args.formats)
    print(f"{len(aligned):,} sequences of the split {opened.split}: {folder}")
    if opened.corpus.info.frames_per_second is None:
        rate = opened.model.features.frames_per_second
        print(f"the corpus does not say its frame rate: times are at {rate:g} frames per second")
    for name in SIDES:
        short = [one.id for one in aligned if getattr(one, name) is None]
        if short:
            more = ", ..." if len(short) > NAMED else ""
            transcripts.warn(
                f"{len(short)} sequences have too few output steps for their {name}, which is "
                f"left out: {', '.join(short[:NAMED])}{more}"
            )


def _write(folder: Path, split: str, aligned: list[Aligned], formats: list[str]) -> None:
    """Writes the files of a split. CTM first, since it refuses words that it cannot hold."""
    from slr_accel.files import replaced
    from slr_accel.scoring.ctm import write_ctm
    from slr_accel.scoring.elan import write_eaf
    from slr_accel.scoring.srt import write_srt
    from slr_accel.scoring.subtitles import write_webvtt

    sides = {name: [getattr(one, name) or [] for one in aligned] for name in SIDES}
    if "ctm" in formats:
        for name, sentences in sides.items():
            with replaced(folder / f"{split}.{name}.ctm") as path:
                write_ctm(path, chain.from_iterable(sentences))
    if {*formats} == {"ctm"}:
        return
    inner = folder / split
    inner.mkdir(exist_ok=True)
    for stem, *own in zip(file_names([one.id for one in aligned]), *sides.values(), strict=True):
        tiers = dict(zip(SIDES, own, strict=True))
        for extension, write in {"vtt": write_webvtt, "srt": write_srt}.items():
            for name, words in tiers.items() if extension in formats else ():
                with replaced(inner / f"{stem}.{name}.{extension}") as path:
                    write(path, [(w.start, w.start + w.duration, w.token) for w in words])
        if "eaf" in formats:
            with replaced(inner / f"{stem}.eaf") as path:
                write_eaf(path, tiers)


def file_names(ids: list[str]) -> list[str]:
    """A different file name for each id: signs that file systems refuse become `_`."""
    taken: dict[str, int] = {}
    names = []
    for name in ids:
        safe = re.sub(r"[^\w.=+-]", "_", name)[:MOST_OF_NAME]
        safe = f"_{safe}" if not safe or safe[0] in ".-" else safe
        key = safe.casefold()
        taken[key] = taken.get(key, 0) + 1
        names.append(safe if taken[key] == 1 else f"{safe}~{taken[key]}")
    return names
