"""Reads annotations in pickles: lists of {name, gloss, ...}, dictionaries of them, CSL-Daily's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slr_accel.corpus.sequence import UNKNOWN_SIGNER
from slr_accel.corpus.split_names import USUAL, split_in_name
from slr_accel.importers.field_annotations import Annotation
from slr_accel.importers.unpickling import load_pickle

LABELS = ("gloss", "label_gloss", "glosses", "labels")


def read_annotation_pickle(path: Path) -> list[Annotation]:
    """Reads all rows. Raises ValueError where the pickle holds something else."""
    rows = annotation_rows(load_pickle(path), str(path))
    if rows is None:
        raise ValueError(
            f"{path}: holds no annotations; needed is a list of {{name, gloss, signer}} or a "
            "dictionary of them, as phoenix-2014t.train and csl2020ct_v2.pkl have"
        )
    return rows


def annotation_rows(content: Any, where: str) -> list[Annotation] | None:
    """The rows of what a pickle holds; None where these are no annotations."""
    if isinstance(content, dict) and isinstance(content.get("info"), list):
        content = content["info"]
    if isinstance(content, dict):
        content = [
            {"name": name, **row} if isinstance(row, dict) else None
            for name, row in content.items()
        ]
    if not isinstance(content, list) or not content or not all(map(_is_annotation, content)):
        return None
    return [_row(row, f"{where}[{i}]", Path(where).name) for i, row in enumerate(content)]


def _is_annotation(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("name"), str) and bool({*LABELS} & {*row})


def _row(row: dict[str, Any], where: str, file: str) -> Annotation:
    labels = next(row[key] for key in LABELS if key in row)
    if isinstance(labels, str):
        labels = labels.split()
    first = row["name"].split("/")[0].lower()
    signer = row.get("signer")
    text = row.get("text") or row.get("label_char")
    return Annotation(
        where,
        row["name"],
        [str(label) for label in labels or []],
        USUAL.get(first) or split_in_name(file),
        UNKNOWN_SIGNER if signer in (None, "") else str(signer),
        (" ".join(text) if isinstance(text, list) else text) or None,
    )
