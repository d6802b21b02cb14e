"""Measures teacher caches: their size, and how much faster a student trains from one than online.

    python benchmarks/distillation.py

online  each step asks the teacher for its soft labels of the augmented batch
cached  the same steps read them from `slr-accel teach`'s cache

Both train the default student on the same batches of a synthetic MediaPipe Holistic corpus, taught
by the default teacher, in one process with one torch thread, in turns. The size is that of random
posteriors of 973 tokens for 5,000 sequences of the mean length of PHOENIX-2014 SI5.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import at_least, in_turns, make_parser, record, table, timed

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.distillation.cache import write_part
from slr_accel.distillation.cache_format import PART_ROWS
from slr_accel.importers.build import build_corpus
from slr_accel.importers.synthetic import list_synthetic
from slr_accel.loading.loader import read_ahead
from slr_accel.models.folder import save_model
from slr_accel.progress import untracked
from slr_accel.settings.run import Settings, build_settings
from slr_accel.training.data import make_epoch, make_vocabulary, train_data
from slr_accel.training.losses import criterion, loss_terms, total
from slr_accel.training.preparation import Preparation, cache_of, load_teachers
from slr_accel.training.setup import make_optimizer
from slr_accel.training.start import fresh_model, make_transform
from slr_accel.training.teach import make_augmentation, make_cache

SEQUENCES, OUTPUTS, FRAMES, STRIDE = 5_000, 973, 140, 4
BATCH_SIZE = 8
CPU = torch.device("cpu")


def main() -> None:
    parser = make_parser(__doc__, rounds=5)
    parser.add_argument("--top_k", type=at_least(1), default=256, help="tokens kept [256]")
    parser.add_argument("--batches", type=at_least(2), default=6, help="batches of a turn [6]")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="distillation-benchmark-") as name:
        megabytes = size_of_cache(Path(name, "part.arrow"), args.top_k)
        sections = [
            f"A cache of {SEQUENCES:,} sequences of {FRAMES} frames, {OUTPUTS} outputs, top_k "
            f"{args.top_k}: {megabytes:.0f} MB a view.\n",
            compare(Path(name), args.top_k, args.batches, args.rounds),
        ]
    record("distillation", f"medians of {args.rounds} rounds in turns", *sections)


def size_of_cache(path: Path, top_k: int) -> float:
    """The MB of a view, from one part of it."""
    random = np.random.default_rng(0)
    steps = -(-FRAMES // STRIDE)
    logits = torch.from_numpy(random.normal(0, 3, (PART_ROWS, steps, OUTPUTS)).astype(np.float32))
    write_part(path, range(PART_ROWS), list(logits.log_softmax(-1).numpy()), top_k)
    return path.stat().st_size / PART_ROWS * SEQUENCES / 1e6


@dataclass(frozen=True)
class Ways:
    """What trains on the first batches of an epoch."""

    corpus: Corpus
    settings: Settings
    batches: int

    def epoch(self, preparation: Preparation) -> Callable[[], None]:
        """An act that takes the steps of the batches with what `preparation` makes of them."""
        settings, corpus = self.settings, self.corpus
        vocabulary = make_vocabulary(settings, corpus)
        data = train_data(settings, corpus, vocabulary)
        columns = make_transform(settings, corpus).columns.num_values
        statistics = {"mean": torch.zeros(columns), "deviation": torch.ones(columns)}
        model = fresh_model(settings, corpus, vocabulary, statistics)
        optimizer, options = make_optimizer(settings, model), criterion(settings)
        epoch = make_epoch(settings, data, 0)

        def act() -> None:
            finish = partial(preparation.drawn, seed=settings.training.seed, epoch=0)
            plan = epoch.plan[: self.batches]
            for batch in read_ahead(corpus, plan, epoch.targets, finish=finish):
                ready = preparation(batch)
                output = model(ready.features, ready.presence, ready.lengths)
                total(loss_terms(output, ready, options)).backward()
                optimizer.step()
                optimizer.zero_grad()

        return act


def compare(folder: Path, top_k: int, batches: int, rounds: int) -> str:
    """Returns a table: seconds of the batches, online and cached."""
    build_corpus(list_synthetic(batches * BATCH_SIZE, 1, 0), folder / "corpus", track=untracked)
    corpus = open_corpus(folder / "corpus")
    teacher, cache = folder / "teacher", folder / "cache"
    places = {"data_dir": str(folder / "corpus"), "output_dir": "-"}
    values = {**places, "batch_size": BATCH_SIZE, "epochs": 1}
    taught = build_settings({**values, "teacher": str(teacher)})
    vocabulary = make_vocabulary(taught, corpus)
    save_teacher(teacher, build_settings({**values, "model": "teacher"}), corpus)
    make_cache(
        cache,
        taught,
        corpus,
        views=1,
        top_k=top_k,
        shard=(1, 1),
        device=CPU,
        track=untracked,
        stops=lambda: False,
    )
    data = train_data(taught, corpus, vocabulary)
    augmentation = make_augmentation(taught, corpus, data)
    reader = build_settings({**values, "teacher_cache": str(cache)})
    online = Preparation(augmentation, [load_teachers(taught, corpus, vocabulary, CPU)])
    from_disk = Preparation(augmentation, cache=cache_of(reader, corpus, vocabulary, data))
    ways = Ways(corpus, taught, batches)
    acts = {
        name: partial(timed, ways.epoch(way))
        for name, way in (
            ("online", online),
            ("cached", from_disk),
            ("without a teacher", Preparation(augmentation)),
        )
    }
    seconds = {name: [t for t, _ in times] for name, times in in_turns(acts, rounds).items()}
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return table(
        ["labels", "sequences/s", "faster than online"],
        (
            (name, f"{batches * BATCH_SIZE / time:.1f}", f"{medians['online'] / time:.2f} x")
            for name, time in medians.items()
        ),
    )


def save_teacher(folder: Path, settings: Settings, corpus: Corpus) -> None:
    """A model of fresh weights: it takes as long as a trained one."""
    columns = make_transform(settings, corpus).columns.num_values
    statistics = {"mean": torch.zeros(columns), "deviation": torch.ones(columns)}
    vocabulary = make_vocabulary(settings, corpus)
    model = fresh_model(settings, corpus, vocabulary, statistics)
    folder.mkdir()
    save_model(folder, model, vocabulary, model.state_dict())


if __name__ == "__main__":
    main()
