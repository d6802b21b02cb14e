"""`slr-accel prepare skels`: makes a corpus of skeletons in text files."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from slr_accel.corpus.sequence import UNKNOWN_SIGNER, Sequence
from slr_accel.corpus.split_names import SPLIT_NAME
from slr_accel.importers.absence import nonzero_presence
from slr_accel.importers.arrays import as_float32
from slr_accel.importers.index import IndexRow
from slr_accel.importers.listing import Item, Listing, Problems, check_fps
from slr_accel.layouts.named_layouts import openpose_upper_body

DESCRIPTION = """\
Makes a corpus from skeletons in text files, as Progressive Transformers has PHOENIX-2014T:

  SPLIT.skels  a line a sequence; 151 numbers a frame: 50 points x (x, y, z), and a counter that
               rises from frame to frame
  SPLIT.files  the sequences' names; a leading SPLIT/ is left out
  SPLIT.gloss  labels, with spaces between; sequences have none where this file is absent
  SPLIT.text   translations, where this file is there

Line N of each belongs to one sequence. Points are OpenPose's, with its names: 8 of the upper body,
21 of the left hand, 21 of the right hand. In the PHOENIX files the right shoulder has the larger x,
as in a mirror. A block of zeros is absent. Signers are unknown.
"""
LAYOUT = openpose_upper_body()
PHOENIX_RATE = 25.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", required=True, type=Path, help="holds train.skels and others")
    parser.add_argument(
        "--fps", type=float, default=PHOENIX_RATE, help="frames per second [25, as in PHOENIX]"
    )


def list_sequences(args: argparse.Namespace) -> Listing:
    return list_skels(args.folder, fps=args.fps)


def list_skels(folder: Path, *, fps: float = PHOENIX_RATE) -> Listing:
    """Lists the sequences of all splits in a folder; frames are read one line at a time.

    Raises:
        ValueError: the folder has no .skels files.
    """
    check_fps(fps)
    skeletons = sorted(folder.glob("*.skels"))
    if not skeletons:
        raise ValueError(f"{folder}: no such folder, or it holds no .skels files like train.skels")
    problems = Problems()
    return Listing(
        importer="skels",
        layout=LAYOUT,
        frames_per_second=fps,
        items=[item for path in skeletons for item in _items(path, problems)],
        files=tuple(
            file
            for path in skeletons
            for file in map(path.with_suffix, (".skels", ".files", ".gloss", ".text"))
            if file.is_file()
        ),
        root=folder,
        problems=problems,
    )


def _items(skeletons: Path, problems: Problems) -> list[Item]:
    """Lists the sequences of one split; none where its files do not fit together."""
    split = skeletons.stem
    before = len(problems.messages)
    if not SPLIT_NAME.fullmatch(split):
        problems.add(str(skeletons), f"names a split {split!r}; use letters, digits, _ and -")
    places = _line_places(skeletons)
    names = _lines_beside(skeletons, ".files", len(places), problems)
    if names is None:
        problems.add(str(skeletons.with_suffix(".files")), "no such file; it names the sequences")
    glosses = _lines_beside(skeletons, ".gloss", len(places), problems)
    texts = _lines_beside(skeletons, ".text", len(places), problems)
    if names is None or len(problems.messages) > before:
        return []
    items = []
    for number, (place, name) in enumerate(zip(places, names, strict=True)):
        id = name.strip().removeprefix(f"{split}/")
        if not id:
            problems.add(f"{skeletons.with_suffix('.files')}:{number + 1}", "has no name")
        labels = glosses[number].split() if glosses else []
        text = texts[number].strip() if texts else None
        where = f"{skeletons}:{number + 1}"
        row = IndexRow(where, id, split, UNKNOWN_SIGNER, labels, text=text)
        items.append(Item(id, where, partial(_read, skeletons, place, row)))
    return items


def _line_places(path: Path) -> list[tuple[int, int]]:
    """(first byte, number of bytes) of every line: the whole text may not fit in memory."""
    places, start = [], 0
    with path.open("rb") as file:
        for line in file:
            places.append((start, len(line)))
            start += len(line)
    return places


def _lines_beside(skeletons: Path, suffix: str, count: int, problems: Problems) -> list[str] | None:
    """The lines of a text file beside the skeletons; None where there is none."""
    path = skeletons.with_suffix(suffix)
    if not path.is_file():
        return None
    try:
        # splitlines() would break lines at other characters, too.
        lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        problems.add(str(path), f"not UTF-8 text ({error}); save it as UTF-8")
        return []
    if len(lines) != count:
        problems.add(
            str(path),
            f"has {len(lines)} lines, but {skeletons.name} has {count}; line N of both must "
            "belong to one sequence",
        )
    return lines


def _read(skeletons: Path, place: tuple[int, int], row: IndexRow) -> Sequence:
    """One sequence. ValueError says what is wrong with its line."""
    start, length = place
    with skeletons.open("rb") as file:
        file.seek(start)
        numbers = file.read(length).split()
    width = LAYOUT.columns + 1
    if not numbers:
        raise ValueError("has no frames: the line is empty")
    if len(numbers) % width:
        raise ValueError(
            f"has {len(numbers)} values, which is no multiple of the {width} of a frame; the line "
            "was cut off, or has other points"
        )
    try:
        values = np.array(numbers, np.float64).reshape(-1, width)
    except ValueError as error:
        raise ValueError(f"holds something that is no number ({error})") from None
    features, counter = as_float32(values[:, :-1], "the line"), values[:, -1]
    falls = np.flatnonzero(~(np.diff(counter) > 0))
    if len(falls):
        raise ValueError(
            f"the counter, the last of a frame's {width} values, does not rise from frame "
            f"{falls[0]} to {falls[0] + 1}; frames are missing, or of several sequences"
        )
    return row.sequence(features, nonzero_presence(features, LAYOUT))
