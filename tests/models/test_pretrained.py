"""Models are at home on the Hub: saved with a card, found by name, nothing else fetched."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import yaml
from models_helpers import LAYOUTS, make, random_batch, run

from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.models.find import MODEL_FILES, find_model
from slr_accel.models.pretrained import from_pretrained, save_pretrained
from slr_accel.settings.models.by_name import MODELS

VOCABULARY = Vocabulary(("A", "B", "C", "D", "E", "F"), "raw")
FIGURES = {
    "data_dir": "/corpora/boston104",
    "split": "dev",
    "wer": 0.455,
    "wer_ci95": [0.35, 0.55],
    "reference_tokens": 110,
    "num_sequences": 24,
    "decoder": "greedy",
    "label_policy": "raw",
}
COMMIT = "a" * 40


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_pretrained(tmp_path / "model", make("student", LAYOUTS["tracks"]), VOCABULARY, [FIGURES])
    return tmp_path / "model"


def test_a_saved_model_comes_back(saved: Path) -> None:
    model, vocabulary = from_pretrained(saved)
    batch = random_batch(LAYOUTS["tracks"], [9, 4])
    expected = run(make("student", LAYOUTS["tracks"]).eval(), batch).log_probs
    assert torch.equal(run(model, batch).log_probs, expected)
    assert vocabulary == VOCABULARY


@pytest.mark.parametrize("name", sorted(MODELS))
def test_saved_in_half_it_computes_almost_the_same_in_float32(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS["log-mel" if name == "speech" else "tracks"]
    whole = make(name, layout).eval()
    save_pretrained(tmp_path / "whole", whole, VOCABULARY)
    save_pretrained(tmp_path / "half", whole, VOCABULARY, half=True)
    sizes = [(tmp_path / kind / "model.safetensors").stat().st_size for kind in ("half", "whole")]
    assert sizes[0] < 0.75 * sizes[1]
    model, _ = from_pretrained(tmp_path / "half")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    batch = random_batch(layout, [30, 17])
    expected, found = run(whole, batch), run(model, batch)
    torch.testing.assert_close(found.log_probs, expected.log_probs, atol=2e-2, rtol=0)
    assert torch.equal(found.log_probs.argmax(-1), expected.log_probs.argmax(-1))


def test_statistics_of_any_size_survive_half_and_too_large_weights_are_refused(
    tmp_path: Path,
) -> None:
    model = make("student", LAYOUTS["tracks"])
    model.features.mean.fill_(1e6)
    model.features.deviation.fill_(1e-9)
    save_pretrained(tmp_path / "half", model, VOCABULARY, half=True)
    loaded, _ = from_pretrained(tmp_path / "half")
    assert torch.equal(loaded.features.mean, model.features.mean)
    assert torch.equal(loaded.features.deviation, model.features.deviation)
    with torch.no_grad():
        model.head.weight[0, 0] = 1e5
    with pytest.raises(ValueError, match=r"head\.weight has values beyond float16"):
        save_pretrained(tmp_path / "more", model, VOCABULARY, half=True)
    assert not (tmp_path / "more").exists()


def test_the_card_states_what_was_measured_and_nothing_else(saved: Path) -> None:
    text = (saved / "README.md").read_text()
    front, body = re.match(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL).groups()
    metadata = yaml.safe_load(front)
    assert metadata["library_name"] == "slr_accel"
    assert "license" not in metadata
    (result,) = metadata["model-index"][0]["results"]
    assert result["dataset"] == {"name": "boston104", "type": "boston104", "split": "dev"}
    assert result["metrics"][0]["value"] == 45.5
    assert "| boston104 | dev | 45.5% | 35.0% - 55.0% | 110 | 24 | greedy | raw |" in body
    save_pretrained(saved, make("student", LAYOUTS["tracks"]), VOCABULARY)
    assert "model-index" not in (saved / "README.md").read_text()


def test_the_card_claims_no_interval_of_one_sentence(tmp_path: Path) -> None:
    one = FIGURES | {"wer_ci95": None, "num_sequences": 1}
    save_pretrained(tmp_path, make("student", LAYOUTS["tracks"]), VOCABULARY, [one])
    body = (tmp_path / "README.md").read_text()
    assert "| boston104 | dev | 45.5% | none | 110 | 1 | greedy | raw |" in body


@pytest.mark.parametrize(
    ("rate", "words"),
    [(25.0, "trained at 25 frames per second"), (None, "frame rate unknown")],
)
def test_the_card_states_the_frame_rate_where_it_is_known(
    tmp_path: Path, rate: float | None, words: str
) -> None:
    model = make("student", LAYOUTS["tracks"], rate=rate)
    for name in ("model", "again"):
        save_pretrained(tmp_path / name, model, VOCABULARY)
        assert words in (tmp_path / name / "README.md").read_text()
        model, _ = from_pretrained(tmp_path / name)
    assert model.features.frames_per_second == 25


def test_the_card_states_the_frames_that_a_sequence_is_subsampled_to(
    saved: Path, tmp_path: Path
) -> None:
    assert "subsampled" not in (saved / "README.md").read_text()
    model = make("student", LAYOUTS["tracks"])
    model.max_frames = 200
    save_pretrained(tmp_path / "long", model, VOCABULARY)
    text = (tmp_path / "long" / "README.md").read_text()
    assert "sequences of more than 200 frames are first subsampled evenly in time to 200" in text
    assert from_pretrained(tmp_path / "long")[0].max_frames == 200


def test_a_run_stands_for_its_best_checkpoint(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best").symlink_to(saved)
    assert find_model(tmp_path / "run").samefile(saved)


def test_what_is_no_model_is_refused_without_asking_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nor a model \(there is no such folder\)"):
        find_model(tmp_path / "runs" / "typo")
    with pytest.raises(ValueError, match="write hf://OWNER/NAME"):
        find_model("hf://a/b/c")


@pytest.fixture
def hub(saved: Path) -> Iterator[tuple[str, list[str]]]:
    """A server that answers as the Hub does for owner/name; its address and what was fetched."""
    (saved / "pytorch_model.bin").write_bytes(b"a pickle")
    fetched: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/models/owner/name/tree/"):
                self.answer_json(
                    [
                        {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": p.name}
                        for p in saved.iterdir()
                    ]
                )
            elif self.path.startswith("/api/models/owner/name"):
                files = [{"rfilename": path.name} for path in saved.iterdir()]
                self.answer_json({"id": "owner/name", "sha": COMMIT, "siblings": files})
            elif self.path.startswith("/owner/name/resolve/"):
                name = self.path.rpartition("/")[2]
                if self.command == "GET":
                    fetched.append(name)
                self.answer((saved / name).read_bytes(), "application/octet-stream")
            else:
                self.send_error(404)

        do_HEAD = do_GET

        def answer_json(self, data: object) -> None:
            self.answer(json.dumps(data).encode(), "application/json")

        def answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hash(body)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", fetched
    server.shutdown()
    server.server_close()


def test_the_hub_is_asked_for_a_models_files_alone(
    hub: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, fetched = hub
    # The address is read once, when huggingface_hub is imported: a process of its own.
    code = (
        "from slr_accel.models.pretrained import from_pretrained\n"
        "model, vocabulary = from_pretrained('owner/name')\n"
        "print(type(model).__name__, *vocabulary.tokens)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "HF_ENDPOINT": address,
            "HF_HOME": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": "0",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["Student", *VOCABULARY.tokens], done.stderr
    assert set(fetched) == set(MODEL_FILES)
