"""Reads rows.arrow into memory: each sequence's place, length, split, signer and labels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from slr_accel.corpus.format import CorpusInfo
from slr_accel.corpus.split_names import hint_at_case

ROW_TYPES = {
    "id": pa.string(),
    "split": pa.dictionary(pa.int32(), pa.string()),
    "signer": pa.dictionary(pa.int32(), pa.string()),
    "shard": pa.int32(),
    "row": pa.int32(),
    "frames": pa.int32(),
    "labels": pa.list_(pa.int32()),
}


@dataclass(frozen=True)
class RowTable:
    """rows.arrow as arrays, with one entry a sequence in the order of writing."""

    ids: pa.Array
    split_codes: np.ndarray
    split_names: list[str]
    signer_codes: np.ndarray
    signer_names: list[str]
    shard: np.ndarray
    row: np.ndarray
    frames: np.ndarray
    """[N] int32 number of frames."""
    label_offsets: np.ndarray
    label_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    def id(self, row: int) -> str:
        return str(self.ids[row].as_py())

    def names(self, rows: Sequence[int] | np.ndarray, most: int) -> str:
        """The ids of the first `most` rows, and `...` where there are more; for messages."""
        shown = [self.id(int(row)) for row in rows[:most]]
        return ", ".join([*shown, "..."] if len(rows) > len(shown) else shown)

    def split(self, row: int) -> str:
        return self.split_names[self.split_codes[row]]

    def signer(self, row: int) -> str:
        return self.signer_names[self.signer_codes[row]]

    def of_split(self, split: str) -> np.ndarray:
        """Row numbers of a split. Raises ValueError that names the known splits."""
        if split not in self.split_names:
            known = ", ".join(sorted(self.split_names))
            raise ValueError(
                f"the corpus has no split {split!r}; it has: {known}"
                f"{hint_at_case(split, self.split_names)}"
            )
        return np.flatnonzero(self.split_codes == self.split_names.index(split))

    def labels_of_split(self, split: str) -> np.ndarray:
        """Every label of a split in turn, as numbers into the corpus' labels."""
        is_own = np.zeros(len(self), bool)
        is_own[self.of_split(split)] = True
        labels = self.label_ids[self.label_offsets[0] : self.label_offsets[-1]]
        return labels[np.repeat(is_own, np.diff(self.label_offsets))]


def read_rows(
    open_file: Callable[[], pa.NativeFile], info: CorpusInfo, path: Path | str
) -> RowTable:
    """Reads the table. Raises ValueError that names `path` where it is damaged or another's."""
    try:
        with open_file() as file:
            content = file.read_buffer()
        # 0.05 s for a million rows.
        is_ours = info.rows_sha256 == hashlib.sha256(content).hexdigest()
        rows = _row_table(pa.ipc.open_file(content).read_all())
    # A damaged file raises exceptions of many layers of pyarrow.
    except Exception as error:
        raise ValueError(f"{path}: not readable ({error}); prepare the corpus anew") from None
    if not (is_ours and _belongs(rows, info)):
        raise ValueError(
            f"{path}: does not belong to corpus.json beside it; copy both again, or prepare anew"
        )
    return rows


def _belongs(rows: RowTable, info: CorpusInfo) -> bool:
    """Whether every number in rows.arrow points at something corpus.json has."""
    sequences = np.array([shard.sequences for shard in info.shards])
    if len(rows) != sequences.sum() or not _within(rows.shard, len(sequences)):
        return False
    return (
        _within(rows.label_ids, len(info.labels))
        and bool(((rows.row >= 0) & (rows.row < sequences[rows.shard])).all())
        and bool((rows.frames >= 0).all())
    )


def _within(numbers: np.ndarray, count: int) -> bool:
    return bool(((numbers >= 0) & (numbers < count)).all())


def _row_table(table: pa.Table) -> RowTable:
    # Offsets from the file become addresses: `validate` refuses those outside the buffers.
    table.validate(full=True)
    table = table.combine_chunks()
    found = {name: table[name].type for name in table.column_names}
    if found != ROW_TYPES or any(table[name].null_count for name in ROW_TYPES):
        raise ValueError(f"its columns are {found}")

    def column(name: str) -> pa.Array:
        chunks = table[name].chunks
        return chunks[0] if chunks else pa.array([], ROW_TYPES[name])  # a part may be empty

    labels = column("labels")
    return RowTable(
        ids=column("id"),
        split_codes=column("split").indices.to_numpy(),
        split_names=column("split").dictionary.to_pylist(),
        signer_codes=column("signer").indices.to_numpy(),
        signer_names=column("signer").dictionary.to_pylist(),
        shard=column("shard").to_numpy(),
        row=column("row").to_numpy(),
        frames=column("frames").to_numpy(),
        label_offsets=labels.offsets.to_numpy(),
        label_ids=labels.values.to_numpy(),
    )
