"""Which validation is the best, and which ones cost patience."""

from __future__ import annotations

from typing import Any

from slr_accel.runs.train_state import TrainState


def figures(wer: float, loss: float | None = None, *, empty: float = 0.0) -> dict[str, Any]:
    found = {"wer": wer, "empty_share": empty}
    return found if loss is None else {**found, "eval_loss": loss}


def noted(*validations: dict[str, Any]) -> tuple[TrainState, list[str]]:
    state, ranks = TrainState(), []
    for step, validation in enumerate(validations, 1):
        state.step = step
        ranks.append(state.note_validation(validation))
    return state, ranks


BLANK = [figures(1.0, loss, empty=1.0) for loss in (9.0, 5.0, 5.5, 4.0)]


def test_validations_that_say_nothing_cost_no_patience_and_are_no_plateau() -> None:
    state, ranks = noted(*BLANK)
    assert state.validations_without_gain == 0 and state.spoken == []
    assert ranks == ["best", "best", "", "best"]
    assert (state.best_step, len(state.validations)) == (4, 4)


def test_a_silent_validation_is_not_the_best_over_a_lower_loss() -> None:
    spoken = figures(1.2, 3.0)
    state, ranks = noted(*BLANK, spoken, figures(1.0, 3.5, empty=1.0))
    assert ranks[-2:] == ["best", ""]
    assert (state.best_step, state.best_wer, state.validations_without_gain) == (5, 1.2, 0)
    assert state.spoken == [(5, 1.2)]


def test_validations_that_say_something_are_ranked_by_wer_alone() -> None:
    state, ranks = noted(*(figures(wer, loss) for wer, loss in [(0.5, 1), (0.5, 2), (0.6, 0.1)]))
    assert ranks == ["best", "equals the best", ""]
    assert (state.best_step, state.validations_without_gain) == (2, 2)
    assert noted(*BLANK, figures(0.9, 7.0))[1][-1] == "best", "fewer errors outweigh the loss"


def test_a_split_without_words_or_losses_is_ranked_by_wer() -> None:
    state, ranks = noted(figures(0.0, empty=1.0), figures(0.0, empty=1.0))
    assert ranks == ["best", "equals the best"] and state.spoken == [(1, 0.0), (2, 0.0)]
    assert noted(figures(1.0, empty=1.0), figures(0.8))[1] == ["best", "best"]
