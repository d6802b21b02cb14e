"""Implements `slr-accel overfit`: proves on a few sequences that a model and a corpus can learn."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slr_accel.settings.models.by_name import MODELS

if TYPE_CHECKING:
    from slr_accel.corpus.reader import Corpus
    from slr_accel.diagnosis.check import Check
    from slr_accel.diagnosis.overfit_verdict import Trial
    from slr_accel.settings.run import Settings

SAMPLES, EPOCHS, BATCH = 10, 3000, 4
STEPS_A_LINE, ZEROS = 15, 10
"""Optimizer steps from one validation to the next, and validations with a WER of 0 that end it."""
TRIALS: dict[str, dict[str, Any]] = {
    "standard": {"learning_rate": 5e-4, "max_grad_norm": 5.0, "attention_clamp": 10.0},
    "relaxed": {"learning_rate": 1e-3, "max_grad_norm": 50.0, "attention_clamp": 0.0},
}
"""The settings that differ between the two tests."""
CALM: dict[str, Any] = {
    "dropout": 0.1,
    "input_dropout": 0.0,
    "attention_dropout": 0.1,
    "consistency_weight": 0.0,
    "crop_probability": 0.0,
    "join_probability": 0.0,
    "curriculum_epochs": 0,
    "weight_decay": 0.0,
    "warmup_ratio": 0.0,
    "schedule": "constant",
    "ema_decay": 0.0,
    "eval_split": "train",
    "early_stopping_patience": "none",
    "average_best": "none",
    "batch_frames": "none",
    "keep_last": 1,
    "wandb_mode": "disabled",
    "eval_steps": STEPS_A_LINE,
    "log_steps": STEPS_A_LINE,
    "zero_wer_patience": ZEROS,
}
"""The settings of both tests, besides augmentation, which is off."""
EPILOG = """\
Trains the model on a few sequences of the train split and scores the same ones, twice: with
standard settings (learning rate 5e-4, gradients clipped to 5) and with relaxed ones (1e-3, clipped
to 50, no attention clamp). There is no augmentation, dropout is 0.1, and a test ends when the WER
has been 0 for ten validations. WER below 15 % is the minimum, below 5 % the target, 0 ideal. A
model that fails cannot learn more sequences either; the report then has a checklist with measured
values.

Each validation prints a line with a status word: BLANK (nothing but blank is said, as CTC begins),
CONSTANT (one token), LEARNING, ALMOST (below 15 %), OVERFITTED (0).

Any setting of `slr-accel train` and --recipe may be given too. A setting that is given holds in
both tests, instead of the test's own.

Exit code: 0 passed (with the standard settings; with --relaxed, with the relaxed ones), 1 failed,
2 wrong use.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from slr_accel.commands.help_text import Description

    parser.add_argument("--model", choices=MODELS, help="model to test [that of the recipe]")
    parser.add_argument("--all", action="store_true", help="test every model that fits the corpus")
    parser.add_argument("--data_dir", required=True, help="corpus, a folder or an address")
    parser.add_argument(
        "--samples",
        type=int,
        default=SAMPLES,
        help=f"sequences, evenly spread over those that CTC can align [{SAMPLES}]",
    )
    parser.add_argument(
        "--relaxed", action="store_true", help="test with the relaxed settings alone"
    )
    parser.add_argument(
        "--output_dir",
        type=Path,
        default=Path("runs/overfit"),
        help="where report, picture and runs go; an earlier test there starts anew [runs/overfit]",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON alone")
    parser.formatter_class = Description
    parser.epilog = EPILOG
    parser.set_defaults(settings=None)  # cli passes the words that are settings of training


def run(args: argparse.Namespace) -> int:
    if args.samples < 1:
        raise ValueError(f"--samples is {args.samples}; give at least 1")
    if args.all and args.model is not None:
        raise ValueError("--all tests every model: leave --model out")
    from slr_accel.corpus.reader import open_corpus

    corpus = open_corpus(args.data_dir)
    models = _fitting(corpus) if args.all else [args.model]
    # Settings of all models are checked before the first is trained.
    plans = [_plan(args, corpus, model) for model in models]
    results = []
    for settings in plans:
        with redirect_stdout(sys.stderr) if args.json else nullcontext():
            result, code = _test(args.output_dir, settings, corpus)
        if result is None:
            print("no verdict: the same command starts the test anew", file=sys.stderr)
            return code
        results.append(result)
    if args.json:
        print(json.dumps(results if args.all else results[0], indent=1))
    elif len(results) > 1:
        from slr_accel.diagnosis.overfit_verdict import comparison

        print("\n".join(["", f"all models on {args.data_dir}", *comparison(results)]))
    return 0 if all(result["passed"] for result in results) else 1


def _fitting(corpus: Corpus) -> list[str]:
    """The models that a layout suits: of landmarks all but speech, of spectra all."""
    has_landmarks = any(block.coordinates for block in corpus.layout.blocks)
    return [model for model in MODELS if model != "speech" or not has_landmarks]


def _plan(args: argparse.Namespace, corpus: Corpus, model: str | None) -> dict[str, Settings]:
    """The settings of each test by its name."""
    from slr_accel.settings.command_line import parse_settings

    prog = "slr-accel overfit"
    given = [*(args.settings or []), *([f"--model={model}"] if model else [])]
    chosen = parse_settings(["--data_dir=DATA", "--output_dir=RUN", *given], prog)
    names = ["relaxed"] if args.relaxed else list(TRIALS)
    plans = {}
    for name in names:
        own = {
            "data_dir": args.data_dir,
            "output_dir": args.output_dir / f"{chosen.training.model}_{name}",
            "num_train_samples": args.samples,
            "batch_size": _batch_size(chosen.training.model, args.samples),
            "epochs": EPOCHS,
            "label_policy": _label_policy(chosen, corpus),
            **_no_augmentation(chosen),
            **CALM,
            **TRIALS[name],
        }
        if not any(word.startswith(("--accumulation", "--micro_batches")) for word in given):
            own["micro_batches_per_step"] = 1
        known = chosen.flat()
        words = [f"--{key}={value}" for key, value in own.items() if key in known]
        plans[name] = parse_settings([*words, *given], prog)
    return plans


def _batch_size(model: str, samples: int) -> int:
    """Few sequences, for many steps; of batch norm all, so that its statistics are those of
    evaluation."""
    return samples if model == "student_reference" else min(samples, BATCH)


def _no_augmentation(settings: Settings) -> dict[str, Any]:
    names = settings.augmentation.model_dump(exclude={"time_stretch", "time_mask_share"})
    return {"time_stretch": 1, **dict.fromkeys(names, 0)}


def _label_policy(settings: Settings, corpus: Corpus) -> str:
    training = settings.training
    if "label_policy" in training.model_fields_set:
        return training.label_policy
    return default_label_policy(training.model, corpus)


def default_label_policy(model: str, corpus: Corpus) -> str:
    """Speech is spelled in characters, all else is raw."""
    is_speech = any(block.name.startswith("log_mel") for block in corpus.layout.blocks)
    return "characters" if is_speech or model == "speech" else "raw"


def _test(
    folder: Path, plans: dict[str, Settings], corpus: Corpus
) -> tuple[dict[str, Any] | None, int]:
    """Tests one model and writes its files; no result, and the exit code, after a signal."""
    from slr_accel.diagnosis.overfit_picture import draw_results
    from slr_accel.diagnosis.overfit_verdict import is_good, report, to_json, verdict
    from slr_accel.files import write_whole
    from slr_accel.training.data import make_vocabulary, train_data

    first = next(iter(plans.values()))
    model = first.training.model
    data = train_data(first, corpus, make_vocabulary(first, corpus))
    ids = [corpus.rows.id(row) for row in data.rows]
    wanted = first.loading.num_train_samples
    if wanted is not None and len(ids) < wanted:
        print(f"the train split has only {len(ids)} sequences that CTC can align: all are used")
    machine, picture = (folder / f"overfit_{model}_results.{kind}" for kind in ("json", "png"))
    written = folder / f"overfit_{model}_report.txt"
    for path in (machine, picture, written):  # those of an earlier test
        path.unlink(missing_ok=True)
    trials, courses = [], {}
    for name, settings in plans.items():
        print(f"\n{model}, {name} settings")
        trial, metrics, code = _trial(name, settings)
        if code:
            return None, code
        trials.append(trial)
        courses[name] = metrics
    checks = [] if is_good(verdict(trials)) else _checklist(plans, trials[-1], corpus)
    result = to_json(model, str(corpus.address), ids, trials, checks)
    text = report(
        model=model,
        corpus=str(corpus.address),
        ids=ids,
        trials=trials,
        checks=checks,
        others=_others(folder, result),
    )
    write_whole(machine, json.dumps(result, indent=1) + "\n")
    write_whole(written, text)
    draw_results(f"{model} on {len(ids)} sequences of {corpus.address}", courses, picture)
    print(f"\n{text}\nreport and picture: {written}, {picture}")
    return result, 0


def _trial(name: str, settings: Settings) -> tuple[Trial, list[dict[str, Any]], int]:
    """Trains anew in the run folder; returns the trial, its metrics and the exit code."""
    from slr_accel.diagnosis.overfit_verdict import read_trial
    from slr_accel.diagnosis.training_log import read_records
    from slr_accel.errors import FetchError, OutOfMemory, RunError
    from slr_accel.runs.run_folder import RunFolder, locked
    from slr_accel.train import train
    from slr_accel.training.sweep import TrialStart

    run = RunFolder(Path(settings.training.output_dir))
    if run.exists:
        with locked(run):
            print(f"{run.path}: an earlier test is removed, this one starts anew")
            shutil.rmtree(run.path)
    start, error, code = time.monotonic(), None, 0
    try:
        code = train(settings, TrialStart())
    except (FetchError, OutOfMemory):
        raise
    except RunError as failure:  # twenty steps in a row that were not finite
        error = str(failure)
    seconds = time.monotonic() - start
    metrics = read_records(run.metrics) if run.metrics.exists() else []
    rate = settings.training.learning_rate
    return read_trial(name, rate, metrics, seconds, error), metrics, code


def _checklist(plans: dict[str, Settings], trial: Trial, corpus: Corpus) -> list[Check]:
    """Measures the last state of a model that failed."""
    from slr_accel.diagnosis.overfit_verdict import training_checks
    from slr_accel.diagnosis.probes import probe
    from slr_accel.loading.loader import read_ahead
    from slr_accel.models.folder import load_model, load_tensors
    from slr_accel.runs.checkpoint import latest_checkpoint
    from slr_accel.runs.run_folder import RunFolder
    from slr_accel.training.data import make_vocabulary, train_data
    from slr_accel.training.start import fresh_model

    settings = plans[trial.name]
    run = RunFolder(Path(settings.training.output_dir))
    vocabulary = make_vocabulary(settings, corpus)
    data = train_data(settings, corpus, vocabulary)
    found = latest_checkpoint(run.checkpoints)
    if found is not None:
        model, _ = load_model(found)
    else:
        model = fresh_model(settings, corpus, vocabulary, load_tensors(run.statistics))
    [batch] = read_ahead(corpus, [data.rows], data.targets, model.max_frames)
    return [*training_checks(trial), *probe(model, batch)]


def _others(folder: Path, result: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of other models that were tested in the folder on the same sequences."""
    found = [json.loads(p.read_text()) for p in sorted(folder.glob("overfit_*_results.json"))]
    return [
        other
        for other in found
        if other["model"] != result["model"]
        and (other["corpus"], other["sequences"]) == (result["corpus"], result["sequences"])
    ]
