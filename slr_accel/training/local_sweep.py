"""Runs the trials of a sweep's YAML file one after the other on this machine, without a server.

    python -m slr_accel.training.local_sweep 20 launch/sweep.yaml

The file is the one that wandb reads: method `grid` or `random` (`bayes`, which needs a server, is
taken as random). Trials depend on their number alone, so the same command continues a sweep. Each
trains into runs/local_FILE/trial_001 and so on; results.csv there has a line a trial, best first.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from slr_accel.errors import reported
from slr_accel.files import replaced
from slr_accel.settings.recipes import read_yaml

DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args_no_boolean_flags}")
CONTINUED = 75
"""Exit code of a trial that a signal has stopped."""


class Trial(NamedTuple):
    values: dict[str, Any]
    folder: Path
    code: int
    result: float | None
    """The best value of the sweep's metric; None where there is none."""


def main(argv: list[str]) -> int:
    """Runs the sweep; returns 0, or 1 where no trial has a result."""
    if len(argv) != 2 or not argv[0].isdigit() or argv[0] == "0":
        raise ValueError("give the number of trials and the sweep's file: --local 20 FILE.yaml")
    sweep, path = read_yaml(Path(argv[1])), Path(argv[1])
    metric = sweep.get("metric") or {"name": "best_wer", "goal": "minimize"}
    folder, done = Path("runs") / f"local_{path.stem}", []
    for number, values in enumerate(trials(sweep, int(argv[0])), 1):
        own = Path(values.get("output_dir", folder / f"trial_{number:03d}"))
        print(f"trial {number}: {told(values)}", flush=True)
        words = command(sweep, values | {"output_dir": str(own)})
        environment = {"WANDB_MODE": "disabled", **os.environ}
        code = subprocess.run(words, env=environment, check=False).returncode
        done.append(Trial(values, own, code, best(own, metric)))
        write_results(folder / "results.csv", done, metric)
        if code in (CONTINUED, 130):
            print("stopped; the same command continues the sweep")
            return code
    for trial in ranked(done, metric):
        shown = "no result" if trial.result is None else f"{trial.result:.4g}"
        print(f"{metric['name']} {shown}  {trial.folder}  {told(trial.values)}")
    print(f"results: {folder / 'results.csv'}")
    return 0 if any(trial.result is not None for trial in done) else 1


def trials(sweep: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """Yields the values of up to `count` trials. Raises ValueError naming what it cannot sample."""
    parameters = sweep.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise ValueError("the sweep's file has no `parameters`")
    if sweep.get("method", "random") == "grid":
        ways = [_listed(name, parameter) for name, parameter in parameters.items()]
        for chosen in itertools.islice(itertools.product(*ways), count):
            yield dict(zip(parameters, chosen, strict=True))
        return
    for number in range(count):
        chance = random.Random(number)
        yield {name: sampled(chance, name, p) for name, p in parameters.items()}


def _listed(name: str, parameter: dict[str, Any]) -> list[Any]:
    if "value" in parameter:
        return [parameter["value"]]
    if "values" in parameter:
        return list(parameter["values"])
    raise ValueError(f"{name}: a grid needs `value` or `values`; use method random for ranges")


def sampled(chance: random.Random, name: str, parameter: dict[str, Any]) -> Any:
    """Samples a parameter as wandb defines it. Raises ValueError for an unknown distribution."""
    if "value" in parameter:
        return parameter["value"]
    if "values" in parameter:
        return chance.choices(list(parameter["values"]), parameter.get("probabilities"))[0]
    whole = all(isinstance(parameter.get(end), int) for end in ("min", "max"))
    kind = parameter.get("distribution", "int_uniform" if whole else "uniform")
    known = ("int_uniform", "uniform", "q_uniform", "log_uniform_values", "q_log_uniform_values")
    if kind not in known or "min" not in parameter or "max" not in parameter:
        raise ValueError(
            f"{name}: give value, values, or min and max with one of {', '.join(known)}"
        )
    low, high = parameter["min"], parameter["max"]
    if kind == "int_uniform":
        return chance.randint(low, high)
    if "log" in kind:
        value = math.exp(chance.uniform(math.log(low), math.log(high)))
    else:
        value = chance.uniform(low, high)
    quantum = parameter.get("q", 1)
    return round(value / quantum) * quantum if kind.startswith("q_") else value


def command(sweep: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """The words that start a trial: the sweep's command with its macros filled in."""
    with_flags = [
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in values.items()
        if value is not False
    ]
    macros = {
        "${env}": ["/usr/bin/env"],
        "${interpreter}": [sys.executable],
        "${program}": [str(sweep.get("program", "slr_accel/train.py"))],
        "${args}": [f"--{name}={value}" for name, value in values.items()],
        "${args_no_boolean_flags}": with_flags,
    }
    words: list[str] = []
    for word in sweep.get("command", DEFAULT_COMMAND):
        if str(word).startswith("${") and word not in macros:
            raise ValueError(f"command: {word} is not known; use {', '.join(macros)}")
        words += macros.get(str(word), [str(word)])
    return words


def best(run: Path, metric: dict[str, str]) -> float | None:
    """The best value of the metric in a run's metrics.jsonl; `best_wer` is the best `wer`."""
    name = metric["name"].removeprefix("best_")
    path = run / "metrics.jsonl"
    if not path.is_file():
        return None
    records = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    found = [record[name] for record in records if name in record]
    return (max if metric.get("goal") == "maximize" else min)(found, default=None)


def ranked(done: list[Trial], metric: dict[str, str]) -> list[Trial]:
    """Best first; those without a result last."""
    sign = -1 if metric.get("goal") == "maximize" else 1
    return sorted(done, key=lambda t: math.inf if t.result is None else sign * t.result)


def write_results(path: Path, done: list[Trial], metric: dict[str, str]) -> None:
    """Writes the table of all trials so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        names = list(done[0].values)
        writer.writerow([metric["name"], "exit_code", "output_dir", *names])
        for trial in ranked(done, metric):
            values = [trial.values[name] for name in names]
            writer.writerow([trial.result, trial.code, trial.folder, *values])


def told(values: dict[str, Any]) -> str:
    """The values on one line."""
    return yaml.safe_dump(values, default_flow_style=True, width=math.inf, sort_keys=False).strip()


if __name__ == "__main__":
    with reported():
        sys.exit(main(sys.argv[1:]))
