"""The contact sheet."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from video_helpers import BLACK, plain

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.corpus.sequence import Sequence
from slr_accel.importers.build import build_corpus
from slr_accel.importers.listing import Item, Listing
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.progress import untracked
from slr_accel.video.frames import Frame
from slr_accel.video.preview import COLORS, draw_preview

LAYOUT = mediapipe_holistic()
PLACE = {"pose": 0.5, "left_hand": 0.8, "right_hand": 0.2, "face": 0.5}


def corpus(folder: Path, absent: str = "") -> Corpus:
    """One sequence: each block is a small ring around its PLACE, the hands left and right."""
    features = np.zeros((20, LAYOUT.columns), np.float32)
    presence = np.ones((20, len(LAYOUT.blocks)), bool)
    for index, block in enumerate(LAYOUT.blocks):
        presence[:, index] = block.name != absent
        for number, point in enumerate(block.points):
            columns = LAYOUT.point_columns(f"{block.name}.{point}", ("x", "y"))
            angle = 2 * np.pi * number / len(block.points)
            place = (PLACE[block.name] + 0.08 * np.cos(angle), 0.5 + 0.08 * np.sin(angle))
            features[:, columns] = np.array(place) * presence[:, [index]]
    sequence = Sequence("s1", "train", "anna", features, presence, ["A"])
    listing = Listing("test", LAYOUT, 25.0, [Item("s1", "s1", lambda: sequence)])
    build_corpus(listing, folder, track=untracked)
    return open_corpus(folder)


def frames(_id: str) -> Iterator[Frame]:
    """Black; later ones are lighter."""
    for number in range(24):
        image = plain(BLACK, 360, 480)
        image[:40] = 10 * number
        yield Frame(number / 30, image)


def panels_of(picture: Path) -> np.ndarray:
    """[rows, columns, 3] of the sheet, without its legend."""
    from PIL import Image

    image = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    dark = np.flatnonzero((image.max(axis=2) < 20).mean(axis=1) > 0.3)
    return image[dark[0] : dark[-1]]


def colored_columns(panels: np.ndarray, block: str) -> np.ndarray:
    """Where the block's colour is, from 0 to 1 in the first of three panels."""
    color = np.array(to_rgb(COLORS[block])) * 255
    columns = np.flatnonzero((np.abs(panels - color).max(axis=2) < 40).any(axis=0))
    own = columns[columns < panels.shape[1] / 3]
    return own / (panels.shape[1] / 3)


def test_hands_are_drawn_where_the_corpus_has_them_each_in_its_colour(tmp_path: Path) -> None:
    picture = tmp_path / "preview.png"
    draw_preview(corpus(tmp_path / "c"), frames, picture)
    panels = panels_of(picture)
    # L and R stand at the shoulders, too: the ends are the hands'.
    assert colored_columns(panels, "left_hand").max() == pytest.approx(0.88, abs=0.04)
    assert colored_columns(panels, "right_hand").min() == pytest.approx(0.12, abs=0.04)
    assert len(colored_columns(panels, "face"))


def test_an_absent_block_is_not_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "preview.png"
    draw_preview(corpus(tmp_path / "c", absent="left_hand"), frames, picture)
    assert (colored_columns(panels_of(picture), "left_hand") < 0.7).all()


def test_landmarks_are_on_the_frames_of_their_time(tmp_path: Path) -> None:
    """Frame 4 of 20 at 25 fps is nearest to frame 5 of a video with 30: 50 of 255 in grey."""
    picture = tmp_path / "preview.png"
    draw_preview(corpus(tmp_path / "c"), frames, picture)
    from PIL import Image

    image = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    first_panel = image[:, : image.shape[1] // 3]
    greys = {int(v) for v in np.unique(first_panel[:, first_panel.shape[1] // 4, 0])}
    assert 50 in greys
    assert not {30, 40, 60, 70} & greys
