"""Measures training steps per second from S3, against the same corpus in a folder.

    python benchmarks/remote.py

local   the corpus in a folder, in the page cache
s3      the same corpus at s3://, from moto's server on this machine, with an empty cache that holds
        two windows of shards

Both train the default student on the same micro-batches of one epoch, walking through all windows
(which is checked: the losses are equal), in pairs (local, s3, local, ...). The time is that from
the end of the first step to that of the last: the first window is there by then, the others are
fetched meanwhile. The server runs on the same cores as the training.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from measure import at_least, make_parser, record, table

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.corpus.writer import write_corpus
from slr_accel.importers.build import build_corpus
from slr_accel.importers.synthetic import list_synthetic
from slr_accel.progress import untracked
from slr_accel.runs.run_folder import RunFolder
from slr_accel.settings.run import build_settings
from slr_accel.training.setup import set_up

BUCKET = "benchmark"
SHARD_BYTES = 8 * 2**20
SHARD_WINDOW = 2
TARGET = 0.8
"""Least share of the local steps per second."""


def main() -> None:
    parser = make_parser(__doc__, rounds=5)
    parser.add_argument("--sequences", type=at_least(100), default=400, help="of the corpus [400]")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="remote-benchmark-") as name, s3_server():
        folder = Path(name)
        corpus = make_corpus(folder, args.sequences)
        address = upload(corpus)
        pairs = [time_pair(corpus, address, folder / str(n)) for n in range(args.rounds)]
    record("remote", f"medians of {args.rounds} pairs in turns", result(corpus, pairs))


def make_corpus(folder: Path, sequences: int) -> Corpus:
    """Makes synthetic sentences of MediaPipe landmarks, in shards of 8 MiB."""
    build_corpus(list_synthetic(sequences, 4, 0), folder / "whole", track=untracked)
    whole = open_corpus(folder / "whole")
    write_corpus(
        folder / "corpus",
        (whole.sequence(row) for row in range(len(whole.rows))),
        layout=whole.layout,
        dtype=whole.info.dtype,
        frames_per_second=whole.info.frames_per_second,
        source=whole.info.source,
        shard_bytes=SHARD_BYTES,
    )
    return open_corpus(folder / "corpus")


@contextmanager
def s3_server() -> Iterator[None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def upload(corpus: Corpus) -> str:
    import s3fs

    filesystem = s3fs.S3FileSystem()
    filesystem.mkdir(BUCKET)
    for path in corpus.folder.iterdir():
        filesystem.pipe_file(f"{BUCKET}/corpus/{path.name}", path.read_bytes())
    return f"s3://{BUCKET}/corpus"


def time_pair(corpus: Corpus, address: str, folder: Path) -> tuple[float, float]:
    """Returns the steps per second from the folder and from S3."""
    local, local_losses = train_epoch(str(corpus.folder), folder / "local")
    remote, remote_losses = train_epoch(address, folder / "s3")
    assert local_losses == remote_losses
    print(f"local {local:.2f} steps/s, s3 {remote:.2f} steps/s", file=sys.stderr)
    return local, remote


def train_epoch(address: str, folder: Path) -> tuple[float, list[float]]:
    """Returns the steps per second of one epoch, and the loss of each step."""
    settings = build_settings(
        {
            "data_dir": address,
            "output_dir": str(folder / "run"),
            "batch_size": 8,
            "epochs": 1,
            "log_steps": 1000,
            "wandb_mode": "disabled",
            "shard_window": SHARD_WINDOW,
            "cache_dir": str(folder / "cache"),
            "cache_gb": 1e-9 * (2 * SHARD_WINDOW + 1) * SHARD_BYTES,
        }
    )
    loading = settings.loading
    corpus = open_corpus(address, cache_dir=loading.cache_dir, cache_gb=loading.cache_gb)
    corpus.check_window(loading.shard_window)
    ends: list[float] = []
    losses: list[float] = []
    with set_up(settings, corpus, RunFolder(folder / "run")) as trainer:
        for work in trainer.rest_of_epoch():
            losses.append(sum(trainer.step(work, stop_requested=False).losses["ctc"]))
            ends.append(time.perf_counter())
    corpus.let_go()
    return (len(ends) - 1) / (ends[-1] - ends[0]), losses


def result(corpus: Corpus, pairs: list[tuple[float, float]]) -> str:
    shards = [shard for shard in corpus.info.shards if shard.file.startswith("train")]
    ratios = [remote / local for local, remote in pairs]
    ratio = statistics.median(ratios)
    rows = [
        [name, f"{statistics.median(rates):.2f}", f"{min(rates):.2f} - {max(rates):.2f}"]
        for name, rates in zip(("local", "s3"), zip(*pairs, strict=True), strict=True)
    ]
    return (
        f"**synthetic_holistic**: {sum(shard.sequences for shard in shards)} sequences, "
        f"{sum(shard.bytes for shard in shards) / 1e6:.0f} MB in {len(shards)} shards, windows of "
        f"{SHARD_WINDOW}\n\n"
        f"{table(('corpus', 'steps/s', 'slowest - fastest'), rows)}\n"
        f"s3 / local: **{ratio:.2f}** ({min(ratios):.2f} - {max(ratios):.2f}); the target is at "
        f"least {TARGET}: {'met' if ratio >= TARGET else 'missed'}.\n"
    )


if __name__ == "__main__":
    main()
