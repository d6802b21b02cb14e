"""Annotations of public corpora find videos and folders of pictures by their names."""

from pathlib import Path

import pytest

from slr_accel.importers.dev_split import DevShare
from slr_accel.importers.listing import Problems
from slr_accel.importers.video_folder import annotated_videos


def rows(folder: Path, name: str, content: str) -> dict[str, tuple[str, list[str], str]]:
    (folder / name).write_text(content, encoding="utf-8")
    found = annotated_videos(folder / "v", [folder / name], Problems(), share=DevShare())
    return {row.id: (row.split, row.labels, row.parts[0]) for row in found}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("v/train/a/1/0.png", "v/frames/b/000.jpg", "v/c_1-rgb_front.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_phoenix_names_folders_of_pictures(folder):
    table = "id|folder|signer|annotation\na|a/1/*.png|S1|X  Y\n"
    assert rows(folder, "train.corpus.csv", table) == {"a": ("train", ["X", "Y"], "train/a/1")}


def test_csl_daily_names_folders_of_frames(folder):
    table = "index|name|length|gloss|char|word|postag\n0|b|3|X Y|x|x|n\n"
    found = rows(folder, "video_map.txt", table)
    assert found["b"][1:] == (["X", "Y"], "frames/b")


def test_how2sign_names_clips_of_sentences(folder):
    table = "VIDEO_ID\tVIDEO_NAME\tSENTENCE_NAME\tSENTENCE\nv\tc\tc_1-rgb_front\tHello you\n"
    found = rows(folder, "how2sign_val.csv", table)
    assert found == {"c_1-rgb_front": ("dev", ["Hello", "you"], "c_1-rgb_front.mp4")}


def test_annotations_of_other_videos_are_refused(folder):
    with pytest.raises(ValueError, match="Annotations name 'z'"):
        rows(folder, "train.csv", "id|gloss\nz|A\n")


def test_a_video_has_its_own_times_and_pictures_have_those_of_the_table(folder):
    (folder / "own.csv").write_text("id,gloss,split,fps\nb,A,train,30\nc_1-rgb_front,A,train,30\n")
    found = annotated_videos(folder / "v", [folder / "own.csv"], Problems(), share=DevShare())
    assert [row.fps for row in found] == [30, None]
