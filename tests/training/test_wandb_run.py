"""wandb's own files, written offline, hold what a run is worth and what went wrong in it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import wandb
from run_helpers import TrainCommand
from wandb_helpers import offline_runs, summary, wandb_records

from slr_accel.errors import RunError
from slr_accel.settings.run import build_settings
from slr_accel.training.wandb_run import MOST_HYPOTHESES, init_wandb, start_wandb, wandb_mode


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


def test_a_collapse_is_alerted_once(train: TrainCommand, tmp_path: Path) -> None:
    broken = {"learning_rate": 1e-8, "epochs": 8, "log_steps": 1}
    train.run(tmp_path / "run", wandb_mode="offline", **broken)
    records = wandb_records(offline_runs(tmp_path / "run")[0])
    alerts = [r.alert for r in records if r.WhichOneof("record_type") == "alert"]
    assert [alert.title for alert in alerts] == ["uniform_output"]
    assert "--learning_rate" in alerts[0].text


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


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a key."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_CONFIG_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_mode_that_wandb_does_not_know_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "bogus")
    with pytest.raises(ValueError, match="WANDB_MODE is 'bogus'; set it to one of disabled, off"):
        wandb_mode(None)
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert wandb_mode(None) == "dryrun"


def test_a_server_that_cannot_be_reached_is_told_with_the_way_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: object) -> None:
        raise wandb.errors.CommError("no route to host")

    monkeypatch.setattr(wandb, "init", init)
    with pytest.raises(RunError, match=r"no route to host.*--wandb_mode offline"):
        init_wandb(mode="online")


def log_in(home: Path, host: str) -> None:
    (home / ".netrc").write_text(f"machine {host}\n  login user\n  password {'k' * 40}\n")


def refusal() -> str:
    with pytest.raises(ValueError, match="wandb_mode online needs a key") as error:
        wandb_mode("online")
    return str(error.value)


@pytest.mark.parametrize("host", ["api.wandb.ai", "api.forge.coreweave.com"])
def test_a_key_of_wandbs_own_servers_is_found(host: str, home: Path) -> None:
    assert wandb_mode(None) == "disabled"
    log_in(home, host)
    assert wandb_mode(None) == "online"


def test_what_wandb_login_writes_is_found(home: Path) -> None:
    wandb, login = pytest.importorskip("wandb"), pytest.importorskip("wandb.sdk.lib.wbauth")
    login.write_netrc_auth(host=wandb.Settings().base_url, api_key="k" * 40)
    assert wandb_mode(None) == "online"


@pytest.mark.parametrize("port", ["", ":8080"])
def test_a_key_of_ones_own_server_is_found_where_that_is_asked_for(
    port: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(home, f"wandb.example.org{port}")
    assert "wandb login" in refusal()
    monkeypatch.setenv("WANDB_BASE_URL", f"https://wandb.example.org{port}")
    assert wandb_mode(None) == wandb_mode("online") == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://other.example.org")
    assert "other.example.org" in refusal()


def test_the_server_that_wandb_login_was_given_is_known(home: Path) -> None:
    (home / ".config" / "wandb").mkdir(parents=True)
    settings = home / ".config" / "wandb" / "settings"
    settings.write_text("[default]\nbase_url = https://wandb.example.org\n")
    log_in(home, "wandb.example.org")
    assert wandb_mode(None) == "online"
    settings.write_text("no settings")
    assert wandb_mode(None) == "disabled"


@pytest.mark.parametrize(
    "content", [b"machine", b"\xff\xfe", b"default login me password you\n", b"# api.wandb.ai\n"]
)
def test_a_netrc_without_a_key_of_the_server_is_none(content: bytes, home: Path) -> None:
    (home / ".netrc").write_bytes(content)
    assert wandb_mode(None) == "disabled"
