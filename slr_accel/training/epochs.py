"""Chooses what a run has where no recipe, or no number of epochs, is given."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.runs.run_folder import RunFolder
from slr_accel.settings.models.by_name import DEFAULT_MODEL, MODELS
from slr_accel.settings.recipes import read_recipe
from slr_accel.settings.run import Settings, setting_fields

SMALL = 2000
"""Train sequences up to which the recipe own_small is chosen."""

LEAST_EPOCHS, LEAST_STEPS = 40, 6000
"""CTC needs some thousand optimizer steps, however few sentences there are."""


def without_recipe(given: dict[str, Any]) -> dict[str, Any]:
    """Returns the values that stand in for a recipe: those of the run, or a recipe by size.

    Args:
        given: values of the command line.
    """
    if not {"data_dir", "output_dir"} <= given.keys():
        return {}
    run = RunFolder(Path(given["output_dir"]))
    if run.exists:
        config = run.config()
        model = given.get("model")  # another one than the run's is reported when the run is opened
        known = setting_fields(model if model in MODELS else config.get("model", DEFAULT_MODEL))
        return {name: value for name, value in config.items() if name in known}
    if given.get("model", DEFAULT_MODEL) != DEFAULT_MODEL:
        return {}
    cache = {name: given[name] for name in ("cache_dir",) if name in given}
    try:
        rows = len(open_corpus(given["data_dir"], **cache).rows.of_split("train"))
    except (ValueError, OSError):
        return {}  # what is wrong with the corpus is reported when the run opens it
    name = "own_small" if rows <= SMALL else "own_large"
    if os.environ.get("RANK", "0") == "0":
        print(
            f"recipe {name}, by the size of the corpus ({rows} train sequences); --recipe names "
            "another"
        )
    return read_recipe(name)


def with_epochs(settings: Settings, corpus: Corpus, run: RunFolder) -> Settings:
    """Returns the settings with a number of epochs: that given, that of the run, or one by size."""
    training = settings.training
    if training.epochs is not None:
        return settings
    known = run.config().get("epochs") if run.exists else None
    epochs = known or epochs_by_size(settings, len(corpus.rows.of_split("train")))
    return replace(settings, training=training.model_copy(update={"epochs": epochs}))


def epochs_by_size(settings: Settings, rows: int) -> int:
    """Returns the epochs that a train split of `rows` sequences needs."""
    training, loading = settings.training, settings.loading
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    per_step = training.micro_batches_per_step or (training.accumulation_steps or 1) * world_size
    sequences = min(rows, loading.num_train_samples or rows)
    steps = max(1, -(-sequences // (loading.batch_size * per_step)))
    return max(LEAST_EPOCHS, -(-LEAST_STEPS // steps))
