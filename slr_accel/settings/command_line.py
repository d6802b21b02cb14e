"""Reads settings from a command line: defaults < recipe < what is given on the line."""

from __future__ import annotations

import argparse
from itertools import pairwise
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from slr_accel.settings.models.by_name import MODELS
from slr_accel.settings.recipes import RECIPES, read_recipe
from slr_accel.settings.run import GROUPS, Settings, all_fields, build_settings, setting_fields
from slr_accel.settings.unknown_name import unknown_name


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
