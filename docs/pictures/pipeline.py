"""Draws README's picture of the pipeline from a trained run of the quickstart.

python docs/pictures/pipeline.py runs/quickstart docs/pictures/pipeline.png
"""

from __future__ import annotations

import sys
from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.ctc.decoders import greedy_decode
from slr_accel.models.folder import load_model
from slr_accel.runs.run_folder import RunFolder

NUM_POSES = 8
SPACING = 3.0
"""Shoulder widths from one skeleton to the next."""
ARMS = [
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_hip", "right_hip"),
]


def main(run: Path, picture: Path, split: str = "test", number: int = 44) -> None:
    """Draws sequence `number` of a split: landmarks, probabilities of the glosses, glosses."""
    corpus = open_corpus(RunFolder(run).config()["data_dir"])
    row = int(corpus.rows.of_split(split)[number])
    model, vocabulary = load_model(run / "best")
    features = torch.from_numpy(np.array(corpus.features(row))).float()[None]
    presence = torch.from_numpy(np.array(corpus.presence(row)))[None]
    with torch.no_grad():
        output = model.eval()(features, presence, torch.tensor([features.shape[1]]))
    (hypothesis,) = greedy_decode(output.log_probs, output.lengths)
    probability = output.log_probs[0].exp().numpy()  # (T', V)
    seconds = np.arange(len(probability)) * model.output_stride / model.features.frames_per_second

    figure, (above, below) = plt.subplots(
        2, 1, figsize=(9, 4.2), height_ratios=[1, 1], constrained_layout=True
    )
    _draw_poses(above, corpus, row, seconds[-1])
    below.fill_between(seconds, probability[:, 0], color="0.88", linewidth=0, label="blank")
    spoken = zip(hypothesis.tokens, hypothesis.start, hypothesis.end, strict=True)
    for height, (token, start, end) in zip(cycle([1.1, 1.3]), spoken, strict=False):
        (line,) = below.plot(seconds, probability[:, token], linewidth=1.6)
        (word,) = vocabulary.decode([token])
        middle = seconds[start:end].mean()
        below.text(middle, height, word, ha="center", color=line.get_color(), weight="bold")
    below.set(xlim=(0, seconds[-1]), ylim=(0, 1.45), yticks=[0, 1], xlabel="seconds")
    below.set_ylabel("probability of\neach gloss")
    below.text(seconds[-1], 0.5, " grey:\n blank", va="center", color="0.5")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=100)


def _draw_poses(axes: plt.Axes, corpus: Corpus, row: int, duration: float) -> None:
    """Skeletons side by side, each under its time."""
    values = np.array(corpus.features(row), dtype=np.float32)
    presence = corpus.presence(row)  # (T, blocks)
    frames = np.linspace(0, len(values) - 1, NUM_POSES + 2).astype(int)[1:-1]

    def points(block: str, names: tuple[str, ...], frame: int) -> np.ndarray:
        columns = [corpus.layout.point_columns(f"{block}.{n}", ("x", "y")) for n in names]
        return np.array([values[frame, c] for c in columns])  # (points, 2)

    width = np.ptp(points("pose", ("left_shoulder", "right_shoulder"), 0)[:, 0])
    for frame in frames:
        centre = points("pose", ("left_shoulder", "right_shoulder"), frame).mean(0)
        place = np.array([frame / len(values) * SPACING * NUM_POSES * width, 0])

        def shown(found: np.ndarray, centre: np.ndarray = centre, place: np.ndarray = place):
            return ((found - centre) + place).T

        for bone in ARMS:
            axes.plot(*shown(points("pose", bone, frame)), color="0.55", linewidth=1.5)
        nose = shown(points("pose", ("nose",), frame))
        axes.plot(*nose, "o", color="0.8", markersize=13)
        for hand, colour in (("left_hand", "tab:blue"), ("right_hand", "tab:red")):
            if not presence[frame, corpus.layout.block_index(hand)]:
                continue
            found = points(hand, corpus.layout.block(hand).points, frame)
            axes.plot(*shown(found), ".", color=colour, markersize=3)
    axes.set(aspect="equal", xlim=(0, SPACING * NUM_POSES * width), xticks=[], yticks=[])
    axes.invert_yaxis()
    axes.set_ylabel("landmarks")
    axes.spines[["left", "bottom"]].set_visible(False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
