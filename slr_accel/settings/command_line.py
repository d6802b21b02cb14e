"""Reads settings from a command line: defaults < recipe < what is given on the line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from slr_accel.settings.group import REPEATED
from slr_accel.settings.models.by_name import DEFAULT_MODEL, MODELS
from slr_accel.settings.recipes import GENERAL, RECIPES, fits_layouts, read_recipe
from slr_accel.settings.run import Settings, all_fields, build_settings, groups_of, setting_fields
from slr_accel.settings.unknown_name import unknown_name


def _general(given: dict[str, Any], recipe: str | None) -> dict[str, Any]:
    return read_recipe(recipe) if recipe else {}


def parse_settings(
    argv: list[str],
    prog: str,
    general: Callable[[dict[str, Any], str | None], dict[str, Any]] = _general,
) -> Settings:
    """Reads settings from the words of a command line.

    Args:
        general: makes the values of a recipe for any corpus, or of none, of the values that are
            given and the name of the recipe.

    Raises:
        SystemExit: --help was given, and is printed.
        ValueError: names all that is wrong.
    """
    parsed, unknown = _parser(prog).parse_known_args([_underscored(word) for word in argv])
    known = all_fields()
    given = {
        # `none` undoes a recipe's setting; sweeps write None and null.
        name: None if _is_none(value) and known[name].default is None else value
        for name, value in vars(parsed).items()
        if value is not None and name != "recipe"
    }
    problems = []
    for before, word in pairwise(["", *unknown]):
        if word.startswith("--"):
            problems.append(unknown_name("setting", word.split("=")[0], [f"--{n}" for n in known]))
        elif not before.startswith("--"):  # otherwise it is an unknown setting's value
            problems.append(f"{word!r} belongs to no setting")
    foreign: list[str] = []
    try:
        is_general = parsed.recipe is None or parsed.recipe in GENERAL
        recipe = general(given, parsed.recipe) if is_general else _recipe(parsed.recipe)
        foreign = _of_another_model(recipe, given)
        own = {name: value for name, value in recipe.items() if name not in foreign}
        settings = build_settings(
            _without_rivals(own, given) | given,
            quiet=own.keys() - given.keys() if is_general or fits_layouts(parsed.recipe) else (),
        )
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


def _recipe(name: str) -> dict[str, Any]:
    return {} if name == "none" else read_recipe(name)


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s [--recipe RECIPE] [--SETTING VALUE ...]",
        description="Train a recogniser. The same command again continues the run.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--recipe",
        help="complete settings by name "
        f"({', '.join(sorted(p.stem for p in RECIPES.glob('*.yaml')))}) or YAML file; "
        "none: the defaults alone. Default: own_small or own_large, by the size of the corpus",
    )
    groups = groups_of(DEFAULT_MODEL)
    del groups["model"]  # added below for all models
    for group, kind in groups.items():
        section = parser.add_argument_group(group)
        for name, field in kind.model_fields.items():
            add_argument(section, name, field, _shown(field.default))
    _add_model_arguments(parser)
    return parser


def _of_another_model(recipe: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """Returns the recipe's settings that other models have, but not the one given beside it."""
    if given.get("model") not in MODELS:
        return []
    others = all_fields().keys() - setting_fields(given["model"]).keys()
    return [name for name in recipe if name in others]


def _without_rivals(recipe: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Returns the recipe without its name for a quantity that is given by its other name."""
    rivals = {"accumulation_steps", "micro_batches_per_step"}
    return {n: v for n, v in recipe.items() if not (n in rivals and rivals & set(given))}


def _is_none(value: str | list[str]) -> bool:
    return isinstance(value, str) and value.lower() in ("none", "null")


class _Joined(argparse.Action):
    """Joins what is given several times: `--groups a --groups b` is `--groups a,b`."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, values if before is None else f"{before},{values}")


def _underscored(word: str) -> str:
    """Makes `--learning_rate=1` of `--learning-rate=1`; values stay as they are."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds settings of several models, with the default of each, then those of one model."""
    shared = parser.add_argument_group(
        "models, settings of several",
        "Where a setting means different things, the text is that of the first model.",
    )
    alone = {model: parser.add_argument_group(f"--model {model} alone") for model in MODELS}
    for name in dict.fromkeys(name for kind in MODELS.values() for name in kind.model_fields):
        owners = {
            m: kind.model_fields[name] for m, kind in MODELS.items() if name in kind.model_fields
        }
        first = next(iter(owners))
        section = shared if len(owners) > 1 else alone[first]
        add_argument(section, name, owners[first], _defaults(owners))


def _defaults(owners: dict[str, FieldInfo]) -> str:
    """Writes `192 (teacher, cosign 384)`: the first model's default, then those that differ."""
    by_default: dict[str, list[str]] = {}
    for model, field in owners.items():
        by_default.setdefault(_shown(field.default), []).append(model)
    first, *others = by_default
    different = "; ".join(f"{', '.join(by_default[value])} {value}" for value in others)
    text = f"{first} ({different})" if different else first
    return text if len(owners) in (1, len(MODELS)) else f"{text}; of {', '.join(owners)}"


def _shown(default: Any) -> str:
    if default is None:
        return ""
    return ",".join(default) if isinstance(default, tuple) else str(default)


def add_argument(section: Any, name: str, field: FieldInfo, default: str) -> None:
    """Adds an option for a setting; `default` is what its help shows in brackets."""
    help_text = " ".join((field.description or "").split()).replace("%", "%%")
    help_text += f" [{default}]" if default else ""
    if isinstance(field.default, bool):
        # `--flag`, `--flag=true` and `--no_flag`: sweeps write the first two.
        section.add_argument(f"--{name}", nargs="?", const="true", metavar="BOOL", help=help_text)
        section.add_argument(
            f"--no_{name}", dest=name, action="store_const", const="false", help=argparse.SUPPRESS
        )
        return
    is_tuple = isinstance(field.default, tuple)
    action: Any = "append" if REPEATED in field.metadata else _Joined if is_tuple else "store"
    section.add_argument(
        f"--{name}", metavar=_metavar(field.annotation), help=help_text, action=action
    )


def _metavar(kind: Any) -> str:
    """Writes `{a,b}` for a choice of a few words, which None may be added to."""
    first, *others = get_args(kind) or (None,)
    if others == [NoneType]:
        kind = first
    if get_origin(kind) is not Literal:
        return "VALUE"
    return "{" + ",".join(map(str, get_args(kind))) + "}"
