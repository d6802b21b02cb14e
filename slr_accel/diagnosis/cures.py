"""Says which settings to change for each state, the most likely first."""

from __future__ import annotations

from slr_accel.diagnosis.history import History

CURES = {
    "uniform_output": (
        "raise --learning_rate tenfold, or shorten its warm-up (--warmup_ratio)",
        "look with `slr-accel inspect` at whether the features vary at all",
    ),
    "blank_collapse": (
        "set --blank_margin 1, which lets blank win less in the loss",
        "change --learning_rate by a factor of 3: lower where the loss jumps, higher where it "
        "hardly moves",
        "give the convolutions a head of their own (--auxiliary_weight 0.5)",
    ),
    "insertion_explosion": (
        "lower --learning_rate by a factor of 10",
        "set --blank_margin 0 where it is set",
        "raise --output_stride: fewer output steps leave less room for insertions",
    ),
    "constant_output": (
        "look with `slr-accel inspect` at whether the features are constant or all missing",
        "lower --learning_rate by a factor of 10",
        "raise --max_grad_norm where most steps are clipped",
    ),
    "behind": (
        "compare the settings that differ from the recipe's",
        "look with `slr-accel inspect` at whether the corpus is the one that the recipe is for",
        "run with another --seed",
    ),
    "vanishing_gradient": (
        "raise --learning_rate",
        "give the convolutions a head of their own (--auxiliary_weight 0.5)",
        "use fewer layers (--conv_blocks, --lstm_layers)",
    ),
    "exploding_gradient": (
        "lower --learning_rate by a factor of 10",
        "lower --max_grad_norm to 1",
        "lengthen the warm-up (--warmup_ratio 0.1)",
    ),
    "non_finite": (
        "look with `slr-accel inspect` for NaN or infinite features",
        "lower --learning_rate by a factor of 10",
        "train with --mixed_precision no",
    ),
    "plateau": (
        "change --learning_rate by a factor of 3 in either direction",
        "see with `slr-accel overfit` whether the model can learn these features at all",
        "lower --dropout and the augmentation where the validation loss is near the training loss "
        "(--time_masks 0, --jitter 0), and raise them where it is far above",
    ),
    "overfitting": (
        "stop at the best validation (--early_stopping_patience)",
        "raise --dropout or the augmentation (--time_masks, --jitter, --rotation)",
        "use a smaller model (--channels, --lstm_hidden)",
    ),
    "train_eval_mismatch": (
        "look with `slr-accel inspect` at whether train and validation split have the same blocks, "
        "units and missing values",
        "check that labels belong to their sequences: a model that learns wrong labels by heart "
        "looks the same",
        "evaluate the train split too (`slr-accel evaluate RUN --split train`)",
    ),
    "diverged": (
        "lower --learning_rate by a factor of 3",
        "let it fall to the end (--schedule cosine)",
        "lower --max_grad_norm to 1",
    ),
    "spikes_apart": (
        "let soft labels move to the student's glosses (--teacher_shift, of that many steps)",
        "learn what the teacher recognises and not when (--distillation_weight 0 "
        "--sequence_weight 0.5)",
    ),
}
STATES = ("healthy", *CURES)
"""Every state a run can be in."""


USUAL_RATE = 1e-3
"""The default of --learning_rate."""
FAR_OFF = 30
"""A learning rate that is off by this factor is named first."""


def cure(code: str, history: History) -> str:
    """The settings to change, as one sentence."""
    few, rate = history.few_steps, max(history["learning_rate"].values, default=USUAL_RATE)
    rates = []
    if rate < USUAL_RATE / FAR_OFF:
        rates = [f"raise --learning_rate: it was {rate:.1e} at most, where {USUAL_RATE:g} is usual"]
    elif rate > USUAL_RATE * FAR_OFF:
        rates = [f"lower --learning_rate: it was {rate:.1e}, where {USUAL_RATE:g} is usual"]
    steps = (
        [
            f"take more optimizer steps, of which the whole run has only {few} "
            "(--micro_batches_per_step 1, more --epochs)"
        ]
        if few and code in ("uniform_output", "blank_collapse", "constant_output", "plateau")
        else []
    )
    # A learning rate that is far off explains every state, and cures that speak of it mislead.
    usual = [text for text in CURES[code] if not (rates and "--learning_rate" in text)]
    first, *others = [*rates, *steps, *usual]
    return f"First {'; then '.join([first, *others])}."
