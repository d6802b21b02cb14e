"""Measures how many sequences per second the loader reads, against the two usual ways.

    python benchmarks/loading.py

ours      slr_accel's corpus reader and read_ahead
npy       one .npy file per sequence: np.load, torch.nn.utils.rnn.pad_sequence
datasets  the same Arrow shards with `datasets`, .with_format("torch"), pad_sequence

All read the same batches of the same plan, in one process with one torch thread and a warm page
cache, in turns (ours, npy, datasets, ours, ...). They make the same padded features and presence,
which is checked first; ours makes targets too. Opening files is timed where each batch needs it
(npy), but not where it is done once. Each alternative is written the fastest way that was found.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from measure import at_least, in_turns, make_parser, record, table, timed
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.importers.build import build_corpus
from slr_accel.importers.manifest import list_manifest
from slr_accel.importers.synthetic import list_synthetic
from slr_accel.labels.vocabulary import build_vocabulary
from slr_accel.loading.loader import read_ahead
from slr_accel.loading.plan import plan
from slr_accel.progress import untracked

BATCH_SIZE = 16
CHECKED_BATCHES = 5

Padded = tuple[Tensor, Tensor]
"""Features [B, T, D] in the storage dtype, and presence [B, T, blocks] bool."""
Reader = Callable[[], Iterator[Padded]]
"""Starts one pass over the batches."""


def main() -> None:
    parser = make_parser(__doc__, rounds=7)
    parser.add_argument(
        "--data_dir", type=Path, default=Path("../shared/data"), help="[%(default)s]"
    )
    parser.add_argument(
        "--batches",
        type=at_least(CHECKED_BATCHES),
        default=60,
        help="at most, from the start of the plan [60]",
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="loading-benchmark-") as name:
        folder = Path(name)
        sections = [
            compare(title, corpus, folder / title, args.batches, args.rounds)
            for title, corpus in make_corpora(args.data_dir, folder)
        ]
    record(
        "loading", f"numpy {np.__version__}; medians of {args.rounds} rounds in turns", *sections
    )


def make_corpora(data_dir: Path, folder: Path) -> Iterator[tuple[str, Corpus]]:
    """Makes PHOENIX-2014T's streams, where they are, and 500 synthetic sentences of landmarks."""
    index = data_dir / "phoenix14t_streams" / "index.jsonl"
    if index.is_file():
        out = folder / "streams"
        build_corpus(list_manifest(index, fps=25.0), out, track=untracked)
        yield "phoenix14t_streams", open_corpus(out)
    else:
        print(f"{index} is absent; give --data_dir to measure on it too")
    out = folder / "synthetic"
    build_corpus(list_synthetic(500, 0, 0), out, track=untracked)
    yield "synthetic_holistic", open_corpus(out)


def compare(title: str, corpus: Corpus, folder: Path, most_batches: int, rounds: int) -> str:
    """Returns a table: sequences per second of each way, and how much faster ours is."""
    rows = corpus.rows.of_split("train")
    frames = corpus.rows.frames[rows]
    batches = [rows[b] for b in plan(frames, seed=1, epoch=0, batch_size=BATCH_SIZE)]
    batches = batches[:most_batches]
    targets = targets_of(corpus, rows)
    readers = {
        "ours": lambda: read_ours(corpus, batches, targets),
        "npy": npy_reader(corpus, batches, folder),
        "datasets": datasets_reader(corpus, batches),
    }
    check_same(readers)
    acts = {name: partial(timed, partial(read_all, reader)) for name, reader in readers.items()}
    times = in_turns(acts, rounds)
    seconds = {name: [clock for clock, _ in pairs] for name, pairs in times.items()}
    return table_of(title, corpus, np.concatenate(batches), seconds)


def targets_of(corpus: Corpus, rows: np.ndarray) -> dict[int, list[int]]:
    vocabulary = build_vocabulary((corpus.labels(row) for row in rows), "raw")
    return {int(row): vocabulary.encode(corpus.labels(row)) for row in rows}


def read_ours(
    corpus: Corpus, batches: list[np.ndarray], targets: dict[int, list[int]]
) -> Iterator[Padded]:
    return ((batch.features, batch.presence) for batch in read_ahead(corpus, batches, targets))


def npy_reader(corpus: Corpus, batches: list[np.ndarray], folder: Path) -> Reader:
    """Writes presence as further columns of the same file: one file and one padding for both."""
    folder.mkdir()
    columns = corpus.layout.columns
    for row in np.concatenate(batches):
        parts = [corpus.features(row), corpus.presence(row).astype(corpus.info.dtype)]
        np.save(folder / f"{row}.npy", np.concatenate(parts, axis=1))

    def read() -> Iterator[Padded]:
        for rows in batches:
            arrays = [torch.from_numpy(np.load(folder / f"{row}.npy")) for row in rows]
            both = pad_sequence(arrays, batch_first=True)
            yield both[..., :columns], both[..., columns:].bool()

    return read


def datasets_reader(corpus: Corpus, batches: list[np.ndarray]) -> Reader:
    """Reads only the needed columns, a batch at a time: row by row takes twice as long."""
    paths = [corpus.folder / shard.file for shard in corpus.info.shards]
    dataset = concatenate_datasets([Dataset.from_file(str(path)) for path in paths])
    # Without a dtype it converts all numbers to int64 and float32.
    dataset = dataset.select_columns(["features", "presence"]).with_format(
        "torch", dtype=getattr(torch, corpus.info.dtype)
    )
    starts = np.cumsum([0] + [shard.sequences for shard in corpus.info.shards])

    def read() -> Iterator[Padded]:
        for rows in batches:
            positions = starts[corpus.rows.shard[rows]] + corpus.rows.row[rows]
            found = dataset[positions.tolist()]
            features = pad_sequence(list(found["features"]), batch_first=True)
            yield features, pad_sequence(list(found["presence"]), batch_first=True).bool()

    return read


def check_same(readers: dict[str, Reader]) -> None:
    """Asserts that all make the same tensors, of the same dtype, in the same order."""
    passes = [reader() for reader in readers.values()]
    for _ in range(CHECKED_BATCHES):
        ours, *others = (next(batches) for batches in passes)
        for other in others:
            for their, our in zip(other, ours, strict=True):
                assert their.dtype == our.dtype and torch.equal(their, our)


def read_all(reader: Reader) -> None:
    for features, _ in reader():
        features[-1, -1, -1].item()


def table_of(title: str, corpus: Corpus, rows: np.ndarray, seconds: dict[str, list[float]]) -> str:
    count, ours = len(rows), statistics.median(seconds["ours"])
    return (
        f"**{title}**: {count} sequences in batches of {BATCH_SIZE}, "
        f"{corpus.rows.frames[rows].mean():.0f} x {corpus.layout.columns} {corpus.info.dtype} on "
        "average\n\n"
    ) + table(
        ("reader", "sequences/s", "slowest - fastest round", "ours is faster by"),
        [
            [
                *(name, f"{count / (median := statistics.median(times)):,.0f}"),
                f"{count / max(times):,.0f} - {count / min(times):,.0f}",
                f"{median / ours:.1f} x",
            ]
            for name, times in seconds.items()
        ],
    )


if __name__ == "__main__":
    main()
