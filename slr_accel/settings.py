"""All settings of a run, and how they come together: defaults < recipe YAML < command line.

Names are flat: `--learning_rate` on the command line, `learning_rate:` in a recipe and in the run's
config.yaml, whatever group a setting belongs to. This module imports no torch.
"""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from slr_accel.features.settings import AugmentationSettings, FeatureSettings
from slr_accel.loading.settings import LoadingSettings
from slr_accel.models.settings import StudentSettings
from slr_accel.training.settings import TrainingSettings

GROUPS: dict[str, type[BaseModel]] = {
    "training": TrainingSettings,
    "loading": LoadingSettings,
    "features": FeatureSettings,
    "augmentation": AugmentationSettings,
    "model": StudentSettings,
}
RECIPES = Path(__file__).parent / "recipes"


class Settings(BaseModel):
    """The settings of one run, by group."""

    training: TrainingSettings
    loading: LoadingSettings
    features: FeatureSettings
    augmentation: AugmentationSettings
    model: StudentSettings

    def flat(self) -> dict[str, Any]:
        """{name: value} over all groups, plain types."""
        return {k: v for group in self.model_dump(mode="json").values() for k, v in group.items()}


def setting_fields() -> dict[str, FieldInfo]:
    """Every setting by its flat name."""
    return {name: field for group in GROUPS.values() for name, field in group.model_fields.items()}


def build_settings(values: dict[str, Any]) -> Settings:
    """Checks flat values and groups them. Raises ValueError with all problems at once."""
    known = setting_fields()
    # A YAML key need not be a text.
    problems = [
        unknown_name("setting", str(name), list(known)) for name in values if name not in known
    ]
    groups: dict[str, Any] = {}
    for group, model in GROUPS.items():
        own = {name: value for name, value in values.items() if name in model.model_fields}
        try:
            groups[group] = model(**own)
        except ValidationError as error:
            problems += [_describe(e) for e in error.errors()]
    for built in groups.values():
        problems += getattr(built, "problems", list)()
    if problems:
        raise ValueError("these settings cannot be used:\n  " + "\n  ".join(problems))
    return Settings(**groups)


def _describe(error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else "settings"
    return f"{name}: {error['msg'][0].lower()}{error['msg'][1:]}, not {error['input']!r}"


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """An error text that names the nearest known one."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
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
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: not readable as YAML ({error})") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path}: settings are `name: value` lines")
    return values


def parse_settings(argv: list[str], prog: str) -> Settings:
    """Settings from a command line. Exits like argparse on --help, raises ValueError else."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Train a recogniser. The same command again continues the run.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--recipe",
        help="complete settings by name "
        f"({', '.join(sorted(p.stem for p in RECIPES.glob('*.yaml')))}) or YAML file",
    )
    for group, model in GROUPS.items():
        section = parser.add_argument_group(group)
        for name, field in model.model_fields.items():
            _add_argument(section, name, field)
    parsed, unknown = parser.parse_known_args([_underscored(word) for word in argv])
    fields = setting_fields()
    given = {
        # `none` takes back what a recipe sets.
        name: None if value == "none" and fields[name].default is None else value
        for name, value in vars(parsed).items()
        if value is not None and name != "recipe"
    }
    problems = [
        unknown_name("setting", word.split("=")[0], [f"--{n}" for n in setting_fields()])
        for word in unknown
        if word.startswith("--")
    ]
    problems += [f"{w!r} belongs to no setting" for w in unknown if not w.startswith("--")]
    try:
        recipe = read_recipe(parsed.recipe) if parsed.recipe else {}
        settings = build_settings(_without_rivals(recipe, given) | given)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    return settings


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


def _add_argument(section: Any, name: str, field: FieldInfo) -> None:
    help_text = " ".join((field.description or "").split()).replace("%", "%%")
    default = field.default
    if isinstance(default, bool):
        # `--flag`, `--flag=true` and `--no_flag`: sweeps write the first two.
        section.add_argument(
            f"--{name}", nargs="?", const="true", metavar="BOOL", help=f"{help_text} [{default}]"
        )
        section.add_argument(
            f"--no_{name}", dest=name, action="store_const", const="false", help=argparse.SUPPRESS
        )
        return
    if isinstance(default, tuple):
        default = ",".join(default)
    shown = "" if default in (None, "") else f" [{default}]"
    section.add_argument(f"--{name}", metavar="VALUE", help=help_text + shown)
