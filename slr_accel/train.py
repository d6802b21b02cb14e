"""Trains a recogniser: what `accelerate launch -m slr_accel.train` and `slr-accel train` run.

The same command again continues from the last valid checkpoint. Reads top to bottom: checks,
set-up, then optimizer steps with validations and checkpoints between.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from slr_accel.corpus.reader import Corpus, open_corpus
from slr_accel.errors import Interrupted, reported
from slr_accel.home_folder import with_home
from slr_accel.processes.launcher import check_options, end_with_launcher
from slr_accel.processes.threads import yield_to_other_programs
from slr_accel.runs.run_folder import RunFolder, check_continues, check_new_run
from slr_accel.settings.command_line import parse_settings
from slr_accel.settings.run import Settings
from slr_accel.training.by_corpus import values_by_corpus, with_epochs
from slr_accel.training.data import check_splits
from slr_accel.training.sweep import TrialStart, with_trial_folder
from slr_accel.training.wandb_run import wandb_mode


def main(argv: list[str] | None = None, prog: str = "python -m slr_accel.train") -> int:
    words = with_trial_folder(with_home(sys.argv[1:] if argv is None else argv))
    opened: list[Corpus] = []
    with TrialStart() as start:
        settings = parse_settings(words, prog, partial(values_by_corpus, opened=opened))
        return train(settings, start, *opened)


def train(settings: Settings, start: TrialStart, corpus: Corpus | None = None) -> int:
    """Trains, or continues, one run on this process and its peers; returns the exit code.

    `corpus` is that of the settings, where it is open already.
    """
    # 1. What can be wrong is found before anything slow.
    loading, world_size = settings.loading, int(os.environ.get("WORLD_SIZE", "1"))
    check_options(settings.training.accumulation(world_size))
    corpus = corpus or open_corpus(
        settings.training.data_dir, cache_dir=loading.cache_dir, cache_gb=loading.cache_gb
    )
    corpus.check_window(loading.shard_window)
    check_splits(settings, corpus)
    run = RunFolder(Path(settings.training.output_dir))
    settings = with_epochs(settings, corpus, run)
    if run.exists:
        check_continues(run, settings, corpus)
    else:
        check_new_run(run, settings)
    if os.environ.get("RANK", "0") == "0":  # asking wandb for a key is slow, and one asks
        wandb_mode(settings.training.wandb_mode)

    # 2. Processes, vocabulary, model, and where the run stands. Imports torch, which is slow.
    notice = yield_to_other_programs()
    from slr_accel.processes.preemption import StopRequest
    from slr_accel.training.announcement import announcement
    from slr_accel.training.best_average import try_average_of_best
    from slr_accel.training.final_decoding import score_with_decoder
    from slr_accel.training.setup import set_up

    with StopRequest() as stop, set_up(settings, corpus, run) as trainer:
        start.over = True
        for line in [*([notice] if notice else []), *announcement(trainer)]:
            trainer.report.say(line)

        # 3. A validation that a signal cut short, then epochs of optimizer steps.
        stopped = False
        if trainer.state.owes_validation:
            stopped = not trainer.validate(stop)
            trainer.save()
        while not stopped and not trainer.is_over:
            for work in trainer.rest_of_epoch():
                result = trainer.step(work, stop_requested=stop.signal is not None)
                trainer.check_health(result)
                stopped = result.stop_requested
                if trainer.validation_is_due:
                    stopped = not trainer.validate(stop)
                    trainer.save()
                elif stopped or trainer.save_is_due:
                    trainer.save()
                if stopped or trainer.is_over:
                    break
        if stopped:
            return trainer.stopped_by(stop)

        # 4. An average of the best checkpoints may be better still, and so may the decoder that is
        # asked for; then say where the best is.
        try:
            average_wer = try_average_of_best(trainer, stop)
            score_with_decoder(trainer, stop)
        except Interrupted:
            return trainer.stopped_by(stop)
        return trainer.finish(average_wer)


if __name__ == "__main__":
    with reported():
        end_with_launcher()
        sys.exit(main())
