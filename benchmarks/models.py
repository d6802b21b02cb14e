"""What does a training step cost, against plain PyTorch of the published description?

    python benchmarks/models.py

A step is forward, CTC, backward and AdamW on 4 sequences of 150 frames of MediaPipe Holistic, with
12 labels each of 972. The literal models (benchmarks/literal.py) are given 6,516 ready-made
features a frame; ours base values, of which they make their features in the step. `speech` is given
80 bins, so that its ratio to the literal student is one of unlike inputs, too.

Time: one torch thread, a step of each in turns; ratios are taken within a turn and their median
counts, so that what else the machine does meets both. Memory: a process of its own for each model,
its largest resident set over three steps (VmHWM) less that before model and batch were made.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch
from literal import PARTS, LiteralStudent, LiteralTeacher
from loading import RESULTS, cpu_model
from torch import nn

from slr_accel.ctc.loss import ctc_loss
from slr_accel.features.transform import FeatureTransform
from slr_accel.layouts.layout import Layout, generic_layout
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.models.build import make_model
from slr_accel.models.recogniser import Output
from slr_accel.settings.features import FeatureSettings, Group
from slr_accel.settings.models.by_name import MODELS

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
"""Each model, and whose step its own is compared with."""
ALL_GROUPS: tuple[Group, ...] = ("position", "velocity", "acceleration", "relative")

Step = Callable[[], None]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="of which the median counts [15]")
    parser.add_argument("--memory_of", choices=COMPARED, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    torch.set_num_threads(1)
    if args.memory_of:
        print(growth_of(args.memory_of))
        return
    megabytes = {name: peak_memory(name) for name in COMPARED}
    models = {name: make(name) for name in COMPARED}
    seconds = time_steps(
        {name: step_of(name, model) for name, model in models.items()}, args.rounds
    )
    text = "\n".join([heading(args.rounds), table(models, seconds, megabytes)])
    print(text)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write("\n" + text)


def make(name: str) -> nn.Module:
    """A model of OUTPUTS outputs with the default settings, in training mode."""
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
    """A training step of the model on a batch of its own kind of input."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    lengths = torch.full((BATCH,), FRAMES)
    targets = torch.randint(1, OUTPUTS, (BATCH, LABELS))
    target_lengths = torch.full((BATCH,), LABELS)
    if name in LITERAL:
        values = torch.randn(BATCH, FRAMES, sum(PARTS.values()))
    else:
        layout = layout_of(name)
        values = torch.rand(BATCH, FRAMES, layout.columns)
        presence = torch.ones(BATCH, FRAMES, len(layout.blocks), dtype=torch.bool)

    def forward() -> Output:
        if name in LITERAL:
            return Output(model(values, lengths), lengths)
        output: Output = model(values, presence, lengths)
        return output

    def step() -> None:
        output = forward()
        loss = ctc_loss(output.log_probs, output.lengths, targets, target_lengths)
        for head in output.auxiliary:
            loss = loss + head.weight * ctc_loss(
                head.log_probs, head.lengths, targets, target_lengths
            )
        if output.consistency is not None:
            loss = loss + output.consistency.sum()
        (loss / target_lengths.sum()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def peak_memory(name: str) -> float:
    """MB a process needs for training this model, beyond what it needs for its imports."""
    command = [sys.executable, __file__, "--memory_of", name]
    # Else glibc keeps what is freed: the peak would be that of its habits.
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
    """Bytes, from /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def time_steps(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Seconds of each model's step in each round, after two of each that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(-2, rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if round_number >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def table(
    models: dict[str, nn.Module], seconds: dict[str, list[float]], megabytes: dict[str, float]
) -> str:
    lines = [
        "| model | parameters | step, ms | quartiles | memory, MB | against | faster by "
        "| less memory by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, other in COMPARED.items():
        parameters = sum(p.numel() for p in models[name].parameters())
        ratios = [b / a for a, b in zip(seconds[name], seconds[other], strict=True)]
        low, middle, high = statistics.quantiles(seconds[name], n=4)
        lines.append(
            f"| {name} | {parameters / 1e6:.2f} M | {1e3 * middle:,.0f} "
            f"| {1e3 * low:,.0f} - {1e3 * high:,.0f} | {megabytes[name]:,.0f} | {other} "
            f"| {statistics.median(ratios):.2f} x | {megabytes[other] / megabytes[name]:.2f} x |"
        )
    return "\n".join(lines) + "\n"


def heading(rounds: int) -> str:
    return (
        f"## models, {date.today().isoformat()}\n\n{cpu_model()}, {os.cpu_count()} cores, shared "
        f"with other work; torch {torch.__version__}; medians of {rounds} rounds in turns, of "
        "ratios within a round; `benchmarks/models.py` says what is compared.\n"
    )


if __name__ == "__main__":
    main()
