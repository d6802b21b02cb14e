"""Writes a corpus to disk: sequences in, Arrow shards + rows.arrow + corpus.json out.

Everything is written to a folder beside the target, which takes the target's name at the end: an
interrupted run leaves no corpus that opens.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Array2D, Features, List, Value
from datasets.arrow_writer import ArrowWriter

from slr_accel.corpus.format import (
    CHECKSUMS_FILE,
    CORPUS_FILE,
    ROWS_FILE,
    CorpusInfo,
    Shard,
    SplitCounts,
    sha256,
)
from slr_accel.corpus.row_table import ROW_TYPES
from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.split_names import SPLIT_NAME
from slr_accel.layouts.layout import Layout
from slr_accel.new_folder import check_new_folder, new_folder

SHARD_BYTES = 256 * 2**20
BATCH_BYTES = 8 * 2**20
KEYS = ("id", "split", "signer", "labels")
"""Fields of a sequence that the row table has."""


def shard_features(layout: Layout, dtype: str) -> Features:
    """The schema of a shard for `datasets`."""
    return Features(
        {
            "id": Value("string"),
            "split": Value("string"),
            "signer": Value("string"),
            "features": Array2D((None, layout.columns), dtype),
            "presence": Array2D((None, len(layout.blocks)), "uint8"),
            "labels": List(Value("string")),
            "segments": List(
                {"start": Value("int32"), "end": Value("int32"), "label": Value("string")}
            ),
            "text": Value("string"),
        }
    )


def write_corpus(
    out: Path,
    sequences: Iterable[Sequence],
    *,
    layout: Layout,
    dtype: str,
    frames_per_second: float | None,
    source: dict[str, Any],
    checksums: dict[str, str] | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> CorpusInfo:
    """Writes a corpus to the new folder `out`.

    Args:
        sequences: read once; features are cast to `dtype`.
        frames_per_second: None where the source does not say.
        source: provenance, written to corpus.json. A corpus whose `part` is given, since it is a
            part of another, may have no sequences.
        checksums: {file: SHA-256} of the source's files, written for `sha256sum --check`.
        shard_bytes: size at which a shard is closed.

    Raises:
        ValueError: `out` exists, or another process made it, or a sequence does not fit the layout.
    """
    check_new_folder(out)
    with new_folder(out) as folder:
        shards, rows = _write_shards(folder, sequences, layout, dtype, shard_bytes)
        if not rows and "part" not in source:
            raise ValueError(f"{out}: nothing to write, the source has no sequences")
        labels = tuple(sorted({label for row in rows for label in row["labels"]}))
        _write_rows(folder / ROWS_FILE, rows, labels, shards)
        info = CorpusInfo(
            layout=layout,
            dtype=dtype,  # type: ignore[arg-type]
            frames_per_second=frames_per_second,
            splits=_split_counts(rows),
            shards=shards,
            labels=labels,
            rows_sha256=sha256(folder / ROWS_FILE),
            source=source,
        )
        if checksums:
            lines = [f"{digest}  {name}\n" for name, digest in sorted(checksums.items())]
            # sha256sum looks for the names in their encoding on disk.
            (folder / CHECKSUMS_FILE).write_bytes(os.fsencode("".join(lines)))
        text = json.dumps(info.to_json(), indent=1, ensure_ascii=False)
        # A note may name a file in another encoding, which becomes JSON's \udcff.
        (folder / CORPUS_FILE).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    return info


def _write_shards(
    folder: Path, sequences: Iterable[Sequence], layout: Layout, dtype: str, shard_bytes: int
) -> tuple[tuple[Shard, ...], list[dict[str, Any]]]:
    """Writes every sequence to a shard of its split. Returns (shards by name, rows in order)."""
    shards: dict[str, list[_ShardWriter]] = {}
    rows = []
    features = shard_features(layout, dtype)
    for sequence in sequences:
        _check_sequence(sequence, layout)
        of_split = shards.setdefault(sequence.split, [])
        if not of_split or of_split[-1].bytes >= shard_bytes:
            if of_split:
                of_split[-1].close()
            name = f"{sequence.split}-{len(of_split):05d}.arrow"
            of_split.append(_ShardWriter(folder / name, features, dtype))
        writer = of_split[-1]
        place = {"shard": writer.path.name, "row": writer.add(sequence)}
        frames = len(sequence.features)
        rows.append({**place, "frames": frames, **{key: getattr(sequence, key) for key in KEYS}})
    written = [writer for name in sorted(shards) for writer in shards[name]]
    for writer in written:
        writer.close()
    return tuple(writer.describe() for writer in written), rows


def _check_sequence(sequence: Sequence, layout: Layout) -> None:
    frames = len(sequence.features)
    if sequence.features.shape != (frames, layout.columns) or frames == 0:
        raise ValueError(
            f"sequence {sequence.id}: features have shape {sequence.features.shape}, but the "
            f"layout ({layout.signature}) needs [frames > 0, {layout.columns}]"
        )
    if sequence.presence.shape != (frames, len(layout.blocks)):
        raise ValueError(
            f"sequence {sequence.id}: presence has shape {sequence.presence.shape}, "
            f"needed is {(frames, len(layout.blocks))}"
        )
    if not SPLIT_NAME.fullmatch(sequence.split):
        raise ValueError(
            f"sequence {sequence.id}: split {sequence.split!r}; use letters, digits, _ and -"
        )


def _split_counts(rows: list[dict[str, Any]]) -> dict[str, SplitCounts]:
    counts: dict[str, SplitCounts] = {}
    for row in rows:
        count = counts.setdefault(row["split"], {"sequences": 0, "frames": 0})
        count["sequences"] += 1
        count["frames"] += row["frames"]
    return counts


def _write_rows(
    path: Path, rows: list[dict[str, Any]], labels: tuple[str, ...], shards: tuple[Shard, ...]
) -> None:
    label_ids = {label: i for i, label in enumerate(labels)}
    shard_ids = {shard.file: i for i, shard in enumerate(shards)}
    columns = {name: [row[name] for row in rows] for name in ROW_TYPES}
    columns["shard"] = [shard_ids[name] for name in columns["shard"]]
    columns["labels"] = [[label_ids[label] for label in own] for own in columns["labels"]]
    table = pa.table({name: pa.array(columns[name], kind) for name, kind in ROW_TYPES.items()})
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


class _ShardWriter:
    """Writes a shard in record batches of a few MiB."""

    def __init__(self, path: Path, features: Features, dtype: str) -> None:
        self.path = path
        self.bytes = 0
        self._features = features
        self._dtype = np.dtype(dtype)
        self._writer = ArrowWriter(path=str(path), features=features)
        self._pending: list[Sequence] = []
        self._pending_bytes = 0
        self._count = 0
        self._closed = False

    def add(self, sequence: Sequence) -> int:
        """Adds a sequence; returns its row in this shard."""
        size = sequence.features.size * self._dtype.itemsize + sequence.presence.size
        self._pending.append(sequence)
        self._pending_bytes += size
        self.bytes += size
        self._count += 1
        if self._pending_bytes >= BATCH_BYTES:
            self._flush()
        return self._count - 1

    def _flush(self) -> None:
        if not self._pending:
            return
        schema = self._features.arrow_schema
        pending = self._pending
        columns = {
            "id": pa.array([s.id for s in pending], pa.string()),
            "split": pa.array([s.split for s in pending], pa.string()),
            "signer": pa.array([s.signer for s in pending], pa.string()),
            "features": _array2d(
                [s.features.astype(self._dtype, copy=False) for s in pending],
                schema.field("features").type,
            ),
            "presence": _array2d(
                [s.presence.astype(np.uint8) for s in pending], schema.field("presence").type
            ),
            "labels": pa.array([s.labels for s in pending], schema.field("labels").type),
            "segments": pa.array(
                [[segment._asdict() for segment in s.segments] for s in pending],
                schema.field("segments").type,
            ),
            "text": pa.array([s.text for s in pending], pa.string()),
        }
        self._writer.write_table(
            pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
        )
        self._pending, self._pending_bytes = [], 0

    def close(self) -> None:
        if not self._closed:
            self._flush()
            self._writer.finalize()
            self._closed = True

    def describe(self) -> Shard:
        size = self.path.stat().st_size
        return Shard(
            file=self.path.name, sequences=self._count, bytes=size, sha256=sha256(self.path)
        )


def _array2d(arrays: list[np.ndarray], arrow_type: pa.ExtensionType) -> pa.ExtensionArray:
    """Joins arrays [T_i, D] to a column of Array2D, without a Python object for each value."""
    width = arrays[0].shape[1]
    flat = pa.array(np.concatenate([array.reshape(-1) for array in arrays]))
    frames = np.cumsum([0] + [len(array) for array in arrays], dtype=np.int32)
    # One offset a frame: every frame holds `width` values.
    inner = pa.ListArray.from_arrays(
        pa.array(np.arange(0, len(flat) + 1, width, dtype=np.int32)), flat
    )
    storage = pa.ListArray.from_arrays(pa.array(frames), inner)
    return pa.ExtensionArray.from_storage(arrow_type, storage)
