"""Groups all settings of a run, and checks them.

Names are flat: `--learning_rate` on the command line, `learning_rate:` in a recipe and in the run's
config.yaml, whatever group a setting belongs to. No module of settings/ imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from slr_accel.settings.decoding import DecodingSettings
from slr_accel.settings.distillation import DistillationSettings
from slr_accel.settings.features import AugmentationSettings, FeatureSettings
from slr_accel.settings.group import SettingsGroup
from slr_accel.settings.health import HealthSettings
from slr_accel.settings.loading import LoadingSettings
from slr_accel.settings.models.base import ModelSettings
from slr_accel.settings.models.by_name import DEFAULT_MODEL, MODELS
from slr_accel.settings.training import TrainingSettings
from slr_accel.settings.unknown_name import unknown_name


@dataclass(frozen=True)
class Settings:
    """The settings of one run, by group."""

    training: TrainingSettings
    loading: LoadingSettings
    features: FeatureSettings
    augmentation: AugmentationSettings
    decoding: DecodingSettings
    distillation: DistillationSettings
    health: HealthSettings
    model: ModelSettings

    def flat(self) -> dict[str, Any]:
        """Returns {name: value} over all groups, in plain types."""
        return _flat(getattr(self, field.name) for field in fields(self))


def _flat(groups: Iterable[SettingsGroup]) -> dict[str, Any]:
    return {n: value for group in groups for n, value in group.model_dump(mode="json").items()}


def groups_of(model: str) -> dict[str, type[SettingsGroup]]:
    """Returns the classes of the fields of `Settings` for a run of this model."""
    return {**get_type_hints(Settings), "model": MODELS[model]}


def setting_fields(model: str) -> dict[str, FieldInfo]:
    """Returns every setting of a run of this model by its flat name."""
    groups = groups_of(model).values()
    return {name: field for group in groups for name, field in group.model_fields.items()}


def defaults_of(model: str) -> dict[str, Any]:
    """Returns what `Settings.flat` returns for a run of this model with no setting given."""
    return _flat(group.model_construct() for group in groups_of(model).values())


def all_fields() -> dict[str, FieldInfo]:
    """Returns every setting of any run by its flat name.

    Where several models have a setting, it is that of the first one.
    """
    return {name: f for model in reversed(MODELS) for name, f in setting_fields(model).items()}


def build_settings(values: dict[str, Any], quiet: Iterable[str] = ()) -> Settings:
    """Checks flat values and groups them. Raises ValueError with all problems at once.

    Args:
        quiet: names that do not count as given: nobody is warned where they have no effect.
    """
    model = values.get("model", DEFAULT_MODEL)
    if model not in MODELS:
        model = DEFAULT_MODEL  # the training group refuses the name
    known = setting_fields(model)
    # A YAML key need not be a text.
    problems = [_unknown(str(name), model) for name in values if name not in known]
    groups: dict[str, Any] = {}
    for group, kind in groups_of(model).items():
        own = {name: value for name, value in values.items() if name in kind.model_fields}
        try:
            groups[group] = kind(**own)
        except ValidationError as error:
            problems += problems_of(error)
    for built in groups.values():
        built.model_fields_set.difference_update(quiet)
        problems += built.problems()
    if problems:
        raise ValueError("these settings cannot be used:\n  " + "\n  ".join(problems))
    return Settings(**groups)


def problems_of(error: ValidationError) -> list[str]:
    """Returns a text for each setting that pydantic refused."""
    return [
        f"{e['loc'][0]}: {e['msg'][0].lower()}{e['msg'][1:]}, not {e['input']!r}"
        for e in error.errors()
    ]


def _unknown(name: str, model: str) -> str:
    owners = [other for other, kind in MODELS.items() if name in kind.model_fields]
    if owners:
        return f"{name} is a setting of the model {' and '.join(owners)}, not of {model}"
    return unknown_name("setting", name, list(setting_fields(model)))
