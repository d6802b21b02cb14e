"""Guesses from tables: an index of one's own, and annotations of public corpora."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.importers.arrays import NUM_SAMPLES, load_numbers, split_reference
from slr_accel.importers.clip_names import ClipNames
from slr_accel.importers.field_annotations import SUFFIXES, read_annotations
from slr_accel.importers.guess import Contents, Guess, command, out_name
from slr_accel.importers.guess_arrays import describe_arrays
from slr_accel.importers.index import parse_labels
from slr_accel.importers.index_file import read_fields
from slr_accel.importers.listing import Problems
from slr_accel.importers.pose_files import read_header
from slr_accel.importers.rates import is_same_rate

MOST_HEADERS = 300
"""Files of .pose whose frame rate is looked up."""
INDEXES = (".jsonl", ".csv", ".tsv", ".txt")
MEDIA = {"features": "manifest", "video": "video", "audio": "speech", "path": "pose"}
COLUMNS = ("id", "split", "signer", "labels", "glosses", "fps", *MEDIA)


def guess_index(contents: Contents) -> list[Guess]:
    """A guess for each index in the folder whose rows name files that are there."""
    guesses = []
    tables = contents.here(*INDEXES)
    for path in tables:
        try:
            rows = [fields for _, fields in read_fields(path, (), COLUMNS, Problems())]
        except ValueError as error:
            if "not UTF-8" in str(error):
                guesses.append(Guess(str(path), "a table in another code", remarks=[str(error)]))
            continue
        medium = next((name for name in MEDIA if any(row.get(name) for row in rows)), None)
        if medium is not None:
            name = out_name(path.parent) + (f"_{path.stem}" if len(tables) > 1 else "")
            found = _of_rows(path, rows, medium, name)
            if found is not None:
                guesses.append(found)
    is_alone = sum(map(len, contents.by_suffix.values())) == 1
    if not is_alone and not any(one.commands for one in guesses):
        return []
    return guesses


def _of_rows(path: Path, rows: list[dict[str, Any]], medium: str, name: str) -> Guess | None:
    """The guess for an index; None where none of its rows names a file of that medium.

    Args:
        name: of the corpus.
    """
    parts = [part for row in rows for part in _parts(row.get(medium))]
    files = [split_reference(path.parent, part)[0] for part in parts]
    if medium == "path" and not any(file.suffix == ".pose" for file in files):
        return None
    if any(file.is_dir() for file in files) and medium == "features":
        return None
    here = [file for file in files if file.is_file() or file.is_dir()]
    problems = Problems()
    labels = Counter(word for row in rows for word in _words(row, path, problems))
    splits = Counter(str(row.get("split", "none")) for row in rows)
    facts = {
        "sequences": ", ".join(f"{n:,} {split}" for split, n in splits.items()),
        "labels": f"{len(labels):,} different ones, e.g. {', '.join(list(labels)[:3])}"
        if labels
        else "none read",
        "signers": f"{len({str(row.get('signer')) for row in rows if row.get('signer')}):,} named",
    }
    rates = sorted({str(row["fps"]) for row in rows if row.get("fps")})
    if medium in ("features", "video"):
        facts["frame rate"] = " and ".join(rates) or "not said: add --fps where you know it"
    remarks = problems.messages[:1]
    options: list[str] = []
    if not here:
        if not any("\\" in part or part[1:2] == ":" for part in parts):
            return None
        remarks.append(f"none of the files it names is here, e.g. {parts[0]!r}")
    if 0 < len(here) < len(files):
        remarks.append(
            f"{len(files) - len(here)} of the {len(files)} files it names are not here; "
            "--allow_skips leaves them out"
        )
        options.append("--allow_skips")
    if medium == "features":
        found = _of_arrays(path, parts)
        facts |= found[0]
        options = [*found[1], *options]
        remarks += found[2]
    if medium == "path":
        options = [*rate_of(here, facts), *options]
    kind = {"features": "arrays", "video": "videos", "audio": "sound", "path": ".pose files"}
    lines = [command(MEDIA[medium], "--index", path, *options, out=name)]
    is_read = bool(here) and not problems.messages
    if splits.get("train") and not splits.get("dev"):
        remarks.append("no row has the split `dev`, which training validates on")
    return Guess(str(path), f"an index of {kind[medium]}", facts, lines if is_read else [], remarks)


def rate_of(files: list[Path], facts: dict[str, str]) -> list[str]:
    """The option that gives .pose files of several rates one."""
    rates = set()
    for file in files[:MOST_HEADERS]:
        # Preparing reports what is wrong with a file.
        with suppress(ValueError):
            rates.add(read_header(file).fps)
    facts["frame rate"] = " and ".join(f"{rate:g}" for rate in sorted(rates)) or "unknown"
    if all(is_same_rate(rate, min(rates)) for rate in rates):
        return []
    return ["--fps", f"{min(rates):g}"]


def _of_arrays(path: Path, parts: list[str]) -> tuple[dict[str, str], list[str], list[str]]:
    arrays: list[np.ndarray] = []
    for part in parts[:: max(len(parts) // NUM_SAMPLES, 1)][:NUM_SAMPLES]:
        with suppress(ValueError, OSError):
            file, key = split_reference(path.parent, part)
            if file.is_file():
                arrays.append(load_numbers(file, key))
    arrays = [array for array in arrays if array.ndim in (2, 3) and array.size]
    if not arrays:
        return {}, [], []
    has_layout = (path.parent / "layout.json").is_file()
    found = describe_arrays(arrays, layout_given=has_layout)
    if has_layout:
        found.facts["points"] = "as layout.json beside it says"
    return found.facts, found.options, found.remarks


def _parts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(";")]
    return [str(part) for part in value] if isinstance(value, list) else []


def _words(row: dict[str, Any], path: Path, problems: Problems) -> list[str]:
    return parse_labels(str(path), row.get("labels") or row.get("glosses"), problems)


def annotation_options(contents: Contents, names: list[str]) -> tuple[list[str], str, list[str]]:
    """(`--annotations FILES`, what they say, remarks) of annotations that name some recordings.

    Args:
        names: of the recordings.
    """
    clips = ClipNames([(name, name) for name in names])
    chosen: list[Path] = []
    words: Counter[str] = Counter()
    covered: set[str] = set()
    remarks = []
    tables = contents.of(*SUFFIXES)
    others = [p for s, ps in contents.by_suffix.items() for p in ps if _may_be_pickle(s, p)]
    for path in [*tables, *others]:
        try:
            rows = read_annotations([path], Problems())
        except ValueError:
            continue
        named = [row for row in rows if clips.find(row.name, row.part) is not None]
        if not named:
            if rows and any(row.labels for row in rows):
                remarks.append(f"{path.name} names none of these recordings, but {rows[0].name!r}")
            continue
        keys = {f"{row.name} {row.part} {bool(row.labels)}" for row in named}
        if keys <= covered:
            continue
        covered |= keys
        chosen.append(path)
        words.update(label for row in named for label in row.labels)
    chosen += _split_tables(contents, chosen)
    elan = [path for path in chosen if path.suffix.lower() == ".eaf"]
    if len(elan) > 1:
        folder = Path(os.path.commonpath([path.parent for path in elan]))
        chosen = [folder, *(path for path in chosen if path not in elan)]
    if not chosen or not words:
        return [], "none", remarks
    fact = f"{len(words):,} different ones, e.g. {', '.join(list(words)[:3])}"
    return ["--annotations", *map(str, chosen)], fact, remarks


def _split_tables(contents: Contents, chosen: list[Path]) -> list[Path]:
    """Tables of names and splits alone, as CSL-Daily's split_1.txt."""
    from slr_accel.importers.field_annotations import _is_split_table

    found = []
    for path in contents.of(".txt", ".csv"):
        with suppress(ValueError):
            if path not in chosen and _is_split_table(path):
                found.append(path)
    return found[:1] if chosen else []


def _may_be_pickle(suffix: str, path: Path) -> bool:
    if suffix in (".pkl", ".pickle", ".gz"):
        return True
    if suffix in (".npy", ".npz", ".json", "_keypoints.json", ".parquet", ".mp4", ".pose"):
        return False
    with suppress(OSError), path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"
    return False
