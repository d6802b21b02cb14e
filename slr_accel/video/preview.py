"""Draws the landmarks of a corpus on some frames of its videos, as one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.corpus.reader import Corpus
from slr_accel.video.frames import Frame

MAX_SEQUENCES = 4
PLACES = (0.25, 0.5, 0.75)
"""Positions of the pictured frames in a sequence, as fractions of its length."""
PICTURE_COLUMNS = 640
PANEL_AREA = 11.0
"""Square inches of a pictured frame."""
COLORS = {"pose": "#ffe14d", "left_hand": "#33aaff", "right_hand": "#ff5a3c", "face": "#5dff8f"}
POSE_LINES = (
    ("left_shoulder", "right_shoulder", "right_hip", "left_hip", "left_shoulder"),
    ("left_shoulder", "left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow", "right_wrist"),
    ("left_ear", "left_eye", "nose", "right_eye", "right_ear"),
    ("mouth_left", "mouth_right"),
)
HAND_LINES = (
    ("wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"),
    *(
        ("wrist", *(f"{finger}_{joint}" for joint in ("mcp", "pip", "dip", "tip")))
        for finger in ("index", "middle", "ring", "pinky")
    ),
)
LINES = {"pose": POSE_LINES, "left_hand": HAND_LINES, "right_hand": HAND_LINES}
NAMED_POINTS = {
    "left_hand": ("pose.left_shoulder", "left_hand.wrist"),
    "right_hand": ("pose.right_shoulder", "right_hand.wrist"),
}
"""Points that are marked L and R, in the colour of the hand on that side."""


def draw_preview(
    corpus: Corpus, frames_of: Callable[[str], Iterable[Frame]], picture: Path
) -> None:
    """Draws the picture and writes it as png.

    Args:
        corpus: of a layout whose blocks and points are MediaPipe Holistic's.
        frames_of: gives the frames of a sequence by its id, with times in seconds.

    Raises:
        ValueError: the corpus is a part without sequences.
    """
    from matplotlib.figure import Figure

    if not len(corpus.rows):
        raise ValueError("it has no sequences")
    rows = np.unique(np.linspace(0, len(corpus.rows) - 1, MAX_SEQUENCES).round().astype(int))
    places = [[int(p * (corpus.rows.frames[row] - 1)) for p in PLACES] for row in rows]
    images = [
        _images(frames_of(corpus.rows.id(row)), own, corpus.info.frames_per_second)
        for row, own in zip(rows, places, strict=True)
    ]
    aspect = images[0][0].shape[1] / images[0][0].shape[0]
    width, height = np.sqrt(PANEL_AREA * aspect), np.sqrt(PANEL_AREA / aspect)
    size = (width * len(PLACES), (height + 0.25) * len(rows) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), len(PLACES), squeeze=False)
    for row, *panels in zip(rows, grid, places, images, strict=True):
        for panel, frame, image in zip(*panels, strict=True):
            _draw(panel, corpus, row, frame, image)
    handles = [grid[0, 0].plot([], [], color=c, linewidth=3)[0] for c in COLORS.values()]
    names = ["pose", "left hand (L), the signer's", "right hand (R)", "face"]
    figure.legend(handles, names, loc="outside upper center", ncols=len(COLORS))
    figure.savefig(picture, dpi=100)


def _images(frames: Iterable[Frame], places: list[int], fps: float | None) -> list[np.ndarray]:
    """The images nearest in time to some frames of the corpus, which start with the video."""
    assert fps is not None
    best: list[tuple[float, np.ndarray]] = []
    start = None
    for time, image in frames:
        start = time if start is None else start
        distances = [abs(time - start - place / fps) for place in places]
        best = best or [(distance, image) for distance in distances]
        best = [
            (new, image) if new < old[0] else old for new, old in zip(distances, best, strict=True)
        ]
        if time - start > (places[-1] + 1) / fps:
            break
    return [image for _, image in best]


def _draw(panel: Any, corpus: Corpus, row: int, frame: int, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    step = max(1, width // PICTURE_COLUMNS)
    panel.imshow(image[::step, ::step], extent=(0, width, height, 0))
    values, present = corpus.features(row)[frame].astype(np.float32), corpus.presence(row)[frame]
    absent = []

    def place(reference: str) -> np.ndarray:
        return values[corpus.layout.point_columns(reference, ("x", "y"))] * (width, height)

    for index, block in enumerate(corpus.layout.blocks):
        color = COLORS[block.name]
        if not present[index]:
            absent.append(block.name.replace("_", " "))
            continue
        if block.name not in LINES:
            points = np.array([place(f"{block.name}.{point}") for point in block.points])
            panel.scatter(*points.T, s=0.4, color=color, linewidths=0)
        for line in LINES.get(block.name, ()):
            points = np.array([place(f"{block.name}.{point}") for point in line])
            panel.plot(*points.T, color=color, linewidth=1, marker=".", markersize=2)
    for name, references in NAMED_POINTS.items():
        for reference in references:
            if present[corpus.layout.block_index(reference.partition(".")[0])]:
                circle = {"boxstyle": "circle,pad=0.15", "color": COLORS[name]}
                style = {"color": "white", "fontsize": 6, "weight": "bold", "bbox": circle}
                panel.annotate(name[0].upper(), place(reference), ha="center", va="center", **style)
    panel.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    missing = f" (no {', no '.join(absent)})" if absent else ""
    panel.set_title(f"{corpus.rows.id(row)}, frame {frame}{missing}", fontsize=8)
