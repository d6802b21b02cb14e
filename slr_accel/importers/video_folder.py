"""Makes rows of the videos below a folder, with the annotations of public corpora."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from slr_accel.importers.annotated_rows import join
from slr_accel.importers.dev_split import DevShare
from slr_accel.importers.field_annotations import read_annotations
from slr_accel.importers.index import IndexRow, unlabelled_row
from slr_accel.importers.listing import Problems
from slr_accel.importers.tally import shown
from slr_accel.video.frames import VIDEO_SUFFIXES, source_files


def annotated_videos(
    folder: Path,
    annotations: Sequence[Path],
    problems: Problems,
    *,
    share: DevShare,
    tier: str | None = None,
) -> list[IndexRow]:
    """A row for each annotation: videos, or folders of pictures, are found by their names.

    Args:
        share: how rows without a split are divided.
        tier: of ELAN files, with the glosses.

    Raises:
        ValueError: there are no videos, or the annotations are of others.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of videos")
    found = [path.relative_to(folder) for path in sorted(folder.rglob("[!.]*")) if _is_source(path)]
    if not found:
        raise ValueError(
            f"{folder}: holds neither videos ({', '.join(VIDEO_SUFFIXES)}) nor folders of pictures"
        )
    joined = join(
        read_annotations(annotations, problems, tier=tier),
        [(_name(path), path.as_posix()) for path in found],
        str(folder),
        problems,
        share=share,
    )
    rows = []
    for one in joined:
        name = one.recording or f"{one.row.parts[0]}.mp4"
        # Videos have times of their own, pictures have none.
        fps = one.row.fps if (folder / name).is_dir() else None
        rows.append(replace(one.row, parts=(name,), medium="video", fps=fps))
    return rows


def videos_of_folder(folder: Path, problems: Problems) -> list[IndexRow]:
    """A row for each video and folder of pictures in a folder, without labels, as `test`."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of videos")
    paths = [path for path in sorted(folder.iterdir()) if _is_source(path)]
    if not paths:
        raise ValueError(
            f"{folder}: holds neither videos ({', '.join(VIDEO_SUFFIXES)}) nor folders of pictures"
        )
    left = [path.name for path in sorted(folder.iterdir()) if path not in paths]
    if left:
        problems.notes.append(
            f"{folder}: {len(left)} left out, neither videos ({', '.join(VIDEO_SUFFIXES)}) nor "
            f"folders of pictures: {shown(left)}"
        )
    names = [path.name if path.is_dir() else path.stem for path in paths]
    return [
        unlabelled_row(path, name, path.name, "video")
        for path, name in zip(paths, names, strict=True)
    ]


def _is_source(path: Path) -> bool:
    if path.is_dir():
        return bool(source_files(path))
    return path.suffix.lower() in VIDEO_SUFFIXES and path.name[0] != "."


def _name(path: Path) -> str:
    """The path; PHOENIX-2014 has the pictures of ID in ID/1."""
    return path.parent.as_posix() if path.name == "1" else path.as_posix()
