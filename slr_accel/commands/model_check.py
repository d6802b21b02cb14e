"""Checks the architecture of a model for `slr-accel models --check`, also of the user's own."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from slr_accel.settings.models.by_name import MODELS

if TYPE_CHECKING:
    from slr_accel.models.recogniser import Recogniser

SEQUENCES = 4


def check_model(source: str, data_dir: str, label_policy: str | None, *, as_json: bool) -> int:
    """Prints a line a check; returns 1 where one fails.

    Args:
        source: a name of MODELS, or PATH.py:CLASS, which is imported.
        data_dir: corpus, whose layout and first train sequences are used.
        label_policy: by default characters for spectra, else raw.
        as_json: print JSON alone.

    Raises:
        ValueError: there is no such model or corpus, or no sequence that CTC can align.
    """
    from slr_accel.commands.overfit import default_label_policy
    from slr_accel.corpus.reader import open_corpus
    from slr_accel.settings.run import build_settings
    from slr_accel.training.data import make_vocabulary, train_data

    name = source if source in MODELS else "student"
    corpus = open_corpus(data_dir)
    policy = label_policy or default_label_policy(name, corpus)
    values: dict[str, Any] = {"data_dir": data_dir, "output_dir": "none", "model": name}
    values |= {"label_policy": policy, "num_train_samples": SEQUENCES}
    settings = build_settings(values)
    vocabulary = make_vocabulary(settings, corpus)

    from slr_accel.diagnosis.architecture import architecture_checks
    from slr_accel.diagnosis.check import lines
    from slr_accel.features.statistics import train_statistics
    from slr_accel.loading.loader import read_ahead
    from slr_accel.training.start import fresh_model, make_transform

    data = train_data(settings, corpus, vocabulary)
    transform = make_transform(settings, corpus)
    statistics = train_statistics(transform, corpus, data.rows, None)
    if source in MODELS:
        model = fresh_model(settings, corpus, vocabulary, statistics)
    else:
        transform.mean.copy_(statistics["mean"])
        transform.deviation.copy_(statistics["deviation"])
        model = _own_model(source, transform, vocabulary.num_outputs)
    [batch] = read_ahead(corpus, [data.rows], data.targets)
    checks = list(architecture_checks(model, batch))
    if as_json:
        print(json.dumps([check.to_json() for check in checks], indent=1))
    else:
        print(f"{source} on {len(data.rows)} sequences of {corpus.address}")
        print("\n".join(lines(checks)))
    return 0 if all(check.ok for check in checks) else 1


def _own_model(source: str, transform: Any, num_outputs: int) -> Recogniser:
    """Makes a model of the user's class, with the defaults of the settings that it declares."""
    from slr_accel.models.recogniser import Recogniser
    from slr_accel.settings.models.base import ModelSettings

    path, colon, name = source.rpartition(":")
    if not colon or not Path(path).is_file():
        raise ValueError(
            f"{source}: neither a model ({', '.join(MODELS)}) nor a file and its class, "
            "path/to/file.py:Class"
        )
    kind = getattr(_imported(Path(path)), name, None)
    if not (isinstance(kind, type) and issubclass(kind, Recogniser)):
        raise ValueError(f"{path}: has no class {name} that is a Recogniser")
    declared = get_type_hints(kind).get("settings", ModelSettings)
    settings = declared if isinstance(declared, type) else ModelSettings
    try:
        return kind(transform, settings(), num_outputs)
    except TypeError as error:
        raise ValueError(
            f"{source}: cannot be made as {name}(features, settings, num_outputs): {error}"
        ) from None


def _imported(path: Path) -> Any:
    """Runs the user's file as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    return module
