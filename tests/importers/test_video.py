"""`prepare video`, with an extractor that needs no MediaPipe."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from prepare_helpers import built
from video_helpers import (
    BLACK,
    BLUE,
    GREEN,
    RED,
    color_extractor,
    extracted,
    greys,
    plain,
    write_pictures,
    write_video,
)

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.corpus.sequence import Segment
from slr_accel.importers.build import build_corpus
from slr_accel.importers.listing import Listing
from slr_accel.importers.machine_parts import Part
from slr_accel.importers.merge import list_parts
from slr_accel.importers.video import list_video
from slr_accel.progress import untracked
from slr_accel.video.holistic import holistic

pytest.importorskip("av", reason="the extra `video` is not installed")
HEADER = "id,split,signer,video,labels,segments,fps\n"


def listed(folder: Path, rows: str = "", **options) -> Listing:
    """Of an index with these rows, or of `folder/videos`."""
    if rows:
        (folder / "index.csv").write_text(HEADER + rows)
    return list_video(
        folder / "index.csv" if rows else None,
        None if rows else folder / "videos",
        work=folder / "c.landmarks",
        extractor=color_extractor(folder / "log"),
        **{"workers": 2, **options},
    )


def reds(corpus: Corpus, row: int, block: str = "pose") -> np.ndarray:
    """[T] the first value of a block, from 0 to 255."""
    return corpus.features(row)[:, corpus.layout.slices[block]][:, 0] * 255


def test_an_id_may_be_longer_than_a_files_name(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [plain((100, 100, 100))] * 3)
    ids = [28 * "\u00fc" + more for more in (12 * "\u00fc", 12 * "\u00e4")]
    rows = "".join(f"{name},train,anna,a.mp4,HELLO,,\n" for name in ids)
    corpus = built(listed(tmp_path, rows), tmp_path / "c")
    assert [corpus.rows.id(row) for row in (0, 1)] == ids


def test_rows_become_sequences_with_labels_and_absent_hands(tmp_path: Path) -> None:
    write_video(tmp_path / "a b.mp4", [plain((100, 100, 100))] * 10)
    write_pictures(tmp_path / "green", [plain((40, 250, 40))] * 5)
    rows = "s1,train,anna,a b.mp4,HELLO WORLD,,\ns2,dev,ben,green,HELLO,,\n"
    corpus = built(listed(tmp_path, rows), tmp_path / "c")
    assert corpus.info.frames_per_second == 25
    assert corpus.rows.frames.tolist() == [10, 5]
    assert [corpus.labels(row) for row in (0, 1)] == [["HELLO", "WORLD"], ["HELLO"]]
    assert [corpus.rows.signer(row) for row in (0, 1)] == ["anna", "ben"]
    hands = [corpus.layout.block_index(name) for name in ("left_hand", "right_hand")]
    assert not corpus.presence(0)[:, hands].any()
    assert (reds(corpus, 0, "left_hand") == 0).all()
    assert corpus.presence(1).all()
    np.testing.assert_allclose(reds(corpus, 0), 100, atol=3)
    np.testing.assert_allclose(reds(corpus, 1), 40, atol=0.2)
    assert (tmp_path / "c.preview.png").stat().st_size > 10_000
    assert sorted(path.name for path in (tmp_path / "c.landmarks").iterdir()) == [
        "s1.safetensors",
        "s2.safetensors",
    ]


def test_other_frame_rates_and_uneven_times_are_resampled(tmp_path: Path) -> None:
    """Red rises evenly in time, 10 every 40 ms, however the frames lie."""
    times = [0, 0.04, 0.12, 0.16, 0.32, 0.4, 0.8]
    images = [plain((round(250 * t),) * 3) for t in times]
    write_video(tmp_path / "v.mp4", images, times)
    write_pictures(tmp_path / "f", greys(11))
    rows = "v,train,,v.mp4,A,,\nf,train,,f,A,,50\n"
    corpus = built(listed(tmp_path, rows, fps=12.5), tmp_path / "c")
    assert corpus.rows.frames.tolist() == [11, 3]
    np.testing.assert_allclose(reds(corpus, 0), 250 * np.arange(11) * 0.08, atol=3)
    np.testing.assert_allclose(reds(corpus, 1), [0, 40, 80], atol=0.2)


def test_segments_are_given_in_frames_of_the_video(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", greys(20), [i / 50 for i in range(20)])
    rows = 'v,train,,v.mp4,A B,"[[0, 8, ""A""], [8, 20, ""B""]]",\n'
    sequence = built(listed(tmp_path, rows), tmp_path / "c").sequence(0)
    assert sequence.segments == [Segment(0, 4, "A"), Segment(4, 10, "B")]


def test_an_id_may_hold_what_a_file_name_may_not(tmp_path: Path) -> None:
    write_pictures(tmp_path / "f", greys(3)[1:])
    corpus = built(listed(tmp_path, "train/../1:x,train,,f,A,,\n"), tmp_path / "c")
    assert corpus.rows.id(0) == "train/../1:x"
    assert len(list((tmp_path / "c.landmarks").iterdir())) == 1


def test_confidence_is_kept_or_left_out(tmp_path: Path) -> None:
    write_pictures(tmp_path / "f", [plain(GREEN)] * 3)
    rows = "s,train,,f,A,,\n"
    full = built(listed(tmp_path, rows), tmp_path / "c")
    plain_corpus = built(listed(tmp_path, rows, confidence=False), tmp_path / "d")
    assert (full.layout.columns, plain_corpus.layout.columns) == (1662, 1629)
    assert extracted(tmp_path / "log") == 1


def test_what_a_folder_of_videos_leaves_out_is_named(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "a.mp4", greys(3)[1:])
    for name in ("b.MTS", "notes.txt"):
        (tmp_path / "videos" / name).write_bytes(b"")
    (note,) = listed(tmp_path).notes
    assert "2 left out, neither videos" in note
    assert note.endswith("b.MTS, notes.txt")


def test_two_videos_of_one_id_are_refused(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("a.mp4", "a.mov"):
        write_video(videos / name, greys(3)[1:])
    with pytest.raises(ValueError, match=r"a\.mp4: id 'a' was used at .*a\.mov"):
        built(listed(tmp_path), tmp_path / "c")


def test_a_folder_of_videos_is_an_unlabelled_test_split(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    write_video(videos / "my clip.webm", greys(5)[1:])
    write_video(videos / "B.mp4", greys(5)[1:])
    write_pictures(videos / "frames", greys(5)[1:])
    (videos / "notes.txt").write_text("x")
    (videos / "empty").mkdir()
    corpus = built(listed(tmp_path), tmp_path / "c")
    assert [corpus.rows.id(row) for row in range(3)] == ["B", "frames", "my_clip"]
    assert {corpus.rows.split(row) for row in range(3)} == {"test"}


def test_what_was_extracted_is_not_extracted_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_pictures(tmp_path / name, greys(3)[1:])
    built(listed(tmp_path, "a,train,,a,A,,\n"), tmp_path / "c")
    built(listed(tmp_path, "a,dev,x,a,B,,\nb,train,,b,A,,\n", fps=5), tmp_path / "d")
    assert extracted(tmp_path / "log") == 2


def test_a_dead_process_costs_its_own_video_only_and_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "deadly", [plain(RED)] * 3)
    for name in ("a1", "a2", "a3"):
        write_pictures(tmp_path / name, greys(3)[1:])
    rows = "".join(f"{n},train,,{n},A,,\n" for n in ("a1", "deadly", "a2", "a3"))
    with pytest.raises(ValueError, match=r"index\.csv:3: deadly: the process .* died \(SIGSEGV\)"):
        built(listed(tmp_path, rows), tmp_path / "c")
    assert not (tmp_path / "c").exists()
    corpus = built(listed(tmp_path, rows), tmp_path / "c", allow_skips=True)
    assert [corpus.rows.id(row) for row in range(3)] == ["a1", "a2", "a3"]
    assert extracted(tmp_path / "log") == 3


def test_videos_that_cannot_be_used_are_all_named_and_can_be_skipped(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video" * 500)
    write_pictures(tmp_path / "nobody", [plain(BLACK)] * 4)
    write_pictures(tmp_path / "gap", greys(4)[1:])
    (tmp_path / "gap" / "frame_0001.png").unlink()
    write_pictures(tmp_path / "good", greys(4)[1:])
    names = ["bad.mp4", "nobody", "gap", "good", "absent.mp4"]
    rows = "".join(f"{name},train,,{name},A,,\n" for name in names)
    with pytest.raises(ValueError, match="4 problems, nothing was written") as raised:
        built(listed(tmp_path, rows), tmp_path / "c")
    for line, told in {
        2: "bad.mp4: cannot be decoded",
        3: "no person was found in any of its 4 frames",
        4: "1 frames are missing, the first is number 1",
        6: "absent.mp4: no such video",
    }.items():
        assert any(f"index.csv:{line}" in m and told in m for m in str(raised.value).splitlines())
    corpus = built(listed(tmp_path, rows), tmp_path / "c", allow_skips=True)
    assert corpus.rows.id(0) == "good"
    assert len(corpus.info.source["skipped"]) == 4


def test_a_wrong_index_is_told_before_anything_is_extracted(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", greys(3)[1:])
    rows = "a,train,,a.mp4,A,,30\nb,train,,a.mp4;a.mp4,A,,\nc,,,a.mp4,A,,\n"
    with pytest.raises(ValueError, match="3 problems") as raised:
        built(listed(tmp_path, rows), tmp_path / "c")
    for told in ("has `fps`, but a video", "names 2 videos", "`split` is missing"):
        assert told in str(raised.value)
    assert extracted(tmp_path / "log") == 0


@pytest.mark.parametrize(
    ("options", "message"), [({"fps": 0}, "--fps is 0"), ({"workers": 0}, "--workers is 0")]
)
def test_wrong_options_are_refused(options: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        listed(tmp_path, "a,train,,a,A,,\n", **options)


@pytest.mark.skipif(find_spec("mediapipe") is not None, reason="mediapipe is installed")
def test_a_missing_extra_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"mediapipe is not installed.*-video\.txt -e '\.\[video\]'"
    ):
        holistic()


def test_a_video_with_a_name_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    foreign = tmp_path / "videos" / os.fsdecode(b"M\xfcller.mp4")
    foreign.write_bytes(b"video")
    with pytest.raises(ValueError, match=r"ller\.mp4: id .* is not UTF-8 text"):
        built(listed(tmp_path), tmp_path / "c")


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    with pytest.raises(ValueError, match="holds neither videos"):
        listed(tmp_path)


def test_shards_merge_to_what_one_machine_makes(tmp_path: Path) -> None:
    for number in range(4):
        write_pictures(tmp_path / f"f{number}", greys(4 + number)[1:])
    rows = "".join(f"{n},train,,f{n},A,,\n" for n in range(4))
    whole = built(listed(tmp_path, rows), tmp_path / "whole")
    for index in range(2):
        build_corpus(listed(tmp_path, rows), tmp_path / "c", part=Part(index, 2), track=untracked)
    merged = built(list_parts(tmp_path / "c"), tmp_path / "c")
    for path in whole.folder.iterdir():
        assert (merged.folder / path.name).read_bytes() == path.read_bytes()


def test_a_part_without_any_readable_video_has_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    found = listed(tmp_path, "a,train,,a.mp4,A,,\n")
    part = build_corpus(found, tmp_path / "c", part=Part(0, 1), allow_skips=True, track=untracked)
    assert part.preview is None and part.skipped
    assert "could not be drawn (it has no sequences)" in found.notes[-1]


PREPARE = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from prepare_helpers import built
from test_video import listed
if __name__ == "__main__":
    built(listed(Path(sys.argv[2]), sys.argv[3]), Path(sys.argv[2]) / "c")
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_after_a_kill_the_same_command_goes_on(ending: signal.Signals, tmp_path: Path) -> None:
    """Two good videos, then two that take for ever; once those are repaired, only they remain."""
    script = tmp_path / "prepare.py"
    script.write_text(PREPARE)
    for name, color in {"a": GREEN, "b": GREEN, "y": BLUE, "z": BLUE}.items():
        write_pictures(tmp_path / name, [plain(color)] * 3)
    rows = "".join(f"{n},train,,{n},A,,\n" for n in "abyz")
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    run = subprocess.Popen(
        [sys.executable, str(script), str(Path(__file__).parent), str(tmp_path), rows],
        env={**os.environ, "PYTHONPATH": paths},
        stderr=subprocess.DEVNULL,
        # Who starts tests in the background may have them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    # A line in the log comes before the file; an interrupt between the two loses a video.
    while len(list(tmp_path.glob("c.landmarks/[!.]*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert extracted(tmp_path / "log") == 2
    run.send_signal(ending)
    assert run.wait(60) != 0
    assert not (tmp_path / "c").exists()
    for name in "yz":
        for path in (tmp_path / name).iterdir():
            path.unlink()
        (tmp_path / name).rmdir()
        write_pictures(tmp_path / name, [plain(GREEN)] * 3)
    built(listed(tmp_path, rows), tmp_path / "c")
    assert extracted(tmp_path / "log") == 4
    assert len(open_corpus(tmp_path / "c").rows) == 4
