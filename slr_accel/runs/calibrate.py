"""Fits the temperature of a model's confidences, and keeps it in the model's config.json."""

from __future__ import annotations

import json

import numpy as np
import torch

from slr_accel.ctc.temperature import with_temperature
from slr_accel.files import write_whole
from slr_accel.models.find import CONFIG_FILE
from slr_accel.runs.opened import OpenedRun
from slr_accel.runs.outputs import outputs
from slr_accel.scoring.calibration import calibration, judged, log_loss
from slr_accel.scoring.references import references
from slr_accel.scoring.scored import scored_sequences
from slr_accel.scoring.words import recognised_texts, recognised_words

TEMPERATURES = np.geomspace(0.25, 16, 97)
FEWEST = 20
"""Words that a temperature can be fitted on."""


def fit_temperature(opened: OpenedRun, rows: np.ndarray) -> tuple[float, float]:
    """The temperature with the smallest log loss of right and wrong words; all processes find it.

    Returns it, and the calibration error without one.

    Hypotheses are those of the opened run's decoder.

    Raises:
        ValueError: too few words were recognised, or all of them are right or all wrong.
    """
    corpus, vocabulary = opened.corpus, opened.vocabulary
    opened.model.temperature = 1.0
    hypotheses = opened.transcribe(rows).hypotheses
    expected = references(corpus, rows, vocabulary.label_policy)
    texts = recognised_texts(vocabulary, hypotheses)
    names = [corpus.rows.id(row) for row in rows]
    sequences = dict(
        zip(rows.tolist(), scored_sequences(names, names, expected, texts), strict=True)
    )
    said = dict(zip(rows.tolist(), hypotheses, strict=True))
    parts: list[list[np.ndarray]] = [[] for _ in TEMPERATURES]
    for row, log_probs in outputs(opened, rows):
        batch = torch.from_numpy(log_probs)[None]
        for own, temperature in zip(parts, TEMPERATURES, strict=True):
            [softened] = with_temperature([said[row]], batch, float(temperature))
            confidences = [word.confidence for word in recognised_words(vocabulary, softened)]
            own.append(judged([sequences[row]], [confidences]))
    together = [np.concatenate(own) for own in parts]
    right = together[0][:, 1]
    if len(right) < FEWEST or right.min() == right.max():
        raise ValueError(
            f"--calibrate: {len(right)} words were recognised, {int(right.sum())} of them right; "
            f"a temperature needs at least {FEWEST}, some right and some wrong"
        )
    best = min(range(len(TEMPERATURES)), key=lambda i: log_loss(together[i]))
    plain = [recognised_words(vocabulary, h) for h in hypotheses]
    before = judged(list(sequences.values()), [[word.confidence for word in own] for own in plain])
    return round(float(TEMPERATURES[best]), 3), calibration(before)["ece"]


def keep_temperature(opened: OpenedRun, temperature: float) -> None:
    """Uses the temperature from now on, and writes it into the config.json of the checkpoint."""
    opened.model.temperature = temperature
    if opened.is_main:
        path = opened.checkpoint / CONFIG_FILE
        config = json.loads(path.read_text(encoding="utf-8")) | {"temperature": temperature}
        write_whole(path, json.dumps(config, indent=1, ensure_ascii=False) + "\n")
