"""Descriptions fill the terminal's width, whatever it is, and keep the lines that are meant."""

from __future__ import annotations

import pytest

from slr_accel.cli import main
from slr_accel.commands.help_text import wrapped
from slr_accel.commands.prepare import IMPORTERS

TEXT = """\
Makes a corpus of what is told
in these two lines:

  {"id": "s1", "split": "train"}
  id,split

features  names a file that lies
          beside the index
a, b  two names

--videos takes
all others.
"""


def test_paragraphs_and_explanations_are_wrapped_and_examples_stay_lines() -> None:
    assert wrapped(TEXT, 34).splitlines() == [
        "Makes a corpus of what is told in",
        "these two lines:",
        "",
        '  {"id": "s1", "split": "train"}',
        "  id,split",
        "",
        "features  names a file that lies",
        "          beside the index",
        "a, b  two names",
        "",
        "--videos takes all others.",
    ]


def test_a_narrow_terminal_breaks_an_example_further_in() -> None:
    assert wrapped(TEXT, 28).splitlines()[3:5] == ['  {"id": "s1", "split":', '    "train"}']


def description(name: str, width: int, capsys, monkeypatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit):
        main(["prepare", name, "--help"])
    text = capsys.readouterr().out.partition("\n\n")[2]
    return text.partition("\n\noptions:")[0]


@pytest.mark.parametrize("name", IMPORTERS)
@pytest.mark.parametrize("width", [60, 80, 132])
def test_the_description_of_an_importer_fits_the_terminal(
    name: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = description(name, width, capsys, monkeypatch).splitlines()
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("name", IMPORTERS)
def test_its_examples_are_whole_in_80_columns(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide, usual = (description(name, width, capsys, monkeypatch) for width in (500, 80))
    examples = [line for line in wide.splitlines() if "{" in line or ",split," in line]
    assert set(examples) <= set(usual.splitlines())
    if name in ("manifest", "speech", "compose", "synthetic", "video"):
        assert examples
