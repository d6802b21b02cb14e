"""The forecast of the WER at the end of a run."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from diagnosis_helpers import Records, place, read_curves

from slr_accel.diagnosis.forecast import forecast


def descending(points: int, noise: float = 0.0) -> Records:
    """A run of 100 epochs to a WER of 20 %, blank in its first ten."""
    draw = random.Random(1)
    wers = [0.2 + 0.8 * math.exp(-max(0, epoch - 10) / 15) for epoch in range(1, points + 1)]
    return [{"epoch": n, "wer": w + draw.gauss(0, noise)} for n, w in enumerate(wers, 1)]


def test_a_curve_without_noise_is_continued() -> None:
    found = forecast(descending(60), 100)
    assert found is not None and found.wer == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("seen", [30, 50, 70, 90])
def test_the_range_holds_the_end_of_a_noisy_run(seen: int) -> None:
    found = forecast(descending(seen, noise=0.01), 100)
    assert found is not None and found.low <= 0.2 + 0.8 * math.exp(-90 / 15) <= found.high


def test_the_range_narrows_while_the_run_goes_on() -> None:
    found = [forecast(descending(seen, noise=0.01), 100) for seen in (25, 50, 90)]
    widths = [f.high - f.low for f in found if f is not None]
    assert len(widths) == 3 and widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("seen", [0, 5, 12, 100])
def test_too_little_or_nothing_left_is_not_forecast(seen: int) -> None:
    assert forecast(descending(seen), 100) is None


@pytest.mark.real_data
def test_the_range_holds_the_end_of_most_real_runs(shared_data: Path) -> None:
    hits = []
    for outcome, records in read_curves(shared_data / "curves/curves.jsonl").values():
        if outcome != "learned":
            continue
        total = place(records[-1])
        end = sum(record["wer"] for record in records[-3:]) / 3
        for share in (0.25, 0.5, 0.75):
            found = forecast([r for r in records if place(r) <= share * total], total)
            if found is not None:
                hits.append(found.low <= end <= found.high)
    assert len(hits) > 20 and sum(hits) / len(hits) > 0.85
