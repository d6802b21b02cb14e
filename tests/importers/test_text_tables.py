"""What Excel, Windows and Macs make of an index is read, or told with the exact cure."""

import unicodedata

import numpy as np
import pytest
from manifest_helpers import array, prepare, refused, row
from prepare_helpers import index_of

from slr_accel.importers.listing import Problems
from slr_accel.importers.manifest import list_manifest

ROWS = [["id", "split", "features", "labels"], ["s0", "train", "s0.npy", "GRÜSSEN ÄN"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt"])
def test_every_form_of_a_table_is_read(folder, delimiter, encoding, name):
    text = "\r\n".join(delimiter.join(cells) for cells in ROWS) + "\r\n"
    (folder / name).write_bytes(text.encode(encoding))
    assert prepare(folder / name).labels(0) == ["GRÜSSEN", "ÄN"]


def test_lists_in_cells_stay_lists_where_semicolons_stand_between_cells(folder):
    (folder / "a.csv").write_text('id;split;features;labels\ns0;train;"s0.npy;s1.npy";A\n')
    assert prepare(folder / "a.csv").features(0).shape == (12, 5)


def test_a_code_page_of_windows_is_told_with_the_command_that_converts_it(folder):
    text = "\n".join(",".join(cells) for cells in ROWS)
    (folder / "a.csv").write_bytes(text.encode("cp1252"))
    message = refused(folder / "a.csv")
    assert "a.csv:2: not UTF-8 text" in message
    assert "GRÜSSEN ÄN" in message
    assert "iconv -f cp1252 -t utf-8 a.csv > new_a.csv" in message


def test_backslashes_between_folders_are_read(folder):
    (folder / "npy").mkdir()
    np.save(folder / "npy" / "a.npy", array())
    assert prepare(index_of(folder, row(0, features="npy\\a.npy"))).features(0).shape == (6, 5)


def test_a_path_of_another_computer_is_told_with_where_the_file_is(folder):
    (folder / "npy").mkdir()
    np.save(folder / "npy" / "a.npy", array())
    lines = [row(i, features="C:\\data\\npy\\a.npy") for i in range(6)]
    message = refused(index_of(folder, *lines))
    assert "this is a path of a Windows computer: write npy/a.npy" in message
    assert "(and 5 like it, up to " in message
    assert message.count("Windows") == 1


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_accents_of_a_mac_and_of_others_name_one_file(folder, stored, written):
    np.save(folder / unicodedata.normalize(stored, "übung.npy"), array())
    features = unicodedata.normalize(written, "übung.npy")
    assert prepare(index_of(folder, row(0, features=features))).features(0).shape == (6, 5)


@pytest.mark.parametrize(
    ("labels", "words"),
    [("HALLO, WIE", "HALLO,"), ("HALLO|WIE", "HALLO|WIE")],
)
def test_labels_that_seem_to_be_several_are_told(folder, labels, words):
    notes = list_manifest(index_of(folder, row(0, labels=labels))).notes
    assert any(words in note for note in notes)


def test_labels_in_two_forms_of_unicode_are_told(folder):
    labels = [unicodedata.normalize(form, "ÜBEN") for form in ("NFC", "NFD")]
    notes = list_manifest(index_of(folder, row(0, labels=labels[:1]), row(1, labels=labels))).notes
    assert any("two forms of Unicode" in note and "ÜBEN" in note for note in notes)


def test_excel_s_line_with_the_separator_is_passed_over(folder):
    lines = ["sep=;", "id;split;features;labels", "s0;train;gone.npy;A", "s1;train;s1.npy;B;C"]
    (folder / "a.csv").write_text("\r\n".join(lines))
    message = refused(folder / "a.csv")
    assert "a.csv:3: s0: " in message
    assert "a.csv:4: more cells than the 4 of the header" in message


@pytest.mark.parametrize("split", ["val", "validation", "Train"])
def test_splits_of_other_names_are_told(folder, split):
    notes = list_manifest(index_of(folder, row(0, split=split))).notes
    assert any(repr(split) in note for note in notes)


def test_how2sign_s_columns_are_those_of_an_index(folder):
    header = "VIDEO_ID\tVIDEO_NAME\tSENTENCE_ID\tSENTENCE_NAME\tSTART_REALIGNED\tEND_REALIGNED"
    (folder / "how2sign_realigned_val.csv").write_text(
        f"{header}\tSENTENCE\nv\ttalk\ts\ttalk_1\t0.5\t1.9\tHello there.\n"
    )
    (folder / "talk.mp4").write_bytes(b"")
    from slr_accel.importers.index import read_index

    problems = Problems()
    [found] = read_index(folder / "how2sign_realigned_val.csv", problems, ("video",))
    assert not problems.messages
    assert (found.id, found.split, found.parts) == ("talk_1", "dev", ("talk.mp4",))
    assert found.labels == ["Hello", "there."]
    assert not found.span.is_whole


def test_equal_problems_are_told_once():
    problems = Problems()
    for number in range(16):
        problems.add(f"a/{number}.npy", f"{number}: has 5 frames")
    problems.add("b.npy", "is something else")
    with pytest.raises(ValueError) as error:
        problems.raise_if_any()
    lines = str(error.value).splitlines()
    assert lines[0].startswith("17 problems")
    assert lines[1].endswith("a/0.npy: 0: has 5 frames (and 15 like it, up to a/15.npy)")
    assert lines[2].endswith("b.npy: is something else")


def test_of_many_different_problems_the_first_are_shown():
    problems = Problems()
    for letter in "abcdefghij":
        for other in "klmno":
            problems.add("x", f"{letter}{other} is odd")
    with pytest.raises(ValueError) as error:
        problems.raise_if_any()
    lines = str(error.value).splitlines()
    assert lines[-1].endswith("... and 30 more")
    assert len(lines) == 22
