"""Reads recipes: YAML files of `name: value` lines, by flat names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from slr_accel.settings.unknown_name import unknown_name

RECIPES = Path(__file__).parents[1] / "recipes"
GENERAL = ("own_small", "own_large")
"""Recipes for any corpus: what they do not set is chosen by it."""


def read_recipe(name: str) -> dict[str, Any]:
    """Reads a shipped recipe by its name, or a YAML file. Raises ValueError naming it."""
    shipped = {path.stem: path for path in RECIPES.glob("*.yaml")}
    path = shipped.get(name, Path(name))
    if not path.is_file():
        if path.suffix in (".yaml", ".yml") or "/" in name:
            raise ValueError(f"{name}: no such recipe file")
        raise ValueError(unknown_name("recipe", name, list(shipped)))
    return read_yaml(path)


def fits_layouts(name: str) -> bool:
    """Whether a shipped recipe is for several layouts: of what one lacks, nobody is warned."""
    return (RECIPES / f"{name}.yaml").is_file() and "layout" not in read_recipe(name)


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file of flat values, by the safe loader. Raises ValueError naming it."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{path}: not readable as YAML ({line}{error.problem})") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: not readable as YAML ({error})") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path}: it must consist of `name: value` lines")
    return values
