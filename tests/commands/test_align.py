"""`slr-accel align` writes a time for every word, in files that other programs read."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from slr_accel.cli import main
from slr_accel.commands.align import file_names
from slr_accel.corpus.reader import open_corpus
from slr_accel.processes.preemption import StopRequest
from slr_accel.runs.opened import OpenedRun


def align(*words: object) -> int:
    with pytest.raises(SystemExit) as exit:
        main(["align", *map(str, words)])
    return int(exit.value.code or 0)


def test_every_reference_is_there_with_times_inside_its_sequence(
    plain_run: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pympi")
    out = tmp_path / "with a space"
    assert align(plain_run, "--split", "train", "--out", out) == 0
    assert "18 sequences" in capsys.readouterr().out
    corpus = open_corpus(tiny_corpus)
    rows = corpus.rows.of_split("train")
    words: dict[str, list[tuple[float, float, str]]] = {}
    for line in (out / "train.reference.ctm").read_text().splitlines():
        name, _, start, duration, word = line.split()
        words.setdefault(name, []).append((float(start), float(duration), word))
    for row in rows:
        name, seconds = corpus.rows.id(row), corpus.rows.frames[row] / 25
        assert [word for *_, word in words[name]] == corpus.labels(row)
        assert all(s >= 0 and s + d <= seconds + 1e-6 for s, d, _ in words[name])
        eaf = ElementTree.parse(out / "train" / f"{name}.eaf")
        tiers = {tier.get("TIER_ID"): tier for tier in eaf.iter("TIER")}
        assert set(tiers) == {"reference", "hypothesis"}
        values = [value.text for value in tiers["reference"].iter("ANNOTATION_VALUE")]
        assert values == corpus.labels(row)
        cues = (out / "train" / f"{name}.reference.vtt").read_text().split("\n\n")
        assert len(cues) == 1 + len(values)
    assert len(list((out / "train").iterdir())) == 5 * len(rows)


def test_eaf_without_its_package_is_an_error_only_where_it_was_asked_for(
    plain_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("slr_accel.scoring.elan.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "pympi", None)
    assert align(plain_run, "--out", tmp_path / "a", "--formats", "eaf") == 2
    assert "[elan]" in capsys.readouterr().err
    assert align(plain_run, "--out", tmp_path / "b") == 0
    assert "elan" in capsys.readouterr().err
    assert {path.suffix for path in (tmp_path / "b" / "dev").iterdir()} == {".vtt", ".srt"}


def test_ids_become_different_names_that_stay_in_the_folder() -> None:
    ids = ["../../x", "a/b", "a_b", "A_B", "", "..", "天气", "x" * 400, "x" * 401]
    names = file_names(ids)
    assert len({name.casefold() for name in names}) == len(ids)
    assert not any("/" in name or name.startswith(".") for name in names)
    assert max(len(name) for name in names) < 80


def test_all_processes_ask_as_often_whether_to_stop(
    plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(StopRequest, "is_anywhere", lambda self, accelerator: bool(asked.append(1)))
    for is_main in (True, False):
        monkeypatch.setattr(OpenedRun, "is_main", is_main)
        assert align(plain_run, "--formats", "ctm", "--output_dir", tmp_path) == 0
        asked.append(0)
    assert asked.index(0) * 2 + 2 == len(asked)
