"""Reads one recording as `prepare` does: an array, an array's file, a .pose file or a video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from slr_accel.corpus.sequence import UNKNOWN_SIGNER, Sequence
from slr_accel.importers.absence import fill_absent
from slr_accel.importers.arrays import SUFFIXES, as_float32, only_array, read_array, split_reference
from slr_accel.importers.block_order import (
    FAR,
    can_be_compared,
    explain_order,
    farthest,
    fitting_orders,
    in_order,
    reordered,
)
from slr_accel.importers.build import check_values
from slr_accel.importers.listing import MAX_FPS
from slr_accel.importers.units import are_pixels, to_heights
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.missing import parse_markers
from slr_accel.layouts.named_layouts import LayoutFile, read_layout
from slr_accel.layouts.units import FRACTION, HEIGHT, have_other_units
from slr_accel.video.frames import VIDEO_SUFFIXES

VIDEO_FPS = 25.0
"""Frames per second of a video's landmarks for a model that does not know its own."""


class Recording(NamedTuple):
    values: np.ndarray
    """[T, D] float32 base values, 0 where a block is absent."""
    presence: np.ndarray
    """[T, blocks] bool."""
    frames_per_second: float | None


@dataclass(frozen=True)
class RecordingReader:
    """Reads recordings in the layout of a model.

    Args:
        layout: the model's.
        missing: how each block marks absent points, as in `prepare manifest --missing`.
        frame_size: width and height in pixels of the frames that arrays come from, or None.
        frames_per_second: the model's, which videos are sampled at; None where it is not known.
    """

    layout: Layout
    missing: dict[str, str]
    frame_size: tuple[float, float] | None
    frames_per_second: float | None
    stored: Layout | None = None
    """The blocks in the order of arrays' columns, where it is not the model's."""

    def read(
        self,
        source: Any,
        fps: float | None = None,
        frame_size: tuple[float, float] | None = None,
    ) -> Recording:
        """Reads an array, or a file by its path.

        Args:
            source: [T, D] or [T, points, axes] numbers, in the columns of the arrays that the
                corpus was made of; or a path:
                FILE.npy, FILE.npz#KEY, FILE.safetensors#KEY, a .pose file or a video.
            fps: frames per second of arrays; None where it is not known.
            frame_size: width and height of their frames in pixels; None takes that of training.

        Raises:
            ValueError: says what is wrong with it.
        """
        if fps is not None and not 0 < fps < MAX_FPS:
            raise ValueError(f"fps is {fps:g}; give frames per second, more than 0")
        if not isinstance(source, str | Path):
            return self._from_array(np.asarray(source), "the array", fps, frame_size)
        path, key = split_reference(Path(), str(source))
        suffix = path.suffix.lower()
        if not path.exists():
            raise ValueError(f"{path}: no such file")
        if suffix == ".pose":
            return self._from_pose(path)
        if suffix in VIDEO_SUFFIXES or path.is_dir():
            return self._from_video(path)
        if suffix in SUFFIXES and path.is_file():
            # Of an archive with one array the key may be left out, unlike in an index.
            reference = f"{path.name}#{key}" if key else only_array(path)
            array = read_array(path.parent, reference, self.layout.columns)
            return self._from_array(array, str(source), fps, frame_size)
        known = ", ".join((*SUFFIXES, ".pose", *VIDEO_SUFFIXES))
        raise ValueError(f"{path}: recordings are arrays, .pose files or videos ({known})")

    def _from_array(
        self,
        array: np.ndarray,
        name: str,
        fps: float | None,
        frame_size: tuple[float, float] | None,
    ) -> Recording:
        layout, size = self.layout, frame_size or self.frame_size
        values = as_float32(self._flat(array, name), name)
        if self.stored is not None:
            values = reordered(values, self.stored, layout)
        if can_be_compared(layout) and farthest(values, layout) > FAR:
            for fitting in fitting_orders(values, layout)[:1]:
                raise ValueError(f"{name}: {explain_order(values, layout, fitting)}")
        pixels = are_pixels([values], layout)
        if pixels and layout.units == FRACTION:
            raise ValueError(
                f"{name}: its coordinates are pixels, but the model reads them as a ({FRACTION}): "
                "divide x by the width and y by the height"
            )
        presence = fill_absent(values, layout, self.missing).presence
        if layout.units == HEIGHT and any(block.is_planar for block in layout.blocks):
            if size is None:
                raise ValueError(
                    f"{name}: the model measures in the frame's height; give frame_size (width, "
                    "height) of the recording, or (1, 1) where the array is in that unit already"
                )
            to_heights(values, layout, size, pixels=pixels)
        return self._checked(values, presence, fps, name)

    def _flat(self, array: np.ndarray, name: str) -> np.ndarray:
        """[T, D] of [T, D] or [T, points, axes]."""
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} holds {array.dtype}, not numbers")
        layout = self.layout
        shapes: list[tuple[int, ...]] = [(layout.columns,)]
        axes = {len(block.axes) for block in layout.blocks}
        if len(axes) == 1:
            shapes.append((layout.columns // min(axes), min(axes)))
        if array.shape[1:] in shapes and array.ndim == 3:
            array = array.reshape(len(array), -1)
        if array.ndim != 2 or array.shape[1] != layout.columns or not len(array):
            hint = layout.hint_at_refined_face(array.shape[-1]) if array.ndim else ""
            wanted = " or ".join(str(["frames", *shape]).replace("'", "") for shape in shapes)
            raise ValueError(
                f"{name} has shape {list(array.shape)}; {hint}the model reads {wanted}, 1 frame or "
                f"more, whose columns are {layout.signature}"
            )
        return array

    def _from_pose(self, path: Path) -> Recording:
        from slr_accel.importers.pose_files import read_pose

        try:
            person = read_pose(path)
        except ValueError as error:
            raise ValueError(_named(path, error)) from None
        if have_other_units(self.layout, replace(person.layout, blocks=self.layout.blocks)):
            raise ValueError(
                f"{path}: is read in ({HEIGHT}), but the model in ({self.layout.units}); train anew"
            )
        presence = fill_absent(person.features, person.layout).presence
        return self._converted(person.features, presence, person.layout, person.fps, path)

    def _from_video(self, path: Path) -> Recording:
        from slr_accel.video.frames import read_frames
        from slr_accel.video.holistic import holistic
        from slr_accel.video.landmarks import STORED_LAYOUT

        self.places_in(STORED_LAYOUT, str(path))  # before MediaPipe's work
        rate = self.frames_per_second or VIDEO_FPS
        if path.is_dir():
            raise ValueError(f"{path}: pictures have no times; use `slr-accel prepare video`")
        found = holistic().landmarks_of(read_frames(path)).at_rate(rate)
        self.to_own_units(found.features, STORED_LAYOUT, found.size)
        return self._converted(found.features, found.presence, STORED_LAYOUT, rate, path)

    def to_own_units(self, values: np.ndarray, stored: Layout, size: Any) -> None:
        """Brings [T, D] fractions of frames of a size, in pixels, to the model's unit, in place."""
        if self.layout.units == HEIGHT:
            width, height = map(float, size)
            to_heights(values, stored, (width, height), pixels=False)

    def _converted(
        self, values: np.ndarray, presence: np.ndarray, stored: Layout, fps: float, path: Path
    ) -> Recording:
        columns, blocks = self.places_in(stored, str(path))
        return self._checked(values[:, columns], presence[:, blocks], fps, str(path))

    def places_in(self, stored: Layout, name: str) -> tuple[list[int], list[int]]:
        """Finds the columns and blocks of the model's layout in another one, by their names.

        Raises:
            ValueError: the other layout lacks some; `name` is the source that has it.
        """
        lacking = [
            block.name
            for block in self.layout.blocks
            if not all(stored.has_point(f"{block.name}.{p}", block.axes) for p in block.points)
        ]
        if lacking:
            raise ValueError(
                f"{name}: MediaPipe finds no {' and no '.join(lacking)} as the model reads "
                f"({self.layout.signature}); it reads arrays in its own layout alone"
            )
        columns = [
            column
            for block in self.layout.blocks
            for point in block.points
            for column in stored.point_columns(f"{block.name}.{point}", block.axes)
        ]
        return columns, [stored.block_index(block.name) for block in self.layout.blocks]

    def _checked(
        self, values: np.ndarray, presence: np.ndarray, fps: float | None, name: str
    ) -> Recording:
        sequence = Sequence("recording", "test", UNKNOWN_SIGNER, values, presence, [])
        try:
            check_values(sequence, self.layout)
        except ValueError as error:
            raise ValueError(_named(name, error)) from None
        return Recording(values, presence, fps)


def make_reader(
    layout: Layout,
    frames_per_second: float | None,
    layout_file: Path | None,
    missing: str | None,
) -> RecordingReader:
    """Makes the reader of a model's recordings.

    Args:
        layout_file: that of the recordings trained on; None where it is not known.
        missing: how every block marks absent points; None takes the file's.

    Raises:
        ValueError: the file or the marker is wrong, or the file belongs to another layout.
    """
    found = LayoutFile(layout, {}, None) if layout_file is None else read_layout(str(layout_file))
    if found.layout.blocks != layout.blocks:
        raise ValueError(
            f"{layout_file}: has the layout ({found.layout.signature}), but the model reads "
            f"({layout.signature}); restore the file of the run, or remove it"
        )
    if missing is not None:
        parse_markers(missing)
    markers = {b.name: missing or found.missing.get(b.name, "none") for b in layout.blocks}
    stored = in_order(layout, found.block_order) if found.block_order else None
    return RecordingReader(layout, markers, found.frame_size, frames_per_second, stored)


def _named(name: str | Path, error: ValueError) -> str:
    text = str(error)
    return text if text.startswith(str(name)) else f"{name}: {text}"
