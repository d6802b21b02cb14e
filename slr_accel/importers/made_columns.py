"""Makes what an index leaves out as a whole: ids from names of files, and splits."""

from __future__ import annotations

from typing import Any

from slr_accel.corpus.sequence import UNKNOWN_SIGNER
from slr_accel.importers.clip_names import bare_name, normal_name
from slr_accel.importers.dev_split import DevShare, assign_splits
from slr_accel.importers.listing import Problems

Row = tuple[str, dict[str, Any]]


def with_ids(rows: list[Row], medium: str) -> list[Row]:
    """Gives each row an id where none has one: the file's name, or its path where names repeat."""
    if any("id" in fields for _, fields in rows):
        return rows
    paths = [_path(fields.get(medium)) for _, fields in rows]
    bare = [bare_name(path) for path in paths]
    ids = bare if len(set(bare)) == len(bare) else [_without_suffix(path) for path in paths]
    return [
        (where, {**fields, **({"id": "_".join(id.split())} if id else {})})
        for (where, fields), id in zip(rows, ids, strict=True)
    ]


def with_splits(rows: list[Row], share: DevShare, problems: Problems) -> list[Row]:
    """Gives each row train or dev where no row has a split."""
    if any("split" in fields for _, fields in rows):
        return rows
    keys = [f"{number} {fields.get('id')}" for number, (_, fields) in enumerate(rows)]
    signers = {
        key: str(fields.get("signer") or UNKNOWN_SIGNER)
        for key, (_, fields) in zip(keys, rows, strict=True)
    }
    labels = {
        key: (str(fields.get("labels")),) for key, (_, fields) in zip(keys, rows, strict=True)
    }
    split_of = assign_splits(labels, share.share, signers if share.by_signer else None)
    problems.notes.append(share.note(len(rows)))
    return [
        (where, {**fields, "split": split_of[key]})
        for key, (where, fields) in zip(keys, rows, strict=True)
    ]


def _path(value: Any) -> str:
    """The first file that a row names, with the array's name in it."""
    first = value[0] if isinstance(value, list) and value else value
    text = first.split(";")[0] if isinstance(first, str) else ""
    file, hash_sign, key = text.partition("#")
    return normal_name(key if hash_sign else file)


def _without_suffix(path: str) -> str:
    return path.removesuffix(path.rpartition("/")[2]) + bare_name(path)
