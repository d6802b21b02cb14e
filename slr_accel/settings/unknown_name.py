"""Writes the error for a name that does not exist."""

from __future__ import annotations

import difflib

OTHER_NAMES = {
    "lr": "learning_rate",
    "train_batch_size": "batch_size",
    "per_device_train_batch_size": "batch_size",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "wd": "weight_decay",
    "warmup_steps": "warmup_ratio",
    "lr_scheduler": "schedule",
    "lr_scheduler_type": "schedule",
    "scheduler": "schedule",
    "gradient_accumulation_steps": "accumulation_steps",
    "grad_clip": "max_grad_norm",
    "gradient_clip_val": "max_grad_norm",
    "patience": "early_stopping_patience",
    "fp16": "mixed_precision",
    "bf16": "mixed_precision",
}
"""What other trainers call our settings, where the letters alone are not near."""
MOST_LISTED = 20
"""Names that an error lists; where there are more, it points to --help."""


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """Returns an error text that names the nearest known name."""
    meant = OTHER_NAMES.get(name.lstrip("-").replace("-", "_"))
    near = [word for word in known if word.lstrip("-") == meant]
    near = near or difflib.get_close_matches(name, known, n=1)
    listed = (
        "--help lists them" if len(known) > MOST_LISTED else f"known: {', '.join(sorted(known))}"
    )
    hint = f"did you mean {near[0]}?" if near else listed
    return f"unknown {kind} {name!r}; {hint}"
