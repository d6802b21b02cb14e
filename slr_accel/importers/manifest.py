"""`slr-accel prepare manifest`: makes a corpus of arrays named by an index, for own data."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from slr_accel.importers.absence import add_missing, check_missing
from slr_accel.importers.array_checks import check_columns, check_unit
from slr_accel.importers.array_folder import rows_of_folder
from slr_accel.importers.array_source import ArraySource, find_source
from slr_accel.importers.block_order import in_order
from slr_accel.importers.dev_split import USUAL_SHARE, DevShare
from slr_accel.importers.field_annotations import add_annotations, annotation_files
from slr_accel.importers.index import IndexRow, read_index
from slr_accel.importers.listing import Item, Listing, Problems, check_fps
from slr_accel.importers.rates import Rated, add_fps, one_rate
from slr_accel.importers.spans import add_times
from slr_accel.importers.units import are_pixels, parse_frame_size
from slr_accel.layouts.named_layouts import NAMED_LAYOUTS
from slr_accel.layouts.units import HEIGHT

DESCRIPTION = """\
Makes a corpus from arrays on disk. INDEX is a .jsonl file with one sequence a line:

  {"id": "s1", "split": "train", "features": "s1.npy", "labels": "GOOD DAY"}

features  FILE.npy, FILE.npz#KEY or FILE.safetensors#KEY, [frames, values]; or a list of them,
          joined in time. Paths start at the index.
labels    glosses, as a text with spaces or a list; needed in the split `train`
split     train and dev are what training uses; others (test) are for evaluate and predict
start,end the part of the recording that is the sentence: seconds, 1900ms, 47f (frames) or
          00:00:01.900
also      signer, fps (frames per second), frame_size (1280x720), text, segments
          ([[start_frame, end_frame, gloss], ...])

Where each sequence has as many arrays as labels, the arrays are its signs, and their limits become
its segments.

Where no row has an id, it is the name of the array; where none has a split, --dev_share divides
them. --folder needs no index: WORD/CLIP.npy has the label WORD, train/WORD/CLIP.npy the split too;
or --annotations say what the arrays are (PHOENIX' tables with |, CSL-Daily's, gz pickles, ELAN).

A .csv with these column names works too (a list of features with `;` between). A layout.json beside
the index says what the columns mean; without one they are generic numbers. The order of a layout's
blocks is that of the columns. mediapipe_holistic has pose, left_hand, right_hand, face; many
extractors join pose, face, left_hand, right_hand. Some arrays are checked: hands and face must be
where the pose has them. Where the frame's size is known, x, y and z become units of its height.
"""

PARTS_ARE_SIGNS = "every sequence has one array a label: the limits of the arrays became segments"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--index", type=Path, help="jsonl or csv file (or tsv, txt with |)")
    source.add_argument("--folder", type=Path, help="of arrays, as WORD/CLIP.npy: no index needed")
    add_annotations(parser, "the arrays in --folder")
    parser.add_argument(
        "--layout", help=f"{', '.join(NAMED_LAYOUTS)}, or a layout.json [the one beside the index]"
    )
    parser.add_argument(
        "--block_order",
        metavar="BLOCK,...",
        help="order of the layout's blocks in the columns of the arrays [the layout's]",
    )
    add_missing(parser, default="as layout.json says, else none")
    add_fps(parser)
    parser.add_argument(
        "--frame_size",
        metavar="WIDTHxHEIGHT",
        help="of the pictures, in pixels, where rows do not say: gives x and y one unit [unknown]",
    )
    add_times(parser, default="s")


def list_sequences(args: argparse.Namespace) -> Listing:
    return list_manifest(
        args.index,
        folder=args.folder,
        annotations=annotation_files(args.annotations),
        tier=args.tier,
        share=DevShare(args.dev_share, args.by_signer),
        block_order=args.block_order,
        layout=args.layout,
        missing=args.missing,
        fps=args.fps,
        frame_size=args.frame_size,
        times=args.times,
    )


def list_manifest(
    index: Path | None,
    *,
    folder: Path | None = None,
    annotations: Sequence[Path] = (),
    tier: str | None = None,
    share: DevShare = USUAL_SHARE,
    block_order: str | None = None,
    layout: str | None = None,
    missing: str | None = None,
    fps: float | None = None,
    frame_size: str | None = None,
    times: str = "s",
) -> Listing:
    """Lists the sequences of an index, or of a folder without one.

    Args:
        folder: instead of an index, the folder of the arrays; see `array_folder`.
        annotations: files that say splits, signers and labels of the arrays in `folder`.
        tier: of ELAN files among them, with the glosses.
        share: how sequences are divided, where nothing says splits.
        block_order: the layout's blocks in the order of the columns, with commas between.
        layout: name of a layout or a `layout.json`; None takes the one beside the index, and
            generic columns where there is none.
        missing: how every block marks absent points, one of MARKERS; None takes the layout file's.
        fps: frames per second of the corpus: rows of another rate are resampled, and rows that do
            not say have it.
        frame_size: WIDTHxHEIGHT of the frame of rows that do not say.
        times: the unit of `start` and `end` where they are mere numbers.

    Raises:
        ValueError: the index or the layout cannot be read at all.
    """
    check_fps(fps)
    if missing is not None:
        check_missing(missing)
    problems = Problems()
    if folder is not None:
        # Stands for the folder in messages; paths start at it.
        index = folder / "*"
        rows = rows_of_folder(folder, annotations, problems, share=share, tier=tier, fps=fps)
    elif index is not None and not annotations:
        rows = read_index(index, problems, times=times, share=share)
    else:
        raise ValueError("give --index FILE alone, or --folder FOLDER, which --annotations go with")
    if not rows:
        problems.raise_if_any()
    source = find_source(index, rows, layout, missing)
    if block_order:
        source = replace(source, stored=in_order(source.layout, block_order.split(",")))
    if frame_size:
        source = replace(source, frame_size=parse_frame_size(frame_size))
    samples = source.samples(rows)
    check_columns(index, source, samples, problems)
    source = replace(source, rate=fps, wanted_rate=fps, pixels=are_pixels(samples, source.layout))
    stored = source.layout
    if _sizes_are_known(rows, source, problems):
        stored = replace(stored, units=HEIGHT)
    else:
        check_unit(index, source, samples, problems)
    rate = one_rate([Rated(row.where, row.fps) for row in rows], fps, problems)
    return Listing(
        importer="manifest",
        layout=stored,
        frames_per_second=rate,
        items=[
            Item(row.id, row.where, partial(source.read, row), source.files(row)) for row in rows
        ],
        source={
            "missing": source.missing,
            "pixels": source.pixels,
            "resampled_to_fps": fps,
            "parts_are_signs": source.parts_are_signs,
            **({"block_order": list(source.stored.slices)} if source.stored else {}),
        },
        notes=problems.notes + ([PARTS_ARE_SIGNS] if source.parts_are_signs else []),
        files=(*(annotations if folder else (index,)), *source.file),
        root=index.parent,
        problems=problems,
        absence_by_marker=True,
    )


def _sizes_are_known(rows: list[IndexRow], source: ArraySource, problems: Problems) -> bool:
    """Whether coordinates can be brought to the frame's height: all rows have its size, or none."""
    without = [row for row in rows if source.size_of(row) is None]
    if not any(block.is_planar for block in source.layout.blocks):
        return False
    if without and len(without) < len(rows):
        problems.add(
            without[0].where,
            "has no `frame_size`, but others have; add it, or give --frame_size for all that have "
            "none",
        )
    return not without
