"""Guesses from files of tools and public corpora: .skels, .pose, JSON, pickles, parquet, video."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from slr_accel.importers.clip_names import normal_name
from slr_accel.importers.field_pickles import annotation_rows
from slr_accel.importers.guess import Contents, Guess, command, out_name
from slr_accel.importers.guess_index import annotation_options, rate_of
from slr_accel.importers.keypoint_files import PICKLES, find_source
from slr_accel.importers.keypoint_forms import layout_of
from slr_accel.importers.listing import Problems
from slr_accel.importers.units import are_pixels
from slr_accel.importers.unpickling import load_pickle
from slr_accel.video.frames import VIDEO_SUFFIXES

SIZES = {"phoenix": ("210x260", 25), "csl": ("512x512", 30)}
"""{part of a name: the size of the videos in pixels, and their frames per second}"""


def guess_tools(contents: Contents) -> list[Guess]:
    for way in (_skels, _pose_files, _landmark_files, _videos, _release):
        found = way(contents)
        if found is not None:
            return [found]
    return []


def _skels(contents: Contents) -> Guess | None:
    files = contents.here(".skels")
    if not files:
        return None
    splits = ", ".join(path.stem for path in files)
    return Guess(
        str(contents.root),
        "skeletons as text, as Progressive Transformers has PHOENIX-2014T",
        {"splits": splits, "points": "50 x (x, y, z)", "frame rate": "25, as in PHOENIX"},
        [command("skels", "--folder", contents.root, out=out_name(contents.root))],
    )


def _pose_files(contents: Contents) -> Guess | None:
    files = contents.of(".pose")
    if not files:
        return None
    facts = {"sequences": f"{len(files):,}", "labels": "none: all is the split `test`"}
    options = rate_of(files, facts)
    return Guess(
        str(contents.root),
        "files of the pose-format library, without an index",
        facts,
        [command("pose", "--folder", contents.root, *options, out=out_name(contents.root))],
        ["to train, write an index.csv beside them: path,id,split,signer,glosses"],
    )


def _landmark_files(contents: Contents) -> Guess | None:
    """Pickles, OpenPose's JSON or parquet, through the importer itself."""
    source = _source(contents)
    if source is None:
        return None
    problems = Problems()
    try:
        found = find_source(source, problems)
    except ValueError as error:
        return Guess(str(source), "not readable", remarks=[str(error)])
    names = [clip.name for clip in found.clips]
    options, labels, remarks = annotation_options(contents, names)
    facts = {"sequences": f"{len(names):,} recordings, e.g. {names[0]}"}
    size = _known_size(contents, names)
    try:
        facts |= _facts([clip.read() for clip in found.clips[:4]])
    except ValueError as error:
        return Guess(str(source), "not readable", facts, remarks=[f"{names[0]}: {error}"])
    if any(clip.annotation for clip in found.clips):
        labels = "in the file itself"
    facts["labels"] = "none found: all is the split `test`" if labels == "none" else labels
    if size and facts.get("units") == "pixels":
        options += ["--frame_size", size[0], "--fps", str(size[1])]
        facts["frame rate"] = f"{size[1]}, as that corpus has (its videos are {size[0]})"
    else:
        facts["frame rate"] = "not in the files: add --fps where you know it"
    if any(b",phrase" in path.read_bytes().split(b"\n", 1)[0] for path in contents.here(".csv")):
        remarks.append("phrases are stored as words: train with --label_policy characters")
    kinds = {
        "pickle": "a pickle of recordings",
        "pickles": "a pickle a recording",
        "openpose": "OpenPose's JSON, a folder a recording",
        "parquet": "parquet as Kaggle has it",
    }
    line = command("keypoints", "--source", source, *options, out=out_name(contents.root))
    return Guess(str(contents.root), kinds[found.kind], facts, [line], [*remarks, *problems.notes])


def _source(contents: Contents) -> Path | None:
    if contents.of("_keypoints.json"):
        return contents.root
    if contents.of(".parquet"):
        return contents.root
    pickles = contents.of(*PICKLES)
    holding = [path for path in pickles[:4] if _holds_recordings(path)]
    if len(holding) == 1 and len(pickles) <= 4:
        return holding[0]
    return contents.root if holding else None


def _holds_recordings(path: Path) -> bool:
    """Whether a pickle holds arrays of recordings, not annotations alone."""
    try:
        content = load_pickle(path)
    except ValueError:
        return True  # What is wrong with it is told by the guess.
    rows = annotation_rows(content, str(path))
    if rows is None:
        return True
    values = content if isinstance(content, list) else list(content.values())
    return any(
        isinstance(v, np.ndarray)
        for row in values[:1]
        if isinstance(row, dict)
        for v in row.values()
    )


def _facts(arrays: list[np.ndarray]) -> dict[str, str]:
    name, layout = layout_of(arrays[0])
    flat = [array.reshape(len(array), -1) for array in arrays]
    facts = {"points": f"{name or 'plain columns'} ({layout.signature})"}
    if any(block.is_planar for block in layout.blocks):
        facts["units"] = "pixels" if are_pixels(flat, layout) else "fractions of the frame"
    marks = "NaN" if any(np.isnan(array).any() for array in flat) else "zeros"
    scored = any("confidence" in block.axes for block in layout.blocks)
    facts["absence"] = f"{marks}, and scores" if scored else marks
    return facts


def _known_size(contents: Contents, names: list[str]) -> tuple[str, int] | None:
    """The size and rate of the corpus that names of files or recordings speak of."""
    files = [path.name for paths in contents.by_suffix.values() for path in paths[:20]]
    text = normal_name(" ".join([*files, *names[:20], contents.root.name])).lower()
    return next((size for part, size in SIZES.items() if part in text), None)


def _videos(contents: Contents) -> Guess | None:
    files = contents.of(*VIDEO_SUFFIXES)
    if not files:
        return None
    names = [path.relative_to(contents.root).as_posix() for path in files]
    options, labels, remarks = annotation_options(contents, names)
    folder = contents.root if options else files[0].parent
    if not options:
        labels = "none: all is the split `test`, for `predict`"
        remarks.append("to train, write an index.csv: id,split,signer,video,labels")
    return Guess(
        str(contents.root),
        "videos, without an index",
        {"videos": f"{len(files):,}", "labels": labels},
        [command("video", "--videos", folder, *options, out=out_name(contents.root))],
        remarks,
    )


def _release(contents: Contents) -> Guess | None:
    manual = [p for p in contents.of(".csv") if p.match("annotations/manual/*.corpus*.csv")]
    if not manual:
        return None
    is_2014t = any("PHOENIX-2014-T" in path.name for path in manual)
    features: list[str] = []
    with suppress(StopIteration):
        features = [str(next(p for p in contents.of(".npy", ".npz") if p.parent.name == "train"))]
    folder = Path(features[0]).parents[1] if features else None
    return Guess(
        str(contents.root),
        "a release of RWTH-PHOENIX-Weather 2014" + (" T" if is_2014t else ""),
        {"annotations": f"{len(manual)} files"},
        [
            command(
                "phoenix2014t" if is_2014t else "phoenix2014",
                *("--release", contents.root, "--features", folder or "FEATURES"),
                out=out_name(contents.root),
            )
        ],
        [] if folder else ["write the folder of your landmarks for FEATURES: docs/phoenix.md"],
    )
