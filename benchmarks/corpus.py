"""Compares base values on disk and features made on the device with stored features.

    python benchmarks/corpus.py

ours      slr_accel's corpus: 1,629 float16 base values and presence per frame, read by read_ahead;
          FeatureTransform makes position, velocity, acceleration and relative of them
npz       those 6,516 float32 features, standardised, in one uncompressed .npz per sequence:
          np.load, torch.nn.utils.rnn.pad_sequence

Both read the same batches of the same plan in one process with one torch thread and a warm page
cache, in turns (ours, npz, ours, ...). Ratios are taken within a turn and their median counts, so
that other work on the machine slows both. CPU time is that of all threads. Both make the same
features, which is checked first; ours makes presence and targets too. At the end it measures how
long training takes to its first batch when it resumes at several places of an epoch.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from loading import BATCH_SIZE, CHECKED_BATCHES, targets_of
from measure import in_turns, make_parser, record, table, timed
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.features.statistics import train_statistics
from slr_accel.features.transform import FeatureTransform
from slr_accel.importers.build import build_corpus
from slr_accel.importers.synthetic import list_synthetic
from slr_accel.loading.batch import Batch
from slr_accel.loading.loader import read_ahead
from slr_accel.loading.plan import plan
from slr_accel.progress import untracked
from slr_accel.settings.features import FeatureSettings, Group
from slr_accel.settings.run import build_settings
from slr_accel.training.data import make_epoch, make_vocabulary, train_data
from slr_accel.training.step_work import epoch_work

GROUPS: tuple[Group, ...] = ("position", "velocity", "acceleration", "relative")
RESUMED_AT = (0.0, 0.5, 0.99)
SEQUENCES = 300

Pass = Callable[[], Iterator[Tensor]]
"""Starts one pass over the batches."""


def main() -> None:
    parser = make_parser(__doc__, rounds=15)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="corpus-benchmark-") as name:
        folder = Path(name)
        build_corpus(list_synthetic(SEQUENCES, 10, 0), folder / "corpus", track=untracked)
        corpus = open_corpus(folder / "corpus")
        record(
            "corpus",
            f"numpy {np.__version__}; medians of {args.rounds} rounds in turns, of ratios within a "
            "round",
            compare(corpus, folder / "npz", args.rounds),
            resume_text(folder, args.rounds),
        )


@torch.no_grad()
def compare(corpus: Corpus, folder: Path, rounds: int) -> str:
    """Returns the sizes, and the sequences per second of each way."""
    rows = corpus.rows.of_split("train")
    frames = corpus.rows.frames[rows]
    batches = [rows[b] for b in plan(frames, seed=1, epoch=0, batch_size=BATCH_SIZE)]
    targets = targets_of(corpus, rows)
    transform = make_transform(corpus, rows)
    write_npz(corpus, rows, transform, folder)

    def base() -> Iterator[Batch]:
        return read_ahead(corpus, batches, targets)

    def featured() -> Iterator[Tensor]:
        return (transform(b.features, b.presence, b.lengths) for b in base())

    def stored() -> Iterator[Tensor]:
        return (read_npz(folder, batch) for batch in batches)

    check_same(featured(), stored())
    seconds = in_pairs(
        {
            "base batch on the host": lambda: (batch.features for batch in base()),
            "features on the CPU": featured,
        },
        stored,
        rounds,
    )
    if torch.cuda.is_available():
        gpu = torch.device("cuda")
        on_gpu = make_transform(corpus, rows).to(gpu)
        seconds |= in_pairs(
            {
                "features on the GPU": lambda: (
                    on_gpu(b.features, b.presence, b.lengths) for b in (b.to(gpu) for b in base())
                )
            },
            lambda: (features.pin_memory().to(gpu, non_blocking=True) for features in stored()),
            rounds,
        )
    return size_text(corpus, rows, folder) + speed_table(len(rows), seconds)


def make_transform(corpus: Corpus, rows: np.ndarray) -> FeatureTransform:
    settings = FeatureSettings(groups=GROUPS)
    transform = FeatureTransform(corpus.layout, settings, corpus.info.frames_per_second)
    found = train_statistics(transform, corpus, rows, None)
    transform.mean.copy_(found["mean"])
    transform.deviation.copy_(found["deviation"])
    return transform


def write_npz(corpus: Corpus, rows: np.ndarray, transform: FeatureTransform, folder: Path) -> None:
    """Writes standardised features without presence channels: 4 x 1,629 values per frame."""
    folder.mkdir()
    for batch in read_ahead(corpus, [rows[i : i + 1] for i in range(len(rows))], {}):
        features = transform(batch.features, batch.presence, batch.lengths)[0]
        name = f"{int(batch.rows[0])}.npz"
        np.savez(folder / name, features=features[:, : len(transform.mean)].numpy())


def read_npz(folder: Path, rows: np.ndarray) -> Tensor:
    arrays = []
    for row in rows:
        with np.load(folder / f"{row}.npz", allow_pickle=False) as file:
            arrays.append(torch.from_numpy(file["features"]))
    return pad_sequence(arrays, batch_first=True)


def check_same(ours: Iterator[Tensor], stored: Iterator[Tensor]) -> None:
    """Asserts that both ways make the same features, in the same order."""
    for _ in range(CHECKED_BATCHES):
        theirs = next(stored)
        torch.testing.assert_close(next(ours)[..., : theirs.shape[-1]], theirs)


def in_pairs(ours: dict[str, Pass], stored: Pass, rounds: int) -> dict[str, np.ndarray]:
    """Returns, for each way, [rounds, 2, 2]: (ours, the npz pass after it) x (clock, CPU time)."""
    for start in (*ours.values(), stored):  # fills the page cache and the allocator
        read_all(start)
    acts = {
        name: lambda start=start: [timed(partial(read_all, way)) for way in (start, stored)]
        for name, start in ours.items()
    }
    return {name: np.array(pairs) for name, pairs in in_turns(acts, rounds).items()}


def read_all(start: Pass) -> None:
    for features in start():
        features[-1, -1, -1].item()  # waits for a GPU, too


def size_text(corpus: Corpus, rows: np.ndarray, folder: Path) -> str:
    of_ours = sum(path.stat().st_size for path in corpus.folder.rglob("*") if path.is_file())
    ours = of_ours * corpus.rows.frames[rows].sum() / corpus.rows.frames.sum()
    theirs = sum(path.stat().st_size for path in folder.iterdir())
    return (
        f"**{len(rows)} sequences** in batches of {BATCH_SIZE}, "
        f"{corpus.rows.frames[rows].mean():.0f} frames on average. On disk {ours / 1e6:,.0f} MB "
        f"against {theirs / 1e6:,.0f} MB: {theirs / ours:.1f} x smaller.\n\n"
    )


def speed_table(count: int, seconds: dict[str, np.ndarray]) -> str:
    rows = []
    for name, pairs in seconds.items():
        ours, theirs = count / np.median(pairs[..., 0], axis=0)
        ratios, cpu_ratios = (pairs[:, 1] / pairs[:, 0]).T
        low, high = np.quantile(ratios, (0.25, 0.75))
        rows.append(
            [
                *(name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{np.median(ratios):.2f} x"),
                *(f"{low:.2f} - {high:.2f}", f"{np.median(cpu_ratios):.2f} x"),
            ]
        )
    if not torch.cuda.is_available():
        rows.append(["features on the GPU", "no GPU here", "", "", "", ""])
    columns = ("sequences/s", "ours", "npz", "ours is faster by", "quartiles", "less CPU time by")
    return table(columns, rows)


def resume_text(folder: Path, rounds: int) -> str:
    """Returns the times from an opened corpus to the first batch at places of an epoch."""
    values = {"data_dir": str(folder / "corpus"), "output_dir": "none"}
    settings = build_settings(values | {"batch_size": BATCH_SIZE, "epochs": rounds})
    corpus = open_corpus(settings.training.data_dir)
    vocabulary = make_vocabulary(settings, corpus)
    data = train_data(settings, corpus, vocabulary)

    def first_batch(share: float, number: int) -> float:
        opened = open_corpus(settings.training.data_dir)
        before = time.perf_counter()
        epoch = make_epoch(settings, data, number)
        first = int(share * len(epoch.plan))
        work = epoch_work(
            opened, epoch, first=first, per_step=1, rank=0, world_size=1, max_frames=None
        )
        next(work)
        took = time.perf_counter() - before
        work.close()
        return took

    first_batch(0.0, 0)
    # Every round is another epoch, so that no place always has the long sequences.
    seconds = [[first_batch(share, number) for share in RESUMED_AT] for number in range(rounds)]
    medians = np.median(seconds, axis=0)
    places = ", ".join(f"{share:.0%}" for share in RESUMED_AT)
    figures = ", ".join(f"{1000 * median:.1f}" for median in medians)
    return (
        f"Resume at {places} of an epoch: first batch after {figures} ms; "
        f"slowest / fastest {medians.max() / medians.min():.2f}.\n"
    )


if __name__ == "__main__":
    main()
