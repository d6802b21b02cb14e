"""Files of the pose-format library become a corpus by the names of their points."""

import json
import re
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from prepare_helpers import assert_shards_join, built, half_step, points_of

from slr_accel.corpus.reader import Corpus
from slr_accel.importers.pose import list_pose, list_pose_folder
from slr_accel.importers.pose_files import read_pose
from slr_accel.layouts.named_layouts import mediapipe_holistic

pytest.importorskip("pose_format", reason="the extra `pose` is not installed")

LAYOUT = mediapipe_holistic(confidence=True)
COMPONENT_OF = {
    "pose": "POSE_LANDMARKS",
    "face": "FACE_LANDMARKS",
    "left_hand": "LEFT_HAND_LANDMARKS",
    "right_hand": "RIGHT_HAND_LANDMARKS",
}


def mediapipe_name(block: str, number: int, point: str) -> str:
    if block == "face":
        return str(number)
    finger, _, joint = point.partition("_")
    if block != "pose" and finger in ("index", "middle", "ring"):
        return f"{finger}_finger_{joint}".upper()
    return point.upper()


def component_points(face: int = 468) -> dict[str, list[str]]:
    """{component: its points}, in the order pose-format writes them."""
    points = {
        component: [
            mediapipe_name(block, i, name) for i, name in enumerate(LAYOUT.block(block).points)
        ]
        for block, component in COMPONENT_OF.items()
    }
    points["FACE_LANDMARKS"] = [str(i) for i in range(face)]
    points["POSE_WORLD_LANDMARKS"] = points["POSE_LANDMARKS"]
    return points


@dataclass
class PoseFile:
    """A .pose file as its specification has it (docs/specs of pose-format), versions 0.1 and 0.2.

    `data` [frames, people, points, 3] and `confidence` [frames, people, points] are made where
    they are not given: every value is another, and all points are seen.
    """

    components: dict[str, list[str]] = field(default_factory=component_points)
    width: int = 640
    height: int = 480
    fps: float = 25.0
    frames: int = 6
    people: int = 1
    version: float = 0.2
    data: np.ndarray | None = None
    confidence: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = (self.frames, self.people, sum(map(len, self.components.values())))
        random = np.random.default_rng(7)
        if self.data is None:
            self.data = random.uniform(1, 400, (*shape, 3)).astype(np.float32)
        if self.confidence is None:
            self.confidence = np.ones(shape, np.float32)

    def points(self, component: str) -> slice:
        start = 0
        for name, points in self.components.items():
            if name == component:
                return slice(start, start + len(points))
            start += len(points)
        raise KeyError(component)

    def write(self, path: Path) -> Path:
        def text(value: str) -> bytes:
            return struct.pack("<H", len(value)) + value.encode()

        size = (self.width, self.height, 0)
        parts = [struct.pack("<fHHHH", self.version, *size, len(self.components))]
        for name, points in self.components.items():
            parts += [text(name), text("XYZC"), struct.pack("<HHH", len(points), 1, 1)]
            parts += [text(point) for point in points]
            parts += [struct.pack("<HH", 0, 1), struct.pack("<HHH", 255, 0, 0)]
        count = len(self.data)
        if self.version < 0.15:
            parts.append(struct.pack("<HHH", int(self.fps), count, self.people))
        else:
            parts.append(struct.pack("<fIH", self.fps, count, self.people))
        parts += [self.data.astype("<f4").tobytes(), self.confidence.astype("<f4").tobytes()]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(parts))
        return path


def read_by_specification(path: Path) -> PoseFile:
    """An independent reading of a version 0.2 file."""
    content, at = path.read_bytes(), 0

    def take(form: str) -> tuple:
        nonlocal at
        values = struct.unpack_from("<" + form, content, at)
        at += struct.calcsize("<" + form)
        return values

    def text() -> str:
        (length,) = take("H")
        return take(f"{length}s")[0].decode()

    version, width, height, _, count = take("fHHHH")
    assert round(version, 3) == 0.2
    components = {}
    for _ in range(count):
        name, form = text(), text()
        assert form == "XYZC"
        points, limbs, colours = take("HHH")
        components[name] = [text() for _ in range(points)]
        at += 4 * limbs + 6 * colours
    fps, frames, people = take("fIH")
    shape = (frames, people, sum(map(len, components.values())))
    size = 4 * int(np.prod(shape))
    assert len(content) == at + 4 * size
    data = np.frombuffer(content, "<f4", 3 * size // 4, at).reshape(*shape, 3)
    confidence = np.frombuffer(content, "<f4", offset=at + 3 * size).reshape(shape)
    return PoseFile(components, width, height, fps, frames, people, 0.2, data, confidence)


def index_of(folder: Path, *lines: str, header: str = "path,split,glosses") -> Path:
    path = folder / "index.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """a.pose, b.pose and an index of them."""
    PoseFile().write(tmp_path / "a.pose")
    PoseFile(frames=9).write(tmp_path / "b.pose")
    index_of(tmp_path, "a.pose,train,HELLO WORLD", "b.pose,dev,HELLO")
    return tmp_path


def prepare(folder: Path, **options) -> Corpus:
    return built(list_pose(folder / "index.csv", **options), folder / "out" / "corpus")


def refused(folder: Path, **options) -> str:
    with pytest.raises(ValueError) as error:
        prepare(folder, **options)
    assert not (folder / "out").exists()
    return str(error.value)


def prepared(file: PoseFile, folder: Path) -> Corpus:
    file.write(folder / "files" / "a.pose")
    return built(list_pose_folder(folder / "files"), folder / "corpus")


# What a file becomes.


def in_heights(file: PoseFile) -> np.ndarray:
    """[T, points, 3] of the first person in units of the frame's height; z keeps its middle."""
    points, aspect = file.data[:, 0].astype(np.float64), file.width / file.height
    middle = np.median(file.data[:, 0, :, 2])
    middle = middle if abs(middle) > 5 else 0
    depth = middle + (points[..., 2] - middle) * aspect
    return np.stack([points[..., 0] / file.height, points[..., 1] / file.height, depth], axis=-1)


def check_points(path: Path, file: PoseFile) -> None:
    """Every point of every block is the one that has its name in the file."""
    features = read_pose(path).features
    expected_points = in_heights(file)
    for block, component in COMPONENT_OF.items():
        own = file.points(component)
        for number, point in enumerate(LAYOUT.block(block).points):
            name = mediapipe_name(block, number, point)
            at = own.start + file.components[component].index(name)
            columns = LAYOUT.point_columns(f"{block}.{point}", ("x", "y", "z"))
            expected = expected_points[:, at]
            np.testing.assert_allclose(features[:, columns], expected, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("version", [0.1, 0.2])
def test_every_point_has_its_place(tmp_path, version):
    file = PoseFile(version=version)
    check_points(file.write(tmp_path / "a.pose"), file)


def test_points_go_by_their_names_not_by_their_order(tmp_path):
    random = np.random.default_rng(3)
    points = component_points()
    names = random.permutation(list(points)).tolist()
    file = PoseFile({name: random.permutation(points[name]).tolist() for name in names})
    check_points(file.write(tmp_path / "a.pose"), file)


def test_of_a_refined_face_the_irises_are_left_out(tmp_path, folder):
    file = PoseFile(component_points(face=478))
    check_points(file.write(tmp_path / "a.pose"), file)
    (note,) = prepare(folder).info.source["notes"]
    assert "1 of 2 files have 478 face points" in note


def test_absent_hands_are_absent_not_zero_positions(tmp_path):
    file = PoseFile()
    file.confidence[2:4, 0, file.points("LEFT_HAND_LANDMARKS")] = 0
    file.confidence[5, 0, file.points("RIGHT_HAND_LANDMARKS")] = 0
    file.confidence[0, 0, file.points("FACE_LANDMARKS").start + 5] = 0
    corpus = prepared(file, tmp_path)
    features, presence = corpus.features(0), corpus.presence(0)
    absent = {
        block: np.flatnonzero(~presence[:, LAYOUT.block_index(block)]).tolist()
        for block in COMPONENT_OF
    }
    assert absent == {"pose": [], "left_hand": [2, 3], "right_hand": [5], "face": []}
    for block, frames in absent.items():
        assert not features[frames, LAYOUT.slices[block]].any()


def test_the_pose_keeps_its_confidence(tmp_path):
    file = PoseFile()
    own = file.points("POSE_LANDMARKS")
    file.confidence[:, 0, own] = np.random.default_rng(1).uniform(0, 1, (6, 33))
    file.confidence[4, 0, own] = 0
    file.confidence[0, 0, own.start] = 0
    corpus = prepared(file, tmp_path)
    features, presence = corpus.features(0), corpus.presence(0)
    columns = [
        LAYOUT.point_columns(f"pose.{name}", ("confidence",))[0]
        for name in LAYOUT.block("pose").points
    ]
    np.testing.assert_array_equal(features[:, columns], file.confidence[:, 0, own])
    assert presence[:, LAYOUT.block_index("pose")].tolist() == [True] * 4 + [False, True]


def test_a_point_without_confidence_is_filled_not_at_0(tmp_path):
    file = PoseFile()
    nose = file.points("POSE_LANDMARKS").start
    file.data[:, 0, nose] = [[100 + 10 * t, 200, 5] for t in range(6)]
    file.confidence[2:4, 0, nose] = 0
    file.data[2:4, 0, nose] = 0
    corpus = prepared(file, tmp_path)
    x, y = corpus.features(0)[:, LAYOUT.point_columns("pose.nose", ("x", "y"))].T
    np.testing.assert_allclose(x, (100 + 10 * np.arange(6)) / 480, rtol=1e-3)
    np.testing.assert_allclose(y, 200 / 480, rtol=1e-3)
    assert corpus.presence(0).all()


# What an index becomes.


def test_a_row_becomes_a_sequence(folder):
    index_of(
        folder,
        'a.pose,one,train,anna,HELLO WORLD,"Hello, world!"',
        "b.pose,,dev,,HELLO,",
        header="path,id,split,signer,glosses,words",
    )
    corpus = prepare(folder)
    assert corpus.record(0) == {
        "id": "one",
        "split": "train",
        "signer": "anna",
        "labels": ["HELLO", "WORLD"],
        "segments": [],
        "text": "Hello, world!",
    }
    assert corpus.record(1)["id"] == "b"
    assert corpus.rows.signer(1) == "unknown"
    assert corpus.info.frames_per_second == 25
    assert len(corpus.features(1)) == 9


def test_milliseconds_cut_a_file(folder):
    rows = ["a.pose,first,0,120", "a.pose,rest,120,0", "a.pose,whole,0,9999"]
    index_of(folder, *[f"{row},train,A" for row in rows], header="path,id,start,end,split,glosses")
    corpus = prepare(folder)
    first, rest, whole = (corpus.features(row) for row in range(3))
    assert (len(first), len(rest), len(whole)) == (3, 3, 6)
    np.testing.assert_array_equal(np.concatenate([first, rest]), whole)


def test_columns_of_the_index_that_are_not_read_are_noted(folder, capsys):
    header = "path,split,glosses,segments,mood"
    index_of(folder, "a.pose,train,A,[[0; 3; A]],glad", header=header)
    listing = list_pose(folder / "index.csv")
    assert listing.notes[0].startswith("index.csv: not read: segments, mood; what is read: path")
    assert built(listing, folder / "out" / "corpus").segments(0) == []


def test_a_row_without_a_path_is_refused(folder):
    (folder / "index.jsonl").write_text('{"path": " ", "split": "train", "glosses": "A"}\n')
    with pytest.raises(ValueError, match=r"index\.jsonl:1: `path` is missing"):
        list_pose(folder / "index.jsonl")


def test_a_number_chooses_rows_as_it_is_written(folder):
    rows = [{"path": f"{name}.pose", "split": "train", "glosses": "A"} for name in "ab"]
    rows[1]["year"] = 2020
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "index.jsonl").write_text(text)
    listing = list_pose(folder / "index.jsonl", only="year=2020")
    assert [item.id for item in listing.items] == ["b"]


def test_a_folders_files_may_have_names_with_spaces(tmp_path):
    PoseFile().write(tmp_path / "my clips" / "one two.pose")
    assert [item.id for item in list_pose_folder(tmp_path).items] == ["my_clips/one_two"]


def test_rows_without_a_split_are_divided(folder):
    for number in range(8):
        PoseFile().write(folder / f"{number}.pose")
    index_of(folder, *[f"{number}.pose,HELLO" for number in range(8)], header="path,glosses")
    assert prepare(folder, dev_share=0.25).info.splits["dev"]["sequences"] == 2


def test_rows_can_be_chosen_by_a_column(folder):
    corpus = prepare(folder, only="split=dev")
    assert [corpus.rows.id(row) for row in range(len(corpus.rows))] == ["b"]


@pytest.mark.parametrize("only", ["split", "language=ase", "split=test"])
def test_a_choice_that_finds_nothing_is_refused(folder, only):
    message = "has no rows with split=test" if only == "split=test" else "COLUMN one of glosses"
    assert message in refused(folder, only=only)


def test_a_folder_becomes_an_unlabelled_split(folder):
    PoseFile().write(folder / "more" / "c.pose")
    corpus = built(list_pose_folder(folder), folder / "out" / "corpus")
    found = [(corpus.rows.id(row), corpus.rows.split(row), corpus.labels(row)) for row in range(3)]
    assert found == [("a", "test", []), ("b", "test", []), ("more/c", "test", [])]


def test_shards_of_many_machines_join(folder):
    PoseFile().write(folder / "c.pose")
    index_of(folder, *[f"{name}.pose,train,A" for name in "abc"])
    assert_shards_join(list_pose(folder / "index.csv"), folder / "out")


# The real files.


@pytest.mark.real_data
@pytest.mark.parametrize(("language", "fps", "files"), [("ase", 25, 26), ("gsg", 30, 30)])
def test_real_files_have_the_values_an_independent_reading_finds(
    shared_data, tmp_path, language, fps, files
):
    folder = shared_data / "formats" / "pose"
    listing = list_pose(folder / "index.csv", only=f"signed_language={language}")
    corpus = built(listing, tmp_path / "corpus")
    assert len(corpus.rows) == files
    assert corpus.info.frames_per_second == fps
    glosses = {
        line.split(",")[0].removesuffix(".pose"): line.split(",")[6]
        for line in (folder / "index.csv").read_text(encoding="utf-8").splitlines()
    }
    for row in range(files):
        id = corpus.rows.id(row)
        assert corpus.labels(row) == [glosses[id]]
        file = read_by_specification(folder / f"{id}.pose")
        assert file.people == 1
        for block, component in COMPONENT_OF.items():
            names = file.components[component]
            own = [
                file.points(component).start + names.index(mediapipe_name(block, i, point))
                for i, point in enumerate(LAYOUT.block(block).points)
            ]
            confidence = file.confidence[:, 0, own].astype(np.float64)
            seen = corpus.presence(row)[:, corpus.layout.block_index(block)]
            assert seen.tolist() == (confidence > 0).any(axis=1).tolist()
            expected = in_heights(file)[:, own]
            if block == "pose":
                expected = np.concatenate([expected, confidence[..., None]], axis=-1)
            error = np.abs(points_of(corpus, row, block) - expected)
            # Half a step of the storage, and the rounding of the division in float32.
            near = error <= half_step(expected, corpus.info.dtype) + 1e-7
            # A point without confidence is filled.
            assert near[confidence > 0].all()


@pytest.mark.real_data
def test_the_real_right_hand_is_at_the_right_wrist(shared_data, tmp_path):
    listing = list_pose_folder(shared_data / "formats" / "pose" / "ase")
    corpus = built(listing, tmp_path / "corpus")
    wrist, own, other = (
        corpus.layout.point_columns(point, ("x", "y"))
        for point in ("right_hand.wrist", "pose.right_wrist", "pose.left_shoulder")
    )
    for row in range(len(corpus.rows)):
        features = corpus.features(row)
        near = np.linalg.norm(features[:, wrist] - features[:, own], axis=1).mean()
        assert near < np.linalg.norm(features[:, wrist] - features[:, other], axis=1).mean() / 3
        assert not corpus.presence(row)[:, corpus.layout.block_index("left_hand")].any()


@pytest.mark.real_data
def test_the_two_frame_rates_of_the_real_index_are_told(shared_data, tmp_path):
    index = shared_data / "formats" / "pose" / "index.csv"
    with pytest.raises(ValueError, match=r"index\.csv:28: frame rates differ \(25, 30 fps\)"):
        built(list_pose(index), tmp_path / "corpus")


# What is wrong is told, with its place.


def without(component: str) -> dict[str, list[str]]:
    return {name: points for name, points in component_points().items() if name != component}


def reduced_face() -> dict[str, list[str]]:
    return {**component_points(), "FACE_LANDMARKS": [str(3 * i) for i in range(128)]}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (PoseFile(frames=0), "has no frames"),
        (PoseFile(people=2), "holds 2 people"),
        (PoseFile(people=0), "holds 0 people"),
        (PoseFile(width=0), "gives 0 x 480 pixels"),
        (PoseFile(fps=0), "gives 0 frames per second"),
        (PoseFile(fps=float("nan")), "gives nan frames per second"),
        (PoseFile(component_points(face=467)), "FACE_LANDMARKS has 467 points; needed are the 468"),
        (PoseFile(component_points(face=479)), "FACE_LANDMARKS has 479 points"),
        (PoseFile(reduced_face()), "FACE_LANDMARKS has 128 points"),
        (PoseFile(without("LEFT_HAND_LANDMARKS")), "has no LEFT_HAND_LANDMARKS, only POSE_LANDM"),
        (PoseFile(version=0.3), "Unknown version"),
        (PoseFile(confidence=np.full((6, 1, 576), 99.0)), "its confidences are not from 0 to 1"),
        (PoseFile(data=np.full((6, 1, 576, 3), np.nan)), "NaN or infinite, the first in frame 0"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_line(folder, file, message):
    file.write(folder / "b.pose")
    text = refused(folder)
    assert f"{folder / 'index.csv'}:3: b: " in text
    assert message in text
    assert "--allow_skips" in text


@pytest.mark.parametrize("version", [0.1, 0.2])
@pytest.mark.parametrize("kept", [0, 3, 200, 4000, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_told(folder, kept, version):
    path = PoseFile(version=version).write(folder / "b.pose")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    assert re.search(r"index\.csv:3: b: .*(damaged|cut off|has no frames)", refused(folder))


def test_a_file_of_something_else_is_told(folder):
    (folder / "b.pose").write_text("path,split,glosses\n" * 1000)
    assert "not readable as a .pose file" in refused(folder)


def test_broken_files_can_be_skipped_and_are_listed(folder):
    (folder / "b.pose").write_bytes(b"")
    corpus = built(list_pose(folder / "index.csv"), folder / "out", allow_skips=True)
    assert len(corpus.rows) == 1
    assert "index.csv:3: b: " in corpus.info.source["skipped"][0]


def test_a_file_that_is_not_there_is_told(folder):
    (folder / "b.pose").unlink()
    assert "b.pose: no such file" in refused(folder)


def test_differing_frame_rates_are_told(folder):
    PoseFile(fps=30).write(folder / "b.pose")
    message = refused(folder)
    assert "index.csv:3: frame rates differ (25, 30 fps)" in message
    assert prepare(folder, fps=25).rows.frames.tolist() == [6, 5]
    assert "--only COLUMN=VALUE" in message


def test_of_a_folder_with_differing_frame_rates_no_rows_can_be_picked(folder, tmp_path):
    PoseFile(fps=30).write(folder / "b.pose")
    problems = list_pose_folder(folder).problems.messages
    assert any("frame rates differ" in text for text in problems)
    assert not any("--only" in text for text in problems)


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        (["a.pose/train/A"], "path/split/glosses", r":1: the header has .* without path"),
        ([",train,A"], "path,split,glosses", r":2: `path` is missing"),
        (["a.pose,my train,A"], "path,split,glosses", r":2: `split` is 'my train'"),
        (["a.pose,train,A,9,x"], "path,split,glosses,start,end", r":2: `end`: 'x' is no time"),
        (["a.pose,train,A,9,5"], "path,split,glosses,start,end", r":2: `end` is not after `start`"),
        (
            ["a.pose,train,A,999,0"],
            "path,split,glosses,start,end",
            "starts beyond .* 6 frames",
        ),
        (["a.pose,train,A,40,999"], "path,split,glosses,start,end", "ends beyond its recording"),
        (["a.pose,train,A", "a.pose,dev,A"], "path,split,glosses", r":3: id 'a' was used at .*:2"),
        (["a.pose,train,"], "path,split,glosses", r":2: a: has no `labels`"),
        ([], "path,split,glosses", "has no rows"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_with_its_line(folder, lines, header, message):
    index_of(folder, *lines, header=header)
    assert re.search(message, refused(folder))


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no \.pose files"):
        list_pose_folder(tmp_path)


def test_a_missing_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pose_format", None)
    assert "pip install -c constraints.txt -e '.[pose]'" in refused(folder)
