"""Reads a recording with an exported model; needs numpy and onnxruntime, not slr_accel.

    python examples/transcribe_onnx.py EXPORT RECORDING.npy

RECORDING.npy is [frames, values] in the layout of manifest.json, which says how absence is marked,
and by `block_order` where recordings have the blocks in another order than the model.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def transcribe(export: Path, array: np.ndarray) -> list[tuple[float, str]]:
    """Returns (seconds, gloss) of everything that is recognised."""
    manifest = json.loads((export / "manifest.json").read_text(encoding="utf-8"))
    graph = export / manifest["files"]["fp32"]
    if hashlib.sha256(graph.read_bytes()).hexdigest() != manifest["sha256"][graph.name]:
        raise ValueError(f"{graph} is damaged; export it again")
    recorded, values, presence, start = np.array(array, np.float32), {}, {}, 0
    blocks = {block["name"]: block for block in manifest["layout"]["blocks"]}
    for name in manifest["layout"].get("block_order", blocks):
        block = blocks[name]
        own = recorded[:, start : start + len(block["points"]) * len(block["axes"])]
        start += own.shape[1]
        marks = {  # of more kinds than this example knows
            "none": np.ones(len(own), bool),
            "zeros": (own != 0).any(axis=1),
            "nan": ~np.isnan(own).any(axis=1),
        }
        markers = block.get("missing", "none").split(",")
        present = np.logical_and.reduce([marks[marker.strip()] for marker in markers])
        own[~present] = 0
        values[name], presence[name] = own, present
    session = onnxruntime.InferenceSession(str(graph))
    given = {
        "features": np.concatenate([values[name] for name in blocks], axis=1)[None],
        "presence": np.stack([presence[name] for name in blocks], axis=1)[None],
        "lengths": np.array([len(recorded)], np.int64),
    }
    log_probs, steps = session.run(None, given)
    best = log_probs[0, : steps[0]].argmax(axis=1)
    second = manifest["output_stride"] / (manifest["frames_per_second"] or 25)
    changed = np.flatnonzero(np.diff(best, prepend=-1))  # repeats merge, blanks (0) part
    return [(i * second, manifest["vocabulary"][best[i] - 1]) for i in changed if best[i]]


if __name__ == "__main__":
    for seconds, gloss in transcribe(Path(sys.argv[1]), np.load(sys.argv[2])):
        print(f"{seconds:6.2f} s  {gloss}")
