"""How fast is beam search, against flashlight-text?

    python benchmarks/decoding.py

ours         `ctc.beam`, batches of 16
alone        the same, a sequence at a time
flashlight   flashlight-text's lexicon-free decoder, which is written in C++, with log-add over
             paths as ours, a threshold of 50 nats, and all tokens of each step, as torchaudio
             calls it where nothing else is said; two sequences a thread
12 tokens    the same with the 12 likeliest tokens of each step, all sequences: ours knows that
             these are enough for this beam, and looks at no others; flashlight must be told
greedy       `ctc.decoders.greedy_decode`, for comparison

Sequences have 150 output steps and 974 outputs, the beam is 10; in turns. Two
threads decode half of the sequences each. Then ours decodes one sequence of 1,000 and one of 10,000
steps. Where the folder --log_probs has files of real outputs ([steps, tokens], .npy), both search
them with a wide beam, and must find the same.
"""

from __future__ import annotations

import math
import statistics
import threading
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flashlight.lib.text import decoder as flashlight
from measure import in_turns, make_parser, record, table

from slr_accel.ctc.beam import prefix_beam_search
from slr_accel.ctc.decoders import greedy_decode

STEPS, OUTPUTS, BEAM, BATCH, COUNT = 150, 974, 10, 16, 32
ENOUGH_TOKENS, THRESHOLD = BEAM + 2, 50.0
WIDE = 200
LONG = (1_000, 10_000)


def main() -> None:
    parser = make_parser(__doc__, rounds=5)
    parser.add_argument("--log_probs", type=Path, help="folder of real outputs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, log_probs in {"flat": outputs(1.0), "peaky": outputs(12.0)}.items():
        sure = float(log_probs.max(dim=-1).values.exp().mean())
        for threads in (1, 2):
            found = speeds(log_probs, threads, args.rounds)
            rows += [[name, f"{sure:.2f}", threads, *row] for row in found]
    columns = (
        *("outputs", "best token", "threads", "way", "sequences/s"),
        *("against flashlight", "against 12 tokens"),
    )
    sections = [table(columns, rows), linear()]
    if args.log_probs is not None:
        sections.append(agreement(sorted(args.log_probs.glob("*.npy"))))
    record(
        "decoding",
        f"medians of {args.rounds} rounds in turns, {COUNT} sequences a round, T = {STEPS}, "
        f"V = {OUTPUTS}, beam {BEAM}",
        *sections,
    )


def outputs(sharpness: float) -> torch.Tensor:
    """(COUNT, STEPS, OUTPUTS) log-probabilities; four of five steps lean to blank."""
    random = np.random.default_rng(0)
    logits = sharpness * random.normal(size=(COUNT, STEPS, OUTPUTS))
    if sharpness > 1:
        logits[..., 0] += np.where(random.random((COUNT, STEPS)) < 0.8, 5 * sharpness, 0)
    return torch.from_numpy(logits).float().log_softmax(-1)


def speeds(log_probs: torch.Tensor, threads: int, rounds: int) -> list[list[object]]:
    """Rows of way, sequences a second, and the ratios to both of flashlight's."""
    ways: dict[str, Callable[[torch.Tensor], object]] = {
        "ours": lambda part: in_batches(part, BATCH),
        "alone": lambda part: in_batches(part, 1),
        "flashlight": partial(with_flashlight, tokens=OUTPUTS),
        "12 tokens": partial(with_flashlight, tokens=ENOUGH_TOKENS),
        "greedy": lambda part: greedy_decode(part, torch.full((len(part),), STEPS)),
    }
    counts = {name: 2 * threads if name == "flashlight" else COUNT for name in ways}
    found = in_turns(
        {
            name: partial(on_threads, way, log_probs[: counts[name]], threads)
            for name, way in ways.items()
        },
        rounds,
    )
    each = {name: [s / counts[name] for s in seconds] for name, seconds in found.items()}
    rows: list[list[object]] = []
    for name, own in each.items():
        ratios = [
            statistics.median(f / o for f, o in zip(each[other], own, strict=True))
            for other in ("flashlight", "12 tokens")
        ]
        rows.append([name, f"{1 / statistics.median(own):.0f}", *(f"{r:.1f} x" for r in ratios)])
    return rows


def on_threads(way: Callable[[torch.Tensor], object], log_probs: torch.Tensor, count: int) -> float:
    """Seconds by the clock; each thread has its part of the sequences."""
    parts = log_probs.chunk(count)
    workers = [threading.Thread(target=way, args=(part,)) for part in parts]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - start


def in_batches(log_probs: torch.Tensor, size: int) -> None:
    for part in log_probs.split(size):
        prefix_beam_search(part, torch.full((len(part),), STEPS), beam=BEAM)


def with_flashlight(log_probs: torch.Tensor, tokens: int) -> None:
    decoder = lexicon_free(BEAM, tokens, THRESHOLD)
    for own in log_probs:
        decoder.decode(own.data_ptr(), *own.shape)


def lexicon_free(beam: int, tokens: int, threshold: float) -> Any:
    options = flashlight.LexiconFreeDecoderOptions(
        beam_size=beam,
        beam_size_token=tokens,
        beam_threshold=threshold,
        lm_weight=0.0,
        sil_score=0.0,
        log_add=True,
        criterion_type=flashlight.CriterionType.CTC,
    )
    return flashlight.LexiconFreeDecoder(options, flashlight.ZeroLM(), -1, 0, [])


def linear() -> str:
    """Time and peak memory of one long sequence."""
    random = np.random.default_rng(1)
    rows = []
    for steps in LONG:
        logits = torch.from_numpy(4 * random.normal(size=(1, steps, OUTPUTS))).float()
        log_probs, lengths = logits.log_softmax(-1), torch.tensor([steps])
        start = time.process_time()
        prefix_beam_search(log_probs, lengths, beam=BEAM)
        seconds = time.process_time() - start
        tracemalloc.start()
        prefix_beam_search(log_probs, lengths, beam=BEAM)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows.append([f"{steps:,}", f"{seconds:.2f}", f"{peak / 1e6:.1f}"])
    return table(("output steps", "CPU seconds", "MB of Python and numpy"), rows)


def agreement(files: list[Path]) -> str:
    """How often both find the same best tokens in real outputs, and how far the scores differ."""
    same, furthest = 0, 0.0
    for path in files:
        own = torch.from_numpy(np.load(path)).float().contiguous()
        ours = prefix_beam_search(own[None], torch.tensor([len(own)]), beam=WIDE)[0][0]
        sums: dict[tuple[int, ...], float] = {}
        theirs = lexicon_free(2 * WIDE, own.shape[1], 1e9)
        for result in theirs.decode(own.data_ptr(), *own.shape):
            said = tuple(token for token, _ in groupby(result.tokens[1:-1]) if token > 0)
            sums[said] = float(np.logaddexp(sums.get(said, -math.inf), result.score))
        best = max(sums, key=lambda said: sums[said])
        if tuple(ours.tokens) == best:
            same += 1
            furthest = max(furthest, abs(ours.score - sums[best]))
    return (
        f"Real outputs, beam {WIDE}, flashlight's {2 * WIDE}, since it holds paths that end in "
        f"blank apart: the same best tokens in {same} of {len(files)}, and scores at most "
        f"{furthest:.1e} nats apart there.\n"
    )


if __name__ == "__main__":
    main()
