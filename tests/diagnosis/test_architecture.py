"""The check of an architecture holds for every model, and names what breaks one."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from models_helpers import LAYOUTS, make, random_batch

from slr_accel.cli import main
from slr_accel.diagnosis.architecture import CHECKS, architecture_checks
from slr_accel.models.recogniser import Output, Recogniser
from slr_accel.settings.models.by_name import MODELS

LAYOUT = LAYOUTS["tracks"]


def failed(model: Recogniser) -> set[str]:
    batch = random_batch(LAYOUT, [45, 30, 22])
    return {check.name for check in architecture_checks(model, batch) if not check.ok}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_passes(name: str) -> None:
    assert failed(make(name, LAYOUT)) == set()


FAULTS: dict[str, tuple[Callable[[Output, torch.Tensor], Output], set[str]]] = {
    "time pooled": (
        lambda out, _: out._replace(
            log_probs=out.log_probs.mean(1, keepdim=True).log_softmax(-1).expand_as(out.log_probs)
        ),
        {"variance_over_time", "padding_invariance"},
    ),
    "no softmax": (lambda out, _: out._replace(log_probs=out.log_probs + 1), {"log_probabilities"}),
    "detached": (lambda out, _: out._replace(log_probs=out.log_probs.detach()), {"ctc_gradient"}),
    "a step short": (lambda out, _: out._replace(lengths=out.lengths - 1), {"temporal_length"}),
    "padding seen": (
        lambda out, x: out._replace(
            log_probs=(out.log_probs * (1 + x.abs().amax((1, 2))[:, None, None])).log_softmax(-1)
        ),
        {"padding_invariance"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(fault: str) -> None:
    change, expected = FAULTS[fault]
    model = make("student", LAYOUT)
    plain = model.forward
    batch = random_batch(LAYOUT, [45, 30, 22])
    # Padding holds ever larger junk, which only a model that reads it shows.
    batch.features[2, 22:] = 50.0
    model.forward = lambda x, p, n: change(plain(x, p, n), x)  # type: ignore[method-assign]
    found = {check.name for check in architecture_checks(model, batch) if not check.ok}
    assert expected <= found


def test_a_model_that_raises_fails_with_the_text_of_its_error() -> None:
    model = make("student", LAYOUT)
    batch = replace(random_batch(LAYOUT, [45, 30]), presence=torch.ones(2, 45, 7).bool())
    checks = {check.name: check for check in architecture_checks(model, batch)}
    assert not any(checks[name].ok for name in CHECKS)
    assert "Error: " in checks["shapes"].measured


OWN = """
    from torch import nn

    from slr_accel.models.recogniser import Output, Recogniser, log_probs, make_head
    from slr_accel.settings.models.base import ModelSettings


    class OwnSettings(ModelSettings):
        width: int = 8
        output_stride: int = 1


    class Own(Recogniser):
        settings: OwnSettings

        def __init__(self, features, settings, num_outputs):
            super().__init__(features, settings, num_outputs)
            self.encoder = nn.Linear(features.columns.num_features, settings.width)
            self.head = make_head(settings.width, num_outputs)

        def forward(self, features, presence, lengths):
            x = self.encoder(self.features(features, presence, lengths))
            return Output(log_probs(self.head, CHANGED), lengths)
"""


def check(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as end:
        main(["models", "--check", *map(str, words)])
    captured = capsys.readouterr()
    return end.value.code, captured.out + captured.err


@pytest.mark.parametrize(("change", "code"), [("x", 0), ("x.mean(1, True) + 0 * x", 1)])
def test_a_model_of_the_users_own_is_checked(
    change: str, code: int, tmp_path: Path, tiny_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.py"
    path.write_text(textwrap.dedent(OWN).replace("CHANGED", change))
    found, text = check(capsys, f"{path}:Own", "--data_dir", tiny_corpus, "--json")
    assert found == code
    wrong = {entry["name"] for entry in json.loads(text) if not entry["ok"]}
    assert wrong == ({"variance_over_time", "padding_invariance"} if code else set())


def test_a_model_is_checked_by_its_name(
    tiny_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = check(capsys, "student", "--data_dir", tiny_corpus)
    assert code == 0 and "FAILED" not in text
    assert len([line for line in text.splitlines() if line.startswith("ok ")]) == 1 + len(CHECKS)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["student"], "needs --data_dir"),
        (["none", "--data_dir", "CORPUS"], "neither a model (student"),
        (["OWN:Other", "--data_dir", "CORPUS"], "has no class Other"),
    ],
)
def test_wrong_use_is_named(
    words: list[str],
    named: str,
    tmp_path: Path,
    tiny_corpus: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = tmp_path / "own.py"
    own.write_text("")
    paths = {"CORPUS": str(tiny_corpus), "OWN:Other": f"{own}:Other"}
    code, text = check(capsys, *(paths.get(word, word) for word in words))
    assert code == 2 and named in text
