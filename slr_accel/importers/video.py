"""`slr-accel prepare video`: makes a corpus of landmarks from videos and folders of frames."""

from __future__ import annotations

import argparse
import hashlib
import math
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.corpus.sequence import Sequence
from slr_accel.importers.dev_split import USUAL_SHARE, DevShare
from slr_accel.importers.field_annotations import add_annotations, annotation_files
from slr_accel.importers.index import IndexRow, read_index
from slr_accel.importers.listing import Item, Listing, Problems, check_fps
from slr_accel.importers.rates import segments_at
from slr_accel.importers.spans import Span, Time, add_times
from slr_accel.importers.units import to_heights
from slr_accel.importers.video_folder import annotated_videos, videos_of_folder
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.layouts.units import HEIGHT
from slr_accel.progress import Progress
from slr_accel.video.frames import Frame, source_files
from slr_accel.video.landmarks import (
    Extraction,
    Extractor,
    columns_of,
    ensure_landmarks,
    load_landmarks,
)
from slr_accel.video.preview import draw_preview
from slr_accel.video.workers import run_jobs

DEFAULT_FPS = 25.0
LONGEST_NAME = 150
"""Bytes of an id in a file's name; file systems allow 255 in all."""
DESCRIPTION = """\
Finds the landmarks of MediaPipe Holistic in videos. INDEX is a .jsonl or .csv file:

  id,split,signer,video,labels
  s1,train,anna,clips/s1.mp4,HELLO WORLD

video     a video file, or a folder of numbered pictures (png, jpg); paths are relative to the index
labels    glosses with spaces between; needed in the split `train`
split     train and dev are what training uses; others (test) are for evaluate and predict
start,end the part of the video that is the sentence: seconds, 1900ms, 47f (frames of the video) or
          00:00:01.900; several rows may name one video, which is then read once
also      signer, text, segments ([[start_frame, end_frame, gloss], ...], frames of the video),
          fps (of a folder of pictures, where it is not --fps)

--videos FOLDER reads every video and folder of pictures in FOLDER instead, without labels, as the
split `test`: for predict. With --annotations it reads those that tables of public corpora, gz
pickles or ELAN's .eaf name, with their labels.

x, y and z are in units of the frame's height: a body has one shape in landscape and portrait.

The landmarks of each video are kept in OUT.landmarks: after a crash the same command continues, and
with another --fps or other labels nothing is extracted again. Remove that folder when the corpus is
as you want it. OUT.preview.png shows the landmarks on some frames: look at it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--index", type=Path, help="jsonl or csv file")
    source.add_argument("--videos", type=Path, metavar="FOLDER", help="its videos; no index needed")
    add_annotations(parser, "the videos in --videos")
    parser.add_argument(
        "--fps",
        type=float,
        default=DEFAULT_FPS,
        help=f"frames per second of the corpus, interpolated in time [{DEFAULT_FPS:g}]",
    )
    parser.add_argument(
        "--mirrored",
        action="store_true",
        help="the videos are mirrored, as from some front cameras: mirror them back",
    )
    parser.add_argument(
        "--no_confidence",
        action="store_true",
        help="leave out the confidence of pose points: 1,629 values a frame instead of 1,662",
    )
    add_times(parser, default="s")
    parser.add_argument("--workers", type=int, help="processes that extract [one a CPU core]")


def list_sequences(args: argparse.Namespace) -> Listing:
    from slr_accel.video.holistic import holistic

    return list_video(
        args.index,
        args.videos,
        work=args.out.with_name(f"{args.out.name}.landmarks"),
        extractor=holistic(),
        fps=args.fps,
        mirrored=args.mirrored,
        confidence=not args.no_confidence,
        workers=args.workers,
        times=args.times,
        annotations=annotation_files(args.annotations),
        tier=args.tier,
        share=DevShare(args.dev_share, args.by_signer),
    )


@dataclass(frozen=True)
class _Video:
    row: IndexRow
    extraction: Extraction
    time_unit: float
    """Seconds in a unit of its frames' times."""


def list_video(
    index: Path | None,
    videos: Path | None = None,
    *,
    work: Path,
    extractor: Extractor,
    fps: float = DEFAULT_FPS,
    mirrored: bool = False,
    confidence: bool = True,
    workers: int | None = None,
    times: str = "s",
    annotations: Collection[Path] = (),
    tier: str | None = None,
    share: DevShare = USUAL_SHARE,
) -> Listing:
    """Lists the sequences of an index, or of a folder of videos.

    Args:
        work: folder where the landmarks of each video are kept.
        fps: frames per second of the corpus.
        mirrored: the videos show the scene as a mirror does.
        confidence: pose points have their confidence as a fourth axis.
        workers: processes; None starts one for each CPU core that this one may use.
        times: the unit of `start` and `end` where they are mere numbers.
        annotations: files that say splits, signers and labels of the videos in the folder.
        tier: of ELAN files among them, with the glosses.
        share: how sequences are divided, where nothing says splits.

    Raises:
        ValueError: the index or the folder cannot be read at all, or an option makes no sense.
    """
    check_fps(fps)
    if workers is not None and workers < 1:
        raise ValueError(f"--workers is {workers}; give a number of processes, at least 1")
    problems = Problems()
    if index is not None:
        if annotations:
            raise ValueError("--annotations go with --videos; an --index says all itself")
        root, rows = index.parent, read_index(index, problems, ("video",), times, share)
    else:
        assert videos is not None
        root = videos
        if annotations:
            rows = annotated_videos(videos, tuple(annotations), problems, share=share, tier=tier)
        else:
            rows = videos_of_folder(videos, problems)
    found = [_find(row, root, work, fps, mirrored, problems) for row in rows]
    listed = {video.row.id: video for video in found}
    layout = replace(mediapipe_holistic(confidence), units=HEIGHT)
    failures: dict[Path, str] = {}
    return Listing(
        importer="video",
        layout=layout,
        frames_per_second=fps,
        items=[_item(video, layout, fps, failures) for video in found],
        source={**extractor.options, "mirrored": mirrored, "resampled_to_fps": fps},
        notes=problems.notes,
        files=(index,) if index else tuple(annotations),
        root=root,
        problems=problems,
        fetch=partial(_fetch, listed, extractor, workers or _usable_cores(), failures),
        preview=partial(_preview, listed),
    )


def _usable_cores() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def _find(
    row: IndexRow, root: Path, work: Path, fps: float, mirrored: bool, problems: Problems
) -> _Video:
    source = root / row.parts[0]
    if len(row.parts) > 1:
        problems.add(row.where, f"names {len(row.parts)} videos; give each a row of its own")
    if row.fps and not source.is_dir():
        problems.add(row.where, "has `fps`, but a video has times of its own; remove it here")
    # Sentences of one recording share its landmarks.
    name = row.id if row.span.is_whole else row.parts[0]
    file = work / f"{_file_name(name)}.safetensors"
    time_unit = 1 / (row.fps or fps) if source.is_dir() else 1.0
    return _Video(row, Extraction(source, file, mirrored), time_unit)


def _file_name(name: str) -> str:
    """The name of an id's file: an id may hold other characters than a name, and more."""
    quoted = quote(name, safe="", errors="surrogatepass")
    if len(quoted) <= LONGEST_NAME:
        return quoted
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{quoted[:LONGEST_NAME]}-{digest}"


def _item(video: _Video, layout: Layout, fps: float, failures: dict[Path, str]) -> Item:
    read = partial(_read, video, layout, fps, failures)
    return Item(video.row.id, video.row.where, read, tuple(source_files(video.extraction.source)))


def _fetch(
    listed: dict[str, _Video],
    extractor: Extractor,
    workers: int,
    failures: dict[Path, str],
    items: list[Item],
    track: Progress,
) -> None:
    """Extracts the landmarks of these items; what is wrong with a video goes to `failures`."""
    extractions = list(dict.fromkeys(listed[item.id].extraction for item in items))
    for extraction in extractions:
        extraction.file.parent.mkdir(parents=True, exist_ok=True)
    ended = run_jobs(partial(ensure_landmarks, extractor), extractions, workers)
    for job, error in track(ended, "landmarks", len(extractions)):
        if isinstance(error, ValueError):
            failures[extractions[job].file] = str(error)
        elif error is not None:
            raise error


def _read(video: _Video, layout: Layout, fps: float, failures: dict[Path, str]) -> Sequence:
    row, source = video.row, video.extraction
    if source.file in failures:
        raise ValueError(failures[source.file])
    landmarks = load_landmarks(source.file)
    seconds = landmarks.times * video.time_unit
    resampled = replace(landmarks, times=seconds).at_rate(fps)
    count = len(resampled.times)
    cut = _cut(row, seconds, fps, count)
    features, presence = resampled.features[cut][:, columns_of(layout)], resampled.presence[cut]
    if not presence[:, layout.block_index("pose")].any():
        raise ValueError(
            f"{source.source}: no person was found in any of its {len(presence)} frames"
        )
    width, height = (float(side) for side in landmarks.size)
    to_heights(features, layout, (width, height), pixels=False)
    segments = segments_at(row.segments, seconds, fps, count)
    return row.sequence(features, presence, segments, frame_size=(width, height))


def _cut(row: IndexRow, seconds: np.ndarray, fps: float, count: int) -> slice:
    """The frames of the corpus that a row names. ValueError where they are beyond the video."""
    if row.span.is_whole:
        return slice(None)
    step = float(np.diff(seconds).max()) if len(seconds) > 1 else 1 / fps
    times = [
        _time_of_frame(time, seconds, step) if time and time.is_frames else time
        for time in row.span
    ]
    # The last frame lasts until the next one would come.
    return Span(*times).frames(count, fps, tolerance=1 + step * fps)


def _time_of_frame(time: Time, seconds: np.ndarray, step: float) -> Time:
    """When a frame of the video begins, in seconds after the first."""
    number = math.floor(time.value)
    if number < len(seconds):
        return Time(float(seconds[number] - seconds[0]))
    beyond = number - len(seconds) + 1
    return Time(float(seconds[-1] - seconds[0]) + beyond * step)


def _preview(listed: dict[str, _Video], corpus: Corpus, picture: Path) -> None:
    def frames_of(id: str) -> Iterator[Frame]:
        video = listed[id]
        for time, image in video.extraction.frames():
            yield Frame(time * video.time_unit, image)

    draw_preview(corpus, frames_of, picture)
