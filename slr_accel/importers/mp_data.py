"""`slr-accel prepare mp_data`: makes a corpus of single signs from one array file a frame."""

from __future__ import annotations

import argparse
import re
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from slr_accel.corpus.sequence import UNKNOWN_SIGNER, Sequence
from slr_accel.importers.absence import fill_absent
from slr_accel.importers.arrays import as_float32, load_numbers
from slr_accel.importers.block_order import in_order, reordered
from slr_accel.importers.dev_split import add_dev_share, assign_splits
from slr_accel.importers.holistic_arrays import BLOCK_ORDER
from slr_accel.importers.listing import Item, Listing, Problems, check_fps
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.named_layouts import NAMED_LAYOUTS, mediapipe_holistic

DESCRIPTION = """\
Makes a corpus of single signs from FOLDER/WORD/SEQUENCE/FRAME.npy: one array a frame, with the
values of MediaPipe Holistic:

  1,662  pose 33 x (x, y, z, visibility), face 468 x 3, left hand 21 x 3, right hand 21 x 3
  1,629  the same in the same order without visibility
  258, 225, 132, 99, 126  of these the pose (with visibility) and the hands, or the pose, or hands

Names of files end in the frame's number: 17.npy, frame_017.npy. WORD is the label, WORD/SEQUENCE
the id; white space in them becomes -. Frames are sorted by number; a missing number becomes a frame
in which nothing is present. A block or a point of zeros is absent. Signers are unknown.
"""
PARTS = ("pose_hands_confidence", "pose_hands", "pose_confidence", "pose", "hands")
LAYOUTS = {
    layout.columns: layout
    for layout in (
        mediapipe_holistic(True),
        mediapipe_holistic(),
        *(NAMED_LAYOUTS[f"mediapipe_{part}"]() for part in PARTS),
    )
}
NUMBERED = re.compile(r"(?:.*[^\d-]|.*\w-)?(\d+)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", required=True, type=Path, help="holds a folder for each word")
    parser.add_argument("--fps", type=float, help="frames per second, where known")
    add_dev_share(parser)


def list_sequences(args: argparse.Namespace) -> Listing:
    return list_mp_data(args.folder, fps=args.fps, dev_share=args.dev_share)


def list_mp_data(folder: Path, *, fps: float | None = None, dev_share: float = 0.2) -> Listing:
    """Lists the sequences of all words.

    Raises:
        ValueError: the folder does not exist, or its arrays are not those of Holistic.
    """
    check_fps(fps)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    problems = Problems()
    frames_of = {
        sequence: _frames(sequence, problems)
        for word in _folders(folder)
        for sequence in _sequences(word, problems)
    }
    layout = _find_layout([path for frames in frames_of.values() for path in frames.values()])
    labels = {sequence: _one_word(sequence.parent.name) for sequence in frames_of}
    ids = {sequence: f"{labels[sequence]}/{_one_word(sequence.name)}" for sequence in frames_of}
    split_of = assign_splits({ids[s]: [labels[s]] for s in frames_of}, dev_share)
    items = []
    for sequence, frames in frames_of.items():
        id = ids[sequence]
        read = partial(_read, id, split_of[id], labels[sequence], frames, layout)
        items.append(Item(id, str(sequence), read, tuple(frames.values())))
    return Listing(
        importer="mp_data",
        layout=layout,
        frames_per_second=fps,
        items=items,
        source={"dev_share": dev_share},
        notes=_gaps(frames_of),
        root=folder,
        problems=problems,
    )


def _folders(folder: Path) -> list[Path]:
    """Subfolders in the order of their names, 2 before 10, without hidden ones."""
    found = (path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    return sorted(found, key=lambda path: (len(path.name) if path.name.isdigit() else 0, path.name))


def _sequences(word: Path, problems: Problems) -> list[Path]:
    sequences = _folders(word)
    if not sequences:
        problems.add(str(word), "holds no folders; needed is FOLDER/WORD/SEQUENCE/FRAME.npy")
    return sequences


def _frames(sequence: Path, problems: Problems) -> dict[int, Path]:
    """{frame number: array file}, in the order of the numbers."""
    frames: dict[int, Path] = {}
    for path in sorted(sequence.glob("[!.]*.npy")):
        named = NUMBERED.fullmatch(path.stem)
        if named is None:
            problems.add(
                str(path), "is not named by the number of its frame, as 17.npy or frame_017.npy"
            )
        elif int(named[1]) in frames:
            problems.add(str(path), f"has the number of {frames[int(named[1])].name}; remove one")
        else:
            frames[int(named[1])] = path
    return dict(sorted(frames.items()))


def _one_word(name: str) -> str:
    return "-".join(name.split())


def _find_layout(paths: list[Path]) -> Layout:
    """The layout of the first array that has one; reading reports what is wrong with others."""
    odd = ""
    for path in paths:
        with suppress(ValueError):
            size = load_numbers(path).size
            if size in LAYOUTS:
                return LAYOUTS[size]
            odd = odd or f"{path}: holds {size:,} values"
    if not odd:
        return LAYOUTS[max(LAYOUTS)]
    known = ", ".join(f"{columns:,}" for columns in LAYOUTS)
    raise ValueError(
        f"{odd}; needed are {known}, as MediaPipe Holistic gives (478 instead of 468 face points "
        "come from refine_face_landmarks: extract without it)"
    )


def _gaps(frames_of: dict[Path, dict[int, Path]]) -> list[str]:
    """Notes missing numbers between the first and the last frame of a sequence."""
    missing = {s: _span(frames) - len(frames) for s, frames in frames_of.items()}
    with_gaps = [sequence for sequence, gaps in missing.items() if gaps]
    if not with_gaps:
        return []
    frames = frames_of[with_gaps[0]]
    first = next(number for number in count(min(frames)) if number not in frames)
    return [
        f"{sum(missing.values())} frames are missing in {len(with_gaps)} of {len(frames_of)} "
        f"sequences, the first is {with_gaps[0] / str(first)}.npy; nothing is present in them"
    ]


def _span(frames: dict[int, Path]) -> int:
    """The number of frames from the first number to the last."""
    return max(frames) - min(frames) + 1 if frames else 0


def _read(id: str, split: str, label: str, frames: dict[int, Path], layout: Layout) -> Sequence:
    """One sequence. ValueError says what is wrong with its arrays."""
    span = _span(frames)
    if not frames:
        raise ValueError("has no frames; FOLDER/WORD/SEQUENCE/FRAME.npy is read")
    if span > 2 * len(frames):
        raise ValueError(
            f"has {len(frames)} frames, numbered from {min(frames)} to {max(frames)}: more than "
            "half are missing, or these are no frame numbers; number them 0, 1, 2, ..."
        )
    values = np.zeros((span, layout.columns), np.float32)
    for number, path in frames.items():
        array = load_numbers(path)
        if array.size != layout.columns:
            raise ValueError(f"{path.name} has shape {array.shape}, not ({layout.columns},)")
        values[number - min(frames)] = as_float32(array.reshape(-1), path.name)
    stored = in_order(layout, [name for name in BLOCK_ORDER if name in layout.slices])
    features = reordered(values, stored, layout)
    if np.isnan(features).any():
        # The check of all values says where.
        everywhere = np.ones((span, len(layout.blocks)), bool)
        return Sequence(id, split, UNKNOWN_SIGNER, features, everywhere, [label])
    presence, seen = fill_absent(features, layout, dict.fromkeys(layout.slices, "zeros"))
    return Sequence(id, split, UNKNOWN_SIGNER, features, presence, [label], seen=seen)
