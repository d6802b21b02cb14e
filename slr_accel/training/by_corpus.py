"""Chooses by the corpus what is not given: the recipe, its output stride, the number of epochs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.labels.policies import train_labels
from slr_accel.loading.plan import required_output_length
from slr_accel.runs.run_folder import RunFolder
from slr_accel.settings.models.by_name import DEFAULT_MODEL, MODELS
from slr_accel.settings.recipes import read_recipe
from slr_accel.settings.run import Settings, setting_fields

SMALL = 2000
"""Train sequences up to which the recipe own_small is chosen."""
LEAST_EPOCHS, LEAST_STEPS = 40, 6000
"""CTC needs some thousand optimizer steps, however few sentences there are."""
STRIDES = (4, 2, 1)
SPLICING = ("crop_probability", "join_probability")
UNSPLICED = {"max_frames", "dynamic_truncation", "shard_window"}
"""Settings that sequences may not be cut and joined with."""
TIGHT, MOST_TIGHT = 1.3, 0.05
"""Output steps over those that CTC needs below which a sequence is tight, and the share of tight
ones from which a stride is too large."""


def values_by_corpus(
    given: dict[str, Any], recipe: str | None, opened: list[Corpus] | None = None
) -> dict[str, Any]:
    """Returns the values of a recipe for any corpus, or of the run that is to continue.

    Args:
        given: values of the command line.
        recipe: one of GENERAL; None: by the size of the corpus, where the run is new.
        opened: takes the corpus, where it is opened: a remote one is fetched.
    """
    if not {"data_dir", "output_dir"} <= given.keys():
        return read_recipe(recipe) if recipe else {}
    run = RunFolder(Path(given["output_dir"]))
    if run.exists and recipe is None:
        config = run.config()
        model = given.get("model")  # another one than the run's is reported when it is opened
        known = setting_fields(model if model in MODELS else config.get("model", DEFAULT_MODEL))
        return {name: value for name, value in config.items() if name in known}
    if given.get("model", DEFAULT_MODEL) != DEFAULT_MODEL:
        return read_recipe(recipe) if recipe else {}
    try:
        gigabytes = float(given["cache_gb"]) if given.get("cache_gb") else None
        corpus = open_corpus(
            given["data_dir"], cache_dir=given.get("cache_dir"), cache_gb=gigabytes
        )
        stride = fitting_stride(corpus, given.get("label_policy", "raw"))
    except (ValueError, OSError):
        return {}  # what is wrong with the corpus is reported when the run opens it
    if opened is not None:
        opened.append(corpus)
    rows = len(corpus.rows.of_split("train"))
    name = recipe or ("own_small" if rows <= SMALL else "own_large")
    if os.environ.get("RANK", "0") == "0":
        why = "" if recipe else f" by the size of the corpus ({rows} train sequences)"
        print(f"recipe {name}{why}, output_stride {stride}; --recipe names another")
    values = {**read_recipe(name), "output_stride": stride, "reduction": stride}
    if given.keys() & UNSPLICED:
        values = {key: value for key, value in values.items() if key not in SPLICING}
    return values


def fitting_stride(corpus: Corpus, policy: str) -> int:
    """Returns the largest output stride that leaves CTC room for the labels of most sequences."""
    rows = corpus.rows.of_split("train")
    required = np.array([_required(train_labels(policy, corpus.labels(row))) for row in rows])
    for stride in STRIDES:
        tight = np.ceil(corpus.rows.frames[rows] / stride) < TIGHT * required
        if tight.mean() <= MOST_TIGHT:
            return stride
    return STRIDES[-1]


def _required(tokens: list[str]) -> int:
    numbers = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return required_output_length([numbers[token] for token in tokens])


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
