"""Too little memory shows before the first step, with what to set, and can be searched for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models_helpers import run
from run_helpers import SMALL, TrainCommand, last_weights, metrics

from slr_accel.cli import main
from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.errors import OutOfMemory
from slr_accel.features.augmentation import Augmentation
from slr_accel.loading.loader import load_batch
from slr_accel.settings.run import Settings, build_settings
from slr_accel.training import largest_batch as tried
from slr_accel.training.data import Epoch, TrainData, make_epoch, make_vocabulary, train_data
from slr_accel.training.losses import Criterion, Term, criterion, loss_terms
from slr_accel.training.setup import make_optimizer
from slr_accel.training.start import fresh_model

STATISTICS = {"mean": torch.zeros(()), "deviation": torch.ones(())}


@pytest.fixture(scope="module")
def corpus(tiny_corpus: Path) -> Corpus:
    return open_corpus(tiny_corpus)


def settings_of(**changed: object) -> Settings:
    return build_settings({"data_dir": "c", "output_dir": "r", **SMALL, **changed})


def data_of(corpus: Corpus, settings: Settings) -> TrainData:
    return train_data(settings, corpus, make_vocabulary(settings, corpus))


def epoch_of(corpus: Corpus, settings: Settings) -> Epoch:
    return make_epoch(settings, data_of(corpus, settings), 0)


def model_of(corpus: Corpus, settings: Settings) -> torch.nn.Module:
    return fresh_model(settings, corpus, make_vocabulary(settings, corpus), STATISTICS)


@given(limit=st.integers(0, 5000), least=st.integers(1, 300), times=st.integers(1, 64))
def test_the_search_finds_the_limit_to_5_percent_from_below(
    limit: int, least: int, times: int
) -> None:
    most, asked = least * times, []

    def fits(number: int) -> bool:
        asked.append(number)
        return number <= limit

    found = tried.largest_that_fits(fits, least=least, most=most)
    assert all(least <= number <= most for number in asked)
    assert len(asked) <= 14
    if limit < least:
        assert found == 0
    else:
        assert found <= limit
        assert found >= min(limit / 1.05 - 1, most)


def test_no_batch_of_the_epoch_is_larger_than_the_one_tried(corpus: Corpus) -> None:
    settings = settings_of(batch_size=4, batch_frames=150, time_stretch=1.5)
    epoch = epoch_of(corpus, settings)
    rows, frames = tried.largest_micro_batch(epoch, settings.augmentation.time_stretch)
    assert len(rows) * frames <= 150
    stretched = Augmentation(corpus.layout, settings.augmentation, 4, torch.zeros(4))
    for planned in epoch.plan:
        batch = load_batch(corpus, planned, epoch.targets)
        for number in range(3):
            made = stretched(stretched.drawn(batch, seed=1, epoch=number))
            assert made.presence[..., 0].numel() <= len(rows) * frames


@pytest.mark.parametrize("model", ["student", "student_reference"])
def test_a_dry_run_leaves_no_trace(corpus: Corpus, model: str) -> None:
    values = {"data_dir": "c", "output_dir": "r", "model": model, "channels": 8, "epochs": 2}
    settings = build_settings(values)
    epoch, network = epoch_of(corpus, settings), model_of(corpus, settings).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimizer, random = make_optimizer(settings, network), torch.get_rng_state()
    rows, frames = tried.largest_micro_batch(epoch, 1.0)
    batch = tried.full_batch(corpus, epoch, rows, frames)
    tried.dry_run(network, optimizer, batch, settings)
    assert torch.equal(torch.get_rng_state(), random)
    assert not optimizer.state and not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    network.train()
    assert torch.isfinite(loss_terms(run(network, batch), batch, Criterion())["ctc"].sum)


def test_a_dry_run_computes_the_loss_that_the_settings_want(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(delay_penalty=0.1, blank_margin=1.0)
    epoch, network = epoch_of(corpus, settings), model_of(corpus, settings)
    batch = tried.full_batch(corpus, epoch, *tried.largest_micro_batch(epoch, 1.0))
    losses: list[float] = []

    def noted(_, batch, options) -> dict[str, Term]:
        network.eval()  # without dropout two passes agree
        terms = loss_terms(run(network, batch), batch, options)
        losses.append(terms["ctc"].sum.item())
        return terms

    monkeypatch.setattr(tried, "loss_terms", noted)
    tried.dry_run(network, make_optimizer(settings, network), batch, settings)
    network.eval()
    output = run(network, batch)
    assert losses == [loss_terms(output, batch, criterion(settings))["ctc"].sum.item()]
    assert losses != [loss_terms(output, batch, Criterion())["ctc"].sum.item()]


def pretend_memory(monkeypatch: pytest.MonkeyPatch, padded_frames: int) -> None:
    def dry_run(model, optimizer, batch, options) -> None:
        if batch.presence[..., 0].numel() > padded_frames:
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tried, "dry_run", dry_run)


def test_the_budget_found_is_of_batches_that_fit(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(batch_size=16, batch_frames="auto", time_stretch=1.0)
    data, model = data_of(corpus, settings), model_of(corpus, settings)
    optimizer = make_optimizer(settings, model)
    for limit in (100, 200, 300):
        pretend_memory(monkeypatch, limit)
        found = tried.search_batch_frames(settings, corpus, data, model, optimizer)
        epoch = make_epoch(tried.with_batch_frames(settings, found), data, 0)
        rows, frames = tried.largest_micro_batch(epoch, 1.0)
        assert 0.5 * limit < len(rows) * frames <= limit


def test_a_sequence_that_does_not_fit_alone_is_named(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(batch_frames="auto")
    data, model = data_of(corpus, settings), model_of(corpus, settings)
    pretend_memory(monkeypatch, 1)
    with pytest.raises(OutOfMemory, match=r"1 sequences x \d+ frames does not fit \(s\d+\)"):
        tried.search_batch_frames(settings, corpus, data, model, make_optimizer(settings, model))


def test_the_largest_batch_is_tried_before_the_first_step(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of()
    epoch, model = epoch_of(corpus, settings), model_of(corpus, settings)
    pretend_memory(monkeypatch, 60)
    with pytest.raises(OutOfMemory) as error:
        tried.try_largest_batch(settings, corpus, epoch, model, make_optimizer(settings, model))
    rows, frames = tried.largest_micro_batch(epoch, settings.augmentation.time_stretch)
    text = str(error.value)
    assert f"2 sequences x {frames} frames" in text
    assert all(corpus.rows.id(row) in text for row in rows)
    for name in ("batch_frames below", "batch_size below 2", "gradient_checkpointing"):
        assert name in text


def test_the_largest_batch_of_a_validation_is_tried_too(corpus: Corpus) -> None:
    settings = settings_of()
    model, rows = model_of(corpus, settings), corpus.rows.of_split("dev")
    frames = corpus.rows.frames[rows]
    shapes: list[torch.Size] = []

    def forward(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        assert not module.training and not torch.is_grad_enabled()
        shapes.append(inputs[1].shape)
        if len(shapes) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    model.register_forward_pre_hook(forward)
    tried.try_largest_validation(settings, corpus, rows, model)
    assert model.training and shapes[0][1] == frames.max()
    assert shapes[0][0] == min(len(rows), 4 * settings.loading.batch_size)
    with pytest.raises(OutOfMemory, match="out of memory in validation"):
        tried.try_largest_validation(settings, corpus, rows, model)


@pytest.fixture
def train_here(tiny_corpus: Path, tmp_path: Path) -> Callable[..., object]:
    """`slr-accel train` in this process; returns its exit code."""

    def run(*words: str) -> object:
        settings = {"data_dir": tiny_corpus, "output_dir": tmp_path / "run", **SMALL}
        with pytest.raises(SystemExit) as end:
            main(["train", *(f"--{name}={value}" for name, value in settings.items()), *words])
        return end.value.code

    return run


def no_memory(*args: object, **options: object) -> None:
    torch.empty(10**15)  # as the CPU says it; a GPU's error is an OutOfMemoryError


def test_out_of_memory_in_a_step_names_the_batch_and_the_way_out(
    train_here, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("slr_accel.training.trainer.train_step", no_memory)
    assert train_here() == 1
    text = capsys.readouterr().err
    assert "out of memory: a micro-batch of 2 sequences x" in text and "batch_frames" in text
    assert "Traceback" not in text


def test_out_of_memory_in_validation_says_what_to_set(
    train_here, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("slr_accel.training.validation.transcribe", no_memory)
    assert train_here("--eval_steps=1") == 1
    assert "out of memory in validation" in capsys.readouterr().err


def test_sequences_longer_than_the_frame_budget_are_told(
    train_here, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_here("--batch_frames=20", "--max_steps=1") == 0
    assert "warning: sequences of more than 20 frames (up to " in capsys.readouterr().out


def test_searching_without_a_gpu_is_refused(
    train_here, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert train_here("--batch_frames=auto") == 2
    assert "batch_frames auto needs a GPU" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_gradient_checkpointing_may_come_later(
    train: TrainCommand, plain_run: Path, tmp_path: Path
) -> None:
    """It is what a run that ran out of memory is told to add."""
    train.run(tmp_path / "run", max_steps=9)
    train.run(tmp_path / "run", gradient_checkpointing=True)
    ours, theirs = last_weights(tmp_path / "run"), last_weights(plain_run)
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-6, err_msg=name)
    assert len(metrics(tmp_path / "run")) == len(metrics(plain_run))
