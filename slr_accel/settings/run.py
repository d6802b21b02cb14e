"""All settings of a run, and how they come together: defaults < recipe YAML < command line.

Names are flat: `--learning_rate` on the command line, `learning_rate:` in a recipe and in the run's
config.yaml, whatever group a setting belongs to. This module imports no torch.
"""

from __future__ import annotations

import argparse
import difflib
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from slr_accel.settings.features import AugmentationSettings, FeatureSettings
from slr_accel.settings.loading import LoadingSettings
from slr_accel.settings.models.base import ModelSettings
from slr_accel.settings.models.by_name import DEFAULT_MODEL, MODELS
from slr_accel.settings.training import TrainingSettings

GROUPS: dict[str, type[BaseModel]] = {
    "training": TrainingSettings,
    "loading": LoadingSettings,
    "features": FeatureSettings,
    "augmentation": AugmentationSettings,
}
"""The groups that every run has; `model` comes beside them, as --model says."""
RECIPES = Path(__file__).parents[1] / "recipes"
MOST_LISTED = 20
"""Names that an error lists; of more, it says where they are listed."""


@dataclass(frozen=True)
class Settings:
    """The settings of one run, by group."""

    training: TrainingSettings
    loading: LoadingSettings
    features: FeatureSettings
    augmentation: AugmentationSettings
    model: ModelSettings

    def flat(self) -> dict[str, Any]:
        """{name: value} over all groups, plain types."""
        groups = (getattr(self, field.name).model_dump(mode="json") for field in fields(self))
        return {name: value for group in groups for name, value in group.items()}


def groups_of(model: str) -> dict[str, type[BaseModel]]:
    return {**GROUPS, "model": MODELS[model]}


def setting_fields(model: str) -> dict[str, FieldInfo]:
    """Every setting of a run of this model by its flat name."""
    groups = groups_of(model).values()
    return {name: field for group in groups for name, field in group.model_fields.items()}


def defaults_of(model: str) -> dict[str, Any]:
    """The settings of a run of this model where none is given, as `Settings.flat` has them."""
    groups = (kind.model_construct().model_dump(mode="json") for kind in groups_of(model).values())
    return {name: value for group in groups for name, value in group.items()}


def all_fields() -> dict[str, FieldInfo]:
    """Every setting of any run; of a name that several models have, the first."""
    return {name: f for model in reversed(MODELS) for name, f in setting_fields(model).items()}


def build_settings(values: dict[str, Any]) -> Settings:
    """Checks flat values and groups them. Raises ValueError with all problems at once."""
    model = values.get("model", DEFAULT_MODEL)
    if model not in MODELS:
        model = DEFAULT_MODEL  # the training group says what is wrong with it
    known = setting_fields(model)
    # A YAML key need not be a text.
    problems = [_unknown(str(name), model) for name in values if name not in known]
    groups: dict[str, Any] = {}
    for group, kind in groups_of(model).items():
        own = {name: value for name, value in values.items() if name in kind.model_fields}
        try:
            groups[group] = kind(**own)
        except ValidationError as error:
            problems += [_describe(e) for e in error.errors()]
    for built in groups.values():
        problems += getattr(built, "problems", list)()
    if problems:
        raise ValueError("these settings cannot be used:\n  " + "\n  ".join(problems))
    return Settings(**groups)


def _unknown(name: str, model: str) -> str:
    owners = [other for other, kind in MODELS.items() if name in kind.model_fields]
    if owners:
        return f"{name} is a setting of the model {' and '.join(owners)}, not of {model}"
    return unknown_name("setting", name, list(setting_fields(model)))


def _describe(error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else "settings"
    return f"{name}: {error['msg'][0].lower()}{error['msg'][1:]}, not {error['input']!r}"


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """An error text that names the nearest known one."""
    near = difflib.get_close_matches(name, known, n=1)
    listed = (
        "--help lists them" if len(known) > MOST_LISTED else f"known: {', '.join(sorted(known))}"
    )
    hint = f"did you mean {near[0]}?" if near else listed
    return f"unknown {kind} {name!r}; {hint}"


def read_recipe(name: str) -> dict[str, Any]:
    """The flat values of a shipped recipe or of a YAML file. Raises ValueError."""
    shipped = {path.stem: path for path in RECIPES.glob("*.yaml")}
    path = shipped.get(name, Path(name))
    if not path.is_file():
        if path.suffix in (".yaml", ".yml") or "/" in name:
            raise ValueError(f"{name}: no such recipe file")
        raise ValueError(unknown_name("recipe", name, list(shipped)))
    return read_yaml(path)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file of flat values, by the safe loader. Raises ValueError naming the file."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{path}: not readable as YAML ({line}{error.problem})") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: not readable as YAML ({error})") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path}: settings are `name: value` lines")
    return values


def parse_settings(argv: list[str], prog: str) -> Settings:
    """Settings from a command line. Exits like argparse on --help, raises ValueError else."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s [--recipe RECIPE] [--SETTING VALUE ...]",
        description="Train a recogniser. The same command again continues the run.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--recipe",
        help="complete settings by name "
        f"({', '.join(sorted(p.stem for p in RECIPES.glob('*.yaml')))}) or YAML file",
    )
    for group, kind in GROUPS.items():
        section = parser.add_argument_group(group)
        for name, field in kind.model_fields.items():
            _add_argument(section, name, field, _shown(field.default))
    _add_model_arguments(parser)
    parsed, unknown = parser.parse_known_args([_underscored(word) for word in argv])
    known = all_fields()
    given = {
        # `none` takes back what a recipe sets.
        name: None if value == "none" and known[name].default is None else value
        for name, value in vars(parsed).items()
        if value is not None and name != "recipe"
    }
    problems = []
    for before, word in pairwise(["", *unknown]):
        if word.startswith("--"):
            problems.append(unknown_name("setting", word.split("=")[0], [f"--{n}" for n in known]))
        elif not before.startswith("--"):  # else it is the value of what is unknown
            problems.append(f"{word!r} belongs to no setting")
    foreign: list[str] = []
    try:
        recipe = read_recipe(parsed.recipe) if parsed.recipe else {}
        foreign = _of_another_model(recipe, given)
        own = {name: value for name, value in recipe.items() if name not in foreign}
        settings = build_settings(_without_rivals(own, given) | given)
    except ValueError as error:
        problems.append(str(error))
    if foreign:
        problems.append(
            f"the recipe {parsed.recipe} belongs to another model than {given['model']}: it sets "
            f"{', '.join(foreign)}; give --model {given['model']} without --recipe, or another "
            "recipe"
        )
    if problems:
        raise ValueError("\n".join(problems))
    return settings


def _of_another_model(recipe: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """The recipe's settings that the model chosen beside it does not have, but others do."""
    if given.get("model") not in MODELS:
        return []
    others = all_fields().keys() - setting_fields(given["model"]).keys()
    return [name for name in recipe if name in others]


def _without_rivals(recipe: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    # Two names for one quantity: the command line's takes the place of the recipe's.
    rivals = {"accumulation_steps", "micro_batches_per_step"}
    if rivals & set(given):
        return {name: value for name, value in recipe.items() if name not in rivals}
    return recipe


def _underscored(word: str) -> str:
    """`--learning-rate=1` -> `--learning_rate=1`; values stay as they are."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """First what several models have, with the default of each; then what each has alone."""
    owners: dict[str, list[str]] = {}
    for model, kind in MODELS.items():
        for name in kind.model_fields:
            owners.setdefault(name, []).append(model)
    shared = parser.add_argument_group(
        "models, settings of several",
        "Where models differ in what a setting means, the text is the student's.",
    )
    for name, models in owners.items():
        if len(models) > 1:
            _add_argument(
                shared, name, MODELS[models[0]].model_fields[name], _defaults(name, models)
            )
    for model, kind in MODELS.items():
        section = parser.add_argument_group(f"--model {model} alone")
        for name, field in kind.model_fields.items():
            if owners[name] == [model]:
                _add_argument(section, name, field, _shown(field.default))


def _defaults(name: str, models: list[str]) -> str:
    """`192 (teacher, cosign 384)`: the first model's, and which others have another one."""
    first, *others = (_shown(MODELS[model].model_fields[name].default) for model in models)
    own: dict[str, list[str]] = {}
    for model, default in zip(models[1:], others, strict=True):
        own.setdefault(default, []).append(model)
    different = [f"{', '.join(them)} {value}" for value, them in own.items() if value != first]
    everywhere = len(models) == len(MODELS)
    told = f"{first}{' (' + '; '.join(different) + ')' if different else ''}"
    return told if everywhere else f"{told}; of {', '.join(models)}"


def _shown(default: Any) -> str:
    if default is None:
        return ""
    return ",".join(default) if isinstance(default, tuple) else str(default)


def _add_argument(section: Any, name: str, field: FieldInfo, default: str) -> None:
    help_text = " ".join((field.description or "").split()).replace("%", "%%")
    help_text += f" [{default}]" if default else ""
    if isinstance(field.default, bool):
        # `--flag`, `--flag=true` and `--no_flag`: sweeps write the first two.
        section.add_argument(f"--{name}", nargs="?", const="true", metavar="BOOL", help=help_text)
        section.add_argument(
            f"--no_{name}", dest=name, action="store_const", const="false", help=argparse.SUPPRESS
        )
        return
    section.add_argument(f"--{name}", metavar=_metavar(field.annotation), help=help_text)


def _metavar(kind: Any) -> str:
    """`{a,b}` where one of a few words is taken, or none of them."""
    first, *others = get_args(kind) or (None,)
    if others == [NoneType]:
        kind = first
    if get_origin(kind) is not Literal:
        return "VALUE"
    return "{" + ",".join(map(str, get_args(kind))) + "}"
