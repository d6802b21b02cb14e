"""Joins annotations with the recordings they name, and divides rows that have no split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from slr_accel.corpus.sequence import Segment
from slr_accel.corpus.split_names import USUAL
from slr_accel.importers.clip_names import ClipNames, normal_name, recording_name
from slr_accel.importers.dev_split import DevShare, assign_splits
from slr_accel.importers.field_annotations import Annotation, signer_in_name
from slr_accel.importers.index import IndexRow
from slr_accel.importers.listing import Problems

T = TypeVar("T")
SHOWN = 3


@dataclass(frozen=True)
class Found(Generic[T]):
    """An annotation, and the recording that it names."""

    row: IndexRow
    recording: T | None
    """None where there is none."""


def join(
    annotations: Sequence[Annotation],
    recordings: Sequence[tuple[str, T]],
    source: str,
    problems: Problems,
    *,
    share: DevShare,
    fps: float | None = None,
) -> list[Found[T]]:
    """Rows of all annotations; recordings without one are noted.

    Args:
        recordings: (name, recording) each.
        source: their folder or file, for messages.
        fps: frames per second, with which times of signs become frames.

    Raises:
        ValueError: no annotation names any recording.
    """
    names = ClipNames(recordings)
    found = [Found(_row(a, fps), names.find(a.name, a.part)) for a in annotations]
    if not any(one.recording is not None for one in found):
        here = ", ".join(repr(name) for name, _ in recordings[:SHOWN])
        raise ValueError(
            f"{annotations[0].where}: none of the {len(annotations)} annotated recordings is in "
            f"{source}. Annotations name {annotations[0].name!r}, the source has {here}; give the "
            "annotations of these recordings"
        )
    used = {id(one.recording) for one in found}
    unused = [name for name, recording in recordings if id(recording) not in used]
    if unused:
        problems.notes.append(
            f"{source}: {len(unused)} recordings without an annotation, not read: "
            f"{', '.join(unused[:SHOWN])}{', ...' if len(unused) > SHOWN else ''}"
        )
    rows = divided([one.row for one in found], share, problems)
    return [replace(one, row=row) for one, row in zip(found, rows, strict=True)]


def _row(annotation: Annotation, fps: float | None) -> IndexRow:
    name = normal_name(annotation.name)
    fps = annotation.fps or fps or 0
    split = annotation.split or USUAL.get(name.split("/")[0].lower(), "")
    segments = []
    for start, end, label in annotation.marks if fps else ():
        first = round(start * fps)
        segments.append(Segment(first, max(round(end * fps), first + 1), label))
    return IndexRow(
        annotation.where,
        "_".join((annotation.part or recording_name(name)).split()),
        split,
        annotation.signer,
        annotation.labels,
        (name,),
        segments=segments,
        text=annotation.text,
        fps=annotation.fps,
    )


def divided(rows: list[IndexRow], share: DevShare, problems: Problems) -> list[IndexRow]:
    """Gives each row without a split train or dev."""
    open_rows = [row for row in rows if not row.split]
    if not open_rows:
        return rows
    signers = {row.id: row.signer for row in open_rows} if share.by_signer else None
    split_of = assign_splits({row.id: row.labels for row in open_rows}, share.share, signers)
    problems.notes.append(share.note(len(open_rows)))
    return [row if row.split else replace(row, split=split_of[row.id]) for row in rows]


def unlabelled(recordings: Sequence[tuple[str, str]]) -> list[IndexRow]:
    """Rows of the split `test` for recordings, (name, where) each, that nothing is said about."""
    return [
        IndexRow(
            where, "_".join(normal_name(name).split()), "test", signer_in_name(name), [], (name,)
        )
        for name, where in recordings
    ]
