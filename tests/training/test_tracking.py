"""What a run tells while it trains: what the terminal shows, and where the figures are kept."""

from __future__ import annotations

import errno
import io
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from run_helpers import TrainCommand, metrics

from slr_accel.terminal import Terminal
from slr_accel.training import tracking
from slr_accel.training.tracking import Display, MetricsFile, draw_curves

RECORD = {
    "loss": 8.906,
    "learning_rate": 6.7e-5,
    "frames_per_second": 3439.4,
    "sequences_per_second": 43.2,
    "padding_share": 0.04,
    "data_wait_share": 0.5,
    "peak_memory_gb": 1.25,
    "wer": 0.971,
}
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
Shown = Callable[[int], str]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """The bar as it stands at the end on a terminal of so many columns."""

    def on_terminal(columns: int) -> str:
        out = io.StringIO()
        monkeypatch.setattr(
            tracking,
            "Terminal",
            lambda file: Terminal(file=out, force_terminal=True, width=columns),
        )
        with Display(12345, 1234, epochs=60, epoch=12) as display:
            display.step(1235, 12)
            display.figures(1235, RECORD)
        text = CONTROL.sub("", out.getvalue()).replace("\r", "\n")
        return [line for line in text.split("\n") if line.strip()][-1]

    return on_terminal


@pytest.mark.parametrize("columns", [50, 60, 80, 160])
def test_epoch_bar_steps_wer_and_time_left_are_seen_at_every_width(
    columns: int, shown: Shown
) -> None:
    line = shown(columns)
    assert len(line) <= columns
    assert re.match(r"epoch 12/60 [━╸╺]{8,} 1235/12345 WER 97\.1% .*--:--$", line), line


@pytest.mark.parametrize(
    ("columns", "beside"),
    [
        (160, "WER 97.1%  loss 8.906  lr 6.7e-05  frames/s 3,439"),
        (80, "WER 97.1%  loss 8.906  lr 6.7e-05"),
        (70, "WER 97.1%  loss 8.906"),
        (60, "WER 97.1%"),
    ],
)
def test_what_has_no_room_is_left_out_whole_the_least_important_first(
    columns: int, beside: str, shown: Shown
) -> None:
    line = shown(columns)
    assert re.fullmatch(rf".* 1235/12345 {re.escape(beside)} +--:--", line), line


@pytest.mark.slow
def test_the_epoch_shown_is_the_one_in_progress_from_the_start_on(
    train: TrainCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch has 9 steps."""
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)

    def frames(max_steps: int) -> list[tuple[int, int]]:
        output = CONTROL.sub("", train.run(tmp_path / "run", epochs=3, max_steps=max_steps))
        found = re.findall(r"epoch (\d+)/3 [━╸╺]+ +(\d+)/", output)
        return [(int(epoch), int(step)) for epoch, step in found]

    first, second, third = frames(9), frames(12), frames(27)
    assert (first[0], second[0], third[0]) == ((1, 0), (2, 9), (2, 12))
    assert (first[-1], second[-1], third[-1]) == ((1, 9), (2, 12), (3, 27))
    for epoch, step in [*first[1:], *second[1:], *third[1:]]:
        # A resumed run is at the end of an epoch until its first step.
        assert epoch in (-(-step // 9), step // 9 + 1), (epoch, step)
    for part in (first, second, third):
        assert part == sorted(part), "never backwards"


def test_a_validation_is_told_with_the_epoch_that_it_is_in(
    train: TrainCommand, tmp_path: Path
) -> None:
    output = train.run(tmp_path / "run", epochs=2, eval_steps=3)
    told = re.findall(r"^epoch (\d+)  step (\d+)  WER", output, re.MULTILINE)
    assert told == [("1", "3"), ("1", "6"), ("1", "9"), ("2", "12"), ("2", "15"), ("2", "18")]


def test_a_full_disk_is_told_with_the_name_of_the_metrics_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file is closed after it, with what could not be written."""
    path = tmp_path / "metrics.jsonl"
    metrics = MetricsFile(path, 0)
    metrics.write({"step": 1})
    metrics.close()
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(metrics, "_file", full)
        for attempt in (lambda: metrics.write({"step": 2}), metrics.close):
            with pytest.raises(OSError) as error:
                attempt()
            assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))


def test_the_last_step_is_told_whatever_log_steps(train: TrainCommand, tmp_path: Path) -> None:
    train.run(tmp_path / "run", max_steps=5, log_steps=3)
    told = [record["step"] for record in metrics(tmp_path / "run") if "loss" in record]
    assert told == [3, 5]


def test_curves_of_one_point_show_it(tmp_path: Path) -> None:
    from matplotlib.image import imread

    one = {"step": 3, "loss": 2.0, "wer": 0.5, "blank_share": 0.5, "learning_rate": 1e-3}
    pictures = []
    for records in ([one], [{"step": 3}, {**one, "loss": math.nan}]):
        draw_curves(records, tmp_path / "curves.png", {"wer": [(5, 0.5)]})
        pictures.append(imread(tmp_path / "curves.png"))
    assert (pictures[0] != pictures[1]).any()


def test_curves_that_cannot_be_drawn_are_a_warning_and_no_end(
    train: TrainCommand, tmp_path: Path
) -> None:
    (tmp_path / "run" / "curves.png").mkdir(parents=True)
    (tmp_path / "run" / ".lock").touch()
    output = train.run(tmp_path / "run", max_steps=1)
    assert f"warning: {tmp_path / 'run' / 'curves.png'} could not be drawn (Is a dir" in output
    assert "best WER" in output and "curves: " not in output


@pytest.mark.slow
def test_a_continued_run_shows_the_wer_that_it_has_from_its_first_line_on(
    train: TrainCommand, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train.run(run, max_steps=2)
    lines = train.run(run, max_steps=4, log_steps=1).splitlines()
    first = next(line for line in lines if line.startswith("step 3/"))
    assert "  WER " in first
