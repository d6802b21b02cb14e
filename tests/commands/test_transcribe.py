"""`slr-accel transcribe` prints what a recording says, as text, JSON and subtitles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from slr_accel.cli import main
from slr_accel.corpus.reader import open_corpus


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main([str(word) for word in words])
    return int(exit_info.value.code or 0)


@pytest.fixture
def files(tiny_corpus: Path, tmp_path: Path) -> list[Path]:
    corpus, paths = open_corpus(tiny_corpus), []
    for row in range(2):
        paths.append(tmp_path / f"recording {row}.npy")
        np.save(paths[-1], corpus.features(row))
    return paths


def test_text_json_and_subtitles_say_the_same(
    plain_run: Path, files: list[Path], tmp_path: Path, capsys
) -> None:
    assert command("transcribe", plain_run, *files) == 0
    lines = capsys.readouterr().out.splitlines()
    subtitles = tmp_path / "new" / "subtitles"
    assert command("transcribe", plain_run, *files, "--json", "--vtt", subtitles) == 0
    found = json.loads(capsys.readouterr().out)
    for line, path, record in zip(lines, files, found, strict=True):
        assert line == f"{path}  {' '.join(record['glosses']) or '(no words)'}"
        assert len(record["glosses"]) == len(record["times"]) == len(record["confidence"])
        cues = (subtitles / f"{path.stem}.vtt").read_text()
        assert cues.startswith("WEBVTT\n") and cues.count("-->") == len(record["glosses"])


def test_mistakes_are_named_without_a_traceback(
    plain_run: Path, files: list[Path], tmp_path: Path, capsys
) -> None:
    assert command("transcribe", tmp_path, *files) == 2
    assert command("transcribe", plain_run, "none.npy") == 2
    other = tmp_path / "other" / files[0].name
    other.parent.mkdir()
    other.write_bytes(files[0].read_bytes())
    assert command("transcribe", plain_run, files[0], other, "--vtt", tmp_path / "vtt") == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") for line in errors] == [True] * 3
    assert "rename one" in errors[2]
