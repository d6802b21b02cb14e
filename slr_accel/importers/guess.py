"""Looks at what lies in a file or folder, and says which `prepare` command makes a corpus of it."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from slr_accel.corpus.format import CORPUS_FILE
from slr_accel.corpus.split_names import USUAL
from slr_accel.importers.index_file import read_fields
from slr_accel.importers.listing import Problems
from slr_accel.importers.text_tables import TABLES

ANNOTATIONS = (".csv", ".tsv", ".txt", ".jsonl", ".pkl", ".pickle", ".gz", ".eaf")

MOST_FILES = 50_000
"""Files that are looked at."""
MOST_FOLDERS = 60
"""Folders in one whose kinds are compared."""
RECORDINGS = frozenset(
    (
        *(".npy", ".npz", ".safetensors", ".pose", ".skels", ".pkl", ".parquet"),
        *("_keypoints.json", ".mp4", ".mov", ".avi", ".mkv", ".webm", ".wav", ".flac"),
    )
)
"""Suffixes of files that hold recordings."""
MADE_HERE = (
    (CORPUS_FILE, "a corpus that is prepared already", "inspect"),
    ("metrics.jsonl", "a run", "diagnose"),
)
"""(file, what the folder is that has it, the command for it)"""
IGNORED = ("readme", "license", "licence", "changelog", "checksums", "source.sha256")


@dataclass
class Guess:
    """What a source seems to be."""

    path: str
    what: str
    """One line for people."""
    facts: dict[str, str] = field(default_factory=dict)
    """{sequences, points, units, absence, frame rate, labels, ...: what was seen}"""
    commands: list[str] = field(default_factory=list)
    """Commands that make a corpus of it; each alone is enough. Empty where there is none."""
    remarks: list[str] = field(default_factory=list)
    """What the user should decide or check."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Contents:
    """The files below a folder, by suffix, without hidden ones."""

    root: Path
    by_suffix: dict[str, list[Path]]

    def of(self, *suffixes: str) -> list[Path]:
        return [path for suffix in suffixes for path in self.by_suffix.get(suffix, [])]

    def here(self, *suffixes: str) -> list[Path]:
        """Those that lie in the folder itself."""
        return [path for path in self.of(*suffixes) if path.parent == self.root]


def look_into(folder: Path) -> Contents:
    """Lists a folder, in the order of the names."""
    found: dict[str, list[Path]] = defaultdict(list)
    count = 0
    for path in _walk(folder):
        if path.name.lower().startswith(IGNORED):
            continue
        suffix = path.suffix.lower()
        found["_keypoints.json" if path.name.endswith("_keypoints.json") else suffix].append(path)
        count += 1
        if count == MOST_FILES:
            break
    return Contents(folder, dict(found))


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder, those of each folder before its folders'."""
    for place, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        yield from (Path(place, name) for name in sorted(files) if name[0] != ".")


def guess(path: Path) -> list[Guess]:
    """What a file or folder is; of several sources in a folder one guess each.

    Raises:
        ValueError: it does not exist.
    """
    from slr_accel.importers.guess_arrays import guess_array_files
    from slr_accel.importers.guess_index import guess_index
    from slr_accel.importers.guess_tools import guess_tools

    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    if path.is_file():
        return _of_file(path)
    for name, what, command in MADE_HERE:
        if (path / name).is_file():
            remark = f"nothing is to be prepared: slr-accel {command} {shlex.quote(str(path))}"
            return [Guess(str(path), what, remarks=[remark])]
    several = _of_several(path)
    if several:
        return several
    contents = look_into(path)
    ways: tuple[Callable[[Contents], list[Guess]], ...] = (
        guess_index,
        guess_tools,
        guess_array_files,
    )
    for way in ways:
        found = way(contents)
        if found:
            return found
    inside = [guess(folder) for folder in sorted(path.iterdir()) if _is_shown(folder)]
    known = [one for several in inside for one in several if one.commands]
    if known:
        return known
    return [_unknown(path, contents)]


def _of_several(path: Path) -> list[Guess]:
    """Guesses for the folders in a folder without files, where they are of several kinds."""
    entries = [entry for entry in sorted(path.iterdir()) if entry.name[0] != "."]
    folders = [entry for entry in entries if entry.is_dir()]
    own = [e for e in entries if e.is_file() and e.suffix.lower() in (*RECORDINGS, *ANNOTATIONS)]
    if own or not 1 < len(folders) <= MOST_FOLDERS:
        return []
    kinds = [frozenset(look_into(folder).by_suffix) & RECORDINGS for folder in folders]
    if len({kind for kind in kinds if kind}) < 2:
        return []
    found = [one for folder in folders for one in guess(folder)]
    return found if sum(bool(one.commands) for one in found) > 1 else []


def _is_shown(folder: Path) -> bool:
    return folder.is_dir() and folder.name[0] != "."


def _of_file(path: Path) -> list[Guess]:
    from slr_accel.importers.guess_arrays import guess_array_files
    from slr_accel.importers.guess_index import guess_index
    from slr_accel.importers.guess_tools import guess_tools

    contents = Contents(path.parent, {path.suffix.lower(): [path]})
    tables = {
        suffix: [other for other in look_into(path.parent).of(suffix) if other != path]
        for suffix in ANNOTATIONS
    }
    with_tables = Contents(path.parent, {**tables, path.suffix.lower(): [path]})
    found = (
        guess_index(contents)
        or ([] if path.suffix.lower() in TABLES else guess_tools(with_tables))
        or guess_array_files(contents)
    )
    if found:
        return [_of_one(path, one) for one in found]
    # Annotations alone say too little: their recordings lie beside them.
    is_part = path.suffix.lower() in (*ANNOTATIONS, ".npz", "") or path.suffix[1:] in USUAL
    return _beside(path) if is_part else [_unknown(path, contents)]


def _of_one(path: Path, found: Guess) -> Guess:
    """The guess for a file whose command reads the whole folder, where others lie beside it."""
    beside = sum(other.suffix == path.suffix for other in path.parent.iterdir())
    if found.path != str(path.parent) or beside == 1 or not found.commands:
        return found
    remark = f"the command reads all of {path.parent}, where {beside} such files lie"
    return replace(
        found, path=str(path), what=f"part of: {found.what}", remarks=[*found.remarks, remark]
    )


def _beside(path: Path) -> list[Guess]:
    found = [one for one in guess(path.parent) if one.commands]
    for one in found:
        one.remarks.append(f"{path.name} was looked at together with its folder")
    return found or [_unknown(path, Contents(path.parent, {path.suffix.lower(): [path]}))]


def _unknown(path: Path, contents: Contents) -> Guess:
    kinds = ", ".join(
        f"{len(files)} {suffix or 'without suffix'}"
        for suffix, files in sorted(contents.by_suffix.items(), key=lambda kind: -len(kind[1]))[:6]
    )
    return Guess(
        str(path),
        "not recognised",
        {"files": kinds or "none"},
        remarks=[
            *_labels_alone(contents),
            "no importer reads this as it is. Save one array a recording, [frames, values], as "
            ".npy, and an index of them: docs/own-data.md",
        ],
    )


def _labels_alone(contents: Contents) -> list[str]:
    """Remarks on a table of sequences that names no recordings."""
    for path in contents.here(".jsonl", ".csv", ".tsv"):
        with suppress(ValueError):
            rows = read_fields(path, (), ("id", "split"), Problems())
            if rows and {"id", "split"} <= set(rows[0][1]):
                return [
                    f"{path.name} has {len(rows):,} sequences with {', '.join(rows[0][1])}, but no "
                    "column `features`, `video` or `audio` that names their recordings"
                ]
    return []


def command(importer: str, *words: str | Path, out: str) -> str:
    """A command line, quoted for a shell."""
    parts = ["slr-accel", "prepare", importer, *map(str, words), "--out", f"corpora/{out}"]
    return shlex.join(parts)


def out_name(path: Path) -> str:
    """A name for the corpus: that of the folder, or of the file without its suffix."""
    name = path.resolve().stem if path.is_file() else path.resolve().name
    return "_".join(name.split()) or "mine"
