"""The page of an export reads what Python reads of the same landmarks, and sends nothing away."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from devtools_helpers import Tab, browser_tab
from models_helpers import make

from slr_accel.cli import main
from slr_accel.corpus.sequence import Sequence
from slr_accel.corpus.writer import write_corpus
from slr_accel.errors import FetchError
from slr_accel.export.npm_parts import find_archives
from slr_accel.importers.units import to_heights
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.layouts.layout import COORDINATES, Block, Layout
from slr_accel.layouts.points import HAND_POINTS
from slr_accel.layouts.units import HEIGHT
from slr_accel.live.session import LiveSession
from slr_accel.live.streaming import StreamSettings, model_emit
from slr_accel.live.web_server import web_server
from slr_accel.models.folder import load_model, save_model
from slr_accel.video.landmarks import STORED_LAYOUT, Landmarks, columns_of

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.browser

SHOULDERS = ("pose.right_shoulder", "pose.left_shoulder")
# Blocks, points and axes are in another order than MediaPipe's.
LAYOUT = Layout(
    (
        Block("right_hand", HAND_POINTS, COORDINATES),
        Block(
            "pose", ("right_wrist", *(p[5:] for p in SHOULDERS), "nose"), ("confidence", "y", "x")
        ),
        Block("left_hand", HAND_POINTS[::-1], ("x", "y")),
    ),
    origin=SHOULDERS,
    scale=SHOULDERS,
    units=HEIGHT,
)
COLUMNS = columns_of(LAYOUT)
BLOCKS = [STORED_LAYOUT.block_index(block.name) for block in LAYOUT.blocks]
VOCABULARY = Vocabulary(tuple("ABCDEF"), "raw")
SIZE = (64, 48)
RESULTS = {"pose": "pose", "left_hand": "leftHand", "right_hand": "rightHand", "face": "face"}
# It stands in for MediaPipe, which takes seconds a picture without a GPU.
FAKE_HOLISTIC = """
globalThis.Holistic = class {
  constructor() { this.h = this; }
  setOptions(options) { globalThis.options = options; }
  onResults(told) { this.told = told; }
  async initialize() { this.found = await (await fetch("../recorded.json")).json(); }
  reset() { this.number = 0; }
  async send({ image }) {
    globalThis.leftPixel = Array.from(image.getContext("2d").getImageData(4, 24, 1, 1).data);
    this.told(this.found[this.number++ % this.found.length]);
  }
};
"""


def recorded(times: np.ndarray) -> Landmarks:
    """Moving hands, a body that is always there, and blocks that are lost now and then."""
    random = np.random.default_rng(0)
    speed, phase = random.uniform(2, 8, STORED_LAYOUT.columns), random.uniform(0, 6, 1662)
    features = (0.5 + 0.2 * np.sin(times[:, None] * speed + phase)).astype(np.float32)
    for x, side in ((0.6, "left"), (0.4, "right")):
        columns = STORED_LAYOUT.point_columns(f"pose.{side}_shoulder", ("x", "y"))
        features[:, columns] = (x, 0.4)
    presence = random.random((len(times), 4)) < 0.9
    presence[:, 0] = True
    features *= np.repeat(presence, [b.columns for b in STORED_LAYOUT.blocks], axis=1)
    return Landmarks(times, features, presence)


def as_results(landmarks: Landmarks) -> list[dict[str, Any]]:
    """Frames as MediaPipe's JavaScript gives them."""
    frames = []
    for features, presence in zip(landmarks.features, landmarks.presence, strict=True):
        frame = {}
        for block, present in zip(STORED_LAYOUT.blocks, presence, strict=True):
            if present:
                points = features[STORED_LAYOUT.slices[block.name]].reshape(len(block.points), -1)
                names = [{"confidence": "visibility"}.get(axis, axis) for axis in block.axes]
                frame[f"{RESULTS[block.name]}Landmarks"] = [
                    dict(zip(names, point, strict=True)) for point in points.tolist()
                ]
        frames.append(frame)
    return frames


def read_in_python(model: Path, landmarks: Landmarks) -> list[tuple[str, float, float]]:
    """What `live` commits: words with time and confidence."""
    recogniser, vocabulary = load_model(model)
    recogniser.eval()
    session = LiveSession(
        *(model_emit(recogniser), recogniser.output_stride, 25.0, vocabulary, StreamSettings()),
        *(COLUMNS, BLOCKS),
    )
    features = landmarks.features.copy()
    to_heights(features, STORED_LAYOUT, SIZE, pixels=False)
    updates = []
    for time, values, presence in zip(landmarks.times, features, landmarks.presence, strict=True):
        updates += session.add(float(time), values, presence)
    updates.append(session.end())
    return [tuple(word) for update in updates for word in update.committed]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    student = make("student", LAYOUT, groups=("position",), conv_blocks=2, lstm_layers=1)
    student.temperature = 1.5
    some = recorded(np.arange(200) / 25)
    with torch.no_grad():  # it says much, and everything in its turn
        student.head.weight.mul_(100)  # type: ignore[union-attr, operator]
        emitted = model_emit(student.eval())(some.features[:, COLUMNS], some.presence[:, BLOCKS])
        student.head.bias -= torch.from_numpy(emitted).mean(dim=0)  # type: ignore[union-attr]
    save_model(folder, student, VOCABULARY, student.state_dict())
    return folder


@pytest.fixture(scope="module")
def root(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export in a folder below it, and recorded landmarks."""
    try:
        find_archives(None)
    except FetchError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("served")
    random = np.random.default_rng(0)
    sequences = [
        Sequence(
            *(f"r{i}", "dev", "me", random.random((30 + i, LAYOUT.columns), np.float32)),
            *(np.ones((30 + i, 3), bool), ["A"]),
        )
        for i in range(2)
    ]
    options: dict[str, Any] = {"dtype": "float32", "frames_per_second": 25, "source": {}}
    write_corpus(folder / "corpus", sequences, layout=LAYOUT, **options)
    words = ["export", str(model), "--data_dir", str(folder / "corpus"), "--web"]
    with pytest.raises(SystemExit) as exit_info:
        main([*words, "--out", str(folder / "a page")])
    assert not exit_info.value.code
    holistic = folder / "a page" / "vendor" / "holistic" / "holistic.js"
    shutil.copy(holistic, folder / "holistic.js")
    holistic.write_text(FAKE_HOLISTIC)
    (folder / "recorded.json").write_text(json.dumps(as_results(recorded(np.arange(75) / 25))))
    return folder


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with web_server(root, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/a%20page/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A browser with a camera whose pictures are red on the left and blue on the right."""
    folder = tmp_path_factory.mktemp("browser")
    width, height = SIZE
    planes = [((82, 41), 1), ((90, 240), 2), ((240, 110), 2)]  # Y, U and V of both
    frame = b"".join(
        bytes([*[red] * (width // 2 // step), *[blue] * (width // 2 // step)]) * (height // step)
        for (red, blue), step in planes
    )
    write_camera(folder / "camera.y4m", SIZE, [frame])
    with browser_tab(folder / "profile", *camera_words(folder / "camera.y4m")) as tab:
        yield tab


def write_camera(path: Path, size: tuple[int, int], frames: list[bytes]) -> None:
    """Writes pictures [Y, U, V planes] as a file that Chromium's fake camera plays."""
    header = f"YUV4MPEG2 W{size[0]} H{size[1]} F25:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(header + b"".join(b"FRAME\n" + frame for frame in frames))


def camera_words(path: Path) -> list[str]:
    words = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    return [*words, f"--use-file-for-fake-video-capture={path}"]


@pytest.fixture
def page(browser: Tab, address: str) -> Iterator[Tab]:
    """The page, ready. At the end nothing was asked of other machines and nothing complained."""
    browser.said.clear()
    browser.requests.clear()
    browser.open(address)
    browser.wait(status("Ready"))
    yield browser
    assert len(browser.requests) > 10
    own = (address.removesuffix("a%20page/"), f"blob:{address.removesuffix('/a%20page/')}", "data:")
    assert [url for url in browser.requests if not url.startswith(own)] == []
    assert [line for line in browser.said if line.startswith("error")] == []


def status(text: str) -> str:
    return f"document.getElementById('status').textContent.includes({json.dumps(text)})"


PIPELINE = """(async () => {
  const here = new URL("./", location.href).href;
  const { loadModel } = await import(here + "model.js");
  const { Session } = await import(here + "session.js");
  const model = await loadModel(here);
  const session = new Session(model);
  const { times, frames } = await (await fetch("../frames.json")).json();
  const updates = [];
  for (const [number, results] of frames.entries()) {
    const frame = model.landmarks.ofResults(results, 64, 48);
    updates.push(...await session.add(times[number], frame));
  }
  updates.push(await session.end());
  return updates.flatMap(({ committed }) => committed.map((w) => [w.text, w.time, w.confidence]));
})()"""


@pytest.mark.parametrize("rate", [10, 25, 29.97, 60])
def test_the_page_reads_what_python_reads(page: Tab, root: Path, model: Path, rate: float) -> None:
    """Also after a rest, where a sentence ends, and at frame rates other than the model's."""
    times = 5 + np.cumsum(np.random.default_rng(1).uniform(0.8, 1.2, int(8 * rate))) / rate
    landmarks = recorded(times - times[0])
    resting = slice(int(3 * rate), int(5.5 * rate))
    for side in ("left", "right"):
        columns = STORED_LAYOUT.point_columns(f"pose.{side}_wrist", ("x", "y"))
        landmarks.features[resting, columns[0]] = 0.5
        landmarks.features[resting, columns[1]] = 0.9
    content = {"times": landmarks.times.tolist(), "frames": as_results(landmarks)}
    (root / "frames.json").write_text(json.dumps(content))
    expected = read_in_python(model, landmarks)
    found = page.value(PIPELINE)
    assert [word for word, _, _ in found] == [word for word, _, _ in expected]
    assert len(expected) > 8
    times_and_confidences = [own[1:] for own in expected]
    np.testing.assert_allclose([own[1:] for own in found], times_and_confidences, atol=1e-4)


def test_a_chosen_video_is_read_frame_by_frame(page: Tab, model: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "clip.webm"), "w") as container:
        stream = container.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        picture[:, : SIZE[0] // 2, 0] = picture[:, SIZE[0] // 2 :, 2] = 255
        for number in range(60):
            picture[0, number] = 255  # no frame is like the one before
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    whole = recorded(np.arange(75) / 25)
    clip = Landmarks(whole.times[:60], whole.features[:60], whole.presence[:60])
    page.choose_file("#file", tmp_path / "clip.webm")
    page.wait(status("The video has ended"))
    shown = page.value(
        "Array.from(document.querySelectorAll('#transcript .committed'), (e) => e.firstChild.data)"
    )
    assert shown == [word for word, _, _ in read_in_python(model, clip)]


def test_the_picture_of_the_camera_is_mirrored_for_the_eye_alone(page: Tab) -> None:
    page.value("document.getElementById('camera').click()")
    page.wait("document.querySelectorAll('#transcript .committed').length > 2")
    red, _, blue, _ = page.value("leftPixel")
    assert red > 150 > 100 > blue
    assert page.value("getComputedStyle(picture).transform").startswith("matrix(-1,")
    assert page.value("options.selfieMode") is False
    page.value("document.getElementById('stop').click()")
    page.wait(status("Stopped"))


GET = "navigator.mediaDevices.getUserMedia"
KEEP = f"""
const get = {GET}.bind(navigator.mediaDevices);
const tracks = [];
{GET} = async (...words) => {{
  const kept = await get(...words);
  tracks.push(...kept.getTracks());
  return kept;
}};
"""


def test_a_camera_that_is_unplugged_is_told(page: Tab) -> None:
    page.value(KEEP + "document.getElementById('camera').click()")
    page.wait("globalThis.leftPixel")
    page.value("tracks[0].stop()")
    page.value("tracks[0].dispatchEvent(new Event('ended'))")  # which the browser does by itself
    page.wait(status("unplugged"))


def test_of_sources_chosen_at_once_the_last_one_is_read_alone(page: Tab) -> None:
    page.value(KEEP + "document.getElementById('camera').click()")
    page.wait(status("Reading"))
    page.value("for (let i = 0; i < 3; i++) document.getElementById('camera').click()")
    page.wait("tracks.length === 2 && tracks[0].readyState === 'ended'")
    page.wait(status("Reading"))
    page.value("document.getElementById('stop').click()")
    page.wait(status("Stopped"))
    assert page.value("tracks.map((track) => track.readyState)") == ["ended", "ended"]


PAUSE = """
const show = HTMLVideoElement.prototype.requestVideoFrameCallback;
let pictures = 0;
HTMLVideoElement.prototype.requestVideoFrameCallback = function (told) {
  setTimeout(() => show.call(this, told), ++pictures === 40 ? 1500 : 0);
};
"""


def test_a_gap_of_the_camera_ends_the_sentence(page: Tab) -> None:
    page.value(PAUSE + "document.getElementById('camera').click()")
    page.wait("document.querySelectorAll('#transcript p').length > 1")
    page.value("document.getElementById('stop').click()")
    page.wait(status("Stopped"))


@pytest.mark.parametrize(
    ("name", "told"),
    [("NotFoundError", "No camera"), ("NotAllowedError", "Allow it"), ("NotReadableError", "open")],
)
def test_a_camera_that_does_not_open_is_told(page: Tab, name: str, told: str) -> None:
    page.value(f"{GET} = async () => {{ throw new DOMException('', '{name}'); }}; camera.click()")
    page.wait(status(told))


def test_a_video_that_the_browser_cannot_show_is_told(page: Tab, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video")
    page.choose_file("#file", tmp_path / "clip.mp4")
    page.wait(status("cannot show clip.mp4"))


FAST_CLOCK = """
const show = HTMLVideoElement.prototype.requestVideoFrameCallback;
let pictures = 0;
HTMLVideoElement.prototype.requestVideoFrameCallback = function (told) {
  return show.call(this, (now, about) => told(now + 31000 * pictures++, about));
};
Holistic = class extends Holistic { async send() { this.told({}); } };
"""


def test_a_minute_without_hands_is_told(page: Tab) -> None:
    page.value("import(new URL('vendor/holistic/holistic.js', location.href).href)")
    page.value(FAST_CLOCK + "document.getElementById('camera').click()")
    page.wait(status("No hands for a minute"))
    page.value("document.getElementById('stop').click()")
    page.wait(status("Stopped"))


def test_what_is_missing_or_damaged_is_told(browser: Tab, address: str, root: Path) -> None:
    graph = root / "a page" / "model.onnx"
    whole = graph.read_bytes()
    browser.open("about:blank")
    try:
        graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        browser.open(address)
        browser.wait(status("model.onnx is damaged"))
        graph.unlink()
        browser.open(address)
        browser.wait(status("model.onnx cannot be loaded (404)"))
    finally:
        graph.write_bytes(whole)
    hide = "delete globalThis.WebAssembly"
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=hide)
    browser.open(address)
    browser.wait(status("does not run WebAssembly"))
    browser.call("Page.removeScriptToEvaluateOnNewDocument", **script)


KEEP_FOUND = """new Promise((done) => {
  const script = document.createElement("script");
  script.src = "vendor/holistic/holistic.js";
  script.onload = () => {
    const { Holistic } = globalThis;
    globalThis.Holistic = class extends Holistic {
      onResults(told) { super.onResults((found) => { globalThis.found = found; told(found); }); }
    };
    done();
  };
  document.head.append(script);
})"""


@pytest.mark.slow
@pytest.mark.real_data
def test_mediapipe_finds_the_signer_before_a_camera(
    address: str, root: Path, shared_data: Path, tmp_path: Path
) -> None:
    """A picture takes MediaPipe many seconds here, so that few are read."""
    av = pytest.importorskip("av")
    size = (640, 360)
    with av.open(str(shared_data / "formats" / "video" / "yo_001.mp4")) as clip:
        frames = [
            frame.reformat(*size, "yuv420p").to_ndarray().tobytes()
            for number, frame in enumerate(clip.decode(video=0))
            if 20 <= number < 30
        ]
    write_camera(tmp_path / "camera.y4m", size, frames)
    shutil.copytree(root / "a page", root / "real")
    shutil.copy(root / "holistic.js", root / "real" / "vendor" / "holistic")
    with browser_tab(tmp_path / "profile", *camera_words(tmp_path / "camera.y4m")) as tab:
        tab.open(address.replace("a%20page", "real"))
        tab.wait(status("Ready"))
        tab.value(KEEP_FOUND)
        tab.value("document.getElementById('camera').click()")
        tab.wait("document.getElementById('figures').innerText.includes('ms a picture')", 200)
        left, right = tab.value("[11, 12].map((number) => found.poseLandmarks[number].x)")
        assert 1 > left > right > 0  # as in a picture that is not mirrored
        assert tab.value("(found.leftHandLandmarks ?? found.rightHandLandmarks).length") == 21
        assert all(url.startswith(("http://127.0.0.1:", "blob:", "data:")) for url in tab.requests)
        assert [line for line in tab.said if line.startswith("error")] == []
