"""Subtitles hold every word, in the form that players read."""

import re
from pathlib import Path

from slr_accel.scoring.subtitles import write_srt, write_webvtt

WORDS = [(0.0, 0.48, "R&B"), (3661.5, 3661.9996, "a<b>")]


def test_webvtt_has_a_header_a_cue_a_word_and_no_markup(tmp_path: Path) -> None:
    write_webvtt(tmp_path / "a.vtt", WORDS)
    assert (tmp_path / "a.vtt").read_text() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.480\nR&amp;B\n"
        "\n01:01:01.500 --> 01:01:02.000\na&lt;b&gt;\n"
    )


def test_srt_numbers_its_cues(tmp_path: Path) -> None:
    write_srt(tmp_path / "a.srt", WORDS)
    assert (tmp_path / "a.srt").read_text() == (
        "1\n00:00:00,000 --> 00:00:00,480\nR&B\n\n2\n01:01:01,500 --> 01:01:02,000\na<b>\n"
    )


def test_no_words_are_a_valid_file(tmp_path: Path) -> None:
    write_webvtt(tmp_path / "a.vtt", [])
    write_srt(tmp_path / "a.srt", [])
    assert re.fullmatch(r"WEBVTT\n*", (tmp_path / "a.vtt").read_text())
    assert (tmp_path / "a.srt").read_text() == ""
