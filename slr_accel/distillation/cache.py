"""Writes and reads the soft labels of a teacher cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.distillation.cache_format import (
    CACHE_FILE,
    PART_ROWS,
    CacheInfo,
    differences,
    packed,
    part_path,
    read_info,
    unpacked,
    write_info,
)
from slr_accel.files import replaced
from slr_accel.loading.batch import Batch, SoftLabels
from slr_accel.loading.loader import padded

MOST_NAMED = 5
COLUMNS = ("tokens", "values", "rest")


def start_cache(folder: Path, info: CacheInfo) -> None:
    """Makes a cache's folder; or checks that the one that is there is the same but for its number
    of views, which becomes this one.

    Raises:
        ValueError: the folder holds other files, or a cache of something else.
    """
    if (folder / CACHE_FILE).exists():
        there = read_info(folder)
        own = {"top_k", "rows", "num_outputs"}
        problems = [
            *differences(_weights(there), _weights(info)),
            *differences(there.model_dump(include=own), info.model_dump(include=own)),
            *differences(there.belongs_to, info.belongs_to),
        ]
        if problems:
            raise ValueError(
                f"{folder} holds a cache of other labels:\n  "
                + "\n  ".join(problems)
                + "\ngive another --out, or what it was begun with"
            )
        if info.views == there.views:
            return
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder}: holds other files; give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_info(folder, info)


def _weights(info: CacheInfo) -> dict[str, str]:
    """The teachers by number: the same weights may have moved."""
    return {f"weights of teacher {i}": mark for i, mark in enumerate(info.teachers.values(), 1)}


def write_part(path: Path, rows: Sequence[int], labels: Sequence[np.ndarray], top_k: int) -> None:
    """Writes the labels [T', V] of some rows; the file is whole or absent."""
    import pyarrow as pa
    from datasets import Features, List, Value
    from datasets.arrow_writer import ArrowWriter

    features = Features(
        {
            "row": Value("int64"),
            "steps": Value("int32"),
            "tokens": List(Value("uint16")),
            "values": List(Value("float16")),
            "rest": List(Value("float16")),
        }
    )
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for own in labels:
        for name, array in zip(COLUMNS, packed(own, top_k), strict=True):
            columns[name].append(array.ravel())
    schema = features.arrow_schema
    arrays = {
        "row": pa.array(rows, pa.int64()),
        "steps": pa.array([len(own) for own in labels], pa.int32()),
        **{name: _lists(own, schema.field(name).type) for name, own in columns.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary, ArrowWriter(path=str(temporary), features=features) as writer:
        writer.write_table(pa.Table.from_arrays([arrays[n] for n in schema.names], schema=schema))
        writer.finalize()


def _lists(arrays: list[np.ndarray], kind: Any) -> Any:
    import pyarrow as pa

    offsets = np.cumsum([0, *map(len, arrays)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(arrays)), type=kind)


@dataclass(frozen=True)
class TeacherCache:
    """A complete cache that belongs to a student's run."""

    folder: Path
    info: CacheInfo
    positions: dict[int, int]
    """Of each row among those trained on."""
    stride: int
    """Input frames an output step of the student."""
    _parts: dict[tuple[int, int], _Part] = field(default_factory=dict)
    """Those of the view that was read last."""

    def view(self, epoch: int) -> int:
        """The epoch whose augmentation an epoch repeats."""
        return epoch % self.info.views

    def attached(self, batch: Batch, epoch: int) -> Batch:
        """The batch, on the host, with the labels of its rows in the epoch's view.

        Raises:
            ValueError: the labels have other lengths than the augmented sequences.
        """
        labels = [self._labels(self.view(epoch), row) for row in batch.rows.tolist()]
        frames = batch.lengths if batch.draws is None else batch.draws.lengths
        lengths = (frames + self.stride - 1).div(self.stride, rounding_mode="floor")
        if lengths.tolist() != [len(own) for own in labels]:
            raise ValueError(
                f"{self.folder}: its labels of row {int(batch.rows[0])} and others of its batch "
                "have another length than the sequences; make the cache anew"
            )
        return replace(batch, teacher=SoftLabels(padded(labels), lengths))

    def _labels(self, view: int, row: int) -> np.ndarray:
        position = self.positions[row]
        key = (view, position // PART_ROWS)
        if key not in self._parts:
            for old in [old for old in self._parts if old[0] != view]:
                del self._parts[old]
            self._parts[key] = _Part(part_path(self.folder, *key), self.info.num_outputs)
        return self._parts[key].labels(position % PART_ROWS, row)


def open_cache(
    folder: Path, belongs_to: dict[str, Any], rows: Sequence[int], stride: int
) -> TeacherCache:
    """Opens a cache for a student.

    Args:
        belongs_to: what the labels must have in common with the run.
        rows: trained on, in order.

    Raises:
        ValueError: it is no cache, is incomplete or does not belong to this run; says why.
    """
    info = read_info(folder)
    problems = list(differences(info.belongs_to, belongs_to))
    if problems:
        raise ValueError(
            f"the teacher cache {folder} does not belong to this run:\n  "
            + "\n  ".join(problems)
            + "\nmake one with the settings of this run (slr-accel teach)"
        )
    missing = [key for key in info.parts if not part_path(folder, *key).is_file()]
    if missing:
        named = ", ".join(part_path(Path(), *key).as_posix() for key in missing[:MOST_NAMED])
        raise ValueError(
            f"the teacher cache {folder} is not complete: {len(missing)} of {len(info.parts)} "
            f"files are missing ({named}{', ...' if len(missing) > MOST_NAMED else ''}); the "
            "same `slr-accel teach` command continues it, each --shard its own"
        )
    positions = {int(row): position for position, row in enumerate(rows)}
    return TeacherCache(folder, info, positions, stride)


class _Part:
    """The labels of one file, as views into its mapped memory."""

    def __init__(self, path: Path, outputs: int) -> None:
        from datasets import Dataset

        self._path, self._outputs = path, outputs
        try:
            [batch] = Dataset.from_file(str(path)).data.table.combine_chunks().to_batches()
            batch.validate(full=True)
            self._rows = batch.column("row").to_numpy()
            self._steps = batch.column("steps").to_numpy()
            self._lists = {
                name: (batch.column(name).offsets.to_numpy(), batch.column(name).values.to_numpy())
                for name in COLUMNS
            }
        # A damaged file raises exceptions of many layers of pyarrow and datasets.
        except Exception as error:
            raise ValueError(
                f"{path}: cannot be read ({error}); remove it and give the `slr-accel teach` "
                "command again"
            ) from None

    def labels(self, index: int, row: int) -> np.ndarray:
        """[T', V] float32 of a row, which lies at `index`."""
        if index >= len(self._rows) or self._rows[index] != row:
            raise ValueError(
                f"{self._path}: row {row} is not where it belongs; make the cache anew"
            )
        tokens, values, rest = (
            flat[offsets[index] : offsets[index + 1]]
            for offsets, flat in (self._lists[name] for name in COLUMNS)
        )
        return unpacked(tokens, values, rest, int(self._steps[index]), self._outputs)
