"""wandb's own files, written offline, hold what a run is worth and what went wrong in it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from run_helpers import TrainCommand
from wandb_helpers import offline_runs, summary, wandb_records

from slr_accel.settings import build_settings
from slr_accel.training.wandb_run import MOST_HYPOTHESES, start_wandb


@pytest.fixture(scope="module")
def run(train: TrainCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "my student"
    # Little trained: CTC has learned its blanks only, so every hypothesis is empty.
    train.run(folder, wandb_mode="offline", wandb_group="pair", learning_rate=3e-3, epochs=2)
    return folder


def test_name_group_best_wer_and_hypotheses_are_told(run: Path) -> None:
    (folder,) = offline_runs(run)
    records = wandb_records(folder)
    started = next(r.run for r in records if r.WhichOneof("record_type") == "run")
    assert (started.display_name, started.run_group) == ("my student", "pair")
    figures = summary(records)
    wers = [
        json.loads(line).get("wer") for line in (run / "metrics.jsonl").read_text().splitlines()
    ]
    assert figures["best_wer"] == min(w for w in wers if w is not None)
    assert figures["best_step"] in (9, 18)
    (table,) = (folder / "files" / "media" / "table").glob("hypotheses*.json")
    content = json.loads(table.read_text())
    assert content["columns"] == ["id", "reference", "hypothesis", "WER"]
    assert len(content["data"]) == 6 <= MOST_HYPOTHESES
    assert content["data"][0][0] == "s000" and set(content["data"][0][1].split()) <= set("ABCD")


def test_a_collapse_is_alerted_once(run: Path) -> None:
    (folder,) = offline_runs(run)
    alerts = [r.alert for r in wandb_records(folder) if r.WhichOneof("record_type") == "alert"]
    assert [alert.title for alert in alerts] == ["collapse"]
    assert "Look first at" in alerts[0].text or "look first at" in alerts[0].text


def test_steps_that_are_not_finite_are_alerted_once_and_end_with_their_reason(
    train: TrainCommand, tmp_path: Path
) -> None:
    train.run(
        tmp_path / "run", wandb_mode="offline", learning_rate=1e30, max_grad_norm=1e30, expect=1
    )
    records = wandb_records(offline_runs(tmp_path / "run")[0])
    alerts = [r.alert.title for r in records if r.WhichOneof("record_type") == "alert"]
    assert alerts.count("not finite") == 1
    assert "in a row" in summary(records)["error"]


def test_no_password_of_the_corpus_goes_to_wandb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "https://me:s3cr3t@host/corpus?token=s3cr3t"
    words = ["train", f"--data_dir={address}"]
    monkeypatch.setattr("sys.argv", words)
    settings = build_settings(
        {"data_dir": address, "output_dir": str(tmp_path), "wandb_mode": "offline"}
    )
    started = start_wandb(settings, tmp_path, None)
    assert started is not None
    started.log({"step": 1})
    started.finish(None)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"https://host/corpus" in written and b"s3cr3t" not in written
    assert sys.argv is words
