"""`prepare guess` names the command that makes a corpus of a source, or says that there is none."""

import json
import pickle
import shlex
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from slr_accel import cli
from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.importers.guess import Guess, guess
from slr_accel.importers.guess_text import as_text


def code(*words: str) -> int | str | None:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        cli.main(list(words))
    return end.value.code


def run(line: str, out: Path) -> Corpus:
    """The corpus that a printed command makes, at another place."""
    words = shlex.split(line)
    assert words[0] == "slr-accel"
    words[words.index("--out") + 1] = str(out)
    assert code(*words[1:]) == 0
    return open_corpus(out)


def only(path: Path) -> Guess:
    [found] = guess(path)
    return found


def holistic(frames: int = 6, seed: int = 0) -> np.ndarray:
    """[T, 543, 3] with a body: hands at the wrists, a face at the nose; a hand absent at times."""
    random = np.random.default_rng(seed)
    points = np.zeros((frames, 543, 3), np.float32)
    points[:, :33, :2] = random.uniform(0.3, 0.7, (33, 2))
    points[:, 0, :2], points[:, 11, :2], points[:, 12, :2] = (0.5, 0.2), (0.7, 0.5), (0.3, 0.5)
    points[:, 15, :2], points[:, 16, :2] = (0.8, 0.7), (0.2, 0.8)
    for first, at in ((33, 15), (54, 16), (75, 0)):
        count = 468 if first == 75 else 21
        points[:, first : first + count] = points[:, at : at + 1]
        joints = np.arange(count - 1)
        away = np.stack([joints % 4 + 1, joints // 4], axis=1) * 0.01 * (first != 75)
        points[:, first + 1 : first + count, :2] += away
        points[:, first + 1] = points[:, at] if first == 75 else points[:, first + 1]
    points[2:, :, :2] += random.normal(0, 0.01, (frames - 2, 1, 2))
    points[1, 33:54] = 0
    return points


def write(folder: Path, *arrays: np.ndarray) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"clip{number}.npy" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array)
    return paths


# Every folder of real data.

REAL = {
    "cases/always_absent": "manifest",
    "cases/coco_wholebody": "keypoints",
    "cases/csl_daily": "manifest",
    "cases/hidden_points": "pose",
    "cases/aspect": "pose",
    "cases/isharah": "keypoints",
    "cases/kaggle_long": "keypoints",
    "cases/kaggle_wide": "keypoints",
    "cases/openpose": "keypoints",
    "data/formats/mp_data": "mp_data",
    "data/formats/skels": "skels",
    "data/boston104": "manifest",
}
COSTLY = {"data/formats/pose": "pose", "data/wlasl50": "manifest", "data/an4_mfcc": "manifest"}
COSTLY |= {"data/an4_wav": "speech", "data/fsdd": "speech", "data/phoenix14t_streams": "manifest"}


@pytest.mark.real_data
@pytest.mark.parametrize(
    "name", [*REAL, *(pytest.param(name, marks=pytest.mark.slow) for name in COSTLY)]
)
def test_the_printed_command_makes_a_corpus(name, shared_data, tmp_path, capsys):
    path = shared_data.parent / name
    assert code("prepare", "guess", str(path)) == 0
    printed = capsys.readouterr().out
    line = printed.partition("to make a corpus of it:\n")[2].replace("\\\n", " ")
    assert line.split()[:3] == ["slr-accel", "prepare", {**REAL, **COSTLY}[name]]
    corpus = run(line, tmp_path / "corpus")
    assert len(corpus.rows) > 0
    if name == "cases/csl_daily":
        assert corpus.layout.signature.startswith("pose 33xyz")
        assert corpus.info.splits["dev"]["sequences"] == 1


@pytest.mark.real_data
def test_videos_are_named_by_the_command_for_videos(shared_data):
    assert " prepare video --videos " in only(shared_data / "formats" / "video").commands[0]
    found = {
        Path(one.path).name: one.commands for one in guess(shared_data.parent / "cases/start_end")
    }
    assert all("prepare video --index" in lines[0] for lines in found.values())
    assert set(found) == {"how2sign.csv", "index.csv"}


@pytest.mark.real_data
def test_each_table_has_its_command_or_its_cure(cases, tmp_path):
    found = {Path(one.path).name: one for one in guess(cases / "tables")}
    assert set(found) == {path.name for path in (cases / "tables").iterdir() if path.is_file()}
    assert "iconv -f cp1252" in found["cp1252.csv"].remarks[0]
    assert not found["abs.csv"].commands
    for name in ("semicolon.csv", "utf16.csv", "tab.tsv", "windows.csv", "pipe.csv", "nfd.csv"):
        assert len(run(found[name].commands[0], tmp_path / name).rows) in (2, 4)


@pytest.mark.real_data
def test_a_table_that_cannot_be_read_has_its_cure_when_asked_alone(cases):
    assert "iconv -f cp1252" in only(cases / "tables" / "cp1252.csv").remarks[0]
    found = only(cases / "tables" / "pylist.csv")
    assert not found.commands and 'a list is ["GOOD", "DAY"]' in found.remarks[0]


def test_a_file_of_several_is_described_by_itself(tmp_path):
    paths = write(tmp_path, np.ones((7, 5)), np.ones((9, 5)))
    found = only(paths[1])
    assert found.path == str(paths[1]) and "9 to 9 frames" in found.facts["arrays"]
    assert f"reads all of {tmp_path}, where 2 such files lie" in found.remarks[-1]
    paths[0].unlink()
    assert only(paths[1]).path == str(tmp_path)


def test_zeros_and_nan_are_told_together(tmp_path):
    points = holistic(12)
    points[8, 0] = np.nan
    write(tmp_path / "s" / "A", points.reshape(12, -1))
    found = only(tmp_path / "s")
    assert found.facts["absence"] == "zeros and NaN"
    corpus = run(found.commands[0], tmp_path / "corpus")
    assert np.flatnonzero(~corpus.presence(0)[:, 1]).tolist() == [1]
    assert corpus.presence(0)[:, 0].all() and np.isfinite(corpus.features(0)).all()


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["data/phoenix2014", "data/curves", "data/README.md"])
def test_what_no_command_reads_is_said(name, shared_data, capsys):
    assert code("prepare", "guess", str(shared_data.parent / name)) == 1
    assert "no command reads this as it is" in capsys.readouterr().out


@pytest.mark.real_data
def test_a_folder_of_several_sources_has_a_command_for_each(shared_data):
    kinds = {one.commands[0].split()[2] for one in guess(shared_data / "formats")}
    assert kinds == {"mp_data", "pose", "skels", "video"}
    everything = [one for one in guess(shared_data.parent / "cases") if one.commands]
    assert {line.split()[2] for one in everything for line in one.commands} == {
        *("manifest", "pose", "keypoints", "video")
    }


# Arrays.


def test_a_folder_a_word_needs_no_index(tmp_path):
    source = tmp_path / "my signs"
    for word in ("HELLO", "GOOD DAY"):
        write(source / word, *(holistic(seed=seed) for seed in range(5)))
    found = only(source)
    assert "--layout mediapipe_holistic --missing zeros" in found.commands[0]
    corpus = run(found.commands[0], tmp_path / "corpus")
    assert {tuple(corpus.labels(row)) for row in range(10)} == {("HELLO",), ("GOOD-DAY",)}
    assert corpus.info.splits["dev"]["sequences"] == 2
    assert corpus.rows.id(0) == "GOOD-DAY/clip0"


@pytest.mark.parametrize(
    ("columns", "layout"),
    [
        (range(75), "mediapipe_pose_hands"),
        (range(33), "mediapipe_pose"),
        (range(33, 75), "mediapipe_hands"),
    ],
)
@pytest.mark.parametrize("is_flat", [True, False])
def test_parts_of_mediapipe_are_known_by_their_width(tmp_path, columns, layout, is_flat):
    values = holistic()[:, columns]
    write(tmp_path / "s" / "A", values.reshape(6, -1) if is_flat else values)
    found = only(tmp_path / "s")
    assert f"--layout {layout}" in found.commands[0]
    corpus = run(found.commands[0], tmp_path / "corpus")
    shown = corpus.presence(0).all(axis=1)
    np.testing.assert_allclose(corpus.features(0)[shown], values.reshape(6, -1)[shown], atol=1e-3)


def test_another_order_of_blocks_is_found_and_undone(tmp_path):
    points = holistic()
    stored = np.concatenate([points[:, :33], points[:, 75:], points[:, 33:75]], axis=1)
    write(tmp_path / "s" / "A", stored.reshape(6, -1), stored.reshape(6, -1))
    found = only(tmp_path / "s")
    assert "--block_order pose,face,left_hand,right_hand" in found.commands[0]
    corpus = run(found.commands[0], tmp_path / "corpus")
    np.testing.assert_allclose(corpus.features(0)[0], points[0].reshape(-1), atol=1e-3)
    assert corpus.layout.signature.startswith("pose 33xyz, left_hand")


@pytest.mark.parametrize("columns", [1629, 1662, 258, 225, 126, 150, 399])
def test_columns_of_another_meaning_are_not_called_landmarks(tmp_path, columns):
    random = np.random.default_rng(0)
    write(tmp_path / "s" / "A", *(random.normal(size=(9, columns)) for _ in range(3)))
    found = only(tmp_path / "s")
    assert "--layout" not in found.commands[0]
    assert "not its points" in found.facts["points"]


def test_pixels_are_told(tmp_path):
    write(tmp_path / "s" / "A", (holistic() * 500).reshape(6, -1))
    found = only(tmp_path / "s")
    assert found.facts["units"] == "pixels"
    assert "--frame_size WIDTHxHEIGHT" in found.commands[0]


def test_archives_and_other_containers_are_read(tmp_path):
    folder = tmp_path / "s" / "A"
    folder.mkdir(parents=True)
    np.savez(folder / "a.npz", features=np.ones((4, 3)))
    save_file({"x": np.ones((4, 3), np.float32)}, folder / "b.safetensors")
    assert run(only(tmp_path / "s").commands[0], tmp_path / "corpus").layout.columns == 3


# Files, and the form of the answer.


def test_annotations_lead_to_their_recordings(tmp_path):
    (tmp_path / "train.csv").write_text("id|gloss\n00_0001|A B\n")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"00_0001": np.ones((4, 86, 2), np.float32)}))
    np.savez(tmp_path / "b.npz", x=np.ones((4, 3)), y=np.ones((4, 3)))
    for name in ("train.csv", "a.pkl", "b.npz"):
        assert "--annotations" in only(tmp_path / name).commands[0]


def test_a_pickle_that_would_run_code_is_told(tmp_path, payload):
    (tmp_path / "a.pkl").write_bytes(payload.pickled)
    found = only(tmp_path)
    assert not found.commands
    assert "nothing of the file was executed" in found.remarks[0]


def test_a_source_that_is_not_there_is_an_error(tmp_path, capsys):
    assert code("prepare", "guess", str(tmp_path / "none")) != 0
    assert "no such file or folder" in capsys.readouterr().err


def test_an_empty_folder_is_told(tmp_path):
    assert only(tmp_path).what == "not recognised"


def test_json_has_what_is_printed(tmp_path, capsys):
    write(tmp_path / "A", np.ones((4, 3)))
    assert code("prepare", "guess", "--json", str(tmp_path)) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found == only(tmp_path).to_json()
    assert set(found) == {"path", "what", "facts", "commands", "remarks"}


def test_lines_have_80_columns_and_the_command_stays_one(tmp_path):
    source = tmp_path / "it's a folder" / ("long" * 9)
    write(source / "A", holistic().reshape(6, -1))
    found = only(source)
    lines = as_text(found).splitlines()
    assert all(len(line) <= 80 for line in lines if str(tmp_path) not in line)
    shown = "\n".join(lines[lines.index("to make a corpus of it:") + 1 :])
    assert shlex.split(shown.replace("\\\n", " ")) == shlex.split(found.commands[0])


def test_what_this_project_made_is_no_source(tiny_corpus: Path, plain_run: Path) -> None:
    for folder, command in ((tiny_corpus, "slr-accel inspect"), (plain_run, "slr-accel diagnose")):
        (found,) = guess(folder)
        assert not found.commands and command in found.remarks[0]


def test_arrays_are_read_where_the_path_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "a.npy", np.ones((9, 543, 3), np.float32))
    (tmp_path / "data" / "index.csv").write_text("id,split,features,labels\na,train,a.npy,X\n")
    monkeypatch.chdir(tmp_path)
    (found,) = guess(Path("data"))
    assert "mediapipe_holistic" in found.commands[0]
