"""Settings of health: when a state of training raises an alarm, and what follows."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, PositiveFloat

from slr_accel.settings.group import MayChange, Probability, SettingsGroup


class Milestone(NamedTuple):
    """What runs of a recipe have reached by a share of their steps."""

    share: Probability
    wer: PositiveFloat | None = None
    """A fraction, the best so far."""
    loss: float | None = None
    """CTC in training, nats a token."""


class HealthSettings(SettingsGroup):
    on_collapse: MayChange[Literal["warn", "stop"]] = "warn"
    """What follows an alarm of severity error (the output has collapsed, or figures are not
    finite): warn and train on, or stop the run."""
    alarm_lines: MayChange[Annotated[int, Field(ge=4)]] = 10
    """Lines of training metrics in a row that must agree before an alarm; also the lines without a
    state after which it has ended."""
    alarm_validations: MayChange[Annotated[int, Field(ge=2)]] = 3
    """Validations in a row that must agree before an alarm."""
    milestones: MayChange[tuple[Milestone, ...]] = ()
    """Of a recipe: lists of a share of the run, the WER and the loss that runs had reached by then.
    A run that is far behind gets a note, and the curves show what was expected."""
    judged_after: MayChange[Probability] = 0.05
    """Share of the run before which the hypotheses of validations are not judged."""

    uniform_entropy: MayChange[Probability] = 0.95
    """Mean entropy of an output step, as a share of ln V, from which the output counts as
    uniform."""
    certain_blank: MayChange[Probability] = 0.995
    """Mean probability of blank from which the output counts as collapsed. A healthy blank phase
    stays below: its blank probability is 1 - labels / output steps."""
    insertion_share: MayChange[PositiveFloat] = 0.5
    """Insertions, as a share of the reference tokens, from which they count as an explosion."""
    vanishing_gradient: MayChange[PositiveFloat] = 1e-3
    """Gradient norm of all weights before clipping below which it has vanished."""
    unreached_gradient: MayChange[PositiveFloat] = 1e-5
    """Gradient norm of a part (first layer, convolutions, recurrent part, head) below which none
    reaches it."""
    exploding_gradient: MayChange[PositiveFloat] = 100.0
    """Gradient norm before clipping above which it has exploded."""
    skipped_share: MayChange[Probability] = 0.1
    """Share of the optimizer steps left out for want of finite gradients that raises an alarm."""

    unlearned_wer: MayChange[PositiveFloat] = 0.9
    """WER, a fraction, at and above which a run has not begun to learn."""
    unlearned_loss: MayChange[Probability] = 0.87
    """Training loss at `unlearned_after`, as a share of that at a quarter of it, above which a run
    without any WER has not begun to learn."""
    unlearned_after: MayChange[Probability] = 0.4
    """Share of the run after which it must have begun to learn."""
    high_wer: MayChange[PositiveFloat] = 0.7
    """WER, a fraction, above which a plateau or overfitting is an alarm; below it is a note."""
    plateau_validations: MayChange[Annotated[int, Field(ge=4)]] = 7
    """Validations before a plateau can be told."""
    plateau_after: MayChange[Probability] = 0.25
    """Share of the run before which a plateau is not told: later it may be left again."""
    plateau_gain: MayChange[Probability] = 0.02
    """Relative gain in WER, from the first half of the validations to the second, below which a run
    is on a plateau; of each half the second best counts."""
    diverged_wer: MayChange[Probability] = 0.1
    """Rise of the WER over its best, a fraction (0.1 is ten points), from which a run has
    diverged."""
    diverged_loss: MayChange[PositiveFloat] = 1.5
    """Training loss, as a multiple of that of the first line, from which a run has diverged."""
    overfitting_rise: MayChange[PositiveFloat] = 0.1
    """Relative rise of the validation loss over its best, while the training loss falls, from which
    a run overfits."""
    mismatch_ratio: MayChange[PositiveFloat] = 1.5
    """Validation loss over training loss from which training and validation do not match, where the
    WER has not begun to fall."""
    spike_offset: MayChange[PositiveFloat] = 2.0
    """Output steps by which a student must lastingly say glosses earlier or later than its teacher
    for an alarm."""
