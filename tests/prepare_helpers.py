"""Corpora made as `slr-accel prepare` makes them, without its progress bars."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.importers.build import build_corpus
from slr_accel.importers.listing import Listing
from slr_accel.importers.machine_parts import Part
from slr_accel.importers.merge import list_parts
from slr_accel.progress import untracked

T = TypeVar("T")


def index_of(folder: Path, *rows: dict | str) -> Path:
    """index.jsonl in `folder`; a text is a line as it is."""
    lines = [line if isinstance(line, str) else json.dumps(line) for line in rows]
    path = folder / "index.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def row_of(fields: dict, changes: dict) -> dict:
    """A row of an index; a field changed to None is left out."""
    return {key: value for key, value in {**fields, **changes}.items() if value is not None}


def refusal(prepare: Callable[..., Corpus], index: Path, **options) -> str:
    """The message of the ValueError that `prepare` must raise, having written no `out` beside."""
    with pytest.raises(ValueError) as error:
        prepare(index, **options)
    assert not (index.parent / "out").exists()
    return str(error.value)


def assert_line_refused(prepare: Callable[..., Corpus], index: Path, words: Sequence[str]) -> None:
    """The second line of the index is refused by its number and with these words."""
    message = refusal(prepare, index)
    assert f"{index}:2: " in message
    assert all(word in message for word in words), message


def built(listing: Listing, out: Path, **options) -> Corpus:
    """The corpus of a listing, opened."""
    build_corpus(listing, out, track=untracked, **options)
    return open_corpus(out)


def assert_shards_join(listing: Listing, folder: Path) -> None:
    """What three machines make of a listing, merged, is byte for byte what one makes of it."""
    whole = built(listing, folder / "whole")
    for index in range(3):
        build_corpus(listing, folder / "shared", part=Part(index, 3), track=untracked)
    merged = built(list_parts(folder / "shared"), folder / "shared")
    assert merged.info == whole.info
    for path in whole.folder.iterdir():
        assert (merged.folder / path.name).read_bytes() == path.read_bytes()


def points_of(corpus: Corpus, row: int, block: str) -> np.ndarray:
    """[T, points, axes] of a block, float64."""
    of_block = corpus.layout.block(block)
    values = corpus.features(row)[:, corpus.layout.slices[block]].astype(np.float64)
    return values.reshape(len(values), len(of_block.points), len(of_block.axes))


def half_step(values: np.ndarray, dtype: str) -> np.ndarray:
    """The largest error that storing values in a floating dtype may make."""
    return np.spacing(np.abs(values).astype(dtype)).astype(np.float64) / 2
