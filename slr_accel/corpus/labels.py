"""What a run makes of the labels as annotated: its label policy."""

from __future__ import annotations

from typing import Literal, get_args

LabelPolicy = Literal["raw"]
LABEL_POLICIES: tuple[str, ...] = get_args(LabelPolicy)


def apply_policy(policy: str, labels: list[str]) -> list[str]:
    """The tokens a sequence is trained and scored on.

    `raw` keeps the labels as annotated. A WER is only comparable under the same policy, so every
    result names it.
    """
    if policy not in LABEL_POLICIES:
        raise ValueError(f"label policy {policy!r}; known: {', '.join(LABEL_POLICIES)}")
    return labels
