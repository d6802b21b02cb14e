"""Measures what the training loop costs beyond training, and what bucketing by length saves.

    python benchmarks/trainer.py --data_dir corpora/phoenix14t_streams

Loop: the same model, optimizer and batches, made beforehand, in three loops:

ours          Trainer.step: schedule, step, counts, metrics, display; logs every 10 steps
bare          forward, loss, backward, clip_grad_norm_, AdamW, zero_grad in plain PyTorch
transformers  transformers.Trainer with its defaults, which logs every 10 steps too

Health: Trainer.step with and without what a logged step measures (outputs, gradients by part, size
of the update, the line of metrics and the rules on it), on the same batch in turns. Every tenth
step is logged, so health costs a tenth of the difference.

None validates or saves. Recipe phoenix14t_streams with one micro-batch a step, without dropout,
augmentation and moving average, at a constant learning rate, so that all make the same weights,
which is checked first. One torch thread; a few steps of each in changing turns. The time of
transformers is that from the start of its first step to the end of its last. Where other work runs
beside, compare the processor's time and not the clock's.

Bucketing: the same sequences in the plan's batches and in random ones, in turns, by the bare step.
The padding is that of the whole epoch.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence, Sized
from contextlib import redirect_stdout
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from measure import at_least, make_parser, record, table, timed
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from slr_accel.corpus.reader import open_corpus
from slr_accel.loading.batch import Batch
from slr_accel.loading.loader import load_batch
from slr_accel.loading.plan import plan
from slr_accel.models.folder import load_tensors
from slr_accel.runs.run_folder import RunFolder
from slr_accel.settings.recipes import read_recipe
from slr_accel.settings.run import build_settings
from slr_accel.training.losses import Criterion, criterion, loss_terms, total
from slr_accel.training.setup import make_optimizer, set_up
from slr_accel.training.start import fresh_model
from slr_accel.training.step_work import StepWork
from slr_accel.training.trainer import Trainer

RECIPE = "phoenix14t_streams"
PLAIN: dict[str, Any] = {
    "wandb_mode": "disabled",
    "batch_size": 16,
    "batch_frames": None,
    "micro_batches_per_step": 1,
    "ema_decay": 0.0,
    "dropout": 0.0,
    "schedule": "constant",
    "warmup_ratio": 0.0,
    "learning_rate": 1e-4,
    "time_stretch": 1,
    "time_warp": 0,
    "time_masks": 0,
    **dict.fromkeys(("rotation", "zoom", "shear", "block_shift", "block_rotation"), 0),
}
CHECKED_STEPS = 4
BLOCK = 5
"""Steps of a loop in a turn."""

Times = dict[str, list[tuple[float, float]]]
"""Seconds of each round, by the clock and of the processor."""


def main() -> None:
    parser = make_parser(__doc__, rounds=15)
    parser.add_argument("--data_dir", default="corpora/phoenix14t_streams", help="[%(default)s]")
    parser.add_argument(
        "--batches", type=at_least(1), default=40, help="to compare the batching on [40]"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="trainer-benchmark-") as folder:
        settings = build_settings(
            {**read_recipe(RECIPE), **PLAIN, "data_dir": args.data_dir, "output_dir": folder}
        )
        corpus = open_corpus(args.data_dir)
        with (
            redirect_stdout(io.StringIO()),
            set_up(settings, corpus, RunFolder(Path(folder))) as trainer,
        ):
            sections = [
                loops(trainer, args.rounds),
                health(trainer, 4 * args.rounds),
                bucketing(trainer, args.batches),
            ]
    record(
        "trainer",
        f"transformers {transformers.__version__}; recipe {RECIPE}; medians of {args.rounds} "
        f"rounds of {BLOCK} steps in turns, of ratios within a round",
        *sections,
    )


def loops(trainer: Trainer, rounds: int) -> str:
    """Returns the table of the three loops."""
    works = list(islice(trainer.rest_of_epoch(), 8 * BLOCK))
    models = {name: fresh(trainer) for name in ("bare", "transformers")}
    options = criterion(trainer.settings)
    bare = BareLoop(*models["bare"], options)
    theirs = TheirLoop(*models["transformers"], options, trainer.run.path)
    assert trainer.settings.augmentation.is_off
    takes: dict[str, Callable[[Sequence[StepWork]], tuple[float, float]]] = {
        "ours": lambda works: timed(lambda: take_ours(trainer, works)),
        "bare": lambda works: timed(lambda: bare.take(works)),
        "transformers": theirs.take,
    }
    for take in takes.values():
        take(works[:CHECKED_STEPS])
    check_same([trainer.weights.model, models["bare"][0], models["transformers"][0]])
    times: Times = {name: [] for name in takes}
    endless = cycle(works)
    turns = deque(takes.items())
    for _ in range(rounds):
        block = list(islice(endless, BLOCK))
        for name, take in turns:
            times[name].append(take(block))
        # Each goes first, second and third: transformers' set-up slows the one after it.
        turns.rotate(-1)
    return loop_table(times)


def fresh(trainer: Trainer) -> tuple[nn.Module, Optimizer]:
    """Makes another model with the trainer's weights, and an optimizer like the trainer's."""
    own = load_tensors(trainer.run.statistics)
    model = fresh_model(trainer.settings, trainer.corpus, trainer.vocabulary, own)
    return model.train(), make_optimizer(trainer.settings, model)


def take_ours(trainer: Trainer, works: Sequence[StepWork]) -> None:
    for work in works:
        trainer.step(work, stop_requested=False)


def health(trainer: Trainer, pairs: int) -> str:
    """Returns what health costs a step, from pairs of a step with and one without it."""
    works = cycle(islice(trainer.rest_of_epoch(), 8))
    logs = trainer._logs_step
    ratios: list[np.ndarray] = []
    for work in islice(works, pairs):
        seconds, take = {}, partial(take_ours, trainer, [work])
        for measured in (True, False) if len(ratios) % 2 else (False, True):
            trainer._logs_step = lambda step, measured=measured: measured  # type: ignore[method-assign, misc]
            seconds[measured] = timed(take)
        ratios.append(np.array(seconds[True]) / np.array(seconds[False]))
    trainer._logs_step = logs  # type: ignore[method-assign]
    by_clock, by_processor = np.median(ratios, axis=0) - 1
    every = trainer.settings.training.log_steps
    return table(
        (f"health, {pairs} pairs", "by the clock", "of the processor's time"),
        [
            ["a logged step", f"{by_clock:+.1%}", f"{by_processor:+.1%}"],
            [
                f"training, logged every {every}",
                f"{by_clock / every:+.2%}",
                f"{by_processor / every:+.2%}",
            ],
        ],
    )


def read(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return batch.features, batch.presence, batch.lengths


class BareLoop:
    def __init__(self, model: nn.Module, optimizer: Optimizer, options: Criterion) -> None:
        self.model, self.optimizer, self.options = model, optimizer, options

    def take(self, works: Sequence[StepWork]) -> None:
        for work in works:
            self.step(work.micro_batches[0].batch)

    def step(self, batch: Batch) -> float:
        terms = loss_terms(self.model(*read(batch)), batch, self.options)
        (total(terms) / batch.target_lengths.sum()).backward()
        clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return terms["ctc"].sum.item()


class TheirLoop(transformers.TrainerCallback):
    """Trains with transformers.Trainer, and takes its time."""

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, options: Criterion, folder: Path
    ) -> None:
        self.model, self.optimizer, self.options, self.folder = model, optimizer, options, folder
        self.start: tuple[float, float] | None = None
        self.end = (0.0, 0.0)

    def take(self, works: Sequence[StepWork]) -> tuple[float, float]:
        arguments = transformers.TrainingArguments(
            output_dir=str(self.folder / "transformers"),
            per_device_train_batch_size=1,
            max_steps=len(works),
            max_grad_norm=5.0,
            lr_scheduler_type="constant",
            logging_steps=10,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        self.start = None
        loop = InOrder(
            model=self.model,
            args=arguments,
            train_dataset=[work.micro_batches[0].batch for work in works],
            data_collator=lambda items: {"batch": items[0]},
            optimizers=(self.optimizer, None),
            callbacks=[self],
        )
        loop.options = self.options
        loop.train()
        assert self.start is not None
        clock, processor = (end - start for end, start in zip(self.end, self.start, strict=True))
        return clock, processor

    def on_step_begin(self, *args: Any, **options: Any) -> None:
        self.start = self.start or (time.perf_counter(), time.process_time())

    def on_step_end(self, *args: Any, **options: Any) -> None:
        self.end = (time.perf_counter(), time.process_time())


class InOrder(transformers.Trainer):
    """transformers.Trainer with our loss, over the batches in their order."""

    options: Criterion

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], *args: Any, **options: Any
    ) -> Tensor:
        batch = inputs["batch"]
        output = model(*read(batch))
        return total(loss_terms(output, batch, self.options)) / batch.target_lengths.sum()

    def _get_train_sampler(self, *args: Any) -> torch.utils.data.Sampler:
        return torch.utils.data.SequentialSampler(cast(Sized, self.train_dataset))


def check_same(models: Sequence[nn.Module]) -> None:
    """Asserts that all loops made the same weights."""
    first, *others = (model.state_dict() for model in models)
    for other in others:
        for name, tensor in first.items():
            torch.testing.assert_close(other[name], tensor, atol=1e-5, rtol=1e-4)


def loop_table(times: Times) -> str:
    rows = []
    for name, rounds in times.items():
        low, middle, high = statistics.quantiles((1e3 * clock / BLOCK for clock, _ in rounds), n=4)
        ratios = (np.array(rounds) / np.array(times["bare"])).T
        by_clock, by_processor = np.median(ratios, axis=1) - 1
        spread = f"{low:,.1f} - {high:,.1f}"
        rows.append([name, f"{middle:,.1f}", spread, f"{by_clock:+.1%}", f"{by_processor:+.1%}"])
    columns = ("loop", "step, ms", "quartiles", "against bare", "of the processor's time")
    return table(columns, rows)


def bucketing(trainer: Trainer, num_batches: int) -> str:
    """Returns the padding of the epoch, and the speed on a part of it, batched in both ways."""
    settings, corpus, data = trainer.settings, trainer.corpus, trainer.data
    size = settings.loading.batch_size
    planned = plan(data.frames, seed=1, epoch=0, batch_size=size)
    shuffled = np.random.default_rng(1).permutation(len(data.frames))
    at_random = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    part = [batch for batch in planned if len(batch) == size][:num_batches]
    mixed = np.split(np.random.default_rng(2).permutation(np.concatenate(part)), len(part))
    loop = BareLoop(*fresh(trainer), criterion(trainer.settings))
    seconds: dict[str, list[float]] = {"bucketed": [], "random": []}
    for pair in zip(part, mixed, strict=True):
        for name, positions in zip(seconds, pair, strict=True):
            batch = load_batch(corpus, data.rows[positions], data.targets)
            start = time.process_time()
            loop.step(batch)
            seconds[name].append(time.process_time() - start)
    rates = {name: size * len(part) / sum(taken) for name, taken in seconds.items()}
    paddings = [padding(data.frames, batches) for batches in (planned, at_random)]
    return (
        f"Batches of {size}, {len(planned)} in an epoch; speed over {len(part)} of them, in "
        "seconds of the processor.\n\n"
    ) + table(
        ("batches", "padding", "sequences/s", "faster by"),
        [
            [name, f"{share:.1%}", f"{rate:.1f}", f"{rate / rates['random']:.2f} x"]
            for (name, rate), share in zip(rates.items(), paddings, strict=True)
        ],
    )


def padding(frames: np.ndarray, batches: Sequence[np.ndarray]) -> float:
    padded = sum(len(batch) * int(frames[batch].max()) for batch in batches)
    return 1 - int(frames.sum()) / padded


if __name__ == "__main__":
    main()
