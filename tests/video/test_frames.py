"""Videos and folders of pictures as frames."""

import struct
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from video_helpers import BLACK, RED, greys, plain, write_pictures, write_video

from slr_accel.video.frames import read_frames

av = pytest.importorskip("av", reason="the extra `video` is not installed")


def corner_red() -> np.ndarray:
    """64 x 48, red in the upper left quarter."""
    image = plain(BLACK)
    image[:24, :32] = RED
    return image


def red_corner(image: np.ndarray) -> str:
    height, width = image.shape[:2]
    reds = image[:, :, 0].astype(int)
    corners = {
        "upper left": reds[: height // 2, : width // 2],
        "upper right": reds[: height // 2, width // 2 :],
        "lower left": reds[height // 2 :, : width // 2],
        "lower right": reds[height // 2 :, width // 2 :],
    }
    return max(corners, key=lambda name: corners[name].mean())


def turned(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Sets the matrix of the track header, [a b u; c d v; x y w] (ISO 14496-12, 8.3.2)."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    content[matrix : matrix + 36] = struct.pack(
        ">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30
    )
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["v.mp4", "v.mov", "v.webm", "v.mkv"])
def test_a_video_gives_all_its_frames_in_order_with_their_times(name: str, tmp_path: Path) -> None:
    times = [0, 0.04, 0.08, 0.2, 0.21, 0.5, 1.0]
    frames = list(read_frames(write_video(tmp_path / name, greys(7), times)))
    np.testing.assert_allclose([f.time for f in frames], times, atol=1e-3)
    np.testing.assert_allclose([f.image.mean() for f in frames], 10.0 * np.arange(7), atol=3)


@pytest.mark.parametrize(
    ("matrix", "shape", "corner"),
    [
        ((1, 0, 0, 1), (48, 64, 3), "upper left"),
        # (x, y) -> (-y, x) with y downwards: a quarter to the right.
        ((0, 1, -1, 0), (64, 48, 3), "upper right"),
        ((0, -1, 1, 0), (64, 48, 3), "lower left"),
        ((-1, 0, 0, -1), (48, 64, 3), "lower right"),
    ],
)
def test_a_phones_rotation_is_honoured(
    matrix: tuple[int, int, int, int], shape: tuple[int, ...], corner: str, tmp_path: Path
) -> None:
    path = turned(write_video(tmp_path / "v.mp4", [corner_red()] * 3), *matrix)
    for frame in read_frames(path):
        assert frame.image.shape == shape
        assert red_corner(frame.image) == corner


def test_pictures_are_upright_by_their_exif(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "frames"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    Image.fromarray(corner_red()).save(folder / "0.jpg", exif=exif, quality=95)
    (frame,) = read_frames(folder)
    assert frame.image.shape == (64, 48, 3)
    assert red_corner(frame.image) == "upper right"


@pytest.mark.parametrize(
    "name", ["{}.png", "frame_{:04d}.png", "2010_x_fn{:06d}-0.png", "a7.avi_{:03d}.png"]
)
def test_pictures_are_ordered_by_the_number_that_varies(name: str, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "frames", greys(12), name)
    (folder / "Thumbs.db").write_bytes(b"x")
    frames = list(read_frames(folder))
    assert [f.time for f in frames] == list(range(12))
    assert [f.image[0, 0, 0] for f in frames] == [10 * i for i in range(12)]


def broken(problem: str, folder: Path) -> Path:
    """A source with something wrong."""
    if problem == "cut off":
        path = write_video(folder / "v.mp4", greys(20))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif problem == "not a video":
        path = folder / "v.mp4"
        path.write_bytes(b"hello" * 1000)
    elif problem == "no such":
        path = folder / "none.mp4"
    elif problem == "suffix":
        path = folder / "v.txt"
        path.write_text("hello")
    else:
        path = write_pictures(folder / "frames", greys(6))
        first, third = path / "frame_0000.png", path / "frame_0002.png"
        if problem == "gap":
            third.unlink()
        elif problem == "sizes":
            write_pictures(folder / "others", [plain(RED, 20, 30)])
            (folder / "others" / "frame_0000.png").replace(third)
        elif problem == "damaged picture":
            third.write_bytes(third.read_bytes()[:60])
        elif problem == "two for one frame":
            (path / "frame_0002.jpg").write_bytes(third.read_bytes())
        elif problem == "names":
            first.rename(path / "cover.png")
        elif problem == "empty":
            [p.unlink() for p in path.iterdir()]
    return path


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("cut off", "v.mp4: cannot be decoded"),
        ("not a video", "v.mp4: cannot be decoded"),
        ("no such", "none.mp4: no such video or folder of frames"),
        ("suffix", "v.txt: videos are .mp4"),
        ("gap", "frames: 1 frames are missing, the first is number 2"),
        ("sizes", "frame_0002.png: is 30 x 20 pixels, but the frames before it are 64 x 48"),
        ("damaged picture", "frame_0002.png: not readable as a picture"),
        ("two for one frame", "frame_0002.jpg and frame_0002.png are one frame"),
        ("names", r"names of its frames \(cover.png, ..., frame_0005.png\) should differ in one"),
        ("empty", "frames: has no frames"),
    ],
)
def test_what_is_wrong_with_a_source_is_said(problem: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        list(read_frames(broken(problem, tmp_path)))


@pytest.mark.real_data
def test_a_video_cut_off_in_the_middle_is_an_error_not_a_shorter_video(
    shared_data: Path, tmp_path: Path
) -> None:
    """With the index at its begin, as the web has it, the frames before the cut do decode."""
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    source = shared_data / "formats" / "video" / "yo_001.mp4"
    with av.open(source) as old, av.open(whole, "w", options={"movflags": "faststart"}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert sum(1 for _ in read_frames(whole)) == 55
    with pytest.raises(ValueError, match=r"cut\.mp4: cannot be decoded"):
        list(read_frames(cut))


@pytest.mark.parametrize("name", ["v.webm", "v.mkv", "v.avi", "v.mp4"])
def test_a_cut_that_leaves_frames_that_decode_is_found(name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(100)]
    path = write_video(tmp_path / name, images)
    assert sum(1 for _ in read_frames(path)) == 100
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"is cut off; its header announces 4\.00 s|be decoded"):
        list(read_frames(path))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("v.mp4", "libvpx-vp9"), ("v.mp4", "mpeg4"), ("v.mov", "mpeg4"), ("v.mp4", "libx264")],
)
def test_a_cut_between_two_frames_behind_an_index_at_the_begin_is_found(
    name: str, codec: str, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(60)]
    path = write_video(tmp_path / name, images, codec=codec, movflags="faststart")
    assert sum(1 for _ in read_frames(path)) == 60
    with av.open(path) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.pos]
    path.write_bytes(path.read_bytes()[: places[30]])
    with pytest.raises(ValueError, match=r"is cut off; its header announces 2\.40 s|be decoded"):
        list(read_frames(path))


@pytest.mark.parametrize(("more", "is_whole"), [(0.5, True), (2.0, False)])
def test_a_length_by_the_clock_of_a_web_page_may_be_a_second_off(
    more: float, is_whole: bool, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.webm", greys(20))
    content = bytearray(path.read_bytes().replace(b"DURATION", b"DUR_TION"))
    place = content.index(b"\x44\x89\x88") + 3
    content[place : place + 8] = struct.pack(">d", 1000 * (0.8 + more))
    path.write_bytes(content)
    with nullcontext() if is_whole else pytest.raises(ValueError, match="is cut off"):
        assert len(list(read_frames(path))) == 20


@pytest.mark.parametrize("name", ["v.webm", "v.mkv", "v.mp4"])
def test_a_video_that_begins_late_or_holds_its_last_frame_is_whole(
    name: str, tmp_path: Path
) -> None:
    times = [2.0, 2.04, 2.5, 4.0]
    assert len(list(read_frames(write_video(tmp_path / name, greys(4), times)))) == 4


def test_sound_that_is_longer_than_its_video_makes_it_no_shorter(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(path, "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", 8000)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for image in greys(10):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(video.encode())
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, 1024 * number
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    assert len(list(read_frames(path))) == 10
