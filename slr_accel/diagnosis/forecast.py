"""Forecasts the WER at the end of a run from its validations so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slr_accel.diagnosis.history import History

FEWEST = 6
"""Validations since a run began to learn, from which a curve is fitted."""
BEGUN = 0.9
"""WER below which a run has begun to learn."""
AS_GOOD = 1.3
"""Curves whose error is up to this multiple of the best one's are as good; they make the range."""


@dataclass(frozen=True)
class Forecast:
    """The WER expected at the end of a run, as a fraction."""

    wer: float
    low: float
    high: float
    """The range of all curves that fit about as well, and the noise of validations around them."""


def forecast(records: Iterable[Mapping[str, Any]], total: float) -> Forecast | None:
    """Fits c + a f(t) to the WERs since the run began to learn.

    f is an exponential or a power law with one of many rates. Each fits the past about as well as
    some others and goes on differently, so that the range widens with what is left of the run.

    Args:
        total: steps of the whole run (epochs where records have no step).

    Returns:
        None where too little is known.
    """
    validations = History(records).validations
    places = np.array([v.get("step", v.get("epoch", 0.0)) for v in validations])
    wers = np.array([v["wer"] for v in validations])
    high = np.flatnonzero(wers >= BEGUN)
    begin = int(high[-1]) + 1 if len(high) else 0
    times, wers = places[begin:], wers[begin:]
    if len(wers) < FEWEST or times[-1] >= total or times[-1] <= times[0]:
        return None
    span = times[-1] - times[0]
    shapes = _shapes(np.append(times - times[0], total - times[0]) / span)
    errors, ends = np.array([_fit(shape[:-1], wers, shape[-1]) for shape in shapes]).T
    noise = float(errors.min())
    as_good = ends[errors <= AS_GOOD * noise + 1e-3]
    return Forecast(
        wer=float(ends[errors.argmin()]),
        low=max(float(as_good.min()) - noise, 0.0),
        high=float(as_good.max()) + noise,
    )


def _shapes(times: np.ndarray) -> list[np.ndarray]:
    """f at each time; 0 is the first validation, 1 the last one."""
    exponentials = [np.exp(-rate * times) for rate in np.geomspace(0.1, 50, 30)]
    powers = [
        (1 + times / scale) ** -power for scale in (0.02, 0.1, 0.5) for power in (0.25, 0.5, 1, 2)
    ]
    return exponentials + powers


def _fit(shape: np.ndarray, wers: np.ndarray, end: float) -> tuple[float, float]:
    """(root mean square error, value at the end) of c + a f, with c and a no less than 0.

    Later validations weigh more: the early descent says little of the end.
    """
    weights = np.linspace(0.3, 1, len(wers))
    mean = np.average(shape, weights=weights), np.average(wers, weights=weights)
    variance = np.average((shape - mean[0]) ** 2, weights=weights)
    factor = np.average((shape - mean[0]) * (wers - mean[1]), weights=weights) / (variance or 1)
    constant = mean[1] - factor * mean[0]
    if constant < 0:
        constant = 0.0
        factor = np.average(shape * wers, weights=weights) / np.average(shape**2, weights=weights)
    if factor < 0:
        constant, factor = mean[1], 0.0
    error = np.sqrt(np.average((constant + factor * shape - wers) ** 2, weights=weights))
    return float(error), float(constant + factor * end)
