"""How a corpus is read: the row table in memory, features as views into the mapped shards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from slr_accel.corpus.format import ROWS_FILE, CorpusInfo, read_corpus_info
from slr_accel.corpus.layout import Layout

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
    """rows.arrow as arrays: one entry a sequence, in the order they were written."""

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

    def split(self, row: int) -> str:
        return self.split_names[self.split_codes[row]]

    def signer(self, row: int) -> str:
        return self.signer_names[self.signer_codes[row]]

    def of_split(self, split: str) -> np.ndarray:
        """Row numbers of a split. Raises ValueError naming those there are."""
        if split not in self.split_names:
            known = ", ".join(sorted(self.split_names))
            raise ValueError(f"the corpus has no split {split!r}; it has: {known}")
        return np.flatnonzero(self.split_codes == self.split_names.index(split))


class Corpus:
    """An opened corpus. Reading a sequence copies nothing; pages come in as they are touched."""

    def __init__(self, folder: Path, info: CorpusInfo, rows: RowTable) -> None:
        self.folder = folder
        self.info = info
        self.rows = rows
        self._shards: dict[int, _MappedShard] = {}

    @property
    def layout(self) -> Layout:
        return self.info.layout

    def labels(self, row: int) -> list[str]:
        """The raw labels, as annotated."""
        start, end = self.rows.label_offsets[row], self.rows.label_offsets[row + 1]
        return [self.info.labels[i] for i in self.rows.label_ids[start:end]]

    def features(self, row: int) -> np.ndarray:
        """[T, D] in the storage dtype; a read-only view into the shard."""
        return self._shard(row).array("features", self.rows.row[row])

    def presence(self, row: int) -> np.ndarray:
        """[T, blocks] bool; a read-only view into the shard."""
        return self._shard(row).array("presence", self.rows.row[row]).view(np.bool_)

    def record(self, row: int) -> dict[str, Any]:
        """The columns beside the arrays: id, split, signer, labels, segments, text."""
        return self._shard(row).record(int(self.rows.row[row]))

    def _shard(self, row: int) -> _MappedShard:
        number = int(self.rows.shard[row])
        if number not in self._shards:
            path = self.folder / self.info.shards[number].file
            of_shard = np.flatnonzero(self.rows.shard == number)
            of_shard = of_shard[np.argsort(self.rows.row[of_shard])]
            self._shards[number] = _MappedShard(path, self.info, self.rows.frames[of_shard])
        return self._shards[number]


def open_corpus(folder: str | Path) -> Corpus:
    """Opens a corpus without touching its shards. Raises ValueError with the way out."""
    if "://" in str(folder):
        raise ValueError(f"{folder}: remote corpora are not supported yet; copy it to a folder")
    folder = Path(folder)
    info = read_corpus_info(folder)
    path = folder / ROWS_FILE
    try:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
        rows = _row_table(table)
    # A damaged file meets many layers of pyarrow, each with its own exceptions.
    except Exception as error:
        raise ValueError(f"{path}: not readable ({error}); prepare the corpus anew") from None
    if not _belongs(rows, info):
        raise ValueError(
            f"{path}: does not belong to corpus.json beside it; copy both again, or prepare anew"
        )
    return Corpus(folder, info, rows)


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
    # Numbers from the file become addresses: `validate` refuses those that lead outside.
    table.validate(full=True)
    table = table.combine_chunks()
    found = {name: table[name].type for name in table.column_names}
    if found != ROW_TYPES or any(table[name].null_count for name in ROW_TYPES):
        raise ValueError(f"its columns are {found}")

    def column(name: str) -> pa.Array:
        return table[name].chunk(0)

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


class _MappedShard:
    """One memory-mapped shard: `array` finds a row's values in the Arrow buffers."""

    def __init__(self, path: Path, info: CorpusInfo, frames: np.ndarray) -> None:
        """`frames` [rows of the shard] are what the row table says; ValueError where it errs."""
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
                # Offsets come from the file: a wrong one must not become a read outside it.
                batch.validate(full=True)
            self._flat = {
                name: [_flat_values(batch.column(name), *expected) for batch in batches]
                for name, expected in widths.items()
            }
        # A damaged file meets many layers of pyarrow and datasets, each with its own exceptions.
        except Exception as error:
            raise ValueError(
                f"{path}: this shard cannot be read ({error}); copy it again, or prepare anew"
            ) from None
        for name, flat in self._flat.items():
            found = [np.diff(offsets) for _, offsets in flat]
            if not np.array_equal(np.concatenate([[], *found]), frames):
                raise ValueError(f"{path}: the lengths of its {name} are not those in {ROWS_FILE}")
        self._starts = np.cumsum([0] + [batch.num_rows for batch in batches])

    def array(self, name: str, row: int) -> np.ndarray:
        batch = int(np.searchsorted(self._starts, row, side="right")) - 1
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
