"""`slr-accel prepare keypoints`: makes a corpus of landmarks in the files of public corpora."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from slr_accel.corpus.sequence import Sequence
from slr_accel.importers.absence import fill_absent
from slr_accel.importers.annotated_rows import Found, join, unlabelled
from slr_accel.importers.arrays import read_samples
from slr_accel.importers.dev_split import USUAL_SHARE, DevShare
from slr_accel.importers.field_annotations import (
    Annotation,
    add_annotations,
    annotation_files,
    read_annotations,
)
from slr_accel.importers.keypoint_files import Clip, Source, find_source
from slr_accel.importers.keypoint_forms import default_missing, layout_of
from slr_accel.importers.label_checks import odd_names
from slr_accel.importers.listing import Item, Listing, Problems, check_fps
from slr_accel.importers.rates import Rated, add_fps, at_rate, one_rate
from slr_accel.importers.units import are_pixels, parse_frame_size, to_heights
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.units import FRACTION, HEIGHT

DESCRIPTION = """\
Makes a corpus from landmarks as public corpora and tools have them. SOURCE is a pickle of
sequences, [frames, points, axes] each:

  {name: {"keypoints": [T, P, A]}} or {name: [T, P, A]}

as Isharah (86 points), TwoStreamNetwork, SLRT, MSKA (COCO-WholeBody, 133) and OpenHands (75) have
them; a folder of such pickles, one a recording (Uni-Sign, GloFE); a folder of OpenPose's
*_keypoints.json, in a folder a recording (BODY_25, hands, face); or a folder of Kaggle's .parquet
(asl-signs, fingerspelling).

The shape says which points they are. Pickles are read without executing anything in them: what is
no number, text, list, dictionary, numpy array or torch tensor is refused by name.

--annotations names the files that say splits, signers and labels, as the corpora have them:
tables with | or commas (PHOENIX, Isharah, GSL, CSL-Daily's split_1.txt and video_map.txt, Kaggle's
train.csv), pickles (phoenix-2014t.train, csl2020ct_v2.pkl), ELAN's .eaf, or an index of your own.
Without it, and where SOURCE does not say, all is the split `test`, without labels.

Points scored below --min_score, points at 0,0 and frames without a person are absent.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", required=True, type=Path, help="file or folder of landmarks")
    add_annotations(parser, "the recordings in SOURCE")
    parser.add_argument(
        "--min_score",
        type=float,
        help="score below which a point is absent [0.3 for COCO-WholeBody; else 0,0,0 is absent]",
    )
    parser.add_argument(
        "--person", type=int, help="number of the person, from 0 [the best scored in each frame]"
    )
    parser.add_argument(
        "--frame_size", metavar="WxH", help="of the video in pixels: coordinates are divided by H"
    )
    add_fps(parser)


def list_sequences(args: argparse.Namespace) -> Listing:
    return list_keypoints(
        args.source,
        args.annotations,
        tier=args.tier,
        min_score=args.min_score,
        person=args.person,
        frame_size=parse_frame_size(args.frame_size) if args.frame_size else None,
        fps=args.fps,
        share=DevShare(args.dev_share, args.by_signer),
    )


@dataclass(frozen=True)
class _Form:
    """What the arrays of a source have in common."""

    layout: Layout
    missing: dict[str, str]
    frame_size: tuple[float, float] | None
    pixels: bool


def list_keypoints(
    source: Path,
    annotations: list[Path] | None = None,
    *,
    tier: str | None = None,
    min_score: float | None = None,
    person: int | None = None,
    frame_size: tuple[float, float] | None = None,
    fps: float | None = None,
    share: DevShare = USUAL_SHARE,
) -> Listing:
    """Lists the sequences of a source; the options are those of the command.

    Raises:
        ValueError: the source or an annotation cannot be read at all, or they do not belong
            together.
    """
    check_fps(fps)
    problems = Problems()
    annotations = annotation_files(annotations)
    found_source = find_source(source, problems, person)
    said = _annotations(found_source, annotations, tier, problems)
    found = _rows(found_source, said, source, problems, share, fps)
    clips = [one.recording for one in found if one.recording is not None]
    name, form = _form(clips, min_score, frame_size)
    rows = [one.row for one in found]
    problems.notes += odd_names((n for row in rows for n in row.labels), (r.split for r in rows))
    return Listing(
        importer="keypoints",
        layout=form.layout,
        frames_per_second=one_rate([Rated(row.where, row.fps) for row in rows], fps, problems),
        items=[_item(one, form, source, fps) for one in found],
        source={
            "kind": found_source.kind,
            "points": name,
            "missing": form.missing,
            "frame_size": frame_size,
            "dev_share": share.share,
            "by_signer": share.by_signer,
        },
        notes=problems.notes,
        files=tuple(annotations),
        root=found_source.root,
        problems=problems,
    )


def _annotations(
    source: Source, paths: list[Path], tier: str | None, problems: Problems
) -> list[Annotation]:
    if paths:
        return read_annotations(paths, problems, tier=tier)
    return [clip.annotation for clip in source.clips if clip.annotation is not None]


def _rows(
    source: Source,
    said: list[Annotation],
    path: Path,
    problems: Problems,
    share: DevShare,
    fps: float | None,
) -> list[Found[Clip]]:
    if not said:
        rows = unlabelled([(clip.name, clip.where) for clip in source.clips])
        return [Found(row, clip) for row, clip in zip(rows, source.clips, strict=True)]
    named = [(clip.name, clip) for clip in source.clips]
    joined = join(said, named, str(path), problems, share=share, fps=fps)
    # Sequences of one file are read one after the other: it is then loaded once.
    place = {id(clip): number for number, clip in enumerate(source.clips)}
    return sorted(joined, key=lambda one: place.get(id(one.recording), len(place)))


def _form(
    clips: list[Clip], min_score: float | None, frame_size: tuple[float, float] | None
) -> tuple[str | None, _Form]:
    """The name of the points, and the form, which some clips show."""
    samples = read_samples(lambda clip: clip.read(), clips)
    if not samples:
        # Reading the first says why.
        samples = [clips[0].read()]
    # A few odd ones are told of when they are read.
    [(shape, _)] = Counter(array.shape[1:] for array in samples).most_common(1)
    usual = [array for array in samples if array.shape[1:] == shape]
    name, layout = layout_of(usual[0])
    flat = [_flat(array) for array in usual]
    pixels = are_pixels(flat, layout)
    if any(block.is_planar for block in layout.blocks):
        units = HEIGHT if frame_size else "pixel" if pixels else FRACTION
        layout = replace(layout, units=units)
    missing = default_missing(name, layout, min_score)
    markers = {block.name: missing for block in layout.blocks}
    return name, _Form(layout, markers, frame_size, pixels)


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(len(array), math.prod(array.shape[1:]))


def _item(one: Found[Clip], form: _Form, source: Path, fps: float | None) -> Item:
    files = one.recording.files if one.recording else ()
    return Item(one.row.id, one.row.where, partial(_read, one, form, source, fps), files)


def _read(one: Found[Clip], form: _Form, source: Path, fps: float | None) -> Sequence:
    """One sequence. ValueError says what is wrong with it."""
    if one.recording is None:
        raise ValueError(f"{source} has no recording named {one.row.parts[0]!r}")
    array = _flat(one.recording.read())
    layout = form.layout
    if not len(array):
        raise ValueError("has no frames")
    if array.shape[1] != layout.columns:
        raise ValueError(
            f"{one.recording.where} has {array.shape[1]} values a frame, but others have "
            f"{layout.columns} ({layout.signature})"
        )
    features = np.array(array, np.float32)
    presence, seen = fill_absent(features, layout, form.missing)
    if form.frame_size:
        to_heights(features, layout, form.frame_size, pixels=form.pixels)
    sequence = one.row.sequence(features, presence, seen=seen, frame_size=form.frame_size)
    return at_rate(sequence, layout, one.row.fps or fps, fps)
