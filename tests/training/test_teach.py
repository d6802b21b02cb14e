"""A cache holds what teachers say online of the same augmented sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_helpers import SMALL, TrainCommand, last_weights, metrics

from slr_accel.corpus.reader import open_corpus
from slr_accel.errors import Interrupted
from slr_accel.loading.loader import load_batch
from slr_accel.models.folder import save_model
from slr_accel.progress import untracked
from slr_accel.settings.run import Settings, build_settings
from slr_accel.training.data import make_epoch, make_vocabulary, train_data
from slr_accel.training.preparation import Preparation, cache_of, load_teachers
from slr_accel.training.start import fresh_model, make_transform
from slr_accel.training.teach import make_augmentation, make_cache

AUGMENTED = {"block_dropout": 0.3, "join_probability": 0.5}


@pytest.fixture(scope="module")
def teacher(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fresh weights, whose output is as good for this as any."""
    settings = student(tiny_corpus)
    corpus = open_corpus(str(tiny_corpus))
    vocabulary = make_vocabulary(settings, corpus)
    columns = make_transform(settings, corpus).columns.num_values
    statistics = {"mean": torch.zeros(columns), "deviation": torch.ones(columns)}
    model = fresh_model(settings, corpus, vocabulary, statistics)
    folder = tmp_path_factory.mktemp("models") / "teacher"
    folder.mkdir()
    save_model(folder, model, vocabulary, model.state_dict())
    return folder


def student(corpus: Path, **changed: Any) -> Settings:
    values = {"data_dir": str(corpus), "output_dir": "-", **SMALL, **AUGMENTED, **changed}
    return build_settings(values)


def cached(folder: Path, settings: Settings, **changed: Any) -> None:
    options: dict[str, Any] = {"views": 2, "top_k": 256, "shard": (1, 1), "stops": lambda: False}
    corpus = open_corpus(settings.training.data_dir)
    device = torch.device("cpu")
    make_cache(folder, settings, corpus, device=device, track=untracked, **{**options, **changed})


def test_cached_labels_are_those_of_the_teacher_online(
    tiny_corpus: Path, teacher: Path, tmp_path: Path
) -> None:
    settings = student(tiny_corpus, teacher=str(teacher))
    for shard in ((2, 2), (1, 2)):
        cached(tmp_path / "cache", settings, shard=shard)
    corpus = open_corpus(str(tiny_corpus))
    vocabulary = make_vocabulary(settings, corpus)
    data = train_data(settings, corpus, vocabulary)
    reader = student(tiny_corpus, teacher_cache=str(tmp_path / "cache"))
    cache = cache_of(reader, corpus, vocabulary, data)
    assert cache is not None
    augmentation = make_augmentation(settings, corpus, data)
    teachers = load_teachers(settings, corpus, vocabulary, torch.device("cpu"))
    online = Preparation(augmentation, [teachers])
    from_disk = Preparation(augmentation, cache=cache)
    labels: dict[int, list[torch.Tensor]] = {}
    for epoch in (0, 1, 2):
        made = make_epoch(settings, data, cache.view(epoch))
        for rows in made.plan:
            batch = load_batch(corpus, rows, made.targets, None, made.pieces)
            said = online(online.drawn(batch, seed=1, epoch=cache.view(epoch))).teacher
            read = from_disk(from_disk.drawn(batch, seed=1, epoch=epoch)).teacher
            assert said is not None and read is not None
            assert read.lengths.tolist() == said.lengths.tolist()
            for row, ours, theirs, n in zip(
                rows.tolist(), read.log_probs, said.log_probs, said.lengths, strict=True
            ):
                torch.testing.assert_close(ours[:n], theirs[:n], rtol=1e-3, atol=1e-5)
                labels.setdefault(row, []).append(ours[:n])
    for first, second, third in labels.values():
        assert first.equal(third) and not (len(first) == len(second) and first.equal(second))


def test_an_interrupted_cache_is_continued_and_other_settings_are_refused(
    tiny_corpus: Path, teacher: Path, tmp_path: Path
) -> None:
    settings, folder = student(tiny_corpus, teacher=str(teacher)), tmp_path / "cache"
    asked = iter([False, False, False, True])  # a view has three batches
    with pytest.raises(Interrupted):
        cached(folder, settings, stops=lambda: next(asked))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.arrow")}
    cached(folder, settings)
    found = sorted(folder.rglob("*.arrow"))
    assert len(found) == 2 and len(before) == 1
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    other = student(tiny_corpus, teacher=str(teacher), jitter=0.2)
    with pytest.raises(ValueError, match=r"jitter: 0\.01 there, 0\.2 here"):
        cached(folder, other)


@pytest.mark.slow
def test_a_cached_run_takes_the_steps_of_an_online_one_and_continues_bit_for_bit(
    train: TrainCommand, teacher: Path, tmp_path: Path
) -> None:
    # Fresh weights are no run's, but the vocabulary is the corpus'.
    settings = {**AUGMENTED, "epochs": 3, "eval_steps": 100}
    made = student(Path(train.corpus), teacher=str(teacher))
    cached(tmp_path / "cache", made, views=3)
    train.run(tmp_path / "online", teacher=teacher, **settings)
    train.run(tmp_path / "cached", teacher_cache=tmp_path / "cache", **settings)
    train.run(tmp_path / "parts", teacher_cache=tmp_path / "cache", max_steps=4, **settings)
    train.run(tmp_path / "parts", teacher_cache=tmp_path / "cache", **settings)
    lines = zip(metrics(tmp_path / "cached"), metrics(tmp_path / "online"), strict=True)
    for ours, theirs in lines:
        for name in ("loss", "loss_distillation", "grad_norm"):
            if name in ours:
                assert ours[name] == pytest.approx(theirs[name], rel=1e-3)
    whole, parts = last_weights(tmp_path / "cached"), last_weights(tmp_path / "parts")
    for name in whole:
        np.testing.assert_array_equal(parts[name], whole[name], err_msg=name)
