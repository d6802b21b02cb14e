"""`slr-accel score` counts what there is, and names what is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from slr_accel.cli import main
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.scoring.sclite import sclite_command

REFERENCE = """\
s1 1 Anna 0.0 1.79769e+308 HEUTE REGEN NORD
s2 1 Ben 0.0 1.79769e+308 MORGEN SONNE
s3 1 Anna 0.0 1.79769e+308 WIND KALT
s4 1 Ben 0.0 1.79769e+308 REGEN SONNE
"""
HYPOTHESIS = """\
s2 1 0.0 0.2 MORGEN
s2 1 0.2 0.2 WOLKE
s2 1 0.4 0.2 loc-SUED
s1 1 0.5 0.2 __PU__
s1 1 0.6 0.2 REGEN
s1 1 0.0 0.2 heute
s1 1 0.9 0.2 loc-NORD
s4 1 0.0 0.2 __PU__
x9 1 0.0 0.2 NEBEL
"""
needs_sclite = pytest.mark.skipif(
    sclite_command() is None, reason="NIST's sclite is not installed: apt-get install sctk"
)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "dev.stm").write_text(REFERENCE)
    (tmp_path / "dev.ctm").write_text(HYPOTHESIS)
    return [f"--hypothesis={tmp_path / 'dev.ctm'}", f"--reference={tmp_path / 'dev.stm'}"]


def score(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(["score", *map(str, words)])
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture
def scored(capsys: pytest.CaptureFixture[str]):
    """The result of a call as JSON."""

    def call(*words: object, code: int = 0) -> dict:
        assert score(*words, "--json") == code
        return json.loads(capsys.readouterr().out)

    return call


def test_result_has_the_keys_of_an_evaluation_and_counts_what_is_missing(files, scored):
    result = scored(*files, "--protocol=phoenix2014")
    assert result.keys() >= {
        *("wer", "substitutions", "deletions", "insertions", "correct", "reference_tokens"),
        *("num_sequences", "wer_ci95", "per_signer", "decoder", "label_policy", "checkpoint"),
    }
    # s3 and s4 are [EMPTY], which replaces a word.
    figures = [result[k] for k in ("correct", "substitutions", "deletions", "insertions")]
    assert figures == [4, 3, 2, 1]
    assert result["wer"] == 6 / 9 and result["num_sequences"] == 4
    assert result["missing_ids"] == ["s3"] and result["extra_ids"] == ["x9"]
    notes = " ".join(result["notes"])
    assert "1 id (s3) of the reference without a hypothesis: counted as [EMPTY]" in notes
    assert "1 id (x9) of the hypothesis without a reference: not scored" in notes
    assert result["per_signer"]["Anna"]["deletions"] == 1
    assert result["per_signer"]["Ben"]["substitutions"] == 2


def test_other_protocols_compare_other_words(files, scored):
    plain = scored(*files, "--protocol=plain")
    assert [plain[k] for k in ("correct", "substitutions", "deletions")] == [2, 4, 3]
    of_2014t = scored(*files, "--protocol=phoenix2014t")
    assert [of_2014t[k] for k in ("correct", "substitutions", "deletions")] == [4, 1, 4]
    assert "counted as deletions" in " ".join(of_2014t["notes"])


def test_the_terminal_shows_counts_signers_confusions_and_notes(files, capsys):
    assert score(*files, "--protocol=phoenix2014") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "dev.ctm: WER 66.7 % (95 % interval " in text
    assert "Anna 40.0 % 1 1 0 3 5 2" in text
    assert "SONNE → SUED 1" in text and "inserted: WOLKE 1" in text
    assert "note: 1 id (s3) of the reference" in text


def test_files_of_one_corpus_in_any_format_score_alike(files, scored, tmp_path):
    expected = scored(*files, "--protocol=phoenix2014")["wer"]
    lines = ["HEUTE __PU__ REGEN loc-NORD", "MORGEN WOLKE SUED", "", "__PU__"]
    (tmp_path / "h.txt").write_text("".join(line + "\n" for line in lines))
    (tmp_path / "r.txt").write_text("HEUTE REGEN NORD\nMORGEN SONNE\nWIND KALT\nREGEN SONNE\n")
    (tmp_path / "h.trn").write_text("".join(f"{x} (s{n})\n" for n, x in enumerate(lines, 1)))
    for hypothesis, reference in [("h.txt", "r.txt"), ("h.trn", "dev.stm")]:
        words = [f"--hypothesis={tmp_path / hypothesis}", f"--reference={tmp_path / reference}"]
        result = scored(*words, "--protocol=phoenix2014")
        assert result["wer"] == expected and result["missing_ids"] == []


def test_files_without_a_common_id_are_refused(files, tmp_path, capsys):
    (tmp_path / "h.txt").write_text("HEUTE\n")
    assert score(f"--hypothesis={tmp_path / 'h.txt'}", files[1], "--protocol=plain") == 2
    error = capsys.readouterr().err
    assert "has no sentence of" in error and "'1'" in error and "'s1'" in error
    (tmp_path / "r.txt").write_text("A\nB\n")
    words = [f"--hypothesis={tmp_path / 'h.txt'}", f"--reference={tmp_path / 'r.txt'}"]
    assert score(*words, "--protocol=plain") == 2
    assert "has 2 lines and" in capsys.readouterr().err


def test_references_without_a_word_are_refused(files, tmp_path, capsys):
    (tmp_path / "r.stm").write_text("s1 1 Anna 0.0 2.0\n")
    assert score(files[0], f"--reference={tmp_path / 'r.stm'}", "--protocol=plain") == 2
    assert "has no word at all" in capsys.readouterr().err


def test_words_that_two_files_write_otherwise_are_told(files, scored, tmp_path):
    (tmp_path / "r.stm").write_text("s1 1 a 0.0 2.0 loc-NORD KU\u0308STE\n", encoding="utf-8")
    notes = " ".join(
        scored(files[0], f"--reference={tmp_path / 'r.stm'}", "--protocol=phoenix2014")["notes"]
    )
    assert "cleaning would change 1 word (loc-NORD) of the reference" in notes
    assert "combining marks" in notes


def test_another_system_is_compared_sentence_by_sentence(files, scored, tmp_path, capsys):
    perfect = re.sub(r"(s\d) 1 \w+ 0.0 \S+ (.*)", r"\2 (\1)", REFERENCE)
    (tmp_path / "perfect.trn").write_text(perfect)
    words = [*files, "--protocol=phoenix2014", f"--against={tmp_path / 'perfect.trn'}"]
    against = scored(*words)["against"]
    assert against["wer"] == 0 and against["difference"] == 6 / 9
    assert (against["better"], against["worse"]) == (0, 3)
    assert against["p_value"] >= 0.25
    low, high = against["ci95"]
    assert low <= 6 / 9 <= high
    assert score(*words) == 0
    assert "difference +66.7 points" in " ".join(capsys.readouterr().out.split())


def test_a_run_shows_its_own_policy_and_what_its_vocabulary_allows(files, scored, tmp_path, capsys):
    vocabulary = Vocabulary(("HEUTE", "MORGEN", "REGEN", "SONNE", "loc-NORD"), "raw")
    vocabulary.save(tmp_path / "vocabulary.json")
    words = [*files, "--protocol=phoenix2014", f"--run={tmp_path}"]
    result = scored(*words)
    assert result["label_policy"] == "raw"
    assert result["policy_wer"] == 9 / 9
    assert result["policy_floor"] == 3 / 9  # NORD, WIND, KALT
    assert result["protocol_floor"] == 2 / 9  # loc-NORD says NORD
    assert score(*words) == 0
    assert "at best 33.3 % with its vocabulary" in " ".join(capsys.readouterr().out.split())


def test_alignments_are_written_as_text_and_as_a_page(files, tmp_path, capsys):
    for name in ("a.txt", "a.html"):
        assert score(*files, "--protocol=phoenix2014", f"--alignments={tmp_path / name}") == 0
    text = (tmp_path / "a.txt").read_text()
    assert (
        "id: (s2)\nSpeaker: Ben\nScores: (#C #S #D #I) 1 1 0 1\n"
        "REF:  MORGEN ***** SONNE\nHYP:  MORGEN WOLKE SUED\nEval:        I     S\n"
    ) in text
    page = (tmp_path / "a.html").read_text()
    assert page.count('class="about"') == 4 and 'class="pair substitution"' in page
    assert "phoenix2014" in page and "blank" not in page.split("</style>")[1]
    assert score(*files, "--protocol=plain", f"--alignments={tmp_path / 'no' / 'a.txt'}") == 2
    assert "there is no folder" in capsys.readouterr().err


@needs_sclite
@pytest.mark.parametrize("protocol", ["phoenix2014", "phoenix2014t", "plain", "characters"])
def test_sclite_agrees_where_it_is_installed(files, scored, protocol):
    assert scored(*files, f"--protocol={protocol}", "--check")["sclite_agrees"] is True


@needs_sclite
def test_a_count_that_sclite_does_not_share_is_shown_and_ends_with_1(files, monkeypatch, capsys):
    monkeypatch.setattr("slr_accel.scoring.wer.SUBSTITUTION", 7)
    assert score(*files, "--protocol=phoenix2014", "--check") == 1
    assert "sclite counts otherwise" in capsys.readouterr().out


def test_a_check_without_sclite_says_how_to_get_it(files, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert score(*files, "--protocol=plain", "--check") == 2
    assert "apt-get install sctk" in capsys.readouterr().err


@pytest.mark.real_data
def test_phoenix_is_scored_from_the_command_line(shared_data, scored):
    folder = shared_data / "phoenix2014"
    result = scored(
        f"--hypothesis={folder / 'golden' / 'si5-dev-seed2.ctm'}",
        f"--reference={folder / 'stm' / 'phoenix2014-SI-groundtruth-dev.stm'}",
        "--protocol=phoenix2014",
    )
    assert [result[k] for k in ("correct", "substitutions", "deletions", "insertions")] == [
        *(999, 62, 106, 46)
    ]
