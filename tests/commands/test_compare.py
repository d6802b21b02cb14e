"""`slr-accel compare` reads results, tests differences in pairs, and shows what changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from browser_helpers import opened_in_browser
from safetensors.numpy import save_file
from scored_helpers import SEQUENCES, scored, sequence

from slr_accel.cli import main
from slr_accel.scoring.bootstrap import paired_test
from slr_accel.scoring.scored import ScoredSequence


def write_run(folder: Path, sequences: list[ScoredSequence], **settings: object) -> Path:
    """A run folder as `evaluate` leaves it, without times."""
    (folder / "eval").mkdir(parents=True)
    (folder / "best").mkdir()
    lines = [
        json.dumps(
            {
                "id": s.id,
                "signer": s.signer,
                "reference": s.reference,
                "hypothesis": s.hypothesis,
                **vars(s.counts),
            }
        )
        for s in sequences
    ]
    (folder / "eval" / "dev.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "eval" / "dev.json").write_text(json.dumps(scored(sequences)))
    save_file({"a": np.zeros((3, 5)), "b": np.zeros(7)}, folder / "best" / "model.safetensors")
    config = {"output_dir": str(folder), "model": "student", "seed": 1, **settings}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    better = [s if s.id != "s3" else sequence("s3", "Signer01", "SONNE WIND KALT", "SONNE WIND")
              for s in SEQUENCES]  # fmt: skip
    return [
        write_run(tmp_path / "first run", SEQUENCES, learning_rate=0.001),
        write_run(tmp_path / "second", better, learning_rate=0.002),
    ]


def compare(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit:
        main(["compare", *map(str, words)])
    output = capsys.readouterr()
    return int(exit.value.code or 0), output.out, output.err


def test_differences_settings_and_changed_sentences(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = compare(capsys, *runs, "--json")
    assert code == 0
    result: dict[str, Any] = json.loads(out)
    assert [one["name"] for one in result["runs"]] == ["first run", "second"]
    assert [one["wer"] for one in result["runs"]] == [0.6, 0.4]
    assert [one["parameters"] for one in result["runs"]] == [22, 22]
    [test] = result["against_first"]
    counts = [s.counts for s in SEQUENCES]
    second = [*counts[:2], sequence("", "", "A B C", "A B").counts, counts[3]]
    assert test == json.loads(json.dumps(paired_test(second, counts)._asdict()))
    assert result["settings"] == {"learning_rate": [0.001, 0.002]}
    assert [one["id"] for one in result["changed"]] == ["s3"]
    assert result["changed"][0]["errors"] == [3, 1]
    assert set(result["signers"]) == {"Signer01", "Signer02"}


def test_a_setting_that_an_older_run_lacks_had_its_default(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs[0] / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"max_grad_norm": 7.5}))
    _, out, _ = compare(capsys, *runs, "--json")
    assert set(json.loads(out)["settings"]) == {"learning_rate", "max_grad_norm"}
    assert None not in json.loads(out)["settings"]["max_grad_norm"]


def test_runs_without_a_result_are_named_with_the_commands_that_make_it(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [tmp_path / "not scored", tmp_path / "nor this"]
    for other in others:
        other.mkdir()
    code, _, err = compare(capsys, runs[0], *others)
    assert code == 2
    for other in others:
        assert f"slr-accel evaluate '{other}' --split dev" in err
    code, _, err = compare(capsys, runs[0], tmp_path / "not there")
    assert code == 2 and "not there: no such run" in err


def test_only_sentences_that_both_scored_on_the_same_words_are_compared(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = [*SEQUENCES[:2], sequence("s3", "Signer01", "ANDERS", ""), sequence("s9", "x", "A", "")]
    third = write_run(tmp_path / "third", other)
    _, out, _ = compare(capsys, runs[0], third, "--json")
    assert json.loads(out)["sentences"] == 2
    assert json.loads(out)["not_compared"] == ["s3", "s4", "s9"]
    disjoint = write_run(tmp_path / "fourth", [sequence("s9", "x", "A", ""), SEQUENCES[0]])
    (disjoint / "eval" / "dev.jsonl").write_text("")
    code, _, err = compare(capsys, runs[0], disjoint)
    assert code == 2 and "no sentence of dev in common" in err


@pytest.mark.parametrize("damage", ["", "[1]", '{"id": 3}', "\x00"])
def test_a_damaged_result_is_named(
    damage: str, runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (runs[1] / "eval" / "dev.json").write_text(damage)
    code, _, err = compare(capsys, *runs)
    assert code == 2 and "dev.json" in err and "slr-accel evaluate" in err


def test_the_terminal_shows_all_of_it(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    marked = runs[1].rename(runs[1].with_name("[red]"))
    code, out, _ = compare(capsys, runs[0], marked)
    assert code == 0
    assert "[red]" in out, "names are no markup"
    for word in ("60.0 %", "40.0 %", "p = 1", "learning_rate", "1 of 4 sentences changed", "s3"):
        assert word in out


@pytest.mark.browser
def test_the_page_logs_nothing(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "a page.html"
    code, _, _ = compare(capsys, *runs, "--out", page)
    assert code == 0
    document = opened_in_browser(page, tmp_path / "profile")
    assert "learning_rate" in document and "KALT" in document


def test_a_model_without_its_run_has_its_size_and_no_settings(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(runs[1] / "best", model)
    code, _, said = compare(capsys, runs[0], model)
    assert code == 2 and f"--data_dir CORPUS --output_dir {model / 'eval'}" in said
    shutil.copytree(runs[1] / "eval", model / "eval")
    code, printed, _ = compare(capsys, runs[0], model, "--json")
    found = json.loads(printed)
    assert code == 0 and found["settings"] == {}
    assert [one["parameters"] for one in found["runs"]] == [22, 22]
