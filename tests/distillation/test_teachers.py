"""Teachers are averaged over probabilities, on the student's steps and in its tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models_helpers import LAYOUTS, make, random_batch, run

from slr_accel.distillation.cache_format import CACHE_FILE
from slr_accel.distillation.teachers import Teacher, Teachers, fingerprint, load_teacher
from slr_accel.labels.vocabulary import Vocabulary
from slr_accel.layouts.layout import Layout
from slr_accel.models.folder import save_model
from slr_accel.models.recogniser import Recogniser

TRACKS = LAYOUTS["tracks"]
TOKENS = Vocabulary(tuple("ABCDEF"), "raw")


def saved(folder: Path, model: Recogniser, vocabulary: Vocabulary = TOKENS) -> str:
    folder.mkdir()
    save_model(folder, model, vocabulary, model.state_dict())
    return str(folder)


def loaded(source: str, layout: Layout = TRACKS, vocabulary: Vocabulary = TOKENS) -> Teacher:
    return load_teacher(
        source,
        layout=layout,
        frames_per_second=25.0,
        vocabulary=vocabulary,
        device=torch.device("cpu"),
    )


def test_probabilities_are_averaged_on_the_students_steps(tmp_path: Path) -> None:
    models = [make("student", TRACKS), make("teacher", TRACKS, output_stride=2)]
    each = [loaded(saved(tmp_path / str(i), m)) for i, m in enumerate(models)]
    batch = random_batch(TRACKS, [23, 9])
    before = [{n: w.clone() for n, w in t.model.state_dict().items()} for t in each]
    labels = Teachers(each, student_stride=4)(batch).teacher
    assert labels is not None and not labels.log_probs.requires_grad
    assert labels.lengths.tolist() == [6, 3] and labels.log_probs.shape == (2, 6, 7)
    alone = [Teachers([teacher], student_stride=4).soft_labels(batch).log_probs for teacher in each]
    torch.testing.assert_close(labels.log_probs.exp(), sum(x.exp() for x in alone) / 2)
    # In evaluation mode: without dropout, and every time the same.
    torch.testing.assert_close(alone[0], run(models[0].eval(), batch).log_probs)
    for teacher, weights in zip(each, before, strict=True):
        assert not teacher.model.training
        assert all(weights[n].equal(w) for n, w in teacher.model.state_dict().items())


def test_a_teacher_of_fewer_blocks_and_more_tokens_reads_the_same_row(tmp_path: Path) -> None:
    own = Layout((TRACKS.block("face"), TRACKS.block("right_hand")), origin=("face.centre",))
    model = make("student", own, groups=("position",))
    words = Vocabulary(("A", "C", "E"), "raw")
    teacher = loaded(saved(tmp_path / "model", model), vocabulary=words)
    batch = random_batch(TRACKS, [16])
    found = teacher.output(batch).log_probs
    direct = model.eval()(
        batch.features[..., [4, 5, 2, 3]], batch.presence[..., [2, 1]], batch.lengths
    ).log_probs
    torch.testing.assert_close(found, direct[..., [0, 1, 3, 5]].log_softmax(-1))


def test_weights_are_told_apart_by_their_fingerprint(tmp_path: Path) -> None:
    first, second = make("student", TRACKS), make("student", TRACKS)
    with torch.no_grad():
        second.head.bias[0] += 1e-3
    marks = {fingerprint(saved(tmp_path / str(i), m)) for i, m in enumerate((first, first, second))}
    assert len(marks) == 2


def test_a_teacher_that_lacks_tokens_is_refused_by_name(tmp_path: Path) -> None:
    source = saved(tmp_path / "model", make("student", TRACKS))
    with pytest.raises(ValueError, match=f"teacher {source}: its vocabulary .* lacks 1 .*: Z"):
        loaded(source, vocabulary=Vocabulary(("A", "Z"), "raw"))


def test_a_cache_given_as_a_teacher_is_told_its_setting(tmp_path: Path) -> None:
    (tmp_path / CACHE_FILE).write_text("{}")
    with pytest.raises(ValueError, match="give it as teacher_cache"):
        loaded(str(tmp_path))
