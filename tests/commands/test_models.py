"""`slr-accel models` tells size and cost of what there is to choose from."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest
from models_helpers import LAYOUTS, make

from slr_accel.cli import main
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.pretrained import save_pretrained
from slr_accel.models.size import megabytes, num_parameters
from slr_accel.settings.models.by_name import MODELS


def models(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as end:
        main(["models", *map(str, words)])
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    from slr_accel.commands.models import _all_kinds

    return {row["model"]: row for row in _all_kinds()}


def test_every_model_is_listed_and_below_its_limit(rows: dict[str, dict[str, Any]]) -> None:
    assert set(rows) == set(MODELS)
    assert rows["student"]["mb_fp32"] < 100
    for row in rows.values():
        assert row["mb_fp32"] == pytest.approx(row["parameters"] * 4e-6, abs=0.01)
        assert (
            row["mb_fp32"] / 4
            < row["mb_int8"]
            < row["mb_fp16"]
            == pytest.approx(row["mb_fp32"] / 2, abs=0.01)
        )
        assert row["ms_per_second"] > 0


def test_the_reference_is_the_published_size(rows: dict[str, dict[str, Any]]) -> None:
    """14.4 M parameters, 54 MiB, and an output for every frame."""
    reference = rows["student_reference"]
    assert 14.35e6 < reference["parameters"] < 14.45e6
    assert 54 <= reference["parameters"] * 4 / 2**20 < 55
    assert reference["output_stride"] == 1


def test_int8_counts_matrices_as_bytes_and_the_rest_as_floats() -> None:
    model = make("student", LAYOUTS["tracks"]).head  # 16 -> 7
    assert num_parameters(model) == 16 * 7 + 7
    assert megabytes(model)["int8"] * 1e6 == pytest.approx(16 * 7 + 4 * 7 + 4 * 7)


@pytest.mark.parametrize("rate", [30.0, None])
def test_a_saved_model_is_told_as_json_and_as_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: float | None
) -> None:
    model = make("student", LAYOUTS["tracks"], rate=rate)
    save_pretrained(tmp_path / "model", model, Vocabulary(tuple("ABCDEF"), "raw"))
    (row,) = json.loads(models(capsys, tmp_path / "model", "--json"))
    assert row["parameters"] == num_parameters(model)
    assert row["num_outputs"] == 7
    assert row["frames_per_second"] == rate
    assert len(models(capsys, tmp_path / "model").splitlines()) == 2


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_pretrained(
        tmp_path / "model", make("student", LAYOUTS["tracks"]), Vocabulary(tuple("ABCDEF"), "raw")
    )
    with pytest.raises(SystemExit) as end:
        main(["models", str(tmp_path / "model"), "--out", str(tmp_path / "model")])
    assert end.value.code == 2
    assert "exists already" in capsys.readouterr().err


def test_a_model_that_there_is_no_room_for_leaves_nothing_in_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make("student", LAYOUTS["tracks"])
    save_pretrained(tmp_path / "model", model, Vocabulary(tuple("ABCDEF"), "raw"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        with pytest.raises(SystemExit) as end:
            main(["models", str(tmp_path / "model"), "--out", str(tmp_path / "out")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert end.value.code == 1
    assert "File too large" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_is_exported_in_half_only_with_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_pretrained(
        tmp_path / "model", make("student", LAYOUTS["tracks"]), Vocabulary(tuple("ABCDEF"), "raw")
    )
    models(capsys, tmp_path / "model", "--out", tmp_path / "half", "--dtype", "fp16")
    header = (tmp_path / "half" / "model.safetensors").read_bytes()[:4000]
    assert b'"dtype":"F16"' in header
    with pytest.raises(SystemExit) as end:
        main(["models", str(tmp_path / "model"), "--dtype", "fp16"])
    assert end.value.code == 2
    assert "give --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"checkpoint": "best"', "not readable as JSON"),
        ("\xff", "not readable as JSON"),
        ("[]", "names no `checkpoint`"),
        ('{"checkpoint": null}', "names no `checkpoint`"),
        ("{}", "names no `checkpoint`"),
    ],
)
def test_a_broken_evaluation_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, words: str
) -> None:
    save_pretrained(
        tmp_path / "model", make("student", LAYOUTS["tracks"]), Vocabulary(tuple("ABCDEF"), "raw")
    )
    path = tmp_path / "model" / "eval" / "dev.json"
    path.parent.mkdir()
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SystemExit) as end:
        main(["models", str(tmp_path / "model"), "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith(f"error: {path}: ") and words in text
    assert not (tmp_path / "out").exists()
