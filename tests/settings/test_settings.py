"""Settings: which one wins, what is refused, and that asking for help costs nothing."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
import yaml

from slr_accel.cli import COMMANDS
from slr_accel.settings.command_line import parse_settings
from slr_accel.settings.decoding import DecodingSettings
from slr_accel.settings.loading import TRUNCATED_FRAMES
from slr_accel.settings.models.by_name import MODELS
from slr_accel.settings.recipes import RECIPES, read_recipe
from slr_accel.settings.run import (
    Settings,
    all_fields,
    build_settings,
    defaults_of,
    groups_of,
    setting_fields,
)
from slr_accel.settings.unknown_name import OTHER_NAMES

FOLDERS = ["--data_dir=corpus", "--output_dir=run"]


def parse(*words: str) -> Settings:
    return parse_settings([*FOLDERS, *words], "train")


def problems_of(*words: str) -> str:
    with pytest.raises(ValueError) as raised:
        parse(*words)
    return str(raised.value)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text("epochs: 7\nbatch_size: 3\ndepth: false\nlearning_rate: 2e-3\n")
    return path


def test_the_command_line_beats_the_recipe_which_beats_the_defaults(recipe: Path) -> None:
    defaults = parse()
    settings = parse(f"--recipe={recipe}", "--epochs", "9")
    assert settings.training.epochs == 9
    assert settings.loading.batch_size == 3 != defaults.loading.batch_size
    assert settings.training.learning_rate == 0.002
    assert settings.training.weight_decay == defaults.training.weight_decay
    assert not settings.features.depth
    assert parse(f"--recipe={recipe}", "--depth").features.depth


def test_an_explicit_default_on_the_command_line_beats_the_recipe(recipe: Path) -> None:
    default = all_fields()["batch_size"].default
    assert parse(f"--recipe={recipe}", f"--batch_size={default}").loading.batch_size == default
    assert parse(f"--recipe={recipe}", "--epochs=none").training.epochs is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], False),
        (["--dynamic_truncation"], True),
        (["--dynamic_truncation=true"], True),
        (["--dynamic_truncation", "true"], True),
        (["--dynamic-truncation"], True),
        (["--dynamic_truncation=false"], False),
        (["--no_dynamic_truncation"], False),
        (["--no-dynamic-truncation"], False),
        (["--dynamic_truncation", "--no_dynamic_truncation"], False),
    ],
)
def test_ways_to_say_yes_and_no(words: list[str], expected: bool) -> None:
    assert parse("--max_frames=9", *words).loading.dynamic_truncation is expected


def test_hyphens_in_names_are_underscores_and_values_are_left_alone() -> None:
    settings = parse_settings(
        ["--data-dir=my-corpus", "--output-dir", "my-run", "--learning-rate", "1e-4"], "train"
    )
    assert settings.training.data_dir == "my-corpus"
    assert settings.training.output_dir == "my-run"
    assert settings.training.learning_rate == 1e-4


def test_all_problems_are_told_at_once_each_with_its_setting() -> None:
    text = problems_of(
        "--epochs=0", "--learning_rate=fast", "--dropout=1", "--kernel_size=4",
        "--join_probability=2", "--accumulation_steps=2", "--micro_batches_per_step=2", "--epoch=3",
    )  # fmt: skip
    for name in ("epochs", "learning_rate", "dropout", "join_probability"):
        assert name in text
    assert "not 'fast'" in text
    assert "unknown setting '--epoch'; did you mean --epochs?" in text


FRACTIONS = [
    (model, name)
    for model in MODELS
    for name, field in setting_fields(model).items()
    if float in (field.annotation, *get_args(field.annotation))
]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999"])
def test_what_is_no_finite_number_is_refused_by_name(value: str) -> None:
    assert len({name for _, name in FRACTIONS}) > 25
    for model, name in FRACTIONS:
        if (name, value) in {("max_grad_norm", "inf"), ("max_grad_norm", "1e999")}:
            continue
        assert f"\n  {name}: input should be" in problems_of(
            f"--model={model}", f"--{name}={value}"
        )


def test_an_infinite_norm_means_no_clipping_and_stays_one_in_the_runs_config() -> None:
    settings = parse("--max_grad_norm=inf")
    assert settings.training.max_grad_norm == math.inf
    assert build_settings(yaml.safe_load(yaml.safe_dump(settings.flat()))) == settings
    text = " ".join((all_fields()["max_grad_norm"].description or "").split())
    assert "inf" in text


def test_problems_between_settings_are_told_at_once() -> None:
    text = problems_of(
        "--kernel_size=4", "--max_frames=9", "--join_probability=0.5", "--accumulation_steps=2",
        "--micro_batches_per_step=2",
    )  # fmt: skip
    for part in ("must be odd, e.g. 5", "max_frames does not work with", "give one of them"):
        assert part in text


def test_missing_folders_are_named() -> None:
    with pytest.raises(ValueError, match="give --data_dir FOLDER") as raised:
        parse_settings([], "train")
    assert "give --output_dir FOLDER" in str(raised.value)


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("--learning_rat=1", "did you mean --learning_rate?"),
        ("--learnin-rate", "did you mean --learning_rate?"),
        ("--lr=1", "did you mean --learning_rate?"),
        ("--num-train-epochs=1", "did you mean --epochs?"),
        ("epochs=3", "'epochs=3' belongs to no setting"),
        ("--recipe=boston105", "did you mean boston104?"),
        ("--recipe=./no/such.yaml", "no such recipe file"),
    ],
)
def test_what_is_unknown_gets_the_nearest_name(word: str, answer: str) -> None:
    assert answer in problems_of(word)


def test_every_other_name_points_to_a_setting_and_is_none() -> None:
    assert set(OTHER_NAMES.values()) <= all_fields().keys()
    assert not OTHER_NAMES.keys() & all_fields().keys()


@pytest.mark.parametrize("word", ["none", "None", "null"])
def test_a_sweeps_none_is_none(word: str) -> None:
    assert parse(f"--max_steps={word}").training.max_steps is None
    with pytest.raises(ValueError, match="batch_size"):
        parse(f"--batch_size={word}")


def test_names_that_are_given_several_times_are_joined() -> None:
    once = parse("--groups=position,velocity")
    assert parse("--groups", "position", "--groups=velocity").features.groups == (
        once.features.groups
    )


def test_the_origins_command_has_a_default_for_the_longest_sequence() -> None:
    words = ("--accumulation_steps=8", "--gradient_checkpointing", "--dynamic_truncation")
    settings = parse(*words)
    assert settings.loading.max_frames == TRUNCATED_FRAMES
    assert parse(*words, "--max_frames=90").loading.max_frames == 90
    assert parse("--dynamic_truncation=false").loading.max_frames is None
    again = build_settings(yaml.safe_load(yaml.safe_dump(settings.flat())))
    assert again.flat() == settings.flat()


def test_abbreviations_are_not_guessed() -> None:
    assert "unknown setting '--epo'" in problems_of("--epo=3")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("epohcs: 3", "unknown setting 'epohcs'; did you mean epochs?"),
        ("3: 4", "unknown setting '3'"),
        ("- epochs", "`name: value` lines"),
        ("epochs: [", "not readable as YAML"),
        ("batch_size:", "batch_size: input should be a valid integer, not None"),
        ("\x00", "not readable as YAML"),
    ],
)
def test_a_wrong_recipe_is_refused_by_name(tmp_path: Path, text: str, answer: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    assert answer in problems_of(f"--recipe={path}")


def test_a_recipe_of_another_model_is_named_after_what_the_user_got_wrong(recipe: Path) -> None:
    recipe.write_text("epochs: 7\nchannels: 9\nconv_blocks: 3\nlstm_layers: 1\n")
    text = problems_of(f"--recipe={recipe}", "--model=cosign", "--attention_span=1", "--epochs=0")
    typed = "attention_span is a setting of the model teacher, not of cosign"
    parts = (typed, "epochs: ", "it sets conv_blocks;", "--model cosign without --recipe")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert str(recipe) in text
    assert parse(f"--recipe={recipe}", "--model=student").model.conv_blocks == 3


def test_a_crafted_recipe_runs_nothing(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "crafted.yaml"
    path.write_text(f"epochs: !!python/object/apply:os.system ['touch {trace}']\n")
    assert "not readable as YAML" in problems_of(f"--recipe={path}")
    assert not trace.exists()
    yaml.unsafe_load(path.read_text())
    assert trace.exists(), "this recipe would have done nothing anyway"


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_every_shipped_recipe_parses_and_changes_something(name: str) -> None:
    settings = parse(f"--recipe={name}")
    values = settings.flat()
    assert all(values[key] is not None for key in read_recipe(name))
    assert settings != parse()


def test_there_are_shipped_recipes() -> None:
    assert (RECIPES / "boston104.yaml").is_file()


@pytest.mark.parametrize("model", MODELS)
def test_flat_names_are_unique_over_all_groups(model: str) -> None:
    names = Counter(name for group in groups_of(model).values() for name in group.model_fields)
    assert [name for name, count in names.items() if count > 1] == []
    assert not {name for name in names if name.startswith("no_")} | {"recipe", "help"} & set(names)


def test_flat_settings_build_the_same_settings_again() -> None:
    settings = parse("--groups=position,velocity", "--max_frames=100", "--seed=5")
    text = yaml.safe_dump(settings.flat())
    assert build_settings(yaml.safe_load(text)) == settings


def test_a_seed_that_torch_cannot_hold_is_named() -> None:
    with pytest.raises(ValueError, match="seed"):
        build_settings({"data_dir": "corpus", "output_dir": "run", "seed": 2**63})


@pytest.mark.parametrize("model", MODELS)
def test_the_defaults_are_what_a_run_has_that_is_given_nothing(model: str) -> None:
    given = {"model": model, "data_dir": "corpus", "output_dir": "run"}
    assert build_settings(given).flat() == defaults_of(model) | given


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_has_a_description(model: str) -> None:
    assert [name for name, field in setting_fields(model).items() if not field.description] == []


@pytest.fixture
def help_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """As a terminal of 80 columns shows it."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        parse_settings(["--help"], "python -m slr_accel.train")
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    return text


def test_help_names_what_can_be_chosen_in_80_columns(help_text: str) -> None:
    for choice in (
        *("--optimizer {adamw,sgd}", "--mixed_precision {no,bf16,fp16}", "--reduction {1,2,4}"),
        *("--batch_frames VALUE", "--groups VALUE", "--model {student,student_reference,"),
    ):
        assert choice in help_text


@pytest.mark.parametrize(
    "module, words",
    [("slr_accel.train", []), ("slr_accel.cli", []), *(("slr_accel.cli", [c]) for c in COMMANDS)],
)
def test_help_is_fast_imports_no_torch_and_warns_of_nothing(module: str, words: list[str]) -> None:
    script = (
        "import json, runpy, sys, time\n"
        f"sys.argv = {[module, *words, '--help']}\n"
        "try:\n"
        f"    runpy.run_module('{module}', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0, end.code\n"
        "heavy = {'torch', 'datasets', 'accelerate', 'wandb', 'matplotlib'} & set(sys.modules)\n"
        "print(json.dumps([sorted(heavy), time.process_time()]))\n"
    )
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    heavy, seconds = json.loads(output.splitlines()[-1])
    assert "usage:" in output
    assert heavy == []
    # Of the processor, from the interpreter's start on: a busy machine changes little.
    assert seconds < 2


def test_the_value_of_an_unknown_setting_is_no_further_mistake() -> None:
    with pytest.raises(ValueError) as error:
        parse_settings(["--data_dir", "x", "--output_dir", "y", "--qqq", "1e-3"], "train")
    assert str(error.value) == "unknown setting '--qqq'; --help lists them"


def test_a_broken_recipe_is_told_in_a_line(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("epochs: 3\nblocks: [pose\nseed: 1\n")
    with pytest.raises(ValueError, match=r"recipe.yaml: not readable as YAML \(line 3: expected"):
        read_recipe(str(recipe))


def test_help_lists_a_setting_once_and_says_which_models_have_it(help_text: str) -> None:
    for name in all_fields():
        assert len(re.findall(rf"^  --{name}\b", help_text, re.MULTILINE)) == 1, name
    shared, alone = help_text.split("--model student alone:")
    assert "--block_channels" in shared and "--inception_blocks" in alone


def test_a_language_model_is_found_from_another_folder_too(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = DecodingSettings(decoder="beam", language_model="lm.arpa")
    assert chosen.language_model == str(tmp_path / "lm.arpa")
