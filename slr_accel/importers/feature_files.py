"""Finds the arrays of annotated sequences: FOLDER/SPLIT/ID.npy or .npz."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from slr_accel.importers.index import IndexRow
from slr_accel.importers.listing import Problems

SUFFIXES = (".npy", ".npz")
MAX_EXAMPLES = 3


class FeatureFiles:
    """The arrays below `folder`, in a folder for each split."""

    def __init__(self, folder: Path, splits: Iterable[str]) -> None:
        """Raises ValueError where `folder` has none of the splits."""
        self.folder = folder
        self.splits = tuple(splits)
        if not any((folder / split).is_dir() for split in self.splits):
            raise ValueError(
                f"{folder}: has no folder {' or '.join(self.splits)}; features are read from "
                f"SPLIT/ID.npy or SPLIT/ID.npz, e.g. {folder / self.splits[0] / 'ID.npy'}"
            )
        self._of_id: dict[str, list[Path]] = defaultdict(list)
        for split in self.splits:
            for path in sorted((folder / split).glob("*")):
                if path.suffix.lower() in SUFFIXES:
                    self._of_id[path.stem].append(path)

    def check(self, annotations: list[IndexRow], problems: Problems) -> None:
        """Adds every id that has its features twice."""
        for row in annotations:
            paths = self._of_id.get(row.id, [])
            if len(paths) > 1:
                names = " and ".join(str(path.relative_to(self.folder)) for path in paths)
                problems.add(
                    row.where, f"{row.id} has its features twice, in {names}; remove all but one"
                )

    def find(self, row: IndexRow) -> Path | None:
        """The array of a sequence, where there is one in the folder of its split."""
        paths = (path for path in self._of_id.get(row.id, []) if path.parent.name == row.split)
        return next(paths, None)

    def missing(self, row: IndexRow) -> str:
        """Words for a message where `find` finds nothing: is the array elsewhere?"""
        elsewhere = self._of_id.get(row.id)
        hint = f"; {elsewhere[0]} is in the folder of another split" if elsewhere else ""
        return f"no features: {self.folder / row.split} has no .npy and no .npz of it{hint}"

    def notes(self, wanted: list[IndexRow], annotated: set[str]) -> list[str]:
        """Notes splits that lack arrays of wanted sequences, or have arrays of unknown ones."""
        notes = []
        for split in self.splits:
            rows = [row for row in wanted if row.split == split]
            found = sum(self.find(row) is not None for row in rows)
            if found < len(rows):
                notes.append(
                    f"{self.folder / split}: features of {found:,} of {len(rows):,} annotations"
                )
            names = [
                path.name
                for id, paths in self._of_id.items()
                for path in paths
                if id not in annotated and path.parent.name == split
            ]
            if names:
                more = ", ..." if len(names) > MAX_EXAMPLES else ""
                notes.append(
                    f"{self.folder / split}: {len(names)} without an annotation, not read: "
                    f"{', '.join(names[:MAX_EXAMPLES])}{more}"
                )
        return notes
