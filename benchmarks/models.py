"""Measures a training step of each model against plain PyTorch of the published description.

    python benchmarks/models.py

A step is forward, CTC, backward and AdamW on 4 sequences of 150 frames of MediaPipe Holistic, with
12 labels each of 972. The literal models (benchmarks/literal.py) are given 6,516 ready-made
features per frame; ours are given base values, and make features of them within the step. `speech`
is given 80 bins, so that its ratio to the literal student compares unlike inputs.

Time: one torch thread, a step of each in turns. Ratios are taken within a turn and their median
counts, so that other work on the machine slows both. Memory: each model has a process of its own;
counted is its largest resident set over three steps (VmHWM) less that before model and batch were
made.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from literal import PARTS, LiteralStudent, LiteralTeacher
from measure import in_turns, make_parser, record, table, timed
from torch import Tensor, nn

from slr_accel.features.transform import FeatureTransform
from slr_accel.layouts.layout import Layout, generic_layout
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.loading.batch import Batch
from slr_accel.models.build import make_model
from slr_accel.models.recogniser import Output
from slr_accel.settings.features import FeatureSettings, Group
from slr_accel.settings.models.by_name import MODELS
from slr_accel.settings.run import build_settings
from slr_accel.training.losses import Criterion, criterion, loss_terms, total

BATCH, FRAMES, LABELS, OUTPUTS = 4, 150, 12, 973
MEGABYTE = 1e6
LITERAL = {"literal student": LiteralStudent, "literal teacher": LiteralTeacher}
COMPARED = {
    "literal student": "literal student",
    "student_reference": "literal student",
    "student": "literal student",
    "literal teacher": "literal teacher",
    "teacher": "literal teacher",
    "cosign": "literal teacher",
    "speech": "literal student",
}
"""Each model, and the one it is compared with."""
ALL_GROUPS: tuple[Group, ...] = ("position", "velocity", "acceleration", "relative")

Step = Callable[[], None]


def main() -> None:
    parser = make_parser(__doc__, rounds=15)
    parser.add_argument("--memory_of", choices=COMPARED, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.memory_of:
        print(growth_of(args.memory_of))
        return
    megabytes = {name: peak_memory(name) for name in COMPARED}
    models = {name: make(name) for name in COMPARED}
    steps = {name: partial(timed, step_of(name, model)) for name, model in models.items()}
    in_turns(steps, 2)  # warms up
    times = in_turns(steps, args.rounds)
    seconds = {name: [clock for clock, _ in pairs] for name, pairs in times.items()}
    record(
        "models",
        f"medians of {args.rounds} rounds in turns, of ratios within a round",
        table_of(models, seconds, megabytes),
    )


def make(name: str) -> nn.Module:
    """Makes a model of OUTPUTS outputs with the default settings, in training mode."""
    torch.manual_seed(0)
    if name in LITERAL:
        return LITERAL[name](OUTPUTS).train()
    chosen = (
        FeatureSettings(groups=ALL_GROUPS) if name == "student_reference" else FeatureSettings()
    )
    features = FeatureTransform(layout_of(name), chosen, 25.0)
    return make_model(name, features, MODELS[name](), OUTPUTS).train()


def layout_of(name: str) -> Layout:
    return generic_layout(80) if name == "speech" else mediapipe_holistic()


def step_of(name: str, model: nn.Module) -> Step:
    """Returns a training step of the model on a batch of its own kind of input."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    layout, options = layout_of(name), Criterion()
    if name not in LITERAL:
        options = criterion(build_settings({"data_dir": "-", "output_dir": "-", "model": name}))
    batch = Batch(
        rows=torch.arange(BATCH),
        features=torch.randn(BATCH, FRAMES, sum(PARTS.values()))
        if name in LITERAL
        else torch.rand(BATCH, FRAMES, layout.columns),
        presence=torch.ones(BATCH, FRAMES, len(layout.blocks), dtype=torch.bool),
        lengths=torch.full((BATCH,), FRAMES),
        targets=torch.randint(1, OUTPUTS, (BATCH, LABELS)),
        target_lengths=torch.full((BATCH,), LABELS),
    )

    def literal(features: Tensor, presence: Tensor, lengths: Tensor) -> Output:
        return Output(model(features, lengths), lengths)

    def step() -> None:
        called = literal if name in LITERAL else model
        output = called(batch.features, batch.presence, batch.lengths)
        terms = loss_terms(output, batch, options)
        (total(terms) / batch.target_lengths.sum()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def peak_memory(name: str) -> float:
    """Returns the MB that training this model takes in a process of its own, without imports."""
    command = [sys.executable, __file__, "--memory_of", name]
    # Otherwise glibc keeps memory that is freed, and the peak would be too high.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def growth_of(name: str) -> float:
    step_of("speech", make("speech"))()  # libraries that a first step loads
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    step = step_of(name, make(name))
    for _ in range(3):
        step()
    return (resident("VmHWM") - before) / MEGABYTE


def resident(field: str) -> int:
    """Returns bytes from /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def table_of(
    models: dict[str, nn.Module], seconds: dict[str, list[float]], megabytes: dict[str, float]
) -> str:
    rows = []
    for name, other in COMPARED.items():
        parameters = sum(p.numel() for p in models[name].parameters())
        ratios = [b / a for a, b in zip(seconds[name], seconds[other], strict=True)]
        low, middle, high = statistics.quantiles(seconds[name], n=4)
        rows.append(
            [
                *(name, f"{parameters / 1e6:.2f} M", f"{1e3 * middle:,.0f}"),
                *(f"{1e3 * low:,.0f} - {1e3 * high:,.0f}", f"{megabytes[name]:,.0f}", other),
                f"{statistics.median(ratios):.2f} x",
                f"{megabytes[other] / megabytes[name]:.2f} x",
            ]
        )
    return table(
        (
            *("model", "parameters", "step, ms", "quartiles", "memory, MB", "against"),
            *("faster by", "less memory by"),
        ),
        rows,
    )


if __name__ == "__main__":
    main()
