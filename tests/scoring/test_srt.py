"""Subtitles have SRT's form."""

from pathlib import Path

from slr_accel.scoring.srt import write_srt


def test_words_become_numbered_cues_with_their_times(tmp_path: Path) -> None:
    write_srt(tmp_path / "a.srt", [(0.0, 0.48, "R&B"), (3661.5, 3661.9996, "a<b>")])
    assert (tmp_path / "a.srt").read_text() == (
        "1\n00:00:00,000 --> 00:00:00,480\nR&B\n\n2\n01:01:01,500 --> 01:01:02,000\na<b>\n"
    )


def test_no_words_are_an_empty_file(tmp_path: Path) -> None:
    write_srt(tmp_path / "a.srt", [])
    assert (tmp_path / "a.srt").read_text() == ""
