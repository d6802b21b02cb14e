"""Maps a shard into memory; the values of a row are views into its Arrow buffers."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from slr_accel.corpus.format import ROWS_FILE, CorpusInfo


class MappedShard:
    """A memory-mapped shard."""

    def __init__(self, path: Path, info: CorpusInfo, frames: np.ndarray) -> None:
        """`frames` [rows] is from the row table. Raises ValueError where lengths differ."""
        # datasets takes a second to import; --help and planning do without it.
        from datasets import Dataset

        widths = {
            "features": (info.layout.columns, np.dtype(info.dtype)),
            "presence": (len(info.layout.blocks), np.dtype(np.uint8)),
        }
        try:
            self._table: pa.Table = Dataset.from_file(str(path)).data.table
            batches = self._table.to_batches()
            for batch in batches:
                # Offsets from the file become addresses: this refuses those outside the buffers.
                batch.validate(full=True)
            self._flat = {
                name: [_flat_values(batch.column(name), *expected) for batch in batches]
                for name, expected in widths.items()
            }
        # A damaged file raises exceptions of many layers of pyarrow and datasets.
        except Exception as error:
            raise ValueError(
                f"{path}: this shard cannot be read ({error}); copy it again, or prepare anew"
            ) from None
        for name, flat in self._flat.items():
            found = [np.diff(offsets) for _, offsets in flat]
            if not np.array_equal(np.concatenate([[], *found]), frames):
                raise ValueError(f"{path}: the lengths of its {name} are not those in {ROWS_FILE}")
        self._starts = list(accumulate((batch.num_rows for batch in batches), initial=0))

    def array(self, name: str, row: int) -> np.ndarray:
        batch = bisect_right(self._starts, row) - 1
        values, frame_offsets = self._flat[name][batch]
        local = row - self._starts[batch]
        return values[frame_offsets[local] : frame_offsets[local + 1]]

    def record(self, row: int) -> dict[str, Any]:
        names = [name for name in self._table.column_names if name not in self._flat]
        return {name: self._table[name][row].as_py() for name in names}


def _flat_values(
    column: pa.ExtensionArray, width: int, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """(all frames of the column [frames, width], [rows + 1] where each row begins)."""
    frames = column.storage
    values = frames.values.values.to_numpy(zero_copy_only=True)
    if column.type.shape[1] != width or values.dtype != dtype:
        raise ValueError(
            f"holds {column.type.shape[1]} values of {values.dtype} a frame, "
            f"but corpus.json says {width} of {dtype}"
        )
    inner = frames.values.offsets.to_numpy()
    if (np.diff(inner) != width).any() or inner[0] != 0:
        raise ValueError("its frames are of different widths")
    return values[: inner[-1]].reshape(-1, width), frames.offsets.to_numpy()
