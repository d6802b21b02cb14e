"""Base values on disk and features made on the device, against features stored ready-made.

    python benchmarks/corpus.py

ours      slr_accel's corpus: 1,629 float16 base values and presence a frame, read by read_ahead;
          FeatureTransform makes position, velocity, acceleration and relative of them
npz       those 6,516 float32 features, standardised, in one uncompressed .npz a sequence:
          np.load, torch.nn.utils.rnn.pad_sequence

Both walk through the same batches of the same plan in one process with one torch thread and a warm
page cache, in turns (ours, npz, ours, ...). Ratios are taken within a turn and their median counts:
what else the machine does then meets both. CPU time is that of all threads. Both make the same
features, which is checked first; ours makes presence and targets besides. Last it says how long a
resume takes, from several places of an epoch to its first batch, through the code that training
runs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from loading import BATCH_SIZE, CHECKED_BATCHES, RESULTS, cpu_model, targets_of
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
"""Starts one walk through the batches."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="of which the median counts [15]")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="corpus-benchmark-") as name:
        folder = Path(name)
        build_corpus(list_synthetic(SEQUENCES, 10, 0), folder / "corpus", track=untracked)
        corpus = open_corpus(folder / "corpus")
        text = "\n".join(
            [
                heading(args.rounds),
                compare(corpus, folder / "npz", args.rounds),
                resume_table(folder, args.rounds),
            ]
        )
    print(text)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write("\n" + text)


@torch.no_grad()
def compare(corpus: Corpus, folder: Path, rounds: int) -> str:
    """Sizes, and sequences a second of each way."""
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
    seconds = in_turns(
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
        seconds |= in_turns(
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
    """Standardised features without the presence channels: 4 x 1,629 values a frame."""
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
    """Assertion that both ways make the same features, in the same order."""
    for _ in range(CHECKED_BATCHES):
        theirs = next(stored)
        torch.testing.assert_close(next(ours)[..., : theirs.shape[-1]], theirs)


def in_turns(ours: dict[str, Pass], stored: Pass, rounds: int) -> dict[str, np.ndarray]:
    """[rounds, 2, 2] a way: (ours, the npz pass after it) x (seconds, seconds of CPU time)."""
    for start in (*ours.values(), stored):  # fills the page cache and the allocator
        time_pass(start)
    seconds: dict[str, list[Any]] = {name: [] for name in ours}
    for _ in range(rounds):
        for name, start in ours.items():
            seconds[name].append((time_pass(start), time_pass(stored)))
    return {name: np.array(pairs) for name, pairs in seconds.items()}


def time_pass(start: Pass) -> tuple[float, float]:
    before, cpu_before = time.perf_counter(), time.process_time()
    for features in start():
        features[-1, -1, -1].item()  # waits for a GPU, too
    return time.perf_counter() - before, time.process_time() - cpu_before


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
    lines = [
        "| sequences/s | ours | npz | ours is faster by | quartiles | less CPU time by |",
        "|---|---|---|---|---|---|",
    ]
    for name, pairs in seconds.items():
        ours, theirs = count / np.median(pairs[..., 0], axis=0)
        ratios, cpu_ratios = (pairs[:, 1] / pairs[:, 0]).T
        low, high = np.quantile(ratios, (0.25, 0.75))
        lines.append(
            f"| {name} | {ours:,.0f} | {theirs:,.0f} | {np.median(ratios):.2f} x "
            f"| {low:.2f} - {high:.2f} | {np.median(cpu_ratios):.2f} x |"
        )
    if not torch.cuda.is_available():
        lines.append("| features on the GPU | no GPU here | | | | |")
    return "\n".join(lines) + "\n"


def resume_table(folder: Path, rounds: int) -> str:
    """Time from an opened corpus to the first batch, at several places of an epoch."""
    settings = build_settings(
        {"data_dir": str(folder / "corpus"), "output_dir": "none", "batch_size": BATCH_SIZE}
    )
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
    # Every round is another epoch: no place has the long sequences for good.
    seconds = [[first_batch(share, number) for share in RESUMED_AT] for number in range(rounds)]
    medians = np.median(seconds, axis=0)
    places = ", ".join(f"{share:.0%}" for share in RESUMED_AT)
    figures = ", ".join(f"{1000 * median:.1f}" for median in medians)
    return (
        f"Resume at {places} of an epoch: first batch after {figures} ms; "
        f"slowest / fastest {medians.max() / medians.min():.2f}.\n"
    )


def heading(rounds: int) -> str:
    return (
        f"## corpus, {date.today().isoformat()}\n\n{cpu_model()}, {os.cpu_count()} cores, shared "
        f"with other work; torch {torch.__version__}, numpy {np.__version__}; medians of {rounds} "
        "rounds in turns, of ratios within a round; `benchmarks/corpus.py` says what is compared.\n"
    )


if __name__ == "__main__":
    main()
