"""Recipes of public corpora fit each layout of landmarks, and say what is known of them."""

from __future__ import annotations

import shlex

import pytest

from slr_accel.features.columns import FeatureColumns
from slr_accel.layouts.named_layouts import NAMED_LAYOUTS
from slr_accel.settings.command_line import parse_settings
from slr_accel.settings.recipes import RECIPES

PUBLIC = ("phoenix2014", "phoenix2014_si5", "phoenix2014t", "csl_daily", "isharah")


@pytest.mark.parametrize("model", ["student", "teacher"])
@pytest.mark.parametrize("layout", ["mediapipe_holistic", "coco_wholebody", "isharah"])
@pytest.mark.parametrize("recipe", PUBLIC)
def test_a_public_recipe_warns_of_nothing_that_a_layout_lacks(
    recipe: str, layout: str, model: str
) -> None:
    words = [f"--recipe={recipe}", f"--model={model}", "--data_dir=c", "--output_dir=r"]
    settings = parse_settings(words, "train")
    found = NAMED_LAYOUTS[layout]()
    columns = FeatureColumns(found, settings.features)
    assert columns.without_effect() == settings.augmentation.without_effect(found) == []
    assert settings.augmentation.problems_with(found) == []
    kept = {found.block("pose").points[i] for i in columns.kept["pose"]}
    assert "nose" in kept and not any("toe" in point or "hip" in point for point in kept)
    assert all("z" not in columns.axes(block) for block in found.blocks)
    assert settings.training.model == model


def test_what_is_given_beside_a_public_recipe_is_warned_of() -> None:
    words = ["--recipe=csl_daily", "--no_depth", "--data_dir=c", "--output_dir=r"]
    features = parse_settings(words, "train").features
    found = FeatureColumns(NAMED_LAYOUTS["coco_wholebody"](), features).without_effect()
    assert [text.partition(" has")[0] for text in found] == ["depth false"]


@pytest.mark.parametrize("recipe", PUBLIC)
def test_a_public_recipe_opens_with_its_command_and_what_is_not_known(recipe: str) -> None:
    lines = (RECIPES / f"{recipe}.yaml").read_text(encoding="utf-8").splitlines()
    program, command, *words = shlex.split(lines[0].removeprefix("# "))
    assert (program, command) == ("slr-accel", "train")
    policy = recipe.removesuffix("_si5") if "phoenix" in recipe else "raw"
    assert parse_settings(words, "train").training.label_policy == policy
    text = "\n".join(lines)
    assert "Real features of this corpus have not been seen here" in text
    assert "Published WER" in text
