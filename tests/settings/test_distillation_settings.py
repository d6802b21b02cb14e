"""Settings of distillation that contradict each other are refused, idle ones named."""

from __future__ import annotations

from pathlib import Path

import pytest

from slr_accel.settings.command_line import parse_settings
from slr_accel.settings.distillation import DistillationSettings
from slr_accel.settings.run import build_settings

PLACES = ["--data_dir=d", "--output_dir=r"]


def test_teachers_are_given_one_by_one_and_kept_as_absolute_paths(tmp_path: Path) -> None:
    words = [*PLACES, "--teacher", "runs/a b", "--teacher=hf://OWNER/NAME"]
    teachers = parse_settings(words, "train").distillation.teacher
    assert teachers == (str(Path("runs/a b").absolute()), "hf://OWNER/NAME")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("teacher: /runs/a\n")
    assert parse_settings([*PLACES, f"--recipe={recipe}"], "train").distillation.teacher == (
        "/runs/a",
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"teacher": "a", "teacher_cache": "c"}, "give one of them"),
        ({"unlabelled_split": "rest"}, "unlabelled_split needs a teacher"),
        ({"teacher_cache": "c", "layers_from_teacher": True}, "layers_from_teacher needs a"),
        ({"teacher_cache": "c", "feature_matching_weight": 1.0}, "give --teacher RUN instead of"),
    ],
)
def test_contradictions_are_refused_with_the_way_out(
    given: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        build_settings({"data_dir": "d", "output_dir": "r", **given})


def test_what_has_no_effect_is_named() -> None:
    def idle(*, early: bool = True, **given: object) -> list[str]:
        found = DistillationSettings(**given).without_effect(has_early_heads=early)
        return [text.split(" has no effect without ")[0] for text in found]

    assert idle(sequence_weight=1.0) == ["sequence_weight"]
    assert idle(teacher="a", sequence_weight=1.0) == []
    assert idle(teacher="a", distillation_weight=0.0) == ["teacher"]
    assert idle(teacher="a", distillation_weight=0.0, final_distillation_weight=1.0) == []
    assert idle(self_distillation_temperature=2.0) == ["self_distillation_temperature"]
    assert idle(self_distillation_weight=1.0) == []
    assert idle(self_distillation_weight=1.0, early=False) == ["self_distillation_weight"]
