"""How far are aligned gloss boundaries from annotated ones, against the spikes of greedy decoding?

    python benchmarks/alignment.py RUN --data_dir CORPUS --split dev

greedy spikes  first and last output step of a word in the greedy hypothesis
aligned        the reference as `slr-accel align` aligns it

The error of a boundary is its distance from that of the annotated segment, in frames; starts and
ends count alike. Greedy spikes exist only for words that were recognised, so all ways are compared
on those; the second table has all words of the split, with the error of several penalties.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from slr_accel.corpus.sequence import Segment, fit_labels
from slr_accel.ctc.segments import token_segments
from slr_accel.runs.opened import OpenedRun, open_run
from slr_accel.runs.outputs import outputs, step_frames
from slr_accel.scoring.wer import align

PENALTIES = (0.0, 2.0, 5.0, 8.0, 30.0)
Boundary = tuple[float, float]
Boundaries = list[Boundary]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("--data_dir")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--checkpoint", default="best")
    args = parser.parse_args()
    source = {"data_dir": args.data_dir, "split": args.split, "checkpoint": args.checkpoint}
    with open_run(args.run, **source) as opened:
        print(compare_ways(opened))


def compare_ways(opened: OpenedRun) -> str:
    """Two tables: on the words that greedy decoding found, and on all words of the split."""
    corpus, vocabulary = opened.corpus, opened.vocabulary
    rows = opened.corpus.rows.of_split(opened.split)
    said = dict(zip(rows.tolist(), opened.transcribe(rows).hypotheses, strict=True))
    found: dict[str, list[np.ndarray]] = {}
    every: dict[float, list[np.ndarray]] = {}
    used = 0
    for row, log_probs in outputs(opened, rows):
        labels, segments = corpus.labels(row), corpus.segments(row)
        if not labels or not fit_labels(segments, labels):
            continue
        used += 1
        step, frames = step_frames(opened, row), int(corpus.rows.frames[row])
        ids = [vocabulary.encode([w])[0] if w in vocabulary else None for w in labels]

        def in_frames(
            steps: Sequence[Boundary], of: float = step, most: int = frames
        ) -> Boundaries:
            return [(start * of, min(end * of, most)) for start, end in steps]

        for penalty in PENALTIES:
            ours = in_frames(token_segments(log_probs, ids, penalty), step, frames)
            every.setdefault(penalty, []).append(errors(ours, segments))
        hypothesis = said[row]
        spikes = in_frames(list(zip(hypothesis.start, hypothesis.end, strict=True)), step, frames)
        pairs = recognised(labels, vocabulary.decode(hypothesis.tokens))
        true = [segments[r] for r, _ in pairs]
        for name, ways in {
            "greedy spikes": [spikes[h] for _, h in pairs],
            "aligned": pick(in_frames(token_segments(log_probs, ids), step, frames), pairs),
        }.items():
            found.setdefault(name, []).append(errors(ways, true))
    if not used:
        raise ValueError(f"no sequence of {opened.split} has a segment for each label")
    words = sum(map(len, every[0.0])) // 2
    lines = [
        f"{used} of {len(rows)} sequences of {opened.split} have a segment for each word: {words} "
        f"words, {sum(map(len, found['aligned'])) // 2} of which greedy decoding found\n",
        "| words found by greedy decoding | mean error, frames | 90th percentile |",
        "|---|---|---|",
        *(table_row(name, errors_of) for name, errors_of in found.items()),
        "\n| all words, blank penalty | mean error, frames | 90th percentile |",
        "|---|---|---|",
        *(table_row(f"{penalty:g}", errors_of) for penalty, errors_of in every.items()),
    ]
    return "\n".join(lines)


def in_frames(steps: Sequence[Boundary], of: float, most: int) -> Boundaries:
    return [(start * of, min(end * of, most)) for start, end in steps]


def errors(boundaries: Boundaries, segments: list[Segment]) -> np.ndarray:
    """[2 N] distances of starts and ends, frames."""
    true = [(segment.start, segment.end) for segment in segments]
    return np.abs(np.array(boundaries, float).reshape(-1) - np.array(true, float).reshape(-1))


def recognised(labels: list[str], said: list[str]) -> list[tuple[int, int]]:
    """Places in reference and hypothesis of the words that are correct."""
    places, r, h = [], 0, 0
    for reference, hypothesis, op in align(labels, said).pairs:
        if op == "correct":
            places.append((r, h))
        r, h = r + (reference is not None), h + (hypothesis is not None)
    return places


def pick(boundaries: Boundaries, pairs: list[tuple[int, int]]) -> Boundaries:
    return [boundaries[r] for r, _ in pairs]


def table_row(name: str, parts: list[np.ndarray]) -> str:
    together = np.concatenate(parts)
    return f"| {name} | {together.mean():.2f} | {np.percentile(together, 90):.1f} |"


if __name__ == "__main__":
    main()
