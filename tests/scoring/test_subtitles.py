"""Subtitles have WebVTT's form."""

from slr_accel.scoring.subtitles import webvtt


def test_words_become_cues_with_their_times() -> None:
    text = webvtt([(0.48, 0.8, "HELLO"), (3661.9996, 3662.5, "A<B&C")])
    assert text == (
        "WEBVTT\n\n00:00:00.480 --> 00:00:00.800\nHELLO\n"
        "\n01:01:02.000 --> 01:01:02.500\nA&lt;B&amp;C\n"
    )


def test_no_words_are_an_empty_file_of_subtitles() -> None:
    assert webvtt([]) == "WEBVTT\n"
