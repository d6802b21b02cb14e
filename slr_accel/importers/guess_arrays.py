"""Guesses what arrays hold: points, order of blocks, unit and absence, from some of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from slr_accel.importers.arrays import NUM_SAMPLES, load_numbers, only_array
from slr_accel.importers.block_order import (
    FAR,
    can_be_compared,
    farthest,
    finite,
    fitting_orders,
)
from slr_accel.importers.guess import Contents, Guess, command, out_name
from slr_accel.importers.keypoint_forms import layout_of
from slr_accel.importers.units import are_pixels
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.units import FRACTION

LONGEST_BONE = 0.7
"""Of a stretched index finger with its palm, the longest bone is a quarter; unrelated points are
about as far from each other as any."""
ARRAYS = (".npy", ".npz", ".safetensors")


@dataclass
class ArrayGuess:
    """What some arrays seem to be."""

    facts: dict[str, str]
    options: list[str] = field(default_factory=list)
    """Those of `prepare manifest`."""
    remarks: list[str] = field(default_factory=list)


def describe_arrays(arrays: list[np.ndarray], *, layout_given: bool = False) -> ArrayGuess:
    """Facts about arrays, [T, D] or [T, points, axes] each, and the options that fit them.

    Args:
        layout_given: a layout.json says what the columns are.
    """
    shapes = sorted({array.shape[1:] for array in arrays})
    frames = [len(array) for array in arrays]
    size = " or ".join(" x ".join(map(str, shape)) for shape in shapes)
    facts = {"arrays": f"{min(frames)} to {max(frames)} frames of {size} values, {arrays[0].dtype}"}
    result = ArrayGuess(facts)
    if len(shapes) > 1:
        result.remarks.append("arrays have different numbers of values a frame: make them equal")
        return result
    if layout_given:
        return result
    try:
        name, layout = layout_of(arrays[0])
    except ValueError:
        name, layout = None, None
    if name is None or layout is None or not shapes[0]:
        facts["points"] = "unknown: plain columns (docs/own-data.md: a layout.json names points)"
        _describe_absence(arrays, result)
        return result
    joined = np.concatenate([array.reshape(len(array), -1) for array in arrays]).astype(np.float64)
    ordered = _ordered(joined, layout, result)
    if ordered is None:
        facts["points"] = f"as many values as {name}, but not its points: plain columns"
        _describe_absence(arrays, result)
        return result
    facts["points"] = f"{name} ({layout.signature})"
    result.options[:0] = ["--layout", name]
    _describe_blocks(joined, ordered, result)
    if are_pixels([joined], ordered):
        facts["units"] = "pixels"
        if layout.units == FRACTION:
            result.options += ["--frame_size", "WIDTHxHEIGHT"]
            result.remarks.append("write the size of the video in pixels for WIDTHxHEIGHT")
    else:
        facts["units"] = "fractions of the frame, or body units"
        if layout.units == FRACTION:
            result.remarks.append(
                "if you know the video's size, add --frame_size WIDTHxHEIGHT: x and y then have "
                "one unit"
            )
    return result


def _ordered(joined: np.ndarray, layout: Layout, result: ArrayGuess) -> Layout | None:
    """The layout in the order of the columns; None where these are not its points."""
    if not can_be_compared(layout):
        return layout if _looks_like_a_body(joined, layout) else None
    if not np.isfinite(farthest(joined, layout)) or farthest(joined, layout) <= FAR:
        return layout
    fitting = fitting_orders(joined, layout)
    if not fitting:
        return None
    order = ",".join(fitting[0].slices)
    result.facts["order of blocks"] = order
    result.options += ["--block_order", order]
    if len(fitting) > 1:
        others = " or ".join(",".join(other.slices) for other in fitting[1:])
        result.remarks.append(
            f"{others} fits the blocks as well, since a hand or a wrist is never seen: ask how the "
            "arrays were made before you use this order"
        )
    return fitting[0]


def _looks_like_a_body(joined: np.ndarray, layout: Layout) -> bool:
    """Whether the nose is above the shoulders, and these lie beside each other."""
    values = finite(joined)
    if not layout.origin:
        return all(_looks_like_a_hand(values, layout, name) for name in layout.slices)
    nose, left, right = (
        np.median(values[:, layout.point_columns(name, ("x", "y"))], axis=0)
        for name in ("pose.nose", *layout.origin)
    )
    apart = np.abs(left - right)
    return bool(apart[0] > apart[1] and nose[1] < (left[1] + right[1]) / 2)


def _looks_like_a_hand(values: np.ndarray, layout: Layout, block: str) -> bool:
    """Whether two neighbours of a finger are nearer to each other than its tip to the wrist."""

    def place(point: str) -> np.ndarray:
        return values[:, layout.point_columns(f"{block}.{point}", ("x", "y"))]

    whole = np.linalg.norm(place("index_tip") - place("wrist"), axis=1)
    bone = np.linalg.norm(place("index_pip") - place("index_mcp"), axis=1)
    shown = whole > 0
    return not shown.any() or bool(np.median(bone[shown] / whole[shown]) < LONGEST_BONE)


def _describe_blocks(joined: np.ndarray, layout: Layout, result: ArrayGuess) -> None:
    """How absence is marked, and which blocks are never there."""
    never = []
    has_nan = bool(np.isnan(joined).any())
    has_zeros = False
    for block in layout.blocks:
        own = joined[:, layout.slices[block.name]]
        gone = ~np.nan_to_num(own).any(axis=1)
        has_zeros = has_zeros or bool((~own.any(axis=1)).any())
        if gone.all():
            never.append(block.name)
    markers = ["zeros"] * has_zeros + ["nan"] * has_nan
    result.facts["absence"] = " and ".join(markers).replace("nan", "NaN") or "none seen"
    if markers:
        result.options += ["--missing", ",".join(markers)]
    if never:
        names = ",".join(never)
        result.options += ["--allow_absent", names]
        result.remarks.append(
            f"{names} is absent from every frame that was looked at: --allow_absent says that "
            "this is meant"
        )


def _describe_absence(arrays: list[np.ndarray], result: ArrayGuess) -> None:
    if any(array.dtype.kind == "f" and np.isnan(array).any() for array in arrays):
        result.facts["absence"] = "NaN"
        result.options += ["--missing", "nan"]


def read_some(paths: list[Path]) -> list[np.ndarray]:
    """Some of many files' arrays with frames in them."""
    step = max(len(paths) // NUM_SAMPLES, 1)
    arrays = []
    for path in paths[::step][:NUM_SAMPLES]:
        try:
            key = only_array(path).partition("#")[2]
            array = load_numbers(path, key)
        except ValueError:
            continue
        if array.ndim in (1, 2, 3) and array.size:
            arrays.append(array)
    return arrays


def guess_array_files(contents: Contents) -> list[Guess]:
    """A folder a word and a sequence, a folder a word, or arrays with or without annotations."""
    from slr_accel.importers.guess_index import annotation_options

    files = contents.of(*ARRAYS)
    if not files:
        return []
    arrays = read_some(files)
    if not arrays:
        return []
    root = contents.root
    depths = {len(path.relative_to(root).parts) for path in files}
    if all(array.ndim == 1 for array in arrays):
        return [_of_frames(root, files, arrays, depths)]
    arrays = [array for array in arrays if array.ndim > 1]
    found = describe_arrays(arrays)
    options, label_fact, remarks = annotation_options(contents, [str(p) for p in files])
    folder = Path(_common_folder(files)) if options else root
    facts = {"sequences": f"{len(files):,} files", **found.facts, "labels": label_fact}
    if not options and depths == {2}:
        facts["labels"] = "the names of the folders (WORD/CLIP)"
    elif not options:
        facts["labels"] = "none found: all is the split `test`, for `predict`"
        remarks.append("to train, write an index.csv: id,split,signer,features,labels,fps")
    facts["frame rate"] = "not in the files: add --fps where you know it"
    line = command("manifest", "--folder", folder, *options, *found.options, out=out_name(root))
    return [
        Guess(
            str(root),
            "a folder of arrays, one a recording",
            facts,
            [line],
            [*found.remarks, *remarks],
        )
    ]


def _of_frames(root: Path, files: list[Path], arrays: list[np.ndarray], depths: set[int]) -> Guess:
    sizes = sorted({array.size for array in arrays})
    facts = {"arrays": f"{len(files):,} files, one a frame, of {sizes[0]:,} values"}
    if depths != {3} or len(sizes) > 1:
        return Guess(
            str(root),
            "arrays of one frame each",
            facts,
            remarks=["needed is FOLDER/WORD/SEQUENCE/FRAME.npy, all with as many values"],
        )
    facts |= {
        "sequences": f"{len({path.parent for path in files}):,}",
        "labels": "the names of the folders (WORD/SEQUENCE/FRAME)",
        "absence": "zeros",
        "frame rate": "not in the files: add --fps where you know it",
    }
    return Guess(
        str(root),
        "a folder a word, a folder a sequence, a file a frame",
        facts,
        [command("mp_data", "--folder", root, out=out_name(root))],
    )


def _common_folder(files: list[Path]) -> Path:
    import os

    return Path(os.path.commonpath([path.parent for path in files]))
