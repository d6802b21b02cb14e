"""CTM files hold what sclite reads: five fields a line, in order."""

import pytest

from slr_accel.scoring.ctm import CtmRow, write_ctm


def test_lines_are_sorted_by_id_then_start_with_durations_in_seconds(tmp_path):
    path = tmp_path / "dev.ctm"
    rows = [
        CtmRow("b", 0.0, 0.04, "REGEN"),
        CtmRow("a", 10.0, 1 / 3, "SONNE"),
        CtmRow("a", 2.0, 0.5, "WOLKE"),
    ]
    write_ctm(path, rows)
    assert path.read_text() == (
        "a 1 2.000 0.500 WOLKE\na 1 10.000 0.333 SONNE\nb 1 0.000 0.040 REGEN\n"
    )


def test_ids_are_in_code_point_order_and_equal_starts_keep_theirs(tmp_path):
    path = tmp_path / "dev.ctm"
    rows = [CtmRow(i, 0.0, 0.1, t) for i, t in [("a", "Z"), ("a", "A"), ("B", "X"), ("a10", "Y")]]
    write_ctm(path, rows)
    assert [line.split()[::4] for line in path.read_text().splitlines()] == [
        ["B", "X"],
        ["a", "Z"],
        ["a", "A"],
        ["a10", "Y"],
    ]


def test_no_words_is_an_empty_file(tmp_path):
    write_ctm(tmp_path / "dev.ctm", [])
    assert (tmp_path / "dev.ctm").read_bytes() == b""


def test_words_of_any_script_survive(tmp_path):
    path = tmp_path / "dev.ctm"
    write_ctm(path, [CtmRow("a", 0.0, 0.1, "天气"), CtmRow("a", 0.1, 0.1, "KÜSTE")])
    assert [line.split()[4] for line in path.read_text("utf-8").splitlines()] == ["天气", "KÜSTE"]


@pytest.mark.parametrize("token", ["WIE AUSSEHEN", "", " ", "A\n", "\tA", "A\u00a0B"])
def test_a_token_that_is_not_one_field_is_an_error_that_names_the_sequence(tmp_path, token):
    rows = [CtmRow("fine", 0.0, 0.1, "A"), CtmRow("seq-7", 0.0, 0.1, token)]
    with pytest.raises(ValueError, match="seq-7"):
        write_ctm(tmp_path / "dev.ctm", rows)
    assert not (tmp_path / "dev.ctm").exists()


@pytest.mark.parametrize("name", ["seq 7", "", "seq\n7"])
def test_an_id_that_is_not_one_field_is_an_error_that_names_it(tmp_path, name):
    with pytest.raises(ValueError, match="id " + repr(name).replace("\\", r"\\")):
        write_ctm(tmp_path / "dev.ctm", [CtmRow(name, 0.0, 0.1, "A")])
