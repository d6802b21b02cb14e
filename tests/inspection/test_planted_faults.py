"""Every fault planted in a corpus of synthetic signing is found and named, and nothing else is."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slr_accel.cli import main
from slr_accel.commands import inspect
from slr_accel.corpus.reader import open_corpus
from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.inspection.inspect_corpus import inspect_corpus
from slr_accel.layouts.face_mesh import IRIS_POINTS, REFINED_FACE_POINTS
from slr_accel.layouts.layout import Layout
from slr_accel.layouts.named_layouts import mediapipe_holistic
from slr_accel.progress import untracked
from slr_accel.synthetic.performance import perform
from slr_accel.synthetic.signer import make_signers

HOLISTIC = mediapipe_holistic()
SENTENCES = {
    "train": ("RAIN COLD NORTH WIND", "SUN WARM SOUTH", "NORTH RAIN", "WIND COLD SUN RAIN"),
    "dev": ("SUN RAIN", "NORTH COLD WIND SUN"),
}


def signing() -> list[Sequence]:
    """train-0 to train-7 and dev-0 to dev-3; the splits have signers of their own."""
    signers = dict(zip(SENTENCES, make_signers(2, seed=3), strict=True))
    sequences = []
    for split, sentences in SENTENCES.items():
        for number, sentence in enumerate(sentences * 2):
            rng = np.random.default_rng([number, split == "dev"])
            features, presence, _ = perform(sentence.split(), signers[split], rng)
            sequences.append(
                Sequence(
                    f"{split}-{number}",
                    split,
                    signers[split].name,
                    features,
                    presence,
                    sentence.split(),
                )
            )
    return sequences


def write(folder: Path, sequences: list[Sequence], layout: Layout = HOLISTIC) -> Path:
    write_corpus(
        folder, sequences, layout=layout, dtype="float32", frames_per_second=25.0, source={}
    )
    return folder


def found(folder: Path) -> dict[str, tuple[str, str]]:
    """{code: (severity, message)}"""
    findings = inspect_corpus(open_corpus(folder), track=untracked)["findings"]
    return {f["code"]: (f["severity"], f["message"]) for f in findings}


def refined() -> Layout:
    face = HOLISTIC.block("face")
    points = tuple(f"point_{i}" for i in range(REFINED_FACE_POINTS))
    return replace(HOLISTIC, blocks=(*HOLISTIC.blocks[:-1], replace(face, points=points)))


def with_hands_swapped(s: Sequence) -> Sequence:
    features, presence = s.features.copy(), s.presence.copy()
    for here, there in (("left_hand", "right_hand"), ("right_hand", "left_hand")):
        features[:, HOLISTIC.slices[here]] = s.features[:, HOLISTIC.slices[there]]
        presence[:, HOLISTIC.block_index(here)] = s.presence[:, HOLISTIC.block_index(there)]
    return replace(s, features=features, presence=presence)


def with_a_constant_refined_face(s: Sequence) -> Sequence:
    """As the layout `refined` has it: a face of 478 points that never moves."""
    features = np.pad(s.features, ((0, 0), (0, 3 * IRIS_POINTS)))
    seen = s.presence[:, HOLISTIC.block_index("face")]
    columns = refined().slices["face"]
    features[seen, columns] = np.linspace(0.1, 0.9, columns.stop - columns.start)
    return replace(s, features=features)


def cut(s: Sequence, frames: int) -> Sequence:
    return replace(s, features=s.features[:frames], presence=s.presence[:frames])


def frozen(s: Sequence) -> Sequence:
    still = [np.repeat(part[:1], len(part), axis=0) for part in (s.features, s.presence)]
    return replace(s, features=still[0], presence=still[1])


def unseen(s: Sequence) -> Sequence:
    """Nobody is detected but in the first frame."""
    features, presence = s.features.copy(), s.presence.copy()
    features[1:], presence[1:] = 0, False
    return replace(s, features=features, presence=presence)


def planted() -> list[Sequence]:
    plants = {
        "train-0": frozen,
        "train-1": with_hands_swapped,
        "train-2": unseen,
        "train-3": lambda s: cut(s, 3),
        "train-4": lambda s: cut(s, 6),
        "train-5": lambda s: replace(cut(s, 1), labels=["SUN"]),
        "train-7": lambda s: cut(s, 12),
        "dev-0": lambda s: replace(s, signer=make_signers(1, seed=3)[0].name),
        "dev-2": lambda s: replace(s, labels=["NEVER", "SHOWN"]),
    }
    sequences = [plants.get(s.id, lambda s: s)(s) for s in signing()]
    return [with_a_constant_refined_face(s) for s in sequences]


FAULTS = {
    "unalignable": ("error", {"train-3"}),
    "refined_face": ("warning", {"478"}),
    "broken_sequence": ("warning", {"train-0", "train-2", "train-5"}),
    "swapped_hands": ("warning", {"train-1"}),
    "constant_block": ("warning", {"face"}),
    "unalignable_stride_2": ("warning", {"train-4"}),
    "unalignable_stride_4": ("warning", {"train-4", "train-7"}),
    "signer_overlap": ("note", {"signer00"}),
    "unseen_labels": ("note", {"NEVER", "SHOWN"}),
}


def test_every_planted_fault_is_found_and_named_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "c", planted(), refined())
    parser = argparse.ArgumentParser()
    inspect.add_arguments(parser)
    assert inspect.run(parser.parse_args([str(folder), "--json"])) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {f["code"]: f["severity"] for f in findings} == {
        code: severity for code, (severity, _) in FAULTS.items()
    }
    ids = {s.id for s in signing()}
    for finding in findings:
        names = FAULTS[finding["code"]][1]
        assert all(name in finding["message"] for name in names), finding
        assert not any(name in finding["message"] for name in ids - names), finding


def test_clean_signing_has_no_findings(tmp_path: Path) -> None:
    assert found(write(tmp_path / "c", signing())) == {}


def test_hands_swapped_throughout_are_told_of_the_whole_corpus(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", [with_hands_swapped(s) for s in signing()])
    severity, message = found(folder)["swapped_hands"]
    assert severity == "warning"
    assert "12 of 12 sequences, so probably in the whole corpus" in message


def test_hands_that_touch_or_stray_for_a_moment_are_not_swapped(tmp_path: Path) -> None:
    def strayed(s: Sequence) -> Sequence:
        both = with_hands_swapped(s)
        third = len(s.features) // 3
        features, presence = s.features.copy(), s.presence.copy()
        features[:third], presence[:third] = both.features[:third], both.presence[:third]
        return replace(s, features=features, presence=presence)

    def touching(s: Sequence) -> Sequence:
        features = s.features.copy()
        left, right = (
            HOLISTIC.point_columns(f"pose.{side}_wrist", ("x", "y")) for side in ("left", "right")
        )
        for side in ("left", "right"):
            hand = HOLISTIC.point_columns(f"{side}_hand.wrist", ("x", "y"))
            features[:, hand] = (features[:, left] + features[:, right]) / 2
        return replace(s, features=features)

    for number, change in enumerate((strayed, touching)):
        folder = write(tmp_path / str(number), [change(s) for s in signing()])
        assert "swapped_hands" not in found(folder)


def test_a_pause_is_not_broken(tmp_path: Path) -> None:
    def paused(s: Sequence) -> Sequence:
        features = s.features.copy()
        features[: len(features) // 2] = features[0]
        return replace(s, features=features)

    assert "broken_sequence" not in found(write(tmp_path / "c", [paused(s) for s in signing()]))


def test_arrays_of_a_refined_face_are_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "s.npy", np.ones((4, refined().columns), np.float32))
    row = {"id": "s", "split": "train", "features": "s.npy", "labels": "SUN"}
    index, out = tmp_path / "index.jsonl", tmp_path / "out"
    index.write_text(json.dumps(row) + "\n")
    layout = ("--layout", "mediapipe_holistic", "--out", str(out))
    with pytest.raises(SystemExit) as exit_info:
        main(["prepare", "manifest", "--index", str(index), *layout])
    assert exit_info.value.code == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert "s.npy has 1659 columns" in printed
    assert "478 points, MediaPipe's refined landmarks" in printed
    assert not out.exists()
