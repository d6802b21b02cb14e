"""Makes rows of a folder of arrays without an index: WORD/CLIP.npy, or with annotations."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from slr_accel.corpus.sequence import UNKNOWN_SIGNER
from slr_accel.corpus.split_names import USUAL
from slr_accel.importers.annotated_rows import divided, join
from slr_accel.importers.arrays import SUFFIXES, only_array
from slr_accel.importers.clip_names import bare_name
from slr_accel.importers.dev_split import DevShare
from slr_accel.importers.field_annotations import read_annotations, signer_in_name
from slr_accel.importers.index import IndexRow
from slr_accel.importers.listing import Problems


def rows_of_folder(
    folder: Path,
    annotations: Sequence[Path],
    problems: Problems,
    *,
    share: DevShare,
    tier: str | None = None,
    fps: float | None = None,
) -> list[IndexRow]:
    """A row for each array below a folder, or for each annotation of one.

    Without annotations the folders say what there is: WORD/CLIP.npy has the label WORD, and
    train/WORD/CLIP.npy the split too; arrays in no folder are the split `test`, without labels.

    Args:
        share: how rows without a split are divided.
        tier: of ELAN files, with the glosses.
        fps: frames per second, with which times of signs become frames.

    Raises:
        ValueError: there are no arrays, or the annotations are of others.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of arrays")
    paths = sorted(p for p in folder.rglob("[!.]*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"{folder}: holds no arrays ({', '.join(SUFFIXES)})")
    names = [path.relative_to(folder).as_posix() for path in paths]
    if annotations:
        found = join(
            read_annotations(annotations, problems, tier=tier),
            [(name, name) for name in names],
            str(folder),
            problems,
            share=share,
            fps=fps,
        )
        parts = [one.recording or f"{one.row.parts[0]}.npy" for one in found]
        return [
            replace(one.row, parts=(_reference(folder, part),))
            for one, part in zip(found, parts, strict=True)
        ]
    rows = [_row(folder, name) for name in names]
    return divided(rows, share, problems)


def _row(folder: Path, name: str) -> IndexRow:
    *folders, last = name.split("/")
    split = USUAL.get(folders[0].lower()) if folders else None
    words = folders[1:] if split else folders
    labels = ["-".join(words[-1].split())] if words else []
    id = "/".join("-".join(part.split()) for part in (*folders, bare_name(last)))
    return IndexRow(
        str(folder / name),
        id,
        split or ("" if labels else "test"),
        signer_in_name(bare_name(last)) if not labels else UNKNOWN_SIGNER,
        labels,
        (_reference(folder, name),),
    )


def _reference(folder: Path, name: str) -> str:
    """FILE, or FILE#KEY of an archive; reading reports what is wrong with it."""
    with suppress(ValueError, OSError):
        key = only_array(folder / name).partition("#")[2]
        return f"{name}#{key}" if key else name
    return name
