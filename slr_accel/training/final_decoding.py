"""Scores the best weights with the run's decoder at its end; validations before are greedy."""

from __future__ import annotations

from slr_accel.models.find import WEIGHTS_FILE
from slr_accel.models.folder import load_tensors
from slr_accel.processes.preemption import StopRequest
from slr_accel.runs.weight_average import evaluated_weights
from slr_accel.training.trainer import Trainer


def score_with_decoder(trainer: Trainer, stop: StopRequest) -> None:
    """Says the best weights' WER with the decoder of the settings, where it is not greedy.

    All processes take part. Raises Interrupted by a signal; nothing has changed.
    """
    decoding = trainer.settings.decoding
    if decoding.decoder == "greedy":
        return
    trainer.writer.wait()
    trainer.accelerator.wait_for_everyone()
    weights = trainer.run.best / WEIGHTS_FILE
    if not weights.is_file():
        return
    with evaluated_weights(trainer.weights.model, load_tensors(weights)):
        wer = trainer.scores(stop, trainer.decoder).figures["wer"]
    state = trainer.state
    trainer.report.log({"step": state.step, "epoch": state.epoch, "wer_decoded": wer})
    trainer.report.say(f"best weights with {decoding.description}: WER {wer:.2%}")
